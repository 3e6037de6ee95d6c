"""Commands that compute vectors of texts."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .options import add_backend, add_encoding, add_model, add_output, add_texts
from .output import Rows, write
from .sources import load_and_read


def declare_embed(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `embed`."""
    parser.set_defaults(run=run_embed)
    parser.add_argument("--tokens", action="store_true", help="a vector for each word instead of one for each text (not for .npy)")
    _declare_shared(parser)
    normalize = "make vectors of length 1 (default: as the folder says)"
    parser.add_argument("--normalize", action=argparse.BooleanOptionalAction, help=normalize)


def declare_similarity(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `similarity`."""
    parser.set_defaults(run=run_similarity)
    parser.add_argument("--query", help="rank the texts by their similarity to this one")
    parser.add_argument("--top", type=int, metavar="N", help="with --query: the N most similar texts only")
    _declare_shared(parser)


def _declare_shared(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_output(parser, ".npy", ".jsonl")
    add_texts(parser)
    add_backend(parser, "; numpy for a handful of texts where no library runs, since it starts sooner")
    add_encoding(parser)


def _encoding(options: argparse.Namespace, texts: list[str]) -> dict[str, Any]:
    """Return the arguments of `MiniBert.encode` that both commands share."""
    names = ("pooling", "max_length", "truncation", "prompt_name")
    return {name: getattr(options, name) for name in names} | {"show_progress_bar": sys.stderr.isatty() and len(texts) > 1000}


def run_embed(options: argparse.Namespace) -> None:
    """Write a vector for each text, or for each word."""
    model, texts = load_and_read(options)
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
    model, texts = load_and_read(options, *filter(None, [options.query]))
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


COMMANDS = {"embed": declare_embed, "similarity": declare_similarity}
