"""The student: the BERT of `minibert/ops/numpy_ops.py` in torch, which has its derivative.

Its parameters have the names of a BERT checkpoint, so that what is trained is saved as it is.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from minibert.bert.tensors import layer_parts

Float32 = npt.NDArray[np.float32]


class Layer(nn.Module):
    """Attention and a feed-forward block, with LayerNorm after each (Devlin et al. 2018).

    The names are those of `minibert.bert.weights.LayerWeights`.
    """

    def __init__(self, hidden_size: int, num_heads: int, intermediate_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value = (nn.Linear(hidden_size, hidden_size) for _ in range(3))
        self.attention_output = nn.Linear(hidden_size, hidden_size)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.intermediate = nn.Linear(hidden_size, intermediate_size)
        self.output = nn.Linear(intermediate_size, hidden_size)
        self.output_norm = nn.LayerNorm(hidden_size, eps=1e-12)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """hidden: (B, T, H); mask: (B, 1, 1, T), 0 for tokens and -inf for padding."""
        batch, length, size = hidden.shape
        head_dim = size // self.num_heads
        parts = self.query, self.key, self.value
        weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
        query_key_value = functional.linear(hidden, weight, bias).view(batch, length, 3, self.num_heads, head_dim)
        query, key, value = query_key_value.permute(2, 0, 3, 1, 4)
        # Written out: the backward pass of scaled_dot_product_attention on a CPU takes 38 % of a
        # training step of this model.
        scores = torch.matmul(query * head_dim**-0.5, key.transpose(-1, -2)).float() + mask
        context = torch.matmul(torch.softmax(scores, -1).to(value.dtype), value)
        context = context.transpose(1, 2).reshape(batch, length, size)
        hidden = self.attention_norm(hidden + self.attention_output(context))
        return self.output_norm(hidden + self.output(functional.gelu(self.intermediate(hidden))))


class Student(nn.Module):
    """Token ids to a vector per token."""

    def __init__(self, vocab_size: int, num_positions: int, num_layers: int, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, hidden_size)
        self.positions = nn.Embedding(num_positions, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden_size, num_heads, 4 * hidden_size) for _ in range(num_layers))
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=hidden_size**-0.5 / 2)
                nn.init.zeros_(module.bias)

    def start_from(self, words: Float32, positions: Float32, token_scale: float) -> None:
        """Start from the teacher's embeddings.

        The last LayerNorm gives vectors of about the teacher's length.
        """
        with torch.no_grad():
            self.words.weight.copy_(torch.from_numpy(words))
            self.positions.weight.copy_(torch.from_numpy(positions))
            self.layers[-1].output_norm.weight.fill_(token_scale)  # type: ignore[operator,union-attr]

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids: (B, T); mask: (B, T), 1 for tokens and 0 for padding. Returns (B, T, H)."""
        hidden = self.norm(self.words(input_ids) + self.positions.weight[: input_ids.shape[1]])
        attention_mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(mask == 0, -torch.inf)[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, attention_mask)
        return hidden

    def checkpoint(self) -> dict[str, Float32]:
        """The parameters under the names of a BERT checkpoint."""
        modules = {
            "embeddings.word_embeddings": self.words,
            "embeddings.position_embeddings": self.positions,
            "embeddings.LayerNorm": self.norm,
        }
        for index, layer in enumerate(self.layers):
            modules |= {name: getattr(layer, part.field) for name, part in layer_parts(index)}
        tensors = {f"{name}.{kind}": tensor for name, module in modules.items() for kind, tensor in module.named_parameters()}
        tensors["embeddings.token_type_embeddings.weight"] = torch.zeros(2, self.words.embedding_dim)
        return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
