"""Files of tokenizer tables for tests: of a small folder, changed and sealed again."""

import random
from pathlib import Path

import numpy as np

from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.table_file import ARRAYS, PARTS, SETTINGS, opened
from minibert.tokenizer.table_writer import packed, tables_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh.,-'", "kiwi", "##s", "##wi", "é", "漢", "##가", "unaffable", "a.b"]

Numbers = dict[str, int]
Parts = dict[str, bytes | None]


def small_folder(folder: Path) -> Path:
    """A new folder with a small vocabulary and its tables."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    return folder


def unpacked(content: bytes) -> tuple[Numbers, Parts]:
    """The settings and the parts of a file, to be changed."""
    values, parts = opened(content)
    return values, {name: None if size < 0 else content[start : start + size] for name, (start, size) in parts.items()}


def sealed(values: Numbers, parts: Parts) -> bytes:
    """A file with a right checksum."""
    return packed(values, [parts[name] for name in PARTS])


def with_array(content: bytes, name: str, place: int, value: int) -> bytes:
    """A file with another number at one place of an array."""
    values, parts = unpacked(content)
    array = np.frombuffer(parts[name] or b"", ARRAYS[name]).copy()
    array.view(array.dtype if name != "ends_word" else np.uint8)[place] = value
    return sealed(values, parts | {name: array.tobytes()})


def attacked(content: bytes, source: random.Random) -> bytes:
    """A file with a right checksum and other numbers: small, large, or of another place."""
    values, parts = unpacked(content)
    for _ in range(source.choice((1, 3, 50))):
        name = source.choice([*ARRAYS, *SETTINGS])
        if name in SETTINGS:
            values[name] = source.choice((-1, 0, 1, 2, 100, 1 << 31, -(1 << 63), (1 << 63) - 1)) if source.random() < 0.1 else values[name]
            continue
        array = np.frombuffer(parts[name] or b"", ARRAYS[name]).copy()
        raw = array.view(np.uint8) if name == "ends_word" else array
        limits = np.iinfo(raw.dtype)
        new = source.choice((int(raw[source.randrange(len(raw))]), source.randrange(8), source.randint(limits.min, limits.max), limits.max))
        raw[source.randrange(len(raw))] = new
        cut = source.choice((len(array), len(array) - 1)) if source.random() < 0.02 else len(array)
        parts[name] = array[:cut].tobytes()
    return sealed(values, parts)
