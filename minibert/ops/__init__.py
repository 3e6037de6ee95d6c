"""The contract between the encoder and its arithmetic.

A backend prepares the weights of a BERT once and gives an `Encoder`. The rest of minibert calls the
methods of that object, and does not depend on which backend made it. `backends.py` lists the
backends. `numpy_encoder.py` is the one in NumPy, with one function for each equation in
`numpy_ops.py`. `compiled/` has the same functions as compiled loops.

| method | result | what it computes |
|---|---|---|
| `embed(input_ids, position_ids, token_type_ids)` | hidden states | sum of three rows, LayerNorm |
| `layers(hidden_states, cu_seqlens, first, last)` | hidden states | layers first..last - 1 |
| `attention_probs(hidden_states, cu_seqlens, layer)` | a list | softmax of one layer |
| `sum_rows(rows, firsts, ends)` | (num_spans, hidden_size) | sums in the order of `sums.py` |
| `pooler(hidden_states)` | (num_rows, hidden_size) | tanh of a linear layer |
| `dense(linear, activation)` | a function | one more linear layer, prepared once |
| `short_texts(tokenizer, num_threads)` | a function, or None | short texts to vectors in one call |

The arrays of the contract are C-contiguous float32. Hidden states are (num_tokens, hidden_size).
The probabilities of each text are (num_heads, seq_len, seq_len). `layers` may overwrite its
argument, so a caller uses only what it returns.

All texts of a batch lie on one token axis without padding. `cu_seqlens` (num_sequences + 1,) int64
holds the place where each text begins, and num_tokens at the end. The name is FlashAttention's.

What every encoder must do:

* Accept int8 weights (`weights.is_int8`), or leave them to another encoder.
* Keep no state of a call, because several threads call one encoder at once.
* Give NaN for a sum, a score or a variance that overflows (tests/ops/test_overflow.py).
* Check every number before it becomes an address. NumPy checks its own indices.
* Silence NumPy's warnings in `pooler` and `dense`. Callers do so around `embed` and `layers`.

Layers count from 0 here. Dimensions have these names: `num_sequences`, `num_tokens` (of a batch),
`seq_len`, `hidden_size`, `num_heads`, `head_dim`, `intermediate_size`, `vocab_size`, `num_layers`,
`in_features`, `out_features`.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from ..arrays import Float32 as Float32
from ..arrays import Int32 as Int32
from ..arrays import Int64 as Int64
from ..bert.config import BertConfig
from ..bert.weights import Linear
from ..tokenizer import WordPieceTokenizer

GeluForm = Literal["none", "tanh"]
Dense = Callable[[Float32], Float32]  # vectors (num_rows, in_features) -> (num_rows, out_features)
# (texts, "mean" or "cls", max_length, whether vectors get the length 1) -> one vector per text, or
# None for texts that need the other methods: they are too long or many, they are cut, or something
# about them is reported.
MAX_SHORT_TEXTS = 8  # for more, batches and threads are worth their cost
ShortTexts = Callable[[list[str], str, int, bool], Float32 | None]
# The longest text whose attention an int8 model computes in int16. A probability below 1/65534 is
# rounded to 0. In a row of n tokens these are at most n / 65534 of the whole, 3.2 % here. A longer
# text has float32 attention, whatever else is in its batch.
INT16_TOKENS = 2048
# The least span (maximum - minimum) of a row of activations that int8 resolves: 255 / 2^-120 is
# still a float32. A row with a smaller span counts as constant, with its minimum as value.
LEAST_SPAN = np.float32(2**-120)


class Encoder(Protocol):
    """A BERT encoder with prepared weights.

    Attributes:
        config: the numbers of the architecture.
        backend: its name in `backends.py`.
        precision: "float32" or "int8".
        num_parameters: how many numbers the weights have, pooler included.
        has_pooler: whether there is a pooler.
        batch_tokens: tokens of a batch that are best for speed.
        uses_blas: True if the caller must set the number of threads of BLAS. False if it must limit
            those of `runtime.team`.
    """

    config: BertConfig
    backend: str
    precision: str
    num_parameters: int
    has_pooler: bool
    batch_tokens: int
    uses_blas: bool

    def embed(self, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32: ...
    def layers(self, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32: ...
    def attention_probs(self, hidden_states: Float32, cu_seqlens: Int64, layer: int) -> list[Float32]: ...
    def sum_rows(self, rows: Float32, firsts: Int64, ends: Int64) -> Float32: ...
    def pooler(self, hidden_states: Float32) -> Float32: ...
    def dense(self, linear: Linear, activation: str) -> Dense: ...
    def short_texts(self, tokenizer: WordPieceTokenizer, num_threads: int) -> ShortTexts | None: ...
