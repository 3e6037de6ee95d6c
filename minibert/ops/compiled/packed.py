"""The kernels' own layout of the parameters: column panels, in the order in which a register tile reads them.

    weight (out_features, in_features)  ->  panels (out_features / WIDTH, in_features, WIDTH), zeros where the last panel is not full

so that the innermost loop walks through memory in one straight line. Made once at load, with every vector on a cache line of its own.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...arrays import release_pages, widen
from ...bert.config import BertConfig
from ...bert.weights import BertWeights, LayerNorm, Linear, Matrix
from .. import Float32, Int32
from ..parameters import Parameters, arrange
from .simd import LANES
from .tiers import EMULATED, INT8, TIER

Int8 = npt.NDArray[Any]
Addresses = npt.NDArray[Any]  # int64
WIDTH = TIER.width
KIND = INT8[TIER.int8]
PASS = 4 * TIER.rows  # rows of activations that go by a panel at a time
CACHE_LINE = 64
KEPT_TOKENS = 4096  # in a workspace that is kept
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class PackedLinear:
    """A Linear for `float32_tile`."""

    panels: Float32  # (num_panels, in_features, WIDTH, 1)
    bias: Float32  # (num_panels * WIDTH,)
    in_features: int
    out_features: int

    @property
    def addresses(self) -> Addresses:
        return addresses_of(self.panels, self.bias, NOTHING, NOTHING, NOTHING)


@dataclass(frozen=True)
class PackedInt8Linear:
    """An Int8Linear for `int8_tile`."""

    panels: Int8  # (num_panels, steps, WIDTH, KIND.group): a step is what one instruction multiplies and adds
    bias: Float32  # (num_panels * WIDTH,)
    initial: Int32  # (num_panels * WIDTH,): undoes KIND.offset
    scale: Float32  # (num_panels * WIDTH,)
    sums: Float32  # (num_panels * WIDTH,): of each output's weights
    in_features: int
    out_features: int

    @property
    def addresses(self) -> Addresses:
        return addresses_of(self.panels, self.bias, self.initial, self.scale, self.sums)


@dataclass(frozen=True)
class PackedParameters(Parameters):
    """Parameters as the kernels take them."""

    table: Addresses  # (num_layers, 24): of each layer the four matrices, five addresses each, and weight and bias of the two norms
    is_int8: bool
    layer_size: int  # weights in the matrices of a layer
    idle: list["Workspace"] = field(default_factory=list)  # room that no call holds; `append` and `pop` are atomic


class Workspace:
    """Room for one call at a time: what lies between the steps of a layer, and what each thread needs for itself."""

    def __init__(self, config: BertConfig, is_int8: bool) -> None:
        self.config, self.is_int8 = config, is_int8
        self.num_tokens = self.longest = 0
        self.own: list[Float32] = []  # of each thread: a head's scores, keys and values, or a few tiles

    def make_room(self, num_tokens: int, longest: int) -> None:
        """For so many tokens, and a longest text of so many."""
        hidden, widest = self.config.hidden_size, max(4 * self.config.hidden_size, self.config.intermediate_size)
        if num_tokens > self.num_tokens:
            self.wide = _aligned((-(-2 * num_tokens // LANES) * LANES + num_tokens * (hidden + widest),), np.dtype(np.float32))
            stride = -(-max(hidden, self.config.intermediate_size) // KIND.group) * KIND.group if self.is_int8 else 0
            self.quantized = _aligned((num_tokens * stride,), np.dtype(KIND.activation))
            self.num_tokens = num_tokens
        if longest > self.longest:
            self.longest = longest
            self.own.clear()

    def for_thread(self, number: int) -> Float32:
        """What a thread needs for itself, kept for later calls."""
        while number >= len(self.own):
            self.own.append(self.new_scratch())
        return self.own[number]

    def new_scratch(self) -> Float32:
        """What a thread needs for itself."""
        longest, head_dim = self.longest, self.config.head_dim
        room, head_room = _rounded_up(longest), _rounded_up(head_dim)
        pairs, half = (longest + 1) // 2, (head_dim + 1) // 2
        float32 = head_dim * room + longest * head_room  # keys, values
        int16 = max(LANES * head_room, TIER.rows * room) // 2 + half * room + pairs * head_room  # rows of numbers, keys, values
        head = TIER.rows * (room + WIDTH) + LANES + max(float32, int16)
        scratch: Float32 = _aligned((max(head, PASS * WIDTH),), np.dtype(np.float32))
        return scratch


@contextmanager
def borrowed(parameters: PackedParameters, num_tokens: int, longest: int) -> Iterator[Workspace]:
    """A workspace with room for so many tokens. It is kept for later calls unless it is larger than any batch needs to be."""
    try:
        workspace = parameters.idle.pop()
    except IndexError:
        workspace = Workspace(parameters.config, parameters.is_int8)
    workspace.make_room(num_tokens, longest)
    yield workspace
    if workspace.num_tokens <= KEPT_TOKENS:
        parameters.idle.append(workspace)


def prepare(weights: BertWeights) -> PackedParameters:
    """Every matrix in panels; everything small a float32 copy. The word embeddings stay as they are stored."""

    def pack_and_release(matrix: Matrix) -> PackedLinear | PackedInt8Linear:
        packed = pack(matrix)
        release_pages(weights.position_embeddings)  # any array of the file: what has been copied need not stay in memory
        return packed

    parameters = arrange(weights, pack_and_release, _norm, lambda table: np.array(widen(table), order="C"))
    rows = []
    for layer in parameters.layers:
        matrices = (layer.query_key_value, layer.attention_output, layer.intermediate, layer.output)
        norms = (layer.attention_norm, layer.output_norm)
        rows.append(np.concatenate([*(m.addresses for m in matrices), *(addresses_of(norm.weight, norm.bias) for norm in norms)]))
    config = weights.config
    return PackedParameters(
        **vars(parameters),
        table=np.stack(rows),
        is_int8=weights.is_int8,
        layer_size=config.hidden_size * (4 * config.hidden_size + 2 * config.intermediate_size),
    )


def addresses_of(*arrays: npt.NDArray[Any]) -> Addresses:
    """Where arrays begin; the arrays themselves where nothing is compiled."""
    if not EMULATED:
        return np.array([array.ctypes.data for array in arrays], np.int64)
    result = np.empty(len(arrays), object)
    result[:] = [array.reshape(-1) for array in arrays]
    return result


def _rounded_up(size: int) -> int:
    return -(-size // WIDTH) * WIDTH


def _norm(norm: LayerNorm) -> LayerNorm:
    return LayerNorm(np.array(widen(norm.weight)), np.array(widen(norm.bias)), norm.eps)


def pack(linear: Matrix) -> PackedLinear | PackedInt8Linear:
    """A matrix in panels."""
    out_features, in_features = linear.weight.shape
    num_panels = _rounded_up(out_features) // WIDTH

    def padded(vector: Any, dtype: Any = np.float32) -> Any:
        result = np.zeros(num_panels * WIDTH, dtype)
        result[:out_features] = vector
        return result

    def fill(panels: Any) -> None:
        """(num_panels, steps, WIDTH, group) from the rows of the weight, one panel after the other."""
        group = panels.shape[3]
        for panel, start in zip(panels, range(0, out_features, WIDTH), strict=True):
            rows = linear.weight[start : start + WIDTH]
            whole, rest = in_features // group, in_features % group
            rows = widen(rows) if panels.dtype == np.float32 else rows
            panel[:whole, : len(rows)] = rows[:, : whole * group].reshape(len(rows), whole, group).swapaxes(0, 1)
            if rest:
                panel[whole, : len(rows), :rest] = rows[:, whole * group :]

    bias = padded(widen(linear.bias))
    if isinstance(linear, Linear):
        panels = _aligned((num_panels, in_features, WIDTH, 1), np.dtype(np.float32))
        fill(panels)
        return PackedLinear(panels, bias, in_features, out_features)
    steps = -(-in_features // KIND.group)
    int8_panels = _aligned((num_panels, steps, WIDTH, KIND.group), np.dtype(np.int8))
    fill(int8_panels)
    sums = linear.weight.sum(axis=1, dtype=np.int32)
    initial, scale = padded(KIND.offset * sums, np.int32), padded(widen(linear.scale))
    return PackedInt8Linear(int8_panels, bias, initial, scale, padded(sums), in_features, out_features)


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Zeros that begin on a cache line."""
    size = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(size + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + size].view(dtype).reshape(shape)
