"""The hash tables of the compiled tokenizer: full, colliding, large, and bounded."""

import random

import numpy as np
import pytest

from minibert.tokenizer import TokenizerSettings, WordPieceTokenizer, make_tokenizer
from minibert.tokenizer.compiled import batch, known_tables, layout
from minibert.tokenizer.compiled.layout import Known
from minibert.tokenizer.loading import load_vocab
from tests.support.backends import COMPILED, needs_compiled
from tests.support.encodings import assert_same, both, compiled_encoder
from tests.support.hard_texts import TEXTS, VOCAB

pytestmark = needs_compiled
VOCABULARY = load_vocab(VOCAB)


def test_full_tables_and_other_texts(monkeypatch: pytest.MonkeyPatch, uncased: WordPieceTokenizer) -> None:
    """Tables that overflow, are full and are emptied again change nothing but time."""
    for name, slots in (("FIRST_SLOTS", 64), ("CHUNK_SLOTS", 1 << 12), ("WORD_SLOTS", 256)):
        monkeypatch.setattr(known_tables, name, slots)
    monkeypatch.setattr(batch, "BLOCK_BYTES", 300)
    plain, fast = both(uncased.settings)
    source = random.Random(8)
    texts = ["".join(source.choices("abcdefghij ", k=60)) for _ in range(3000)]
    expected = plain.encode_batch(texts)
    for _ in range(3):
        assert_same(fast.encode_batch(texts), expected, texts)


def test_ids_too_large_for_the_tables() -> None:
    vocab = {token: id if id < 1000 else id + (1 << 20) for token, id in VOCABULARY.items()}
    plain, fast = both(TokenizerSettings(vocab))
    texts = [*TEXTS, "the unaffable kiwis, the unaffable kiwis"] * 2
    assert_same(fast.encode_batch(texts), plain.encode_batch(texts), texts)


def colliding_words(slots: int, number: int) -> list[str]:
    """Words of eight letters that fall into the first 200th of a table."""
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    words = letters[np.random.default_rng(0).integers(0, 26, (240 * number, 8))]
    hashes = words.view(np.uint64)[:, 0] * layout.MIX ^ np.array([8 << 56], np.uint64) * layout.MIX_TOO
    return [bytes(word).decode() for word in words[(hashes >> np.uint64(65 - slots.bit_length())) < slots // 200][:number]]


def most_looks(table: Known) -> int:
    """How many slots the longest search that succeeds looks at."""
    keys = table.slots[:, :2]
    taken = np.flatnonzero(keys[:, 1])
    homes = (keys[taken, 0] * layout.MIX ^ keys[taken, 1] * layout.MIX_TOO) >> np.uint64(65 - len(keys).bit_length())
    return int(((taken - homes.astype(np.int64)) % len(keys)).max(initial=0)) + 1


def test_colliding_words_take_linear_time() -> None:
    """Words made to fall into the same slots of the tables take a few looks each."""
    plain, fast = both(TokenizerSettings(VOCABULARY))
    texts = [" ".join(colliding_words(known_tables.FIRST_SLOTS, 5000))]
    assert_same(fast.encode_batch(texts), plain.encode_batch(texts), texts)
    (workspace,) = compiled_encoder(fast)._idle[False]
    assert 1 < most_looks(workspace.memory.words) <= layout.PROBES
    assert most_looks(workspace.memory.chunks) <= layout.PROBES


def test_a_vocabulary_of_colliding_words() -> None:
    words = colliding_words(known_tables.WORD_SLOTS, 20_000)
    plain, fast = both(TokenizerSettings({word: id for id, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *words])}))
    texts = [" ".join(words[::7]), *words[:3000]]
    for _ in range(2):
        assert_same(fast.encode_batch(texts), plain.encode_batch(texts), texts)
        (workspace,) = compiled_encoder(fast)._idle[False]
        assert most_looks(workspace.memory.words) <= layout.PROBES


def test_a_short_text_takes_little_memory(uncased: WordPieceTokenizer) -> None:
    fast = make_tokenizer(uncased.settings, backend=COMPILED)
    fast.encode_batch(["I hate cancer"])
    (workspace,) = compiled_encoder(fast)._idle[False]
    assert sum(table.slots.nbytes for table in workspace.memory) == 2 * 32 * known_tables.FIRST_SLOTS


def test_memory_is_bounded(uncased: WordPieceTokenizer) -> None:
    """The docstring of batch.py states the size of the tables and of the memory of a call."""
    fast = make_tokenizer(uncased.settings, backend=COMPILED)
    source = random.Random(9)
    for _ in range(6):
        fast.encode_batch([" ".join("".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(100_000))])
    (workspace,) = compiled_encoder(fast)._idle[False]
    assert workspace.memory.chunks.slots.nbytes == 16 << 20
    assert workspace.memory.words.slots.nbytes == 4 << 20
    assert sum(table.nbytes for table in compiled_encoder(fast)._tables) < 1.5 * (1 << 20)
    assert np.count_nonzero(workspace.memory.chunks.slots[:, 1]) <= known_tables.CHUNK_SLOTS // 2
