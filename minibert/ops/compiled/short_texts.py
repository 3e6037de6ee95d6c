"""A few short texts in one call of a loop: what stays from call to call, and what a call writes.

The usual path of `encode` makes some thirty small arrays and a dozen calls for a text. Here all
arrays and records are made once. A call copies the UTF-8 of its texts, writes a few numbers, and
runs `texts_loop`. The bits are those of the usual path. benchmarks/speed.py measures both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import widen
from ...bert.weights import FloatArray, Int8Rows
from ...runtime.records import address_of
from ...runtime.threads import forks_wait
from ...runtime.tuples import FieldTuple
from ...tokenizer import WordPieceTokenizer
from ...tokenizer.compiled.batch import PADDING
from ...tokenizer.compiled.layout import Work
from .. import MAX_SHORT_TEXTS, Float32, Int32
from ..parameters import Parameters
from .layout import (
    COUNTERS,
    LAYER_PHASES,
    STORED_FORMS,
    EmbedCall,
    LayersCall,
    Loops,
    Stack,
    TextsCall,
)
from .storage import Storage

MAX_TOKENS = 128  # of all texts of a call
MIN_TOKENS = 8  # where fewer are allowed, hardly a text would be short
BYTES_PER_TOKEN = 16  # of texts that are worth a try; English prose has 5
CALLS_PER_LOOK = 64  # uses of a PreparedCall between two looks at whether its tables are full
NO_SCALE = np.zeros(0, np.float32)


class Parts(FieldTuple):
    """What `texts_loop` needs of an encoder."""

    loops: Loops
    parameters: Parameters
    stack: Stack
    embed_call: Callable[[Float32, Int32, Int32], EmbedCall]


def short_texts(parts: Parts, tokenizer: WordPieceTokenizer, most_tokens: int) -> "ShortTextEncoder | None":
    """The function for short texts, or None where there can be none.

    `most_tokens` is the number up to which several threads are of no use. `texts_loop` has one.
    """
    words, max_tokens = words_of(parts.parameters.word_embeddings), min(MAX_TOKENS, most_tokens)
    if parts.loops.texts is None or words is None or max_tokens < MIN_TOKENS:
        return None
    return ShortTextEncoder(parts, tokenizer, words, max_tokens)


def words_of(table: FloatArray | Int8Rows) -> "Words | None":
    """The word embeddings as `texts_loop` reads them, or None for a form that it does not know."""
    weight, scale = (table.weight, np.ascontiguousarray(widen(table.scale))) if isinstance(table, Int8Rows) else (table, NO_SCALE)
    form = STORED_FORMS.get(weight.dtype)
    if form is None or not (weight.flags.c_contiguous and weight.flags.aligned):
        return None
    return Words(address_of(weight), len(weight), int(form), scale)


class Words(FieldTuple):
    """The word embeddings as TextsCall has them."""

    address: int
    number: int
    form: int  # one of STORED_...
    scale: Float32


class PreparedCall:
    """The arrays and the records that a call needs. One call at a time uses them.

    Attributes:
        work: what the tokenizer's loop is given. `data` and `ends` are its first arrays, as bytes
            and as int64.
        vectors: (MAX_SHORT_TEXTS, hidden_size), which the loop fills.
        record: that of the TextsCall.
        uses_left: calls until the tables of the tokenizer are looked at.
    """

    def __init__(self, parts: Parts, words: Words, work: Work, max_tokens: int) -> None:
        loops, parameters, stack, config = parts.loops, parts.parameters, parts.stack, parts.parameters.config
        storage = Storage(loops.tier, config, bool(stack.is_int8))
        storage.reserve(max_tokens, max_tokens)
        hidden_states = np.zeros((max_tokens, config.hidden_size), np.float32)
        position_ids, type_ids = np.zeros(max_tokens, np.int32), np.zeros(max_tokens, np.int32)
        counters = np.zeros(len(parameters.layers) * LAYER_PHASES * COUNTERS, np.int64)
        embed = parts.embed_call(hidden_states, position_ids, type_ids)
        layers = LayersCall(
            hidden_states, work.output.cu_seqlens, 0, len(parameters.layers), counters, stack, storage.buffers(storage.scratch(0))
        )
        self.work, self.vectors = work, np.zeros((MAX_SHORT_TEXTS, config.hidden_size), np.float32)
        records = [loops.record(call) for call in (work, embed, layers)]
        tokenize, embed_at, layers_at = (record.address for record in records)
        changing = dict.fromkeys(("num_bytes", "num_texts", "max_pieces", "takes_first", "is_normalized"), 0)
        call = TextsCall(
            **changing, max_tokens=max_tokens, tokenize=tokenize, embed=embed_at, layers=layers_at,
            words=words.address, num_words=words.number, stored=words.form, scale=words.scale,
            position_ids=position_ids, counters=counters, hidden_states=hidden_states,
            squares=np.zeros(config.hidden_size, np.float64), vectors=self.vectors,
        )  # fmt: skip
        self.record = loops.record(call)
        self.data, self.ends = work.data.data, work.ends.data
        self.uses_left = CALLS_PER_LOOK
        self.kept = embed, layers, records, call  # what the record holds the addresses of


class ShortTextEncoder:
    """Texts -> vectors, for texts that one call of `texts_loop` can do. Threads may share it."""

    def __init__(self, parts: Parts, tokenizer: WordPieceTokenizer, words: Words, max_tokens: int) -> None:
        self._parts, self._tokenizer, self._words, self._max_tokens = parts, tokenizer, words, max_tokens
        self._loop: Any = parts.loops.texts
        self._max_bytes = max_tokens * BYTES_PER_TOKEN
        self._idle: list[PreparedCall] = []  # what no call uses; `append` and `pop` are atomic

    def __call__(self, texts: list[str], pooling: str, max_length: int, is_normalized: bool) -> Float32 | None:
        """Return a vector for each text, (len(texts), hidden_size), or None for the usual path.

        `pooling` is "mean" or "cls". `max_length` counts the tokens of a text that is not cut.
        Each text is a str and of no subclass, because the loop checks no byte.
        """
        if sum(map(len, texts)) > self._max_bytes or not 0 < len(texts) <= MAX_SHORT_TEXTS:
            return None
        try:
            encoded = [str.encode(text) for text in texts]  # a subclass could give any bytes, and the loop checks none
        except UnicodeEncodeError:  # a lone surrogate
            return None
        data = b"\n".join(encoded)
        if len(data) > self._max_bytes:
            return None
        call = self._take()
        if call is None:
            return None
        size, end = len(data) + len(PADDING), -1
        call.data[:size] = data + PADDING
        for number, each in enumerate(encoded):
            end += len(each) + 1
            call.ends[number] = end
        call.record.write(size, len(texts), max_length - 2, pooling == "cls", is_normalized)
        is_done = self._loop(call.record)
        vectors = call.vectors[: len(texts)].copy() if is_done else None
        self._give_back(call)
        return vectors

    def _take(self) -> PreparedCall | None:
        try:
            return self._idle.pop()
        except IndexError:
            return self._prepare()

    def _prepare(self) -> PreparedCall | None:
        """Prepare one more, or return None as long as the compiled tokenizer does not pay."""
        tokenizer = self._tokenizer.compiled()
        if tokenizer is None or tokenizer.leaves_added_tokens:
            return None
        work = tokenizer.work_for(self._max_bytes, MAX_SHORT_TEXTS)
        call = PreparedCall(self._parts, self._words, work, self._max_tokens)
        if not self._loop.is_compiled():
            with forks_wait():
                self._loop(call.record)  # no texts: Numba compiles the loop
        return call

    def _give_back(self, call: PreparedCall) -> None:
        """Leave it to later calls, or one with larger tables if its tables are full."""
        call.uses_left -= 1
        if call.uses_left == 0:
            call.uses_left = CALLS_PER_LOOK
            tokenizer = self._tokenizer.compiled()
            if tokenizer is None:
                return
            work = tokenizer.renew(call.work)
            if work is not call.work:
                call = PreparedCall(self._parts, self._words, work, self._max_tokens)
        self._idle.append(call)
