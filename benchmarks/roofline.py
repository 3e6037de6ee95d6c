"""How much of the machine's arithmetic the kernels use, and what each op of a layer costs.

    python -m benchmarks.roofline

The peak is measured: a register tile whose operands stay in the first-level cache, so that it does nothing but multiply and add. The
kernels' loops are then called as a layer calls them, in one thread, on as many tokens as a batch has, many times in one call so that
Python is not part of it. About two minutes.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

import minibert
from benchmarks import common
from benchmarks.common import SIZES, arguments, median, model_folder, save
from minibert.ops.compiled import kernels, products, team
from minibert.ops.compiled.activations import ERF, NO_ACTIVATION
from minibert.ops.compiled.memory import address
from minibert.ops.compiled.packed import KIND, WIDTH, borrowed
from minibert.ops.compiled.tiers import TIER
from minibert.ops.compiled.tiles import int8_tile, int16_tile, whole_tile

ROUNDS, QUICK_ROUNDS = 7, 2
paired = partial(common.paired, pause=0)  # nobody's threads are left spinning here, and in a pause a neighbour cools the caches
TOKENS = kernels.BATCH_TOKENS
LENGTHS = (20, 130, 512)
ACTIVATIONS = 512  # of each row, in the first-level cache beside one line of weights
PEAK_REPEATS = 8_000
SECONDS = 0.02  # that one measured call should take
ROWS, VECTORS, GROUP = TIER.rows, products.VECTORS, products.GROUP
compiled = numba.njit(nogil=True)  # in memory: the code goes with this process

# The peak


@compiled
def float32_peak_loop(a: Any, b: Any, bias: Any, out: Any, repeats: int) -> None:
    """All steps take one line of weights: a distance of 0."""
    for _ in range(repeats):
        whole_tile(
            ROWS, VECTORS, address(a), 0, ACTIVATIONS, address(b), 0, 0, address(bias), 0, address(out), 0, WIDTH, ACTIVATIONS
        )  # fmt: skip


@compiled
def int8_peak_loop(a: Any, b: Any, initial: Any, vector: Any, out: Any, repeats: int) -> None:
    """The same of integers; what is done to the sums at the end is lost among the steps."""
    for _ in range(repeats):
        int8_tile(
            ROWS, VECTORS, address(a), 0, ACTIVATIONS, address(b), 0, 0, address(initial), 0, address(out), 0, WIDTH,
            ACTIVATIONS // GROUP, address(vector), address(vector), address(vector), address(vector), address(vector),
        )  # fmt: skip


@compiled
def int16_peak_loop(a: Any, b: Any, zeros: Any, out: Any, repeats: int) -> None:
    for _ in range(repeats):
        int16_tile(
            ROWS, VECTORS, address(a), 0, ACTIVATIONS, address(b), 0, 0, address(zeros), 0, address(out), 0, WIDTH, ACTIVATIONS // 2
        )  # fmt: skip


def peak_call(precision: str, repeats: int) -> Callable[[], None]:
    """One thread's share of the measurement, on arrays of its own."""
    vector, out = np.zeros(WIDTH, np.float32), np.zeros((ROWS, WIDTH), np.float32)
    if precision == "float32":
        return partial(float32_peak_loop, np.zeros(ROWS * ACTIVATIONS, np.float32), vector, vector, out, repeats)
    if precision == "int16":
        return partial(int16_peak_loop, np.zeros(ROWS * ACTIVATIONS, np.int16), np.zeros(2 * WIDTH, np.int16), vector, out, repeats)
    weights = np.zeros(WIDTH * GROUP, np.int8)
    return partial(int8_peak_loop, np.zeros(ROWS * ACTIVATIONS, KIND.activation), weights, np.zeros(WIDTH, np.int32), vector, out, repeats)


def peak(precision: str, num_threads: int, rounds: int) -> float:
    """Billions of multiplications and additions per second, the best of some runs: a peak is not an average."""
    calls = [peak_call(precision, PEAK_REPEATS) for _ in range(num_threads)]
    with ThreadPoolExecutor(num_threads) as executor:
        seconds = paired({"": lambda: list(executor.map(lambda call: call(), calls))}, 4 * rounds)[""]
    return round(2 * ROWS * WIDTH * ACTIVATIONS * PEAK_REPEATS * num_threads / min(seconds) / 1e9, 1)


# The ops of a layer, each many times in one call. Every time has counters of its own, as every step of a layer has.


@compiled
def linear_repeated(
    repeats: Any, table: Any, is_int8: Any, x: Any, activation: Any, out: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any,
    counters: Any,
) -> None:  # fmt: skip
    """What kernels.linear_loop does."""
    rows, inner = x.shape
    room = team.make_room(rows, wide, quantized, scratch, zeros, counters)
    step = kernels.FIRST_STEP
    for _ in range(repeats):
        step = products.linear(
            address(x), rows, inner, address(table), kernels.QKV, out.shape[1], address(out), activation, is_int8, room, step
        )


@compiled
def quantize_repeated(repeats: Any, x: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any, counters: Any) -> None:
    rows, size = x.shape
    room = team.make_room(rows, wide, quantized, scratch, zeros, counters)
    for step in range(repeats):
        products.quantize_rows(address(x), rows, size, size, room, step)


@compiled
def norm_repeated(
    repeats: Any, table: Any, x: Any, residual: Any, eps: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any, counters: Any
) -> None:
    rows, size = x.shape
    room = team.make_room(rows, wide, quantized, scratch, zeros, counters)
    for step in range(repeats):
        kernels.add_layer_norm(address(x), address(residual), rows, size, address(table), kernels.ATTENTION_NORM, eps, room, step)


@compiled
def attention_repeated(
    repeats: Any, qkv: Any, cu_seqlens: Any, num_heads: Any, is_int8: Any, out: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any,
    counters: Any,
) -> None:  # fmt: skip
    rows, hidden = out.shape
    room = team.make_room(rows, wide, quantized, scratch, zeros, counters)
    for step in range(repeats):
        kernels.attention(address(qkv), cu_seqlens, num_heads, hidden, address(out), is_int8, room, step)


class Layer:
    """The first layer of a model, and what it costs per token."""

    def __init__(self, folder: Path, precision: str, rounds: int) -> None:
        self.parameters = minibert.load(folder, backend="numba", precision=precision)._parameters
        self.config, self.layer = self.parameters.config, self.parameters.layers[0]
        self.is_int8, self.rounds = precision == "int8", rounds
        self.random = np.random.default_rng(0)

    def floats(self, rows: int, columns: int) -> np.ndarray:
        return self.random.standard_normal((rows, columns), np.float32)

    def seconds(self, loop: Callable[..., None], *variants: tuple[Any, ...], longest: int = 1, rows: int = TOKENS) -> list[float]:
        """Of one time of a loop, with each of several arguments in turns: medians."""

        def call(shared: tuple[Any, ...], repeats: int) -> None:
            with borrowed(self.parameters, rows, longest) as workspace:
                team.run(loop, (repeats, *shared), workspace, 2 * repeats)

        def timed(repeats: int, rounds: int) -> list[float]:
            calls = {number: partial(call, shared, repeats) for number, shared in enumerate(variants)}
            return [median(each) / repeats for each in paired(calls, rounds).values()]

        return timed(max(1, min(1000, int(SECONDS / max(timed(3, 2))))), self.rounds)

    def products(self) -> dict[str, dict[str, float]]:
        """The four products, quantisation of their input included; and what GELU adds to the third."""
        found = {}
        for name in ("query_key_value", "attention_output", "intermediate", "output"):
            weights = getattr(self.layer, name)
            inner = self.config.intermediate_size if name == "output" else self.config.hidden_size
            x, out = self.floats(TOKENS, inner), np.empty((TOKENS, weights.out_features), np.float32)
            activations = (NO_ACTIVATION, ERF) if name == "intermediate" else (NO_ACTIVATION,)
            variants = [(weights.addresses, self.is_int8, x, activation, out) for activation in activations]
            plain, *with_gelu = self.seconds(linear_repeated, *variants)
            found[name] = cost(plain, TOKENS, 2 * inner * weights.out_features)
            if with_gelu:
                found["gelu"] = cost(with_gelu[0] - plain, TOKENS)
        return found

    def around(self) -> dict[str, dict[str, float]]:
        """What stands around the products: embeddings, quantisation, norms, attention by length of text."""
        hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
        ids = np.arange(TOKENS, dtype=np.int32) * 50
        embed = partial(kernels.embed, self.parameters, ids, ids % 512, np.zeros_like(ids))
        found = {"embed": cost(median(paired({"": embed}, 3 * self.rounds)[""]), TOKENS)}
        if self.is_int8:
            for name, size, times in (("quantise hidden, three times", hidden, 3), ("quantise intermediate", intermediate, 1)):
                found[name] = cost(times * self.seconds(quantize_repeated, (self.floats(TOKENS, size),))[0], TOKENS)
        shared = (self.parameters.table[0], self.floats(TOKENS, hidden), self.floats(TOKENS, hidden), np.float32(1e-12))
        found["norms, both"] = cost(2 * self.seconds(norm_repeated, shared)[0], TOKENS)
        for length in LENGTHS:
            cu_seqlens = np.arange(0, max(TOKENS, length) + 1, length, dtype=np.int32)
            rows = int(cu_seqlens[-1])
            qkv, out = self.floats(rows, 3 * hidden), np.empty((rows, hidden), np.float32)
            shared = (qkv, cu_seqlens, self.config.num_attention_heads, self.is_int8, out)
            seconds = self.seconds(attention_repeated, shared, longest=length, rows=rows)[0]
            found[f"attention, {length} tokens"] = cost(seconds, rows, 4 * length * hidden)
        return found

    def whole(self) -> dict[str, float]:
        """All layers as the encoder calls them, per layer, on texts of the first length: what the parts should add up to."""
        cu_seqlens = np.arange(0, TOKENS + 1, LENGTHS[0], dtype=np.int32)
        rows, number = int(cu_seqlens[-1]), self.config.num_hidden_layers
        call = partial(kernels.layers, self.parameters, self.floats(rows, self.config.hidden_size), cu_seqlens, 0, number)
        return cost(median(paired({"": call}, 3 * self.rounds)[""]) / number, rows)


def cost(seconds: float, num_tokens: int, operations: int = 0) -> dict[str, float]:
    """Per token; with a number of multiplications and additions per token also how many billions of them per second."""
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
    """Of what was counted in operations, the share of one thread's peak. Attention of int8 models has integers of sixteen bits."""
    for row in results["models"]:
        for name, op in row["ops"].items():
            if "gops" in op:
                kind = "int16" if name.startswith("attention,") and row["precision"] == "int8" else row["precision"]
                op["share_of_peak"] = round(op["gops"] / results["peaks_gops"][kind]["1"], 3)


if __name__ == "__main__":
    main()
