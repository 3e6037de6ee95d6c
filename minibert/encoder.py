"""The forward pass, written once for every backend. Source: Devlin et al. 2018."""

from collections.abc import Collection

from .ops import Encoder, Float32
from .packing import PackedBatch


def forward(encoder: Encoder, batch: PackedBatch, wanted: Collection[int], attentions: list[list[Float32]] | None = None) -> list[Float32]:
    """Return the wanted hidden states, each (num_tokens, hidden_size), in ascending order.

    State 0 is the output of the embeddings, state n that of n layers. A list given as
    `attentions` receives the attention probabilities of each text, layer by layer. Nothing is
    computed beyond the last wanted state. Layers between two wanted states are one call.
    """
    hidden_states = encoder.embed(batch.input_ids, batch.position_ids, batch.token_type_ids)
    found: list[Float32] = []
    done, last = 0, max(wanted)
    for layer in sorted({*wanted}) if attentions is None else range(last + 1):
        if layer > done:
            if attentions is not None:
                attentions.append(encoder.attention_probs(hidden_states, batch.cu_seqlens, done))
            hidden_states = encoder.layers(hidden_states, batch.cu_seqlens, done, layer)
            done = layer
        if layer in wanted:
            found.append(hidden_states if layer == last else hidden_states.copy())  # `layers` overwrites it
    return found
