"""The command line: `minibert embed | similarity | tokenize | info | quantize | warmup`.

At a terminal the output is for people; anywhere else it is one JSON object a line. Files are written beside their name and renamed, so
what is there is whole.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .folder import BOX
from .jit import cache_folder
from .model import PRECISIONS, MiniBert, load, load_tokenizer
from .pooling import POOLINGS
from .save import save_int8
from .terminal import CYAN, GREEN, YELLOW, color_of, paint, painted, visible
from .tokenizer import COMPATS, Encoding, differences
from .warmup import warm_up

Rows = Iterable[dict[str, Any]]

DESCRIPTION = "Embed text with BERT: no torch, no network."
EXAMPLES = {
    "embed": """
  minibert embed "I hate cancer" "Antibiotics aren't painkiller"
  minibert embed --file texts.txt --output vectors.npy                  # one text a line -> float32 (num_texts, dim)
  cat texts.txt | minibert embed -m MODEL --output vectors.jsonl        # {"text": ..., "embedding": [...]} a line
  minibert embed -m MODEL --tokens "I love NLP"                         # a vector for each word
""",
    "similarity": """
  minibert similarity "a cat sat" "a kitten was sitting" "stocks fell"
  minibert similarity --query "pain relief" --file texts.txt --top 3
  minibert similarity -m MODEL --file texts.txt --output cosines.npy    # float32 (num_texts, num_texts)
""",
    "tokenize": """
  minibert tokenize "Antibiotics aren't painkiller"
  minibert tokenize -m MODEL --file texts.txt --output ids.jsonl        # input_ids, tokens, offsets, word_ids ... a line
  minibert tokenize -m MODEL --file texts.txt --output ids.npy          # int32 (num_texts, longest), padded with 0
  minibert tokenize --compat both "ΟΔΥΣΣΕΥΣ"                            # where Hugging Face and Google differ
""",
    "info": """
  minibert info
  minibert info -m MODEL
""",
    "quantize": """
  minibert quantize MODEL MODEL-int8                                    # a quarter of the size
  minibert embed -m MODEL-int8 "I hate cancer"
""",
    "warmup": """
  minibert warmup                                                       # in the build of an image, say
""",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code is 0, or 2 after an error that is the caller's to mend."""
    options = _parser().parse_args(arguments)
    try:
        is_ragged = options.run is _info or getattr(options, "tokens", False)
        _check_output(getattr(options, "output", None), (".jsonl",) if is_ragged else (".npy", ".jsonl"))
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"minibert: {message}", file=sys.stderr)
            options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ImportError, OSError, ValueError, MemoryError, Warning) as error:
        print(f"minibert: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minibert",
        description=DESCRIPTION,
        epilog="examples:"
        + "".join(EXAMPLES.values()).replace("\n\n", "\n")
        + f"\nMODEL is a folder as transformers or sentence-transformers write it; without one, {BOX}, which comes along.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minibert {metadata.version('minibert-numpy')}")
    commands = parser.add_subparsers(title="commands", required=True)

    def plain(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=help, description=help, epilog="examples:" + EXAMPLES[name], formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(run=run)
        return added

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = plain(name, run, help)
        added.add_argument("-m", "--model", metavar="MODEL", help=f"model folder (default: {BOX}, which comes along)")
        added.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE, .npy or .jsonl, instead of standard output")
        return added

    embed = command("embed", _embed, "Turn texts into vectors.")
    embed.add_argument("--tokens", action="store_true", help="a vector for each word instead of one for each text (not for .npy)")
    similarity = command("similarity", _similarity, "Compare texts by the cosine of their vectors.")
    similarity.add_argument("--query", help="rank the texts by their likeness to this one")
    similarity.add_argument("--top", type=int, metavar="N", help="with --query: the N most similar texts only")
    tokenize = command("tokenize", _tokenize, "Show how texts are cut into pieces of the vocabulary.")
    tokenize.add_argument(
        "--compat", choices=(*COMPATS, "both"), default="hf", help="whose tokenizer; both shows where they differ (default: hf)"
    )
    tokenize.add_argument("--split-special-tokens", action="store_true", help="read [SEP] and its like in a text as ordinary characters")
    info = command("info", _info, "Describe a model.")
    quantized = plain("quantize", _quantize, "Write the int8 form of a model folder.")
    quantized.add_argument("source", type=Path, metavar="MODEL", help="model folder")
    quantized.add_argument("target", type=Path, metavar="NEW", help="name of the folder to write; it must not exist")
    plain("warmup", _warmup, "Compile everything once, for this processor.")
    for added in (embed, similarity, tokenize):
        added.add_argument(
            "texts", nargs="*", metavar="TEXT", help="texts; without any, and without --file, one a line from standard input"
        )
        added.add_argument("-f", "--file", type=Path, help="read texts from a UTF-8 file, one a line; - for standard input")
        added.add_argument(
            "--max-length",
            type=int,
            metavar="N",
            help="cut texts to N tokens (default: what the model reads, see `info`; `tokenize` does not cut)",
        )
    for added in (embed, similarity, info):
        added.add_argument("--backend", choices=("auto", "numba", "numpy"), default="auto", help="who computes (default: numba, if there)")
        added.add_argument(
            "--precision", choices=PRECISIONS, default="auto", help="int8 is faster and almost the same (default: as the folder stores it)"
        )
    for added in (embed, similarity):
        added.add_argument("--pooling", choices=POOLINGS, help="how token vectors become one (default: what the folder says, else mean)")
        added.add_argument("--prompt-name", metavar="NAME", help="put the folder's prompt of that name before each text")
        added.add_argument("--truncation", choices=("warn", "error", "silent"), default="warn", help="what to do about texts that are cut")
        added.add_argument("--threads", type=int, metavar="N", help="threads (default: the CPUs that this process may use)")
    embed.add_argument("--normalize", action=argparse.BooleanOptionalAction, help="vectors of length 1 (default: what the folder says)")
    return parser


def _check_output(output: Path | None, suffixes: tuple[str, ...]) -> None:
    """Before anything is computed."""
    if output is not None and output.suffix not in suffixes:
        raise ValueError(f"--output: expected a name that ends in {' or '.join(suffixes)}, found {output}")
    if output is not None and not output.resolve().parent.is_dir():
        raise ValueError(f"--output: expected a folder that exists, found {output}")


def _texts(options: argparse.Namespace) -> list[str]:
    if options.texts and options.file:
        raise ValueError("expected texts as arguments or --file, found both")
    if options.texts:
        return list(options.texts)
    file = None if options.file in (None, Path("-")) else options.file
    if not file and (sys.stdin is None or (sys.stdin.isatty() and not options.file)):
        raise ValueError("no texts: give them as arguments, with --file, or on standard input, one a line")
    data = file.read_bytes() if file else sys.stdin.buffer.read()
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{file or 'standard input'}: expected UTF-8, found byte {data[error.start]:#04x} in line {line}") from None
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _encoding(options: argparse.Namespace, texts: list[str]) -> dict[str, Any]:
    """The options of `MiniBert.encode` that both commands share."""
    names = ("pooling", "max_length", "truncation", "prompt_name")
    return {name: getattr(options, name) for name in names} | {"show_progress_bar": sys.stderr.isatty() and len(texts) > 1000}


def _embed(options: argparse.Namespace) -> None:
    model, texts = _model(options), _texts(options)
    if not options.tokens:
        vectors = model.encode(texts, normalize_embeddings=options.normalize, **_encoding(options, texts))
        rows: Rows = ({"text": text, "embedding": vector.tolist()} for text, vector in zip(texts, vectors, strict=True))
        _write(options.output, lambda: vectors, rows, lambda: map(_line, texts, vectors))
        return
    if options.pooling or options.prompt_name or options.normalize is not None:
        raise ValueError("--tokens: --pooling, --prompt-name and --normalize belong to vectors of whole texts")
    results = model.encode_tokens(texts, level="word", max_length=options.max_length, truncation=options.truncation)
    rows = (
        {"text": text, "tokens": each.tokens, "offsets": each.offsets, "vectors": each.vectors.tolist()}
        for text, each in zip(texts, results, strict=True)
    )
    _write(options.output, None, rows, lambda: (_line(*pair) for each in results for pair in zip(each.tokens, each.vectors, strict=True)))


def _similarity(options: argparse.Namespace) -> None:
    if options.top is not None and (options.query is None or options.top < 1):
        raise ValueError("--top: expected a positive number, together with --query")
    model, texts = _model(options), _texts(options)
    encoding = _encoding(options, texts) | {"normalize_embeddings": True}
    if options.query is None:
        vectors = model.encode(texts, **encoding)
        cosines = vectors @ vectors.T
        rows: Rows = ({"text": text, "similarity": row.tolist()} for text, row in zip(texts, cosines, strict=True))
        _write(options.output, lambda: cosines, rows, lambda: _matrix(texts, cosines))
        return
    scores = model.encode_document(texts, **encoding) @ model.encode_query(options.query, **encoding)
    order = np.argsort(-scores, kind="stable")[: options.top]
    rows = ({"text": texts[index], "similarity": float(scores[index])} for index in order)
    _write(options.output, lambda: scores[order], rows, lambda: (f"{scores[index]:7.4f}  {texts[index]}" for index in order))


def _tokenize(options: argparse.Namespace) -> None:
    texts, shown = _texts(options), {"max_length": options.max_length, "split_special_tokens": options.split_special_tokens}
    if options.compat == "both":
        _compare(options, texts, shown)
        return
    tokenizer = load_tokenizer(options.model, options.compat)
    encodings = [tokenizer(text, **shown) for text in texts]

    def padded() -> npt.NDArray[Any]:
        ids = np.zeros((len(texts), max(map(len, encodings), default=0)), np.int32)
        for row, encoding in zip(ids, encodings, strict=True):
            row[: len(encoding)] = encoding.input_ids
        return ids

    def people() -> Iterator[str]:
        for text, encoding in zip(texts, encodings, strict=True):
            yield f"{painted(text, encoding.offsets)}    ({len(encoding)} tokens, {encoding.num_truncated} cut off)"
            for token, id, (start, end) in zip(encoding.tokens, encoding.input_ids, encoding.offsets, strict=True):
                piece = paint(f"{visible(token):<16}", color_of(token, start, end, tokenizer.settings))
                yield f"  {piece} {paint(f'{id:>6}', CYAN)}  {start:>4}-{end:<4} {text[start:end]!r}"

    _write(options.output, padded, ({"text": text} | _row(each) for text, each in zip(texts, encodings, strict=True)), people)


def _compare(options: argparse.Namespace, texts: list[str], shown: dict[str, Any]) -> None:
    """Both tokenizers side by side."""
    if options.output and options.output.suffix == ".npy":
        raise ValueError("--output: --compat both is written as .jsonl")
    hf, google = (load_tokenizer(options.model, compat) for compat in COMPATS)
    pairs = [(hf(text, **shown), google(text, **shown)) for text in texts]

    def people() -> Iterator[str]:
        for text, pair in zip(texts, pairs, strict=True):
            found = differences(*pair)
            yield f"{visible(text)}    ({'no difference' if not found else f'{len(found)} different'})"
            for each in found:
                yield f"  {each.start:>4}-{each.end:<4} {text[each.start : each.end]!r}"
                yield f"       hf      {paint(visible(' '.join(each.tokens)) or '(nothing)', GREEN)}"
                yield f"       google  {paint(visible(' '.join(each.other_tokens)) or '(nothing)', YELLOW)}"

    rows = (
        {"text": text, "hf": _row(one), "google": _row(other), "differences": [each._asdict() for each in differences(one, other)]}
        for text, (one, other) in zip(texts, pairs, strict=True)
    )
    _write(options.output, None, rows, people)


def _row(encoding: Encoding) -> dict[str, Any]:
    return {name: value for name, value in vars(encoding).items() if name != "overflowing"}


def _model(options: argparse.Namespace) -> MiniBert:
    threads = getattr(options, "threads", None)
    return load(options.model, backend=options.backend, precision=options.precision, num_threads=threads)


def _quantize(options: argparse.Namespace) -> None:
    save_int8(options.source, options.target)


def _warmup(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    try:
        warm_up()
    except ImportError:
        raise ValueError("nothing to compile: Numba does not import here, and backend 'numpy' needs no compiler") from None
    kept = f"kept in {cache_folder()}" if cache_folder() else "not kept: there is no folder that only you may write to; set NUMBA_CACHE_DIR"
    print(f"compiled in {time.perf_counter() - start:.1f} s, {kept}")


def _info(options: argparse.Namespace) -> None:
    model = _model(options)
    settings = model.tokenizer.settings
    description: dict[str, Any] = {
        "model": options.model or BOX,
        **vars(model.config),
        "backend": model.backend,
        "precision": model.precision,
        "max_length": model.max_length,
        "pooling": model.pooling,
        "normalize_embeddings": model.normalize_embeddings,
        "truncate_dim": model.truncate_dim,
        "prompts": model.prompts,
        "default_prompt_name": model.default_prompt_name,
        "lowercase": settings.lowercase,
        "vocabulary": len(settings.vocab),
        "parameters": model.num_parameters,
    }
    _write(options.output, None, [description], lambda: (f"{name:<24} {value}" for name, value in description.items()))


def _line(text: str, vector: npt.NDArray[np.float32]) -> str:
    """Text, first numbers, dimension and length of a vector."""
    shown = text if len(text) <= 40 else text[:39] + "…"
    numbers = " ".join(f"{number:8.4f}" for number in vector[:5])
    return f"{shown:<40} [{numbers} … ] dim {len(vector)}, length {np.linalg.norm(vector):.4f}"


def _matrix(texts: list[str], cosines: npt.NDArray[np.float32]) -> Iterator[str]:
    yield " ".join(["    ", *(f"{column:>6}" for column in range(1, len(texts) + 1))])
    for number, (text, row) in enumerate(zip(texts, cosines, strict=True), 1):
        yield " ".join([f"{number:>4}", *(f"{cosine:6.3f}" for cosine in row), f" {text}"])


def _write(output: Path | None, array: Callable[[], npt.NDArray[Any]] | None, rows: Rows, people: Callable[[], Iterable[str]]) -> None:
    """To a file by its suffix, to people at a terminal, as JSON lines elsewhere."""
    if output is None:
        if sys.stdout is None:
            raise ValueError("standard output is closed: name a file with --output")
        # backslashreplace: a lone surrogate in a text becomes its JSON escape
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        for line in people() if sys.stdout.isatty() else map(_json, rows):
            print(line)
    elif output.suffix == ".npy" and array is not None:
        _replace(output, lambda file: np.save(file, array()))
    else:
        _replace(output, lambda file: file.writelines(_json(row).encode("utf-8", "backslashreplace") + b"\n" for row in rows))


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside and rename; behind a symbolic link, where it points."""
    path = path.resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
