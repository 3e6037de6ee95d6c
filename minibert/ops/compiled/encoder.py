"""The encoder of the compiled loops.

What Python gives is checked here, because a loop computes addresses from it. So each array is
compared with the sizes of the weights, and what another thread could change meanwhile is copied
first. Then a method takes a workspace and calls a loop.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ...arrays import FLOAT32, release_pages, widen
from ...bert.weights import BertWeights, FloatArray, LayerNorm, Linear, Matrix
from ...runtime import team
from .. import Dense, Float32, Int32, Int64
from ..numpy_ops import activated
from ..parameters import Layer, Parameters, arrange, check_ids, look_up, outside
from .activations import ERF, NO_ACTIVATION, POOL, TANH
from .counters import COUNTERS
from .loops import LAYER_PHASES, LINEAR_PHASES, Stack, embed_loop, layers_loop, linear_loop, probs_loop
from .packed import Packed, PackedInt8Linear, layer_addresses, pack
from .simd import Integer
from .tiers import EMULATED, Tier, host_tier
from .workspace import Storage

f32 = np.float32
INT64 = np.dtype(np.int64)
FORMS = {"none": ERF, "tanh": TANH}
KEPT_TOKENS = 4096  # capacity of the largest Storage that is kept after a call


class Loops(NamedTuple):
    """The four loops. `loops.py` has their arguments."""

    layers: Callable[..., None]
    linear: Callable[..., None]
    probs: Callable[..., None]
    embed: Callable[..., tuple[int, int, int]]


def prepare(weights: BertWeights) -> "CompiledEncoder":
    """Return an encoder with these weights, whose loops Numba compiles for this processor."""
    return CompiledEncoder(Loops(layers_loop, linear_loop, probs_loop, embed_loop), host_tier(), weights)


class CompiledEncoder:
    """The `Encoder` of the contract, compiled."""

    backend = "numba"
    uses_blas = False
    # Up to 1,024 no number is more than 3 % faster. With 256, two threads meet too often: int8 of
    # L8_H128 is 2 to 5 % slower.
    batch_tokens = 384

    def __init__(self, loops: Loops, tier: Tier, weights: BertWeights) -> None:
        self.loops, self.tier = loops, tier
        self.parameters = _pack(weights, tier)
        self.config = weights.config  # public, so code may force numbers into it; what is computed uses the copy in `parameters`
        self.precision = "int8" if weights.is_int8 else "float32"
        self.num_parameters = weights.num_parameters
        self.has_pooler = self.parameters.pooler is not None
        config = self.parameters.config
        self._layer_size = config.hidden_size * (4 * config.hidden_size + 2 * config.intermediate_size)  # weights in its matrices
        self._eps = np.array([config.layer_norm_eps], np.float32)  # of the norms of all layers
        self._embeddings_eps = f32(self.parameters.embeddings_norm.eps)
        self._stack = Stack(
            np.stack([_addresses(layer, self._eps) for layer in self.parameters.layers]), weights.is_int8, config.num_attention_heads,
            config.intermediate_size, int(FORMS[config.gelu]),
        )  # fmt: skip
        self._idle: list[Storage] = []  # what no call uses; `append` and `pop` are atomic

    def embed(self, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
        """Return the sum of three rows for each token, with LayerNorm."""
        parameters = self.parameters
        check_ids(input_ids, position_ids, token_type_ids)
        out = look_up("input_ids", parameters.word_embeddings, input_ids)
        positions, types, norm = parameters.position_embeddings, parameters.token_type_embeddings, parameters.embeddings_norm
        done, position, kind = self.loops.embed(
            out, positions, position_ids, types, token_type_ids, norm.weight, norm.bias, self._embeddings_eps
        )  # fmt: skip
        if done < len(out):
            is_position = not 0 <= position < len(positions)
            name, table, found = ("position_ids", positions, position) if is_position else ("token_type_ids", types, kind)
            raise outside(name, len(table), found, found)
        return out

    def layers(self, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32:
        """Overwrite the hidden states with those after layers `first` to `last` - 1."""
        num_tokens, num_layers = len(hidden_states), len(self.parameters.layers)
        _check_hidden_states(hidden_states, self.parameters.config.hidden_size)
        own_cu_seqlens, longest = _checked(cu_seqlens, num_tokens)
        if not 0 <= first <= last <= num_layers:
            raise ValueError(f"first, last: expected 0 <= first <= last <= {num_layers}, found {first} and {last}")
        arguments = (self._stack, hidden_states, own_cu_seqlens, first, last)
        multiplications = num_tokens * self._layer_size * (last - first)
        self._run(self.loops.layers, arguments, (num_tokens, longest), (last - first) * LAYER_PHASES, multiplications)
        return hidden_states

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
            arguments = (text, config.num_attention_heads, self._stack.is_int8, context, probs)
            self._run(self.loops.probs, arguments, (seq_len, seq_len), 0)
            every.append(probs)
        return every

    def pooler(self, hidden_states: Float32) -> Float32:
        """Return tanh(x weight^T + bias) of vectors of position 0, which is [CLS]."""
        return self._dense(self.parameters.pooler, "Tanh", hidden_states)

    def dense(self, linear: Linear, activation: str) -> Dense:
        """Return the function activation(x weight^T + bias), NaN wherever a sum is not finite."""
        return partial(self._dense, pack(linear, self.tier), activation)

    def _dense(self, weights: Packed, activation: str, vectors: Float32) -> Float32:
        """Return activation(x weight^T + bias). NumPy applies every activation except tanh."""
        _check_hidden_states(vectors, weights.in_features)
        if activation == "Tanh":
            return self._linear(vectors, weights, POOL)
        with np.errstate(all="ignore"):
            return activated(self._linear(vectors, weights, NO_ACTIVATION), activation)

    def _linear(self, x: Float32, weights: Packed, activation: Integer) -> Float32:
        """Return activation(x weight^T + bias), (num_rows, out_features)."""
        out = np.empty((len(x), weights.out_features), np.float32)
        arguments = (weights.addresses, isinstance(weights, PackedInt8Linear), x, activation, out)
        self._run(self.loops.linear, arguments, (len(x), 1), LINEAR_PHASES)
        return out

    def _run(
        self, loop: Callable[..., None], arguments: tuple[Any, ...], capacity: tuple[int, int], phases: int, multiplications: int = 0
    ) -> None:
        """Call `loop(tier, *arguments, buffers)`, in several threads if the multiplications pay.

        `capacity` is what the Storage reserves. A loop that comes with a number of multiplications
        must divide all of its work in blocks. Otherwise each thread would do the work again. With 0
        multiplications, one thread works.
        """
        try:
            storage = self._idle.pop()
        except IndexError:
            storage = Storage(self.tier, self.parameters.config, self._stack.is_int8)
        storage.reserve(*capacity)
        counters = np.zeros(phases * COUNTERS, np.int64)

        def work(scratch: Float32) -> None:
            loop(self.tier, *arguments, storage.buffers(scratch, counters))

        if team.pays(multiplications) and not EMULATED:
            team.run(team.Call(work, storage.new_scratch, partial(_is_compiled, loop, self.tier)), storage.scratch(0))
        else:
            work(storage.scratch(0))
        if storage.num_tokens <= KEPT_TOKENS:  # a larger one would stay for no later batch
            self._idle.append(storage)


def _is_compiled(loop: Any, tier: Tier) -> bool:
    """Whether a loop is already compiled for this tier.

    Numba's dispatchers list the signatures that they have compiled, and each begins with a tier. A
    loop that Numba did not make is compiled always.
    """
    return any(signature[0].tier == tier for signature in loop.signatures) if hasattr(loop, "signatures") else True


def _pack(weights: BertWeights, tier: Tier) -> Parameters:
    """Every matrix in panels, and everything small as a float32 copy.

    The word embeddings stay as they are stored.
    """

    def pack_and_release(matrix: Matrix) -> Packed:
        packed = pack(matrix, tier)
        release_pages(weights.position_embeddings)  # any array of the file: what has been copied need not stay in memory
        return packed

    def copied(array: FloatArray) -> Float32:
        return np.array(widen(array), order="C")

    return arrange(weights, pack_and_release, lambda norm: LayerNorm(copied(norm.weight), copied(norm.bias), norm.eps), copied)


def _addresses(layer: Layer, eps: Float32) -> Any:
    matrices = (layer.query_key_value, layer.attention_output, layer.intermediate, layer.output)
    return layer_addresses(matrices, (layer.attention_norm, layer.output_norm), eps)


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
