"""The forward pass, written once, over whichever ops it is handed.

Source: Devlin et al. 2018.
"""

from collections.abc import Collection, Iterator
from itertools import pairwise

from .ops import Backend, Float32, Parameters
from .packing import PackedBatch


def forward(
    parameters: Parameters, batch: PackedBatch, ops: Backend, wanted: Collection[int], attentions: list[list[Float32]] | None = None
) -> Iterator[Float32]:
    """Hidden states (num_tokens, hidden_size) that are wanted, in ascending order: 0 is what the embeddings give, 1.. what the layers do.

    A list given as `attentions` receives, layer by layer, the attention probabilities of each text. Nothing is computed beyond what is
    wanted, and stretches of layers that nobody looks into are left to the backend as a whole.
    """
    hidden = ops.embed(parameters, batch.input_ids, batch.position_ids, batch.token_type_ids)
    num_layers = max(wanted)
    stops = sorted({0, *wanted} if attentions is None else range(num_layers + 1))
    if 0 in wanted:
        yield hidden.copy()
    for first, last in pairwise(stops):
        if attentions is not None:
            attentions.append(ops.attention_probs(parameters, hidden, batch.cu_seqlens, first))
        hidden = ops.layers(parameters, hidden, batch.cu_seqlens, first, last)
        if last in wanted:
            yield hidden if last == num_layers else hidden.copy()
