"""Each loop has one signature for a tier. Needs Numba."""

from pathlib import Path
from typing import Any

import minibert
from minibert.ops.compiled import attention, attention_int16, layer_norm, layout, products
from minibert.ops.compiled.jit_loops import LOOPS
from minibert.runtime import library
from minibert.runtime.unpack import dimensions, hints_of
from minibert.tokenizer import make_tokenizer
from minibert.tokenizer.compiled.layout import Work
from minibert.tokenizer.compiled.loops import encode


def test_every_loop_is_compiled_once(tiny_folder: Path) -> None:
    """A second signature would be a second compilation."""
    for precision in ("float32", "int8"):
        model = minibert.load(tiny_folder, backend="numba", precision=precision)
        model.encode(["a few words", "more"], layer=(0, 2))
        model([[101, 7592, 102]], output_hidden_states=True, output_attentions=True)
        make_tokenizer(model.tokenizer.settings, "numba").encode_batch(["a few words"])
        model.tokenizer.encode_batch(["words " * 2000])  # then the compiled tokenizer pays, and short texts take one call
        model.encode("a few words")
    assert {*LOOPS, "tokenize"} == {*library.LOOPS}
    for loop in (*LOOPS.values(), encode):
        tiers = [signature[:-1] for signature in loop.signatures]  # other tests compile for other tiers
        assert len(set(tiers)) == len(tiers) > 0, loop
    attentions = (attention.attend, attention.any_tile, attention_int16.attend_int16, attention_int16.any_int16_tile)
    for function in (products.multiply, products.quantize_rows, layer_norm.add_layer_norm, *attentions):
        assert len(function.signatures) <= 1, function.signatures  # none, if the loops came from the cache


def places(kind: Any, parent: str = "") -> list[str]:
    """What each number of a record is."""
    names = []
    for name, hint in hints_of(kind).items():
        if hasattr(hint, "_fields"):
            names += places(hint, f"{name}.")
        else:
            names += [parent + name, *(f"len({parent}{name}, {axis})" for axis in range(dimensions(hint)))]
    return names


def test_the_numbers_that_a_loop_writes_into_records() -> None:
    """A field that is put before them would move them."""
    work, embed, layers = places(Work), places(layout.EmbedCall), places(layout.LayersCall)
    assert [work[place] for place in (layout.NUM_BYTES, layout.NUM_ENDS)] == ["len(data, 0)", "len(ends, 0)"]
    assert work[layout.MAX_PIECES] == "options.max_pieces"
    assert embed[layout.NUM_TOKENS] == "len(out, 0)"
    assert [layers[place] for place in (layout.NUM_TOKENS, layout.NUM_CU_SEQLENS)] == ["len(hidden_states, 0)", "len(cu_seqlens, 0)"]
