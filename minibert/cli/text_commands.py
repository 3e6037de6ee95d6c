"""Commands about texts: their vectors, their similarity, and their pieces."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..loading import load_tokenizer
from ..tokenizer import COMPATS, Encoding, differences
from .options import Commands, add_backend, add_encoding, add_model, add_output, add_texts, load_model
from .output import Rows, write
from .streams import say
from .terminal import CYAN, GREEN, YELLOW, Line, color_of, pieces

EMBED = """
  minibert embed "I hate cancer" "Antibiotics aren't painkiller"
  minibert embed --file texts.txt --output vectors.npy                  # one text a line -> float32 (num_texts, dim)
  cat texts.txt | minibert embed -m MODEL --output vectors.jsonl        # {"text": ..., "embedding": [...]} a line
  minibert embed -m MODEL --tokens "I love NLP"                         # a vector for each word
"""
SIMILARITY = """
  minibert similarity "a cat sat" "a kitten was sitting" "stocks fell"
  minibert similarity --query "pain relief" --file texts.txt --top 3
  minibert similarity -m MODEL --file texts.txt --output cosines.npy    # float32 (num_texts, num_texts)
"""
TOKENIZE = """
  minibert tokenize "Antibiotics aren't painkiller"
  minibert tokenize -m MODEL --file texts.txt --output ids.jsonl        # input_ids, tokens, offsets, word_ids ... a line
  minibert tokenize -m MODEL --file texts.txt --output ids.npy          # int32 (num_texts, longest), padded with 0
  minibert tokenize --compat both "ΟΔΥΣΣΕΥΣ"                            # where Hugging Face and Google differ
"""


def add(commands: Commands) -> None:
    """Declare the commands about texts."""
    embed = commands.add("embed", run_embed, "Turn texts into vectors.", EMBED)
    embed.add_argument("--tokens", action="store_true", help="a vector for each word instead of one for each text (not for .npy)")
    similarity = commands.add("similarity", run_similarity, "Compare texts by the cosine of their vectors.", SIMILARITY)
    similarity.add_argument("--query", help="rank the texts by their similarity to this one")
    similarity.add_argument("--top", type=int, metavar="N", help="with --query: the N most similar texts only")
    tokenize = commands.add("tokenize", run_tokenize, "Show the pieces of the vocabulary in texts.", TOKENIZE)
    compat = "the tokenizer to follow, Hugging Face's or Google's; both shows where they differ (default: hf)"
    tokenize.add_argument("--compat", choices=(*COMPATS, "both"), default="hf", help=compat)
    split = "read [SEP] and other special tokens in a text as ordinary characters"
    tokenize.add_argument("--split-special-tokens", action="store_true", help=split)
    for command in (embed, similarity, tokenize):
        add_model(command)
        add_output(command, ".npy", ".jsonl")
        add_texts(command)
    for command in (embed, similarity):
        add_backend(command)
        add_encoding(command)
    normalize = "make vectors of length 1 (default: as the folder says)"
    embed.add_argument("--normalize", action=argparse.BooleanOptionalAction, help=normalize)


def source(options: argparse.Namespace) -> os.stat_result | None:
    """Return the status of the file that the texts come from; None if there is no such file."""
    if getattr(options, "texts", True):  # the command reads no texts, or has them as arguments
        return None
    try:
        return os.stat(file) if (file := _file(options)) else os.fstat(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):  # no standard input, or an object in its place
        return None


def _file(options: argparse.Namespace) -> Path | None:
    """Return the file of the texts; None for standard input."""
    return None if options.file in (None, Path("-")) else options.file


def _texts(options: argparse.Namespace) -> list[str]:
    """Return the texts: the arguments, or the lines of a file or of standard input."""
    if options.texts and options.file:
        raise ValueError("expected texts as arguments or --file, found both")
    if options.texts:
        if all(map(os.path.isfile, options.texts)):
            say(f"{options.texts[0]} is the name of a file; the name was taken as a text, and --file reads what is in the file")
        return list(options.texts)
    file = _file(options)
    if not file and (sys.stdin is None or (sys.stdin.isatty() and not options.file)):
        raise ValueError("no texts: give them as arguments, with --file, or on standard input, one a line")
    where = file or "standard input"
    try:
        # No limit for the user's own file: `<(command)` is a FIFO of unknown length
        data = file.read_bytes() if file else sys.stdin.buffer.read()
        lines = data.decode("utf-8").split("\n")
    except OSError as error:
        raise OSError(f"{where}: cannot be read ({error.strerror}); name a file of texts with --file") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{where}: expected UTF-8, found byte {data[error.start]:#04x} in line {line}") from None
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _encoding(options: argparse.Namespace, texts: list[str]) -> dict[str, Any]:
    """Return the arguments of `MiniBert.encode` that both commands share."""
    names = ("pooling", "max_length", "truncation", "prompt_name")
    return {name: getattr(options, name) for name in names} | {"show_progress_bar": sys.stderr.isatty() and len(texts) > 1000}


def run_embed(options: argparse.Namespace) -> None:
    """Write a vector for each text, or for each word."""
    model, texts = load_model(options), _texts(options)
    if not options.tokens:
        vectors = model.encode(texts, normalize_embeddings=options.normalize, **_encoding(options, texts))
        rows: Rows = ({"text": text, "embedding": vector.tolist()} for text, vector in zip(texts, vectors, strict=True))
        write(options.output, lambda: vectors, rows, lambda: map(_line, texts, vectors))
        return
    if options.pooling or options.prompt_name or options.normalize is not None:
        raise ValueError("--tokens: --pooling, --prompt-name and --normalize belong to vectors of whole texts; leave them or --tokens out")
    results = model.encode_tokens(texts, level="word", max_length=options.max_length, truncation=options.truncation)
    rows = (
        {"text": text, "tokens": each.tokens, "offsets": each.offsets, "vectors": each.vectors.tolist()}
        for text, each in zip(texts, results, strict=True)
    )
    write(options.output, None, rows, lambda: (_line(*pair) for each in results for pair in zip(each.tokens, each.vectors, strict=True)))


def run_similarity(options: argparse.Namespace) -> None:
    """Write the cosines of all pairs of texts, or the ranking of the texts by a query."""
    if options.top is not None and (options.query is None or options.top < 1):
        found = f"{options.top}{' without --query' if options.query is None else ''}"
        raise ValueError(f"--top: expected a positive number, together with --query, found {found}")
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


def run_tokenize(options: argparse.Namespace) -> None:
    """Write the tokens of each text."""
    texts, settings = _texts(options), {"max_length": options.max_length, "split_special_tokens": options.split_special_tokens}
    if options.compat == "both":
        _compare(options, texts, settings)
        return
    tokenizer = load_tokenizer(options.model, options.compat)
    encodings = [tokenizer(text, **settings) for text in texts]

    def padded() -> npt.NDArray[Any]:
        ids = np.zeros((len(texts), max(map(len, encodings), default=0)), np.int32)
        for row, encoding in zip(ids, encodings, strict=True):
            row[: len(encoding)] = encoding.input_ids
        return ids

    def people() -> Iterator[Line]:
        for text, encoding in zip(texts, encodings, strict=True):
            yield [*pieces(text, encoding.offsets), f"    ({len(encoding)} tokens, {encoding.num_truncated} cut off)"]
            for token, id, (start, end) in zip(encoding.tokens, encoding.input_ids, encoding.offsets, strict=True):
                piece = f"{token:<16}", color_of(token, start, end, tokenizer.settings)
                yield ["  ", piece, " ", (f"{id:>6}", CYAN), f"  {start:>4}-{end:<4} {text[start:end]!r}"]

    write(options.output, padded, ({"text": text} | _row(each) for text, each in zip(texts, encodings, strict=True)), people)


def _compare(options: argparse.Namespace, texts: list[str], settings: dict[str, Any]) -> None:
    """Write the results of both tokenizers side by side."""
    hf, google = (load_tokenizer(options.model, compat) for compat in COMPATS)
    pairs = [(hf(text, **settings), google(text, **settings)) for text in texts]

    def people() -> Iterator[Line]:
        for text, pair in zip(texts, pairs, strict=True):
            found = differences(*pair)
            yield f"{text}    ({'no difference' if not found else f'{len(found)} different'})"
            for each in found:
                yield f"  {each.start:>4}-{each.end:<4} {text[each.start : each.end]!r}"
                yield ["       hf      ", (" ".join(each.tokens) or "(nothing)", GREEN)]
                yield ["       google  ", (" ".join(each.other_tokens) or "(nothing)", YELLOW)]

    rows = (
        {"text": text, "hf": _row(one), "google": _row(other), "differences": [each._asdict() for each in differences(one, other)]}
        for text, (one, other) in zip(texts, pairs, strict=True)
    )
    write(options.output, None, rows, people)


def _row(encoding: Encoding) -> dict[str, Any]:
    return {name: value for name, value in vars(encoding).items() if name != "overflowing"}


def _line(text: str, vector: npt.NDArray[np.float32]) -> str:
    """Return a text with the first numbers, the dimension and the length of its vector."""
    short = text if len(text) <= 40 else text[:39] + "…"
    numbers = " ".join(f"{number:8.4f}" for number in vector[:5])
    return f"{short:<40} [{numbers} … ] dim {len(vector)}, length {np.linalg.norm(vector):.4f}"


def _matrix(texts: list[str], cosines: npt.NDArray[np.float32]) -> Iterator[str]:
    """Return a table of cosines, with the text at the end of each row."""
    yield " ".join(["    ", *(f"{column:>6}" for column in range(1, len(texts) + 1))])
    for number, (text, row) in enumerate(zip(texts, cosines, strict=True), 1):
        yield " ".join([f"{number:>4}", *(f"{cosine:6.3f}" for cosine in row), f" {text}"])
