"""Compare every number that two checkouts compute, bit by bit.

    python -m benchmarks.same_bits CHECKOUT [--texts 2000] [--long-texts 60] [--tiers host avx2 ...]

A cell is one kind of result: a backend, a model, a precision, and a call with its arguments. For
each cell both checkouts print a digest (SHA-256) of all bytes, shapes and tokens. The compiled
backend runs on every tier that this processor can run: Numba is told to compile for a lesser one,
in a fresh process. One line is printed for each cell, and at the end "all equal" or what differs.
The exit status is 0 if all are equal.

The texts are lines of the language reference that every Python contains, single and joined, and the
texts on which tokenizers disagree. Both checkouts read the same file of them.
"""

import argparse
import json
import pydoc_data.topics
import random
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.checkouts import HERE, check_checkout, run
from tests.support.hard_texts import TEXTS, adversarial_texts
from tests.support.models import SIZES, make_config, write_model

PROGRAM = """
import hashlib, json, warnings
import numpy as np

folder, texts_file, backend, precision = sys.argv[1:]
texts = json.loads(Path(texts_file).read_text())
warnings.simplefilter("ignore")
digests = {}


def parts(value):
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif hasattr(value, "vectors"):
        yield repr((value.tokens, value.offsets)).encode("utf-8", "surrogatepass")
        yield from parts(value.vectors)
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)}".encode()
        for each in value:
            yield from parts(each)
    else:
        yield repr(value).encode("utf-8", "surrogatepass")


def cell(name, call):
    digest = hashlib.sha256()
    for part in parts(call()):
        digest.update(part)
    digests[name] = digest.hexdigest()


model = minibert.load(folder, backend=backend, precision=precision)
POOLINGS = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler", "mean_words", ["mean", "max", "cls"]]
for pooling in POOLINGS:
    cell(f"encode, {pooling}", lambda: model.encode(texts, pooling=pooling))
cell("encode, one at a time", lambda: [model.encode(text) for text in texts[:200]])
cell("encode, pairs", lambda: model.encode(list(zip(texts[0::2], texts[1::2]))))
cell("encode, options", lambda: model.encode(texts, layer=[0, -1], normalize_embeddings=True, truncate_dim=5, prompt="query: "))
cell("encode, small batches", lambda: model.encode(texts, max_length=40, batch_tokens=300))
for level in ("piece", "word", "spark"):
    cell(f"encode_tokens, {level}", lambda: model.encode_tokens(texts, level=level))
cell("encode_tokens, mean of words", lambda: model.encode_tokens(texts, level="word", word_pooling="mean", layer=[1, 2]))
cell("encode_tokens, one at a time", lambda: [model.encode_tokens(text) for text in texts[:100]])

some = [model.tokenizer(text, max_length=90).input_ids for text in texts[:24]]
ids, mask = np.zeros((len(some), max(map(len, some))), int), np.zeros((len(some), max(map(len, some))), int)
for row, each in enumerate(some):
    start = ids.shape[1] - len(each) if row % 2 else 0
    ids[row, start : start + len(each)], mask[row, start : start + len(each)] = each, 1
types = np.arange(ids.size).reshape(ids.shape) % 2 * mask
for name, given in (("call", (ids, mask)), ("call with types", (ids, mask, types))):
    output = model(*given, output_hidden_states=True, output_attentions=True)
    for field in ("last_hidden_state", "pooler_output", "hidden_states", "attentions"):
        cell(f"{name}, {field}", lambda: getattr(output, field))

for options in ({}, {"max_length": 12}, {"split_special_tokens": True}, {"return_offsets": True}):
    packed = model.tokenizer.encode_batch(texts, **options)
    cell(f"encode_batch, {options}", lambda: [packed.input_ids, packed.cu_seqlens, [packed[number] for number in range(50)]])
cell("tokenizer", lambda: [repr(model.tokenizer(text)) for text in texts])
print(json.dumps(digests))
"""


class Run(NamedTuple):
    """One process for each checkout."""

    model: str
    backend: str
    precision: str
    tier: str
    environment: dict[str, str]

    def __str__(self) -> str:
        return f"{self.model} {self.precision} {self.backend}{f' {self.tier}' if self.backend == 'numba' else ''}"


def tiers() -> dict[str, dict[str, str]]:
    """The environment of each tier that this processor can run with; "host" is its own."""
    found: dict[str, dict[str, str]] = {"host": {}}
    if find_spec("llvmlite") is None:
        return found
    from llvmlite import binding

    present = {name for name, is_there in binding.get_host_cpu_features().items() if is_there}

    def without(*names: str) -> str:
        return ",".join(f"{'-' if name.startswith(names) else '+'}{name}" for name in sorted(present))

    if {"avx512f", "avx512bw", "avx512vl"} <= present:
        features = without("avx512bf16", "avx512vnni", "avxvnni")
        found["avx512"] = {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": features}
    if {"avxvnni", "avx2", "fma"} <= present:
        found["avxvnni"] = {"NUMBA_CPU_NAME": "alderlake", "NUMBA_CPU_FEATURES": without("avx512")}
    if {"avx2", "fma"} <= present:
        found["avx2"] = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": without("avx512", "avxvnni")}
    return found | {"generic": {"NUMBA_CPU_NAME": "generic"}}


def texts(number: int) -> list[str]:
    """Lines, whole paragraphs and rare characters, always the same ones."""
    source = random.Random(0)
    lines = [line.strip() for topic in pydoc_data.topics.topics.values() for line in topic.split("\n") if len(line.split()) > 3]
    joined = (
        " ".join(lines[start : start + source.choice((1, 1, 1, 1, 2, 4, 8, 30))]) for start in source.choices(range(len(lines)), k=number)
    )
    found = [*TEXTS, *adversarial_texts(number // 10, seed=1), *joined][:number]
    source.shuffle(found)
    return found


def runs(models: list[str], wanted: list[str] | None) -> Iterator[Run]:
    """The compiled backend on each tier, and the NumPy backend, which has none."""
    everywhere = tiers()
    chosen = {name: everywhere[name] for name in wanted or everywhere}
    for model in models:
        for precision in ("float32", "int8"):
            for tier, environment in chosen.items():
                yield Run(model, "numba", precision, tier, environment)
            yield Run(model, "numpy", precision, "", {})


def compare(one: Run, folder: Path, texts_file: Path, other: Path) -> list[str]:
    """Print a line for each cell, and return the cells that differ."""
    ours, theirs = (
        run(checkout, PROGRAM, folder, texts_file, one.backend, one.precision, environment=one.environment) for checkout in (HERE, other)
    )
    different = []
    for name in ours | theirs:
        is_equal = ours.get(name) == theirs.get(name)
        print(f"{one}: {name}: {'equal' if is_equal else 'DIFFERENT'} {ours.get(name, 'absent')[:12]}", flush=True)
        different += [] if is_equal else [f"{one}: {name}"]
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout of this repository")
    parser.add_argument("--models", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--texts", type=int, default=2000, help="for L8_H128")
    parser.add_argument("--long-texts", type=int, default=60, help="for L6_H768")
    parser.add_argument("--tiers", nargs="+", choices=list(tiers()))
    options = parser.parse_args()
    other = check_checkout(options.other)
    different: list[str] = []
    with tempfile.TemporaryDirectory() as parent:
        for name in options.models:
            write_model(Path(parent) / name, make_config(*SIZES[name]))
            number = options.texts if name == "L8_H128" else options.long_texts
            (Path(parent) / f"{name}.json").write_text(json.dumps(texts(number)))
        for one in runs(options.models, options.tiers):
            different += compare(one, Path(parent) / one.model, Path(parent) / f"{one.model}.json", other)
    print("\n".join(["different:", *different]) if different else "all equal")
    return bool(different)


if __name__ == "__main__":
    raise SystemExit(main())
