"""Compare the loops of a library with those that Numba compiles for this very processor.

    python -m minibert compile           # a library of these sources; Numba and ziglang build it
    python -m benchmarks.loops

Both are in one process and take turns: tokens per second from texts to vectors, the tokenizer
alone, and one short text. A ratio below 1 says that the library is faster. About 6 minutes.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import minibert
from benchmarks.common import arguments, check_environment, median, model_folder, num_tokens_of, paired, save, texts, texts_of_length
from minibert.folders.bundled import BUNDLED

BACKENDS = ("library", "numba")
KINDS = ("about 20 tokens", "about 130 tokens")
TOKENS = {BUNDLED: 6_000, "L6_H768": 800}  # of a call, about
TOKENIZED = 200_000
SHORT = 9  # tokens
SHORT_CALLS = {BUNDLED: 300, "L6_H768": 20}
ROUNDS = 17


def compare(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Seconds of each backend, and the time of the library divided by that of Numba."""
    seconds = paired(calls, rounds)
    ratios = [one / other for one, other in zip(*(seconds[name] for name in BACKENDS), strict=True)]
    return {
        "seconds": {name: median(each) for name, each in seconds.items()},
        "ratio": round(median(ratios), 3),
        "ratio_of_least": round(min(seconds["library"]) / min(seconds["numba"]), 3),
    }


def repeat(number: int, call: Callable[[str], object], text: str) -> None:
    for _ in range(number):
        call(text)


def encode_rows(model: str, folder: Path, precision: str, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Texts to vectors, for both kinds of texts; in one thread also for a short text."""
    models = {name: minibert.load(folder, backend=name, precision=precision, num_threads=threads) for name in BACKENDS}
    case = {"model": model, "precision": precision, "threads": threads}
    rows = []
    for kind in KINDS:
        batch = texts(kind, TOKENS[model] // int(kind.split()[1]))
        found = compare({name: partial(each.encode, batch) for name, each in models.items()}, rounds)
        rows.append(case | {"texts": kind, "what": "encode", "tokens": num_tokens_of(batch)} | found)
    if threads == 1:
        (text,) = texts_of_length(SHORT, 1)
        calls = SHORT_CALLS[model]
        found = compare({name: partial(repeat, calls, each.encode, text) for name, each in models.items()}, rounds)
        rows.append(case | {"texts": f"one of {SHORT} tokens", "what": "encode", "calls": calls} | found)
    return rows


def tokenizer_rows(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Texts to ids, in one thread."""
    tokenizers = {name: minibert.load(folder, backend=name).tokenizer for name in BACKENDS}
    rows = []
    for kind in KINDS:
        batch = texts(kind, TOKENIZED // int(kind.split()[1]))
        found = compare({name: partial(each.encode_batch, batch) for name, each in tokenizers.items()}, rounds)
        rows.append({"texts": kind, "what": "tokenizer", "tokens": num_tokens_of(batch)} | found)
    return rows


def main() -> None:
    check_environment()
    options = arguments(__doc__, tuple(TOKENS))
    rounds = 1 if options.quick else ROUNDS
    rows = []
    with tempfile.TemporaryDirectory() as parent:
        for model in options.models:
            folder = model_folder(model, Path(parent))
            if model == BUNDLED:
                rows += tokenizer_rows(folder, rounds)
            for precision in ("float32", "int8"):
                for threads in (1, 2):
                    rows += encode_rows(model, folder, precision, threads, rounds)
                    print(rows[-1], flush=True)
    save("loops", {"rounds": rounds, "rows": rows}, options.folder)


if __name__ == "__main__":
    main()
