"""Parts of the compiled encoder, called by themselves. Needs Numba."""

import platform
from typing import Any

import numpy as np
from llvmlite import binding

from minibert.ops.compiled import loops, products
from minibert.ops.compiled.jit_loops import host_tier
from minibert.ops.compiled.layout import COUNTERS, FIRST, Buffers
from minibert.ops.compiled.loops import Attention
from minibert.ops.compiled.memory import address
from minibert.ops.compiled.packed import rounded_up
from minibert.ops.compiled.products import Quantization
from minibert.ops.compiled.storage import Storage
from minibert.ops.compiled.tiers import Tier, tier_for
from minibert.ops.compiled.workspace import workspace_of
from minibert.runtime.jit import jit
from tests.support.models import make_config

HOST = {name for name, present in binding.get_host_cpu_features().items() if present}


def runnable() -> list[str]:
    """The tiers that this processor can run. Only one needs an instruction of ARM."""
    best = tier_for(platform.machine().lower(), HOST).name
    x86 = {"avx512vnni": 5, "avx512": 4, "avxvnni": 3, "avx2": 2}
    if best not in x86:
        return [best] if best == "generic" else [*{best, "neon", "generic"}]
    names = [name for name, rank in x86.items() if rank <= x86[best] and (name != "avxvnni" or HOST & {"avxvnni", "avx512vnni"})]
    return [*names, "neon", "generic"]


@jit
def quantize_loop(tier: Tier, x: Any, stride: Any, buffers: Buffers, counters: Any) -> None:
    num_tokens, in_features = x.shape
    workspace = workspace_of(tier, buffers, counters, num_tokens)
    products.quantize_rows(Quantization(address(x), num_tokens, in_features, stride), workspace, FIRST)


def quantized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(low, unit, numbers of 0..255) of each row."""
    tier, (num_rows, size) = host_tier(), x.shape
    storage = Storage(tier, make_config(1, size, 1), is_int8=True)
    storage.reserve(num_rows, 1)
    stride = rounded_up(size, tier.group)
    quantize_loop(tier, x, stride, storage.buffers(storage.scratch(0)), np.zeros(COUNTERS, np.int64))
    rows = storage.quantized[: num_rows * stride].reshape(num_rows, stride)[:, :size].astype(int) + tier.int8_offset
    return storage.wide[:num_rows], storage.wide[num_rows : 2 * num_rows], rows


@jit
def attention_loop(
    tier: Tier, query_key_value: Any, cu_seqlens: Any, num_heads: Any, context: Any, buffers: Buffers, counters: Any
) -> None:
    num_tokens, hidden_size = context.shape
    task = Attention(
        address(query_key_value), address(context), address(cu_seqlens), cu_seqlens.shape[0] - 1, num_heads, hidden_size, True
    )  # fmt: skip
    loops.attention(task, workspace_of(tier, buffers, counters, num_tokens), FIRST)


def int16_attention(query_key_value: np.ndarray, cu_seqlens: np.ndarray, num_heads: int) -> np.ndarray:
    """The context (num_tokens, hidden_size) of an int8 model's attention."""
    num_tokens, hidden_size = len(query_key_value), query_key_value.shape[1] // 3
    storage = Storage(host_tier(), make_config(1, hidden_size, num_heads), is_int8=True)
    storage.reserve(num_tokens, int(np.diff(cu_seqlens).max()))
    context = np.full((num_tokens, hidden_size), np.nan, np.float32)
    counters = np.zeros(COUNTERS, np.int64)
    attention_loop(storage.tier, query_key_value, cu_seqlens, num_heads, context, storage.buffers(storage.scratch(0)), counters)
    return context
