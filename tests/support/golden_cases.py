"""The models and inputs that golden files exist for. No oracle is imported here."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minibert import BertConfig
from tests.support.models import make_config

Rectangle = tuple[np.ndarray, np.ndarray, np.ndarray]  # input_ids, attention_mask, token_type_ids


@dataclass(frozen=True)
class Case:
    """A model and the shapes (num_sequences, seq_len) it is tried on."""

    config: BertConfig
    shapes: tuple[tuple[int, int], ...]
    sampled: int | None  # values kept of each result; None for all

    def rectangles(self) -> Iterator[Rectangle]:
        """Random ids and types.

        In every second rectangle, the rows end early, begin late and have holes in turn.
        """
        random = np.random.RandomState(7)
        for number, (num_sequences, seq_len) in enumerate(self.shapes):
            ids = random.randint(0, self.config.vocab_size, (num_sequences, seq_len))
            types = random.randint(0, self.config.type_vocab_size, (num_sequences, seq_len))
            mask = np.ones((num_sequences, seq_len), np.int64)
            if number % 2 and seq_len > 3:
                mask[0::3, seq_len * 2 // 3 :] = 0
                mask[1::3, : seq_len // 3] = 0
                mask[2::3, 1::3] = 0
            yield ids, mask, types


def sample(array: np.ndarray, number: int | None) -> np.ndarray:
    """`number` values of an array, always the same places, as float32."""
    values = array.astype(np.float32).ravel()
    if number is None or number >= values.size:
        return values
    return values[np.random.RandomState(values.size % 2**31).choice(values.size, number, replace=False)]


SHAPES = ((1, 1), (3, 2), (2, 7), (4, 20), (2, 65), (3, 128), (1, 301), (2, 512))
SMALL = {"vocab_size": 199, "max_position_embeddings": 40, "type_vocab_size": 3}
CASES = {
    "L8_H128": Case(make_config(8, 128, 2), SHAPES, 1500),
    "L6_H768": Case(make_config(6, 768, 12, hidden_act="gelu_new"), SHAPES, 1500),
    # odd sizes that no register divides; every value is kept
    "L2_H15": Case(make_config(2, 15, 3, intermediate_size=37, layer_norm_eps=1e-3, **SMALL), ((1, 1), (3, 5), (2, 9)), None),
    "L1_H24": Case(make_config(1, 24, 1, intermediate_size=20, hidden_act="gelu_pytorch_tanh", **SMALL), ((2, 6), (3, 11)), None),
}
