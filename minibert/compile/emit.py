"""Machine code for the loops, as an object file.

Numba compiles each loop and keeps LLVM's module of it. These modules become one. Only the entries
can be seen from outside, so what they do not use is dropped.
"""

from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from ..ops.compiled.jit_loops import LOOPS
from ..ops.compiled.tier_type import TierType
from ..ops.compiled.tiers import TIERS
from ..tokenizer.compiled.loops import encode
from .targets import TARGETS, Target

WORD = ir.IntType(64)


class Loop(NamedTuple):
    """A function that Numba compiles, and the types of its arguments."""

    dispatcher: Any
    arguments: tuple[Any, ...]  # one int64, and other types only if their values have no bits


def loops_of(tier: str) -> dict[str, Loop]:
    """The loops of a library, by the name of the entry. Each takes the address of a record."""
    with_tier = (TierType(TIERS[tier]), types.intp)
    encoder = {f"minibert_{name}": Loop(loop, with_tier) for name, loop in LOOPS.items()}
    return encoder | {"minibert_tokenize": Loop(encode, (types.intp,))}


def object_of(tier: str) -> bytes:
    """The object file of a tier."""
    with global_compiler_lock:
        module = linked(loops_of(tier))
        return emit(module, TARGETS[tier])


def linked(entries: dict[str, Loop]) -> Any:
    """One module with an entry for each loop, `int64 NAME(int64 numbers)`."""
    context = cpu_target.target_context
    module = context.codegen()._create_empty_module("minibert")
    libraries = []
    for name, loop in entries.items():
        loop.dispatcher.compile(loop.arguments)
        compiled = loop.dispatcher.overloads[loop.arguments]
        _add_entry(context, module, name, compiled)
        libraries.append(compiled.library)
    result = binding.parse_assembly(str(module))
    for library in libraries:
        result.link_in(library._get_module_for_linking(), preserve=True)
    for each in (*result.functions, *result.global_variables):
        if not each.is_declaration and each.name not in entries:
            each.linkage = "internal"
    return result


def _add_entry(context: Any, module: Any, name: str, compiled: Any) -> None:
    """Add a function of C that calls what Numba has compiled."""
    function = ir.Function(module, ir.FunctionType(WORD, [WORD]), name)
    builder = ir.IRBuilder(function.append_basic_block())
    result, arguments = compiled.signature.return_type, compiled.signature.args
    if result != types.int64:
        raise TypeError(f"{name}: expected a loop that returns int64, found {result}")
    values = [function.args[0] if kind == types.intp else context.get_dummy_value() for kind in arguments]
    callee = ir.Function(module, context.call_conv.get_function_type(result, arguments), compiled.fndesc.llvm_func_name)
    _, returned = context.call_conv.call_function(builder, callee, result, arguments, values)
    builder.ret(returned)


def emit(module: Any, target: Target) -> bytes:
    """Drop what no entry uses, optimize, and return an object file whose code may lie anywhere."""
    machine = binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=3))
    drop = binding.create_new_module_pass_manager()
    drop.add_global_dead_code_eliminate_pass()
    drop.run(module, builder)
    builder.getModulePassManager().run(module, builder)
    drop.run(module, builder)
    module.verify()
    content: bytes = machine.emit_object(module)
    return content
