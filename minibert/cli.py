"""The command line: `minibert embed | similarity | tokenize`, and commands about models.

At a terminal the output is for people; anywhere else it is one JSON object a line. Files are written beside their name and renamed, so
what is there is whole.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import commands
from .answers import Rows, write
from .commands import load_model
from .folder import BOX
from .model import PRECISIONS, load_tokenizer
from .pooling import POOLINGS
from .terminal import CYAN, GREEN, YELLOW, color_of, paint, painted, visible
from .tokenizer import COMPATS, Encoding, differences

DESCRIPTION = "Embed text with BERT: no torch, and no network but for `fetch`."
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
    "models": """
  minibert models                                                       # names, sizes, and which are here
""",
    "fetch": """
  minibert fetch small_bert_L6_768
  minibert fetch BAAI/bge-small-en-v1.5
  minibert fetch small_bert_L6_768 --from /media/stick                  # where there is no network
""",
    "convert": """
  minibert convert pytorch_model.bin NEW                                # with config.json and vocab.txt beside it
  minibert convert uncased_L-8_H-128_A-2 NEW                            # a TensorFlow checkpoint
  minibert convert sent_small_bert_L8_128_en_2.6.0_2.4_1598350334113.zip NEW
""",
    "verify": """
  minibert verify small_bert_L6_768
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
        is_ragged = options.run in (commands.info, commands.models) or getattr(options, "tokens", False)
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
        + f"\nMODEL: a name that `minibert models` lists, or a folder as transformers or sentence-transformers write it; else {BOX}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minibert {metadata.version('minibert-numpy')}")
    subparsers = parser.add_subparsers(title="commands", required=True)

    def plain(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(
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
    info = command("info", commands.info, "Describe a model.")
    _add_model_commands(plain)
    _add_shared_options(embed, similarity, tokenize, info)
    embed.add_argument("--normalize", action=argparse.BooleanOptionalAction, help="vectors of length 1 (default: what the folder says)")
    return parser


def _add_shared_options(
    embed: argparse.ArgumentParser, similarity: argparse.ArgumentParser, tokenize: argparse.ArgumentParser, info: argparse.ArgumentParser
) -> None:
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


def _add_model_commands(plain: Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]) -> None:
    listed = plain("models", commands.models, "List the models that have names.")
    listed.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE, .jsonl, instead of standard output")
    fetched = plain("fetch", commands.fetch, "Download a model, convert it, and compare it with the numbers published of it.")
    fetched.add_argument("name", metavar="NAME", help="a name that `minibert models` lists, or OWNER/REPO of the Hugging Face hub")
    fetched.add_argument("--from", dest="source", metavar="URL|DIR", help="a mirror of the hub, or a folder with the same files")
    converted = plain("convert", commands.convert, "Write a model folder from a checkpoint of torch, TensorFlow or Spark NLP.")
    converted.add_argument("source", type=Path, metavar="SRC", help="checkpoint, or a folder with one in it")
    converted.add_argument("target", type=Path, metavar="DST", help="name of the folder to write; it must not exist")
    converted.add_argument("--hidden-act", choices=("gelu", "gelu_new"), help="GELU by erf or by tanh (default: what the source means)")
    verified = plain("verify", commands.verify, "Compare a model's vectors with the numbers that were published of them.")
    verified.add_argument("model", metavar="MODEL", help="name or folder")
    quantized = plain("quantize", commands.quantize, "Write the int8 form of a model folder.")
    quantized.add_argument("source", metavar="MODEL", help="name or folder")
    quantized.add_argument("target", type=Path, metavar="NEW", help="name of the folder to write; it must not exist")
    plain("warmup", commands.warmup, "Compile everything once, for this processor.")


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
    model, texts = load_model(options), _texts(options)
    if not options.tokens:
        vectors = model.encode(texts, normalize_embeddings=options.normalize, **_encoding(options, texts))
        rows: Rows = ({"text": text, "embedding": vector.tolist()} for text, vector in zip(texts, vectors, strict=True))
        write(options.output, lambda: vectors, rows, lambda: map(_line, texts, vectors))
        return
    if options.pooling or options.prompt_name or options.normalize is not None:
        raise ValueError("--tokens: --pooling, --prompt-name and --normalize belong to vectors of whole texts")
    results = model.encode_tokens(texts, level="word", max_length=options.max_length, truncation=options.truncation)
    rows = (
        {"text": text, "tokens": each.tokens, "offsets": each.offsets, "vectors": each.vectors.tolist()}
        for text, each in zip(texts, results, strict=True)
    )
    write(options.output, None, rows, lambda: (_line(*pair) for each in results for pair in zip(each.tokens, each.vectors, strict=True)))


def _similarity(options: argparse.Namespace) -> None:
    if options.top is not None and (options.query is None or options.top < 1):
        raise ValueError("--top: expected a positive number, together with --query")
    model, texts = load_model(options), _texts(options)
    encoding = _encoding(options, texts) | {"normalize_embeddings": True}
    if options.query is None:
        vectors = model.encode(texts, **encoding)
        cosines = vectors @ vectors.T
        rows: Rows = ({"text": text, "similarity": row.tolist()} for text, row in zip(texts, cosines, strict=True))
        write(options.output, lambda: cosines, rows, lambda: _matrix(texts, cosines))
        return
    scores = model.encode_document(texts, **encoding) @ model.encode_query(options.query, **encoding)
    order = np.argsort(-scores, kind="stable")[: options.top]
    rows = ({"text": texts[index], "similarity": float(scores[index])} for index in order)
    write(options.output, lambda: scores[order], rows, lambda: (f"{scores[index]:7.4f}  {texts[index]}" for index in order))


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

    write(options.output, padded, ({"text": text} | _row(each) for text, each in zip(texts, encodings, strict=True)), people)


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
    write(options.output, None, rows, people)


def _row(encoding: Encoding) -> dict[str, Any]:
    return {name: value for name, value in vars(encoding).items() if name != "overflowing"}


def _line(text: str, vector: npt.NDArray[np.float32]) -> str:
    """Text, first numbers, dimension and length of a vector."""
    shown = text if len(text) <= 40 else text[:39] + "…"
    numbers = " ".join(f"{number:8.4f}" for number in vector[:5])
    return f"{shown:<40} [{numbers} … ] dim {len(vector)}, length {np.linalg.norm(vector):.4f}"


def _matrix(texts: list[str], cosines: npt.NDArray[np.float32]) -> Iterator[str]:
    yield " ".join(["    ", *(f"{column:>6}" for column in range(1, len(texts) + 1))])
    for number, (text, row) in enumerate(zip(texts, cosines, strict=True), 1):
        yield " ".join([f"{number:>4}", *(f"{cosine:6.3f}" for cosine in row), f" {text}"])


if __name__ == "__main__":
    sys.exit(main())
