"""Each loop has one signature for a tier. Needs Numba."""

from pathlib import Path

import minibert
from minibert.ops.compiled import attention, attention_int16, layer_norm, loops, pack_loops, products
from minibert.tokenizer import make_tokenizer
from minibert.tokenizer.compiled.loops import encode


def test_every_loop_is_compiled_once(tiny_folder: Path) -> None:
    """A second signature would be a second compilation."""
    for precision in ("float32", "int8"):
        model = minibert.load(tiny_folder, backend="numba", precision=precision)
        model.encode(["a few words", "more"], layer=(0, 2))
        model([[101, 7592, 102]], output_hidden_states=True, output_attentions=True)
        make_tokenizer(model.tokenizer.settings, "numba").encode_batch(["a few words"])
    encoder_loops = (
        loops.layers_loop,
        loops.linear_loop,
        loops.embed_loop,
        loops.probs_loop,
        pack_loops.pack_loop,
        pack_loops.quantize_loop,
    )
    for loop in (*encoder_loops, encode):
        tiers = [signature[:-1] for signature in loop.signatures]  # other tests compile for other tiers
        assert len(set(tiers)) == len(tiers) > 0, loop
    attentions = (attention.attend, attention.any_tile, attention_int16.attend_int16, attention_int16.any_int16_tile)
    for function in (products.multiply, products.quantize_rows, layer_norm.add_layer_norm, *attentions):
        assert len(function.signatures) <= 1, function.signatures  # none, if the loops came from the cache
