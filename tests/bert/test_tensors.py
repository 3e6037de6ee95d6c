"""The table of tensor names: it has a row for every field, and all spellings lead to its names."""

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays, to_arrays
from minibert.bert.quantize import quantize
from minibert.bert.tensors import BERT, encoder_names, expected_shapes, expected_tensors
from minibert.bert.weights import BertWeights, LayerWeights
from tests.support.models import make_config, make_weights

CONFIG = make_config(2, 8, 2, vocab_size=9, max_position_embeddings=7, intermediate_size=6)


def test_every_field_has_a_row() -> None:
    assert [part.field for part in BERT.layer] == list(LayerWeights._fields)
    assert {part.field for part in BERT.embeddings + BERT.pooler} == set(BertWeights._fields) - {"config", "layers"}


@pytest.mark.parametrize("is_int8", [False, True])
def test_what_is_written_is_what_is_expected(is_int8: bool) -> None:
    weights = from_arrays(make_weights(CONFIG), CONFIG)
    arrays = dict(to_arrays(quantize(weights) if is_int8 else weights))
    expected = dict(expected_tensors(CONFIG, is_int8))
    assert list(arrays) == list(expected)
    for name, (shape, dtypes, _) in expected.items():
        assert arrays[name].shape == shape
        assert arrays[name].dtype in dtypes
    again = dict(to_arrays(from_arrays(arrays, CONFIG)))
    assert all(np.array_equal(again[name], array) for name, array in arrays.items())


def old(name: str) -> str:
    """A name as older checkpoints spell it."""
    norm, _, parameter = name.rpartition(".")
    return f"{norm}.{'gamma' if parameter == 'weight' else 'beta'}" if norm.endswith("LayerNorm") else name


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_all_spellings_lead_to_the_names_of_the_table(prefix: str) -> None:
    names = [name for name, _ in expected_shapes(CONFIG)]
    for spelled in (names, [old(name) for name in names]):
        stored = [prefix + name for name in spelled]
        heads = ["cls.predictions.bias", f"{prefix}embeddings.position_ids"]
        assert encoder_names([*stored, *heads], CONFIG, "x") == dict(zip(names, stored, strict=True))
    assert encoder_names([prefix + names[0], f"{prefix}encoder.odd", *stored[1:]], CONFIG, "x")["encoder.odd"] == f"{prefix}encoder.odd"
