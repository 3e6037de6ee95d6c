"""The command that shows the pieces of the vocabulary in texts."""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..loading import load_tokenizer
from ..tokenizer import COMPATS, Encoding, differences
from .options import add_model, add_output, add_texts
from .output import write
from .sources import read_texts
from .terminal import CYAN, GREEN, YELLOW, Line, color_of, pieces


def declare_tokenize(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tokenize`."""
    parser.set_defaults(run=run_tokenize)
    compat = "the tokenizer to follow, Hugging Face's or Google's; both shows where they differ (default: hf)"
    parser.add_argument("--compat", choices=(*COMPATS, "both"), default="hf", help=compat)
    split = "read [SEP] and other special tokens in a text as ordinary characters"
    parser.add_argument("--split-special-tokens", action="store_true", help=split)
    add_model(parser)
    add_output(parser, ".npy", ".jsonl")
    add_texts(parser)


def run_tokenize(options: argparse.Namespace) -> None:
    """Write the tokens of each text."""
    texts, settings = read_texts(options), {"max_length": options.max_length, "split_special_tokens": options.split_special_tokens}
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


COMMANDS = {"tokenize": declare_tokenize}
