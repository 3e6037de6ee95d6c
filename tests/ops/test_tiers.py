"""Every kind of processor computes the same numbers. Needs Numba.

Tiers that this processor can run are tried on it. For the others, the machine code is inspected.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding, ir

from minibert.ops.compiled.loops import layers_loop
from minibert.ops.compiled.simd import I64
from minibert.ops.compiled.steps import float32_step, int8_step, int16_step
from minibert.ops.compiled.tiers import TIERS, Tier, tier_for
from minibert.ops.compiled.tiles import Dequantization, Operand, TileProduct, emit_tiles
from tests.support.golden_cases import CASES
from tests.support.jit_parts import HOST, runnable
from tests.support.tier_results import results

ROOT = Path(__file__).parents[2]


def features(*left_out: str) -> str:
    return ",".join(f"{'-' if name.startswith(left_out) or 'vnni' in name else '+'}{name}" for name in sorted(HOST))


LESSER = {
    "avx512": {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": features("avx512bf16")},
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": features("avx512")},
    "generic": {"NUMBA_CPU_NAME": "generic"},
    "emulated": {"NUMBA_DISABLE_JIT": "1"},
}


def run(file: Path, **environment: str) -> dict[str, np.ndarray]:
    subprocess.run([sys.executable, "-m", "tests.support.tier_results", file], cwd=ROOT, env=os.environ | environment, check=True)
    with np.load(file) as results:
        return dict(results)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return run(tmp_path_factory.mktemp("tiers") / "here.npz")


@pytest.mark.parametrize("name", ["avx512", "avx2"])
def test_processors_with_fma_give_the_same_bits(name: str, here: dict[str, np.ndarray], tmp_path: Path) -> None:
    if tier_for("x86_64", HOST).lanes < TIERS[name].lanes:
        pytest.skip("this processor has no AVX-512" if name == "avx512" else "this processor has no AVX2")
    actual = run(tmp_path / "results.npz", **LESSER[name])
    assert actual.pop("tier") == name
    assert len(actual) == 8
    for key, expected in actual.items():
        np.testing.assert_array_equal(here[key], expected, err_msg=key)


@pytest.mark.parametrize("name", ["generic", "emulated"])
def test_processors_without_fma_are_within_tolerance(name: str, here: dict[str, np.ndarray], tmp_path: Path) -> None:
    """`emulated` runs the loops as Python, with NumPy in place of every operation.

    In int8, a last bit now and then decides between two integers, and what follows moves by a
    hundredth.
    """
    actual = run(tmp_path / "results.npz", **LESSER[name])
    assert actual.pop("tier") == "generic"
    for key, value in actual.items():
        np.testing.assert_allclose(value, here[key], rtol=0, atol=0.03 if key.endswith("int8") else 1e-5, err_msg=key)
        assert np.quantile(np.abs(value - here[key]), 0.8) <= 1e-5, key


def test_one_process_holds_encoders_of_all_tiers() -> None:
    """Every tier that this processor can run gives the same bits as the best one."""
    with np.errstate(all="ignore"):
        for case in (CASES["L2_H15"], CASES["L1_H24"]):
            expected, *others = [results(case, TIERS[name]) for name in runnable()]
            for name, actual in zip(runnable()[1:], others, strict=True):
                for key in expected:
                    np.testing.assert_array_equal(actual[key], expected[key], err_msg=f"{name} {key}")
    compiled = {signature[0].tier.name for signature in layers_loop.signatures}
    assert compiled >= {*runnable()}


def assembly(tier: Tier, kind: str, triple: str, cpu: str) -> str:
    """Machine code of the tiles of a tier, for a processor that need not be this one."""
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 18), "tiles")
    builder = ir.IRBuilder(function.append_basic_block())
    rows, initial, k_steps, *others = function.args
    a, b, c = (Operand(*others[i : i + 3]) for i in (0, 3, 6))
    product = TileProduct(a, b, initial, c, k_steps, Dequantization(*others[9:14]) if kind == "int8" else None)
    step = {"float32": float32_step, "int8": int8_step, "int16": int16_step}[kind](builder, tier, tier.name != "generic")
    emit_tiles(builder, step, product, rows, others[14], (tier.vectors,))
    builder.ret_void()
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=3)
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    code: str = machine.emit_assembly(parsed)
    return code


X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
# tier, kind, processor -> the instruction of the innermost loop, and how many of it a pass of all
# tiles needs. Where few rows are left, LLVM takes vpmaddwd and vpaddd for sums that would wait for
# vpdpwssd; a whole tile has none of these.
EMITTED = [
    ("avx512vnni", "float32", X86, "icelake-server", r"vfmadd231ps\s.*%zmm", 4 * 21),
    ("avx512vnni", "int8", X86, "icelake-server", r"vpdpbusd\s.*%zmm", 4 * 21),
    ("avx512vnni", "int16", X86, "icelake-server", r"vpdpwssd\s.*%zmm", 4 * 18),
    ("avx512", "int8", X86, "skylake-avx512", r"vpmaddubsw\s.*%zmm", 4 * 21),
    ("avx512", "int16", X86, "skylake-avx512", r"vpmaddwd\s.*%zmm", 4 * 21),
    ("avxvnni", "float32", X86, "alderlake", r"vfmadd231ps\s.*%ymm", 2 * 21),
    ("avxvnni", "int8", X86, "alderlake", r"vpdpbusd\s.*%ymm", 2 * 21),
    ("avxvnni", "int16", X86, "alderlake", r"vpdpwssd\s.*%ymm", 2 * 17),
    ("avx2", "int8", X86, "haswell", r"vpmaddubsw\s.*%ymm", 2 * 21),
    ("avx2", "int16", X86, "haswell", r"vpmaddwd\s.*%ymm", 2 * 21),
    ("neondot", "float32", ARM, "neoverse-n1", r"fmla\s+v", 4 * 21),
    ("neondot", "int8", ARM, "neoverse-n1", r"sdot\s+v", 4 * 21),
    ("neondot", "int16", ARM, "neoverse-n1", r"smlal2?\s+v", 2 * 4 * 21),
    ("neon", "int8", ARM, "cortex-a72", r"mla\s+v", 4 * 21),
    ("generic", "float32", X86, "x86-64", r"mulps\s", 4 * 3),
]


@pytest.mark.parametrize(("name", "kind", "triple", "cpu", "instruction", "number"), EMITTED)
def test_the_innermost_loop_is_the_right_instruction(name: str, kind: str, triple: str, cpu: str, instruction: str, number: int) -> None:
    """As many as there are sums, and no sum leaves its register inside the loop."""
    code = assembly(TIERS[name], kind, triple, cpu)
    assert len(re.findall(instruction, code)) >= number
    assert not re.search(r"\bfmaf\b" if "vpmaddubsw" in instruction else r"\bfmaf\b|vpmaddubsw", code)
    loops = [loop for loop in re.findall(r"\n\.?LBB\w+:(?:(?!\n\.?LBB).)*", code, re.S) if re.search(instruction, loop)]
    assert len(loops) >= TIERS[name].rows
    assert max(len(re.findall(instruction, loop)) for loop in loops) >= TIERS[name].rows * TIERS[name].vectors
    if name != "generic":  # its eight registers of sums, and what it multiplies, are more than SSE has
        for loop in loops:
            assert not re.search(r"(Spill|Reload)", loop), loop


@pytest.mark.parametrize(
    ("architecture", "present", "expected"),
    [
        ("x86_64", {"avx512f", "avx512bw", "avx512vl", "fma", "avx2", "avx512vnni"}, "avx512vnni"),
        ("amd64", {"avx512f", "avx512bw", "avx512vl", "fma", "avx2"}, "avx512"),
        ("x86_64", {"avx512f", "fma", "avx2"}, "avx2"),
        ("x86_64", {"fma", "avx2", "avxvnni"}, "avxvnni"),
        ("x86_64", {"avx"}, "generic"),
        ("aarch64", {"dotprod"}, "neondot"),
        ("arm64", set(), "neon"),
        ("riscv64", set(), "generic"),
    ],
)
def test_a_processor_gets_its_tier(architecture: str, present: set[str], expected: str) -> None:
    assert tier_for(architecture, present).name == expected
