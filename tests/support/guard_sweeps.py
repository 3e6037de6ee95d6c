"""The compiled loops between pages that trap: run by test_guard_pages.py in a process of its own.

python -m tests.support.guard_sweeps encoder BACKEND      prints how many results it compared
python -m tests.support.guard_sweeps weights BACKEND      prints how many rows and matrices it did
python -m tests.support.guard_sweeps tokenizer BACKEND    prints how many texts it compared
python -m tests.support.guard_sweeps tables BACKEND       prints how many hostile files it ran
python -m tests.support.guard_sweeps short BACKEND        prints how many vectors it compared
python -m tests.support.guard_sweeps trap before          is killed, as is `trap behind`
"""

import ctypes
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from minibert.arrays import BFLOAT16
from minibert.bert.checkpoint import from_arrays
from minibert.bert.config import BertConfig
from minibert.bert.quantize import quantize
from minibert.bert.weights import BertWeights, Int8Rows, Linear
from minibert.encoder import forward
from minibert.ops import INT16_TOKENS
from minibert.ops.compiled import encoder, pack_weights, short_texts, storage
from minibert.ops.compiled.encoder import CompiledEncoder, encoder_of
from minibert.ops.compiled.layout import Loops
from minibert.ops.numpy_encoder import NumpyEncoder
from minibert.packing import pack
from minibert.pooling import pool, unit_length
from minibert.tokenizer import AddedToken, PackedEncoding, TokenizerSettings, WordPieceTokenizer, choose, make_tokenizer
from minibert.tokenizer.compiled import TABLES_FILE, batch, known_tables
from minibert.tokenizer.late import LateEncoder
from minibert.tokenizer.table_file import read_tables
from minibert.warmup import warm_up
from tests.support import hard_weights
from tests.support.backends import prepare
from tests.support.guard import GuardedNumPy, GuardedRecord, between_pages, empty, guarded
from tests.support.hard_texts import adversarial_texts
from tests.support.models import make_config, make_weights
from tests.support.table_files import attacked, small_folder

LOADABLE, PANELS = pack_weights.loadable, pack_weights.Packer._panels
LENGTHS = [1, 2, 5, 6, 7, 11, 12, 13, 15, 16, 17, 23, 24, 25, 31, 33, 48, 49, 63, 64, 65, 67]


# The encoder


def shapes(number: int, source: np.random.Generator) -> list[BertConfig]:
    """Hidden sizes of 1 to 200, heads of 1 to 70 dimensions, intermediate sizes mostly odd."""
    heads = [(1, 1), (1, 3), (2, 2), (3, 1), (4, 4), (7, 3), (8, 1), (15, 2), (16, 3), (17, 1), (24, 2), (26, 3), (31, 1), (32, 2),
             (33, 2), (47, 1), (48, 1), (63, 1), (64, 3), (65, 1), (66, 3), (70, 1), (100, 2), (127, 1), (128, 1), (129, 1),
             (200, 1)]  # fmt: skip
    picked = [heads[index % len(heads)] for index in range(number)]
    return [
        make_config(
            1, head_dim * num_heads, num_heads, intermediate_size=int(source.integers(1, 260)) | 1, vocab_size=7, type_vocab_size=3,
            max_position_embeddings=67, hidden_act=str(source.choice(["gelu", "gelu_new"])), layer_norm_eps=1e-5,
        )
        for head_dim, num_heads in picked
    ]  # fmt: skip


def compare(loops: Loops, config: BertConfig, is_int8: bool, seqlens: list[int], at_end: bool, source: np.random.Generator) -> int:
    """Put one batch through both encoders, and return the number of results."""
    weights = from_arrays(make_weights(config), config)
    ours = encoder_of(loops, weights, is_int8)
    theirs = NumpyEncoder(quantize(weights) if is_int8 else weights)
    cu_seqlens = np.cumsum([0, *seqlens])
    ids, types = (source.integers(0, size, cu_seqlens[-1]).astype(np.int32) for size in (config.vocab_size, config.type_vocab_size))
    positions = np.concatenate([np.arange(size, dtype=np.int32) % config.max_position_embeddings for size in seqlens])
    positions[-1] = config.max_position_embeddings - 1
    hidden = ours.embed(ids, positions, types)
    np.testing.assert_allclose(hidden, theirs.embed(ids, positions, types), rtol=0, atol=1e-4)
    expected_probs = theirs.attention_probs(hidden, cu_seqlens, 0)
    for actual, right in zip(ours.attention_probs(hidden, cu_seqlens, 0), expected_probs, strict=True):
        np.testing.assert_allclose(actual, right, rtol=0, atol=0.02 if is_int8 else 1e-5)
    pooled = ours.pooler(guarded(hidden[: len(seqlens)], at_end))
    np.testing.assert_allclose(pooled, theirs.pooler(hidden[: len(seqlens)]), rtol=0, atol=1e-4)
    widths = source.integers(1, 300, 2)
    linear = Linear(source.normal(size=widths[::-1]).astype(np.float32), source.normal(size=widths[1]).astype(np.float32))
    vectors = source.normal(size=(len(seqlens), widths[0])).astype(np.float32)
    for activation in ("Tanh", "Identity"):
        actual = ours.dense(linear, activation)(guarded(vectors, at_end))
        np.testing.assert_allclose(actual, theirs.dense(linear, activation)(vectors), rtol=0, atol=1e-4)
    expected = theirs.layers(hidden.copy(), cu_seqlens, 0, 1)
    ours._idle.clear()  # so that the workspace is as small as it may be
    actual = ours.layers(hidden, cu_seqlens, 0, 1)
    error = np.abs(actual - expected)
    # where a last bit differs, what lies between two integers may become either
    assert error.max() <= (0.3 if is_int8 else 1e-4), (config, seqlens, error.max())
    assert error.mean() <= (1e-2 if is_int8 else 1e-5), (config, seqlens, error.mean())
    firsts, ends = cu_seqlens[:-1] + at_end, cu_seqlens[1:]
    np.testing.assert_array_equal(ours.sum_rows(actual, firsts, ends), theirs.sum_rows(actual, firsts, ends))
    return 5


def guarded_loops(backend: str, at_end: bool) -> Loops:
    zeros = from_arrays(make_weights(shapes(1, np.random.default_rng(0))[0]), shapes(1, np.random.default_rng(0))[0])
    loops: Loops = prepare(backend, zeros).loops  # type: ignore[attr-defined]
    names = ("layers", "linear", "probs", "embed", "sum_rows", "pack", "quantize")
    guarded_ones = {name: between_pages(getattr(loops, name), at_end) for name in names}
    return loops._replace(record=GuardedRecord, **guarded_ones)  # type: ignore[arg-type]


def guard_arrays(at_end: bool) -> None:
    """Make the modules of the encoder put all their arrays beside pages that trap."""
    for module in (pack_weights, storage):
        module.aligned = lambda shape, dtype: empty(shape, dtype, at_end)
    for module in (pack_weights, encoder):  # biases, norms, scales, counters, tables of addresses
        module.np = GuardedNumPy(at_end)
    pack_weights.loadable = lambda array: guarded(LOADABLE(array), at_end)
    pack_weights.Packer._panels = lambda self, *sizes: guarded(PANELS(self, *sizes), at_end)  # type: ignore[method-assign]


def sweep_weights(backend: str) -> int:
    """Matrices and rows of all forms, by `pack_loop` and `quantize_loop`."""
    if backend == "numba":
        warm_up()
    done = 0
    for at_end in (True, False):
        guard_arrays(at_end)
        loops = guarded_loops(backend, at_end)
        done += hard_weights.compare_packing(loops) + hard_weights.compare_quantization(loops)
    return done


def sweep_encoder(backend: str) -> int:
    if backend == "numba":
        warm_up()  # Numba reads names such as `np` when it compiles
    source, done = np.random.default_rng(1), 0
    for at_end in (True, False):
        loops = guarded_loops(backend, at_end)
        guard_arrays(at_end)
        for index, config in enumerate(shapes(54, source)):
            for is_int8 in (False, True):
                single = LENGTHS[index % len(LENGTHS)]
                several = source.choice(LENGTHS, 4).tolist()
                done += sum(compare(loops, config, is_int8, seqlens, at_end, source) for seqlens in ([single], several))
        long = shapes(13, source)[-1]._replace(max_position_embeddings=INT16_TOKENS + 1)
        done += compare(loops, long, True, [INT16_TOKENS + 1, 3], at_end, source)
    return done


# The tokenizer


def some_tokenizers(source: random.Random, backend: str) -> tuple[WordPieceTokenizer, WordPieceTokenizer]:
    """(readable, compiled) of a random vocabulary and random settings."""
    letters = [*"abcdefgh01.,-'[é漢가\u0301\u0327\u00a0ß\U0001f600", "\ud800"]
    words = {"".join(source.choices(letters, k=source.randrange(1, 18))) for _ in range(source.randrange(0, 80))}
    pieces = {f"##{word}" for word in list(words)[::2]}
    vocabulary = ["[UNK]", "[CLS]", "[SEP]", *sorted(letters), *sorted(words - {*letters}), *sorted(pieces)]
    source.shuffle(vocabulary)
    factor = source.choice([1, 7, 1 << 22])  # ids beyond those that a table of known words can hold
    ids = {token: index * factor for index, token in enumerate(dict.fromkeys(vocabulary))}
    added = [AddedToken(token, 10**6 + index) for index, token in enumerate(source.sample(["[=]", "[=]=]", "(é)", "<a>"], 2))]
    settings = TokenizerSettings(
        ids, added_tokens=tuple(added), lowercase=source.random() < 0.5, strip_accents=source.random() < 0.5,
        handle_chinese_chars=source.random() < 0.5, clean_text=source.random() < 0.5,
        max_input_chars_per_word=source.choice([1, 2, 15, 16, 17, 100]),
    )  # fmt: skip
    return WordPieceTokenizer(settings), make_tokenizer(settings, backend)


def some_texts(source: random.Random) -> list[str]:
    """Of lengths around a register, a chunk and a word; many in a batch, or one."""
    letters = "abcdefgh01.,-'[=] \t\né漢가\u0301\u0327\u00a0ßΣ\U0001f600\ud800"
    some = ["".join(source.choices(letters, k=source.choice([0, 1, 2, 7, 8, 9, 14, 15, 16, 17, 31, 63]))) for _ in range(30)]
    some += ["x" * source.randrange(0, 40), "", *adversarial_texts(6, seed=source.randrange(10**6))]
    return source.sample(some, source.choice([1, 2, len(some)]))


def same(actual: PackedEncoding, expected: PackedEncoding) -> bool:
    names = ("input_ids", "cu_seqlens", "num_truncated", "offsets", "word_ids")
    return all(np.array_equal(getattr(actual, name), getattr(expected, name)) for name in names)


def sweep_tokenizer(backend: str) -> int:
    if backend == "numba":
        warm_up()
    batch.Record = GuardedRecord
    known_tables.FIRST_SLOTS, known_tables.CHUNK_SLOTS, known_tables.WORD_SLOTS = 64, 256, 64  # so that a table is soon full
    source, done, loop = random.Random(1), 0, choose._loop_of(backend)
    for at_end in (True, False):
        choose._loop_of = lambda _, at_end=at_end: between_pages(loop, at_end)
        for _ in range(30):
            readable, fast = some_tokenizers(source, backend)
            for _ in range(6):
                texts, limit = some_texts(source), source.choice([None, 2, 3, 9])
                for return_offsets in (False, True):
                    arguments = (texts, limit, source.random() < 0.3, return_offsets)
                    assert same(fast.encode_batch(*arguments), readable.encode_batch(*arguments)), (texts, limit, readable.settings)
                    done += len(texts)
    return done


def sweep_tables(backend: str) -> int:
    """Tables of hostile files: whatever is accepted leads no loop out of its arrays."""
    if backend == "numba":
        warm_up()
    batch.Record = GuardedRecord
    source, accepted, loop = random.Random(2), 0, choose._loop_of(backend)
    sys.stderr = None  # each refusal is a line
    with tempfile.TemporaryDirectory() as parent:
        folder = small_folder(Path(parent, "model"))
        content = (folder / TABLES_FILE).read_bytes()
        for number in range(400):
            (folder / TABLES_FILE).write_bytes(attacked(content, source))
            found = read_tables(folder, False)
            if found is not None:
                accepted += 1
                fast = batch.CompiledEncoder(found.prepared, LateEncoder(found.settings), between_pages(loop, number % 2 == 0))
                for return_offsets in (False, True):
                    fast.encode_batch(some_texts(source), source.choice([None, 4]), source.random() < 0.3, return_offsets)
    return accepted


# Short texts


def stored_as(weights: BertWeights, form: str, at_end: bool) -> BertWeights:
    """The weights, with guarded word embeddings of a form in which `texts_loop` reads them."""
    words = weights.word_embeddings
    if isinstance(words, Int8Rows):
        return weights._replace(word_embeddings=Int8Rows(*(guarded(each, at_end) for each in words)))
    bits = words.view(np.uint32) >> 16
    forms = {"float32": words, "float16": words.astype(np.float16), "bfloat16": bits.astype(np.uint16).view(BFLOAT16)}
    return weights._replace(word_embeddings=guarded(forms[form], at_end))


def sweep_short(backend: str) -> int:
    """Texts that fill all the arrays: as many bytes, tokens and texts as there is capacity for."""
    if backend == "numba":
        warm_up()
    source, done, short_texts.MIN_TOKENS = np.random.default_rng(2), 0, 2
    settings = TokenizerSettings({token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", *"abcd"])})
    for at_end in (True, False):
        guard_arrays(at_end)
        for module in (short_texts, batch):
            module.np = GuardedNumPy(at_end)
        for index, config in enumerate(shapes(27, source)):
            for form in ("float32", "float16", "bfloat16", "int8"):
                weights = from_arrays(make_weights(config), config)
                stored = stored_as(quantize(weights) if form == "int8" else weights, form, at_end)
                ours = CompiledEncoder(prepare(backend, stored).loops, stored)  # type: ignore[attr-defined]
                short_texts.MAX_TOKENS = LENGTHS[1:][index % 20]
                tokenizer = make_tokenizer(settings, backend)
                short = ours.short_texts(tokenizer, 1)
                assert short
                count = min(short_texts.MAX_SHORT_TEXTS, short_texts.MAX_TOKENS // 2)
                long = " ".join(source.choice([*"abcd"], short_texts.MAX_TOKENS - 2 * count))
                texts = [*[""] * (count - 1), long]
                texts[-1] += " " * (short_texts.BYTES_PER_TOKEN * short_texts.MAX_TOKENS - len("\n".join(texts)))
                batch_of = pack(np.split((encoding := tokenizer.encode_batch(texts)).input_ids, encoding.cu_seqlens[1:-1]))
                hidden = forward(ours, batch_of, [1])[0]
                for pooling in ("mean", "cls"):
                    expected = pool(hidden, batch_of.cu_seqlens, pooling, 0, ours.sum_rows)  # type: ignore[arg-type]
                    actual = [short(texts, pooling, 512, is_unit) for is_unit in (False, True)]
                    np.testing.assert_array_equal(actual[0], expected)
                    np.testing.assert_array_equal(actual[1], unit_length(expected))
                    done += 2
    return done


def trap(where: str) -> None:
    """Read one number outside an array."""
    array = empty(5, np.float32, at_end=where == "behind")

    def read(index: int) -> float:
        return ctypes.c_float.from_address(array.ctypes.data + 4 * index).value

    sys.stdout.write(f"{read(0)} {read(4)}\n")
    sys.stdout.flush()
    read(-1 if where == "before" else 5)


if __name__ == "__main__":
    if sys.argv[1] == "trap":
        trap(sys.argv[2])
    else:
        sweeps = {
            "encoder": sweep_encoder,
            "weights": sweep_weights,
            "tokenizer": sweep_tokenizer,
            "tables": sweep_tables,
            "short": sweep_short,
        }
        done = sweeps[sys.argv[1]](sys.argv[2])
        sys.stdout.write(f"{done}\n")
