"""What the calls of MiniBert return."""

from dataclasses import dataclass

from .ops import Float32


@dataclass(frozen=True)
class TokenEmbeddings:
    """A vector for each token of one text.

    Attributes:
        tokens: pieces of the vocabulary (`level="piece"`), or words or tokens of Spark NLP as the
            text spells them ("word", "spark").
        offsets: (start, end) of each token in the text, in code points; (0, 0) for [CLS] and [SEP].
        vectors: (num_tokens, hidden_size) float32.
    """

    tokens: list[str]
    offsets: list[tuple[int, int]]
    vectors: Float32

    def __repr__(self) -> str:
        return f"TokenEmbeddings(tokens={self.tokens!r}, offsets={self.offsets!r}, vectors={self.vectors.shape} {self.vectors.dtype})"


@dataclass(frozen=True)
class BertOutput:
    """The hidden states of a rectangle of ids. They are 0 wherever `attention_mask` is 0.

    Attributes:
        last_hidden_state: (num_sequences, seq_len, hidden_size).
        pooler_output: (num_sequences, hidden_size), tanh of a linear layer of column 0. None
            without a pooler.
        hidden_states: num_layers + 1 arrays like last_hidden_state, the first after the embeddings.
            None unless requested.
        attentions: num_layers arrays (num_sequences, num_heads, seq_len, seq_len). None unless
            requested.
    """

    last_hidden_state: Float32
    pooler_output: Float32 | None
    hidden_states: tuple[Float32, ...] | None
    attentions: tuple[Float32, ...] | None
