"""The encoder of the compiled loops.

What Python gives is checked here, because a loop computes addresses from it. So each array is
compared with the sizes of the weights, and what another thread could change meanwhile is copied
first. Then a method takes a workspace and calls a loop.
"""

import sys
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...arrays import FLOAT32
from ...bert.weights import BertWeights, Linear
from ...runtime import team
from ...runtime.records import Loop, Record
from ...tokenizer import WordPieceTokenizer
from .. import Dense, Float32, Int32, Int64, ShortTexts
from ..parameters import Layer, check_ids, look_up, outside
from .layout import (
    COUNTERS,
    ERF,
    LAYER_PHASES,
    LINEAR_PHASES,
    NO_ACTIVATION,
    POOL,
    TANH,
    EmbedCall,
    Integer,
    LayersCall,
    LinearCall,
    Loops,
    ProbsCall,
    Stack,
    SumCall,
)
from .pack_weights import pack_all, pack_one, rows_of
from .packed import Packed, PackedInt8Linear
from .short_texts import Parts, short_texts
from .storage import Storage

INT64 = np.dtype(np.int64)
FORMS = {"none": ERF, "tanh": TANH}
KEPT_TOKENS = 4096  # capacity of the largest Storage that is kept after a call


class CompiledEncoder:
    """The `Encoder` of the contract, compiled."""

    uses_blas = False
    # Up to 1,024 no number is more than 3 % faster. With 256, two threads meet too often: int8 of
    # L8_H128 is 2 to 5 % slower.
    batch_tokens = 384

    def __init__(self, loops: Loops, weights: BertWeights) -> None:
        self.loops = loops
        self.backend = loops.backend
        self.parameters = pack_all(weights, loops)
        self.config = self.parameters.config
        self.precision = "int8" if weights.is_int8 else "float32"
        self.num_parameters = weights.num_parameters
        self.has_pooler = self.parameters.pooler is not None
        config = self.config
        self._layer_size = config.hidden_size * (4 * config.hidden_size + 2 * config.intermediate_size)  # weights in its matrices
        self._eps = np.array([config.layer_norm_eps], np.float32)  # of the norms of all layers
        self._embeddings_eps = np.array([self.parameters.embeddings_norm.eps], np.float32)
        self.stack = Stack(
            np.stack([self._addresses(layer) for layer in self.parameters.layers]), int(weights.is_int8), config.num_attention_heads,
            config.intermediate_size, int(FORMS[config.gelu]),
        )  # fmt: skip
        # What no call uses; `append` and `pop` are atomic.
        self._idle: list[Storage] = []
        self._idle_embeds: list[tuple[Record, Int64]] = []

    def _addresses(self, layer: Layer) -> Any:
        """The table of one layer, whose places layout.py names."""
        matrices = (layer.query_key_value, layer.attention_output, layer.intermediate, layer.output)
        arrays = [array for matrix in matrices for array in matrix.arrays]
        for norm in (layer.attention_norm, layer.output_norm):
            arrays += norm.weight, norm.bias, self._eps
        return self.loops.addresses_of(*arrays)

    def embed(self, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
        """Return the sum of three rows for each token, with LayerNorm."""
        parameters = self.parameters
        check_ids(input_ids, position_ids, token_type_ids)
        out = look_up("input_ids", parameters.word_embeddings, input_ids)
        try:
            record, last_read = self._idle_embeds.pop()
            record.begin(out, position_ids, token_type_ids)
        except IndexError:
            call = self.embed_call(out, position_ids, token_type_ids)
            record, last_read = self.loops.record(call), call.last_read
        done = self.loops.embed(record)
        position, kind = last_read.tolist()
        self._idle_embeds.append((record, last_read))
        if done < len(out):
            num_positions = len(parameters.position_embeddings)
            if not 0 <= position < num_positions:
                raise outside("position_ids", num_positions, position, position)
            raise outside("token_type_ids", len(parameters.token_type_embeddings), kind, kind)
        return out

    def embed_call(self, hidden_states: Float32, position_ids: Int32, token_type_ids: Int32) -> EmbedCall:
        """The arguments of `embed_loop`, for word embeddings in `hidden_states`."""
        tables = self.parameters
        positions, types, norm = tables.position_embeddings, tables.token_type_embeddings, tables.embeddings_norm
        return EmbedCall(
            hidden_states, position_ids, token_type_ids, positions, types, norm.weight, norm.bias, self._embeddings_eps,
            np.zeros(2, np.int64),
        )  # fmt: skip

    def sum_rows(self, rows: Float32, firsts: Int64, ends: Int64) -> Float32:
        """Return the sum of rows `firsts` to `ends` - 1 of each span; see sums.py.

        Raises ValueError for a span outside of the rows.
        """
        hidden_size = self.parameters.config.hidden_size
        _check_hidden_states(rows, hidden_size)
        spans = np.stack([np.minimum(firsts, ends), ends], axis=1).astype(np.int64)  # an empty span may begin anywhere
        if len(spans) and (spans.min() < 0 or spans.max() > len(rows)):
            raise ValueError(f"firsts, ends: expected 0 to {len(rows)}, found {spans.min()} to {spans.max()}")
        call = SumCall(rows.copy(), spans, np.empty((len(spans), hidden_size), np.float32))
        self.loops.sum_rows(self.loops.record(call))
        return call.sums

    def layers(self, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32:
        """Overwrite the hidden states with those after layers `first` to `last` - 1."""
        num_tokens, num_layers = len(hidden_states), len(self.parameters.layers)
        _check_hidden_states(hidden_states, self.parameters.config.hidden_size)
        own_cu_seqlens, longest = _checked(cu_seqlens, num_tokens)
        if not 0 <= first <= last <= num_layers:
            raise ValueError(f"first, last: expected 0 <= first <= last <= {num_layers}, found {first} and {last}")
        counters = np.zeros((last - first) * LAYER_PHASES * COUNTERS, np.int64)
        arguments = (hidden_states, own_cu_seqlens, first, last, counters)
        multiplications = self.multiplications(num_tokens, last - first)
        self._run(self.loops.layers, LayersCall, arguments, (num_tokens, longest), (self.stack,), multiplications)
        return hidden_states

    def multiplications(self, num_tokens: int, num_layers: int) -> int:
        """How many there are in the matrix products of some layers."""
        return num_tokens * self._layer_size * num_layers

    def short_texts(self, tokenizer: WordPieceTokenizer, num_threads: int) -> ShortTexts | None:
        """Return a function that does the whole path of a few short texts; see short_texts.py."""
        parts = Parts(self.loops, self.parameters, self.stack, self.embed_call)
        most_tokens = sys.maxsize if num_threads == 1 else (team.PAYS - 1) // self.multiplications(1, len(self.parameters.layers))
        return short_texts(parts, tokenizer, most_tokens)

    def attention_probs(self, hidden_states: Float32, cu_seqlens: Int64, layer: int) -> list[Float32]:
        """Return softmax(query key^T / sqrt(head_dim)), (num_heads, seq_len, seq_len) per text."""
        config, num_layers = self.parameters.config, len(self.parameters.layers)
        _check_hidden_states(hidden_states, config.hidden_size)
        own_cu_seqlens, _ = _checked(cu_seqlens, len(hidden_states))
        if not 0 <= layer < num_layers:
            raise ValueError(f"layer: expected 0 to {num_layers - 1}, found {layer}")
        query_key_value = self._linear(hidden_states, self.parameters.layers[layer].query_key_value, NO_ACTIVATION)
        every = []
        for text in np.split(query_key_value, own_cu_seqlens[1:-1]):
            seq_len = len(text)
            context = np.empty((seq_len, config.hidden_size), np.float32)
            probs = np.empty((config.num_attention_heads, seq_len, seq_len), np.float32)
            arguments = (text, config.num_attention_heads, self.stack.is_int8, context, probs.reshape(-1), np.zeros(0, np.int64))
            self._run(self.loops.probs, ProbsCall, arguments, (seq_len, seq_len))
            every.append(probs)
        return every

    def pooler(self, hidden_states: Float32) -> Float32:
        """Return tanh(x weight^T + bias) of vectors of position 0, which is [CLS]."""
        return self._dense(self.parameters.pooler, "Tanh", hidden_states)

    def dense(self, linear: Linear, activation: str) -> Dense:
        """Return the function activation(x weight^T + bias), NaN wherever a sum is not finite."""
        return partial(self._dense, pack_one(linear, self.loops), activation)

    def _dense(self, weights: Packed, activation: str, vectors: Float32) -> Float32:
        """Return activation(x weight^T + bias). NumPy applies every activation except tanh."""
        _check_hidden_states(vectors, weights.in_features)
        if activation == "Tanh":
            return self._linear(vectors, weights, POOL)
        from ..numpy_ops import activated  # most models have no such layer

        with np.errstate(all="ignore"):
            return activated(self._linear(vectors, weights, NO_ACTIVATION), activation)

    def _linear(self, x: Float32, weights: Packed, activation: Integer) -> Float32:
        """Return activation(x weight^T + bias), (num_rows, out_features)."""
        out = np.empty((len(x), weights.out_features), np.float32)
        counters = np.zeros(LINEAR_PHASES * COUNTERS, np.int64)
        table = self.loops.addresses_of(*weights.arrays)
        arguments = (table, int(isinstance(weights, PackedInt8Linear)), x, int(activation), out, counters)
        self._run(self.loops.linear, LinearCall, arguments, (len(x), 1))
        return out

    def _run(
        self, loop: Loop, kind: type, arguments: tuple[Any, ...], capacity: tuple[int, int],
        constants: tuple[Any, ...] = (), multiplications: int = 0,
    ) -> None:  # fmt: skip
        """Run `loop` with `kind(*arguments, *constants, buffers)`, in several threads if that pays.

        The constants never change for a loop, so their addresses are taken once.

        `capacity` is what the Storage reserves. A loop that comes with a number of multiplications
        must divide all of its work in blocks. Otherwise each thread would do the work again. With 0
        multiplications, one thread works.
        """
        try:
            storage = self._idle.pop()
        except IndexError:
            storage = Storage(self.loops.tier, self.parameters.config, bool(self.stack.is_int8))
        storage.reserve(*capacity)

        def new_record(scratch: Float32) -> Record:
            return self.loops.record(kind(*arguments, *constants, storage.buffers(scratch)))

        if record := storage.records.get(kind):
            record.begin(*arguments)
        else:
            record = storage.records[kind] = new_record(storage.scratch(0))
        if team.pays(multiplications) and self.loops.may_share:
            own = storage.scratch(0)

            def work(scratch: Float32) -> None:
                loop(record if scratch is own else new_record(scratch))

            team.run(team.Call(work, storage.new_scratch, loop.is_compiled), own)
        else:
            loop(record)
        if storage.num_tokens <= KEPT_TOKENS:  # a larger one would stay for no later batch
            self._idle.append(storage)


def encoder_of(loops: Loops, weights: BertWeights, is_int8: bool) -> CompiledEncoder:
    """An encoder with these weights, or with what the loops make of them if `is_int8`."""
    if is_int8:
        from ...bert.quantize import quantize

        weights = quantize(weights, rows_of(loops))
    return CompiledEncoder(loops, weights)


def _check_hidden_states(found: Float32, width: int) -> None:
    """Raise ValueError unless they are writable, C-contiguous float32 of this width."""
    if found.dtype != FLOAT32 or found.ndim != 2 or found.shape[1] != width or not found.flags.carray:
        raise ValueError(
            f"hidden_states: expected writable, C-contiguous float32 (num_tokens, {width}), "
            f"found {found.dtype} {found.shape}, strides {found.strides}"
        )


def _checked(cu_seqlens: Int64, num_tokens: int) -> tuple[Int64, int]:
    """Return a copy that no other thread can change, and the length of the longest text.

    Raises ValueError unless the numbers ascend from 0 to num_tokens.
    """
    own = cu_seqlens.astype(np.int64)
    starts: list[int] = own.ravel().tolist()
    seqlens = [end - start for start, end in pairwise(starts)]  # of Python, so that no difference overflows
    has_ends = cu_seqlens.dtype == INT64 and own.ndim == 1 and seqlens and starts[0] == 0 and starts[-1] == num_tokens
    if not has_ends or min(seqlens) < 1:
        raise ValueError(
            f"cu_seqlens: expected int64 that ascend from 0 to {num_tokens}, the number of tokens, "
            f"found {cu_seqlens.dtype} {cu_seqlens.shape} {starts[:8]}"
        )
    return own, max(seqlens)
