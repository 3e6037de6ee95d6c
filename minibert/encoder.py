"""The forward pass, written once, over whichever ops it is handed.

A token's vector goes through `num_layers` layers; in each it first looks at the other tokens of its text (attention), then is worked
on by itself (feed-forward), and both times the result is added to what it was and normalised.

Source: Devlin et al. 2018; Vaswani et al. 2017, figure 1, left half.
"""

from collections.abc import Iterator

from .ops import Backend, Float32, Parameters
from .packing import PackedBatch


def forward(parameters: Parameters, batch: PackedBatch, ops: Backend, attentions: list[list[Float32]] | None = None) -> Iterator[Float32]:
    """Hidden states (num_tokens, hidden_size): after the embeddings, then after each layer. num_layers + 1 in all, made as they are taken.

    A list given as `attentions` receives, layer by layer, the attention probabilities of each text.
    """
    config, cu_seqlens = parameters.config, batch.cu_seqlens
    hidden = ops.embed(parameters, batch.input_ids, batch.position_ids, batch.token_type_ids)
    yield hidden
    for layer in parameters.layers:
        qkv = ops.linear(hidden, layer.query_key_value)
        if attentions is not None:
            attentions.append(ops.attention_probs(qkv, cu_seqlens, config.num_attention_heads))
        context = ops.attention(qkv, cu_seqlens, config.num_attention_heads)
        hidden = ops.linear_add_layer_norm(context, layer.attention_output, hidden, layer.attention_norm)
        inner = ops.linear_gelu(hidden, layer.intermediate, config.gelu)
        hidden = ops.linear_add_layer_norm(inner, layer.output, hidden, layer.output_norm)
        yield hidden
