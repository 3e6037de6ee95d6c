"""How much of the machine's arithmetic the compiled loops use, and what each op of a layer costs.

    python -m benchmarks.roofline

The peak is measured with a register tile whose operands stay in the first-level cache, so that it
does nothing but multiply and add. Then the functions of the loops are called as a layer calls
them, in one thread and on as many tokens as a batch has. They run many times in one call, so that
Python is not part of it. This takes about two minutes.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from benchmarks import common
from benchmarks.common import SIZES, arguments, median, model_folder, save
from minibert.bert.quantize import quantize
from minibert.folders.save import open_weights
from minibert.ops.compiled import loops, products
from minibert.ops.compiled.encoder import CompiledEncoder
from minibert.ops.compiled.jit_loops import host_tier, prepare
from minibert.ops.compiled.layer_norm import AddAndNorm, add_layer_norm, norm_at
from minibert.ops.compiled.layout import ATTENTION_NORM, COUNTERS, ERF, FIRST, LINEAR_PHASES, NO_ACTIVATION, ONLY_MATRIX, Buffers
from minibert.ops.compiled.loops import Attention
from minibert.ops.compiled.memory import address
from minibert.ops.compiled.products import Product, Quantization, panels_at
from minibert.ops.compiled.storage import Storage
from minibert.ops.compiled.tiles import Dequantization, Operand, int8_tile, int16_tile, panel_tile
from minibert.ops.compiled.workspace import workspace_of
from minibert.runtime.records import addresses_of

ROUNDS, QUICK_ROUNDS = 7, 2
paired = partial(common.paired, pause=0)  # no library keeps threads spinning here, and in a pause a neighbour cools the caches
TIER = host_tier()
TOKENS = CompiledEncoder.batch_tokens
LENGTHS = (20, 130, 512)
ACTIVATIONS = 512  # of each row, in the first-level cache beside one line of weights
PEAK_REPEATS = 8_000
SECONDS = 0.02  # that one measured call should take
compiled = numba.njit(nogil=True)  # in memory: the code goes with this process

# The peak. All k steps take one line of weights: a stride of 0.


@compiled
def float32_peak_loop(tier: Any, a: Any, b: Any, bias: Any, out: Any, repeats: int) -> None:
    for _ in range(repeats):
        panel_tile(
            tier, tier.rows, Operand(address(a), 0, ACTIVATIONS), Operand(address(b), 0, 0), address(bias),
            Operand(address(out), 0, tier.width), ACTIVATIONS,
        )  # fmt: skip


@compiled
def int8_peak_loop(tier: Any, a: Any, b: Any, initial: Any, vector: Any, out: Any, repeats: int) -> None:
    """The same of integers. What is done to the sums at the end is lost among the k steps."""
    meaning = Dequantization(address(vector), address(vector), address(vector), address(vector), address(vector))
    for _ in range(repeats):
        int8_tile(
            tier, tier.rows, Operand(address(a), 0, ACTIVATIONS), Operand(address(b), 0, 0), address(initial),
            Operand(address(out), 0, tier.width), ACTIVATIONS // tier.group, meaning,
        )  # fmt: skip


@compiled
def int16_peak_loop(tier: Any, a: Any, b: Any, zeros: Any, out: Any, repeats: int) -> None:
    for _ in range(repeats):
        int16_tile(
            tier, tier.rows, tier.vectors, Operand(address(a), 0, ACTIVATIONS), Operand(address(b), 0, 0), address(zeros),
            Operand(address(out), 0, tier.width), ACTIVATIONS // 2,
        )  # fmt: skip


def peak_call(precision: str, repeats: int) -> Callable[[], None]:
    """What one thread does in the measurement, on arrays of its own."""
    rows, width = TIER.rows, TIER.width
    vector, out = np.zeros(width, np.float32), np.zeros((rows, width), np.float32)
    if precision == "float32":
        return partial(float32_peak_loop, TIER, np.zeros(rows * ACTIVATIONS, np.float32), vector, vector, out, repeats)
    if precision == "int16":
        return partial(int16_peak_loop, TIER, np.zeros(rows * ACTIVATIONS, np.int16), np.zeros(2 * width, np.int16), vector, out, repeats)
    weights, initial = np.zeros(width * TIER.group, np.int8), np.zeros(width, np.int32)
    return partial(int8_peak_loop, TIER, np.zeros(rows * ACTIVATIONS, TIER.activation), weights, initial, vector, out, repeats)


def peak(precision: str, num_threads: int, rounds: int) -> float:
    """Billions of multiplications and additions per second, the best of some runs."""
    calls = [peak_call(precision, PEAK_REPEATS) for _ in range(num_threads)]
    with ThreadPoolExecutor(num_threads) as executor:
        seconds = paired({"": lambda: list(executor.map(lambda call: call(), calls))}, 4 * rounds)[""]
    return round(2 * TIER.rows * TIER.width * ACTIVATIONS * PEAK_REPEATS * num_threads / min(seconds) / 1e9, 1)


# The ops of a layer, each many times in one call. Each repetition has counters of its own, as each
# phase of a layer has.


class Memory(NamedTuple):
    """What a call needs beside its arguments."""

    buffers: Buffers
    counters: Any


@compiled
def linear_repeated(tier: Any, repeats: Any, table: Any, is_int8: Any, x: Any, activation: Any, out: Any, memory: Any) -> None:
    """What `linear_loop` does."""
    num_tokens, in_features = x.shape
    workspace, panels = workspace_of(tier, memory.buffers, memory.counters, num_tokens), panels_at(address(table), ONLY_MATRIX)
    task = Product(address(x), address(out), panels, num_tokens, in_features, out.shape[1], activation, is_int8)
    for number in range(repeats):
        products.linear(task, workspace, FIRST + number * LINEAR_PHASES)


@compiled
def quantize_repeated(tier: Any, repeats: Any, x: Any, memory: Any) -> None:
    num_tokens, size = x.shape
    workspace = workspace_of(tier, memory.buffers, memory.counters, num_tokens)
    for number in range(repeats):
        products.quantize_rows(Quantization(address(x), num_tokens, size, size), workspace, FIRST + number)


@compiled
def norm_repeated(tier: Any, repeats: Any, table: Any, x: Any, residual: Any, memory: Any) -> None:
    num_tokens, size = x.shape
    workspace, norm = workspace_of(tier, memory.buffers, memory.counters, num_tokens), norm_at(address(table), ATTENTION_NORM)
    for number in range(repeats):
        add_layer_norm(AddAndNorm(address(x), address(residual), num_tokens, size, norm), workspace, FIRST + number)


@compiled
def attention_repeated(tier: Any, repeats: Any, qkv: Any, cu_seqlens: Any, num_heads: Any, is_int8: Any, context: Any, memory: Any) -> None:
    num_tokens, hidden_size = context.shape
    workspace, num_sequences = workspace_of(tier, memory.buffers, memory.counters, num_tokens), cu_seqlens.shape[0] - 1
    task = Attention(address(qkv), address(context), address(cu_seqlens), num_sequences, num_heads, hidden_size, is_int8)
    for number in range(repeats):
        loops.attention(task, workspace, FIRST + number)


class Layer:
    """The first layer of a model, and what it costs per token."""

    def __init__(self, folder: Path, precision: str, rounds: int) -> None:
        with open_weights(folder) as weights:
            self.encoder = prepare(quantize(weights) if precision == "int8" else weights)
        self.config, self.layer = self.encoder.config, self.encoder.parameters.layers[0]
        self.is_int8, self.rounds = precision == "int8", rounds
        self.random = np.random.default_rng(0)

    def floats(self, rows: int, columns: int) -> np.ndarray:
        return self.random.standard_normal((rows, columns), np.float32)

    def seconds(self, loop: Callable[..., None], *variants: tuple[Any, ...], longest: int = 1, rows: int = TOKENS) -> list[float]:
        """Of one time of a loop, with each of several arguments in turns: medians."""
        storage = Storage(TIER, self.config, self.is_int8)
        storage.reserve(rows, longest)

        def call(shared: tuple[Any, ...], repeats: int) -> None:
            counters = np.zeros(LINEAR_PHASES * repeats * COUNTERS, np.int64)
            loop(TIER, repeats, *shared, Memory(storage.buffers(storage.scratch(0)), counters))

        def timed(repeats: int, rounds: int) -> list[float]:
            calls = {number: partial(call, shared, repeats) for number, shared in enumerate(variants)}
            return [median(each) / repeats for each in paired(calls, rounds).values()]

        return timed(max(1, min(1000, int(SECONDS / max(timed(3, 2))))), self.rounds)

    def products(self) -> dict[str, dict[str, float]]:
        """The four products with the quantization of their input, and what GELU adds."""
        found = {}
        for name in ("query_key_value", "attention_output", "intermediate", "output"):
            weights = getattr(self.layer, name)
            inner = self.config.intermediate_size if name == "output" else self.config.hidden_size
            x, out = self.floats(TOKENS, inner), np.empty((TOKENS, weights.out_features), np.float32)
            activations = (NO_ACTIVATION, ERF) if name == "intermediate" else (NO_ACTIVATION,)
            variants = [(addresses_of(*weights.arrays), self.is_int8, x, activation, out) for activation in activations]
            plain, *with_gelu = self.seconds(linear_repeated, *variants)
            found[name] = cost(plain, TOKENS, 2 * inner * weights.out_features)
            if with_gelu:
                found["gelu"] = cost(with_gelu[0] - plain, TOKENS)
        return found

    def around(self) -> dict[str, dict[str, float]]:
        """The rest of a layer: embeddings, quantization, norms, attention by length of text."""
        hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
        ids = np.arange(TOKENS, dtype=np.int32) * 50
        embed = partial(self.encoder.embed, ids, ids % 512, np.zeros_like(ids))
        found = {"embed": cost(median(paired({"": embed}, 3 * self.rounds)[""]), TOKENS)}
        if self.is_int8:
            for name, size, times in (("quantise hidden, three times", hidden, 3), ("quantise intermediate", intermediate, 1)):
                found[name] = cost(times * self.seconds(quantize_repeated, (self.floats(TOKENS, size),))[0], TOKENS)
        shared = (self.encoder._stack.table[0], self.floats(TOKENS, hidden), self.floats(TOKENS, hidden))
        found["norms, both"] = cost(2 * self.seconds(norm_repeated, shared)[0], TOKENS)
        for length in LENGTHS:
            cu_seqlens = np.arange(0, max(TOKENS, length) + 1, length, dtype=np.int64)
            rows = int(cu_seqlens[-1])
            qkv, out = self.floats(rows, 3 * hidden), np.empty((rows, hidden), np.float32)
            shared = (qkv, cu_seqlens, self.config.num_attention_heads, self.is_int8, out)
            seconds = self.seconds(attention_repeated, shared, longest=length, rows=rows)[0]
            found[f"attention, {length} tokens"] = cost(seconds, rows, 4 * length * hidden)
        return found

    def whole(self) -> dict[str, float]:
        """All layers as the encoder calls them, per layer, on texts of the first length.

        The parts should add up to this.
        """
        cu_seqlens = np.arange(0, TOKENS + 1, LENGTHS[0], dtype=np.int64)
        rows, number = int(cu_seqlens[-1]), self.config.num_hidden_layers
        call = partial(self.encoder.layers, self.floats(rows, self.config.hidden_size), cu_seqlens, 0, number)
        return cost(median(paired({"": call}, 3 * self.rounds)[""]) / number, rows)


def cost(seconds: float, num_tokens: int, operations: int = 0) -> dict[str, float]:
    """Microseconds per token, and billions of operations per second.

    `operations` are the multiplications and additions of a token.
    """
    found = {"us_per_token": float(f"{seconds / num_tokens * 1e6:.4g}")}
    return found | ({"gops": round(operations * num_tokens / seconds / 1e9, 1)} if operations else {})


def main() -> None:
    options = arguments(__doc__, tuple(SIZES))
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    results: dict[str, Any] = {"tokens": TOKENS, "peaks_gops": {}, "models": []}
    for precision in ("float32", "int16", "int8"):
        results["peaks_gops"][precision] = {str(threads): peak(precision, threads, rounds) for threads in (1, 2)}
    print(results["peaks_gops"], flush=True)
    for name in options.models:
        with tempfile.TemporaryDirectory() as parent:
            folder = model_folder(name, Path(parent))
            for precision in ("float32", "int8"):
                layer = Layer(folder, precision, rounds)
                ops = layer.products() | layer.around() | {"a whole layer, texts of 20 tokens": layer.whole()}
                for kind, peaks in results["peaks_gops"].items():
                    peaks.update({threads: max(most, peak(kind, int(threads), rounds)) for threads, most in peaks.items()})
                results["models"].append({"model": name, "precision": precision, "ops": ops})
                print(results["models"][-1], flush=True)
    add_shares(results)
    save("roofline", results, options.folder)


def add_shares(results: dict[str, Any]) -> None:
    """Of what was counted in operations, the share of one thread's peak.

    Attention of int8 models has integers of sixteen bits.
    """
    for row in results["models"]:
        for name, op in row["ops"].items():
            if "gops" in op:
                kind = "int16" if name.startswith("attention,") and row["precision"] == "int8" else row["precision"]
                op["share_of_peak"] = round(op["gops"] / results["peaks_gops"][kind]["1"], 3)


if __name__ == "__main__":
    main()
