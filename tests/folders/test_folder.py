"""Weights of a model folder: names, dtypes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import minibert
from minibert.pooling import POOLINGS
from tests.support.models import make_weights, write_model
from tests.support.small_folders import CONFIG, TEXTS


def save(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    save_file(tensors, folder / "model.safetensors")


def old_names(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def old(name: str) -> str:
        return "bert." + (name.replace(".weight", ".gamma").replace(".bias", ".beta") if "LayerNorm" in name else name)

    return {old(name): array for name, array in tensors.items()}


def with_heads(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    more = {
        "cls.predictions.bias": np.zeros(30522, np.float32),
        "cls.predictions.transform.LayerNorm.gamma": np.ones(24, np.float32),
        "cls.seq_relationship.weight": np.zeros((2, 24), np.float32),
        "bert.embeddings.position_ids": np.arange(64)[np.newaxis],
    }
    return old_names(tensors) | more


def without_pooler(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in tensors.items() if not name.startswith("pooler")}


@pytest.mark.parametrize("dialect", [old_names, with_heads, without_pooler])
def test_other_names_of_the_same_tensors_give_the_same_vectors(folder: Path, tiny: minibert.MiniBert, dialect: Any) -> None:
    save(folder, dialect(make_weights(CONFIG)))
    np.testing.assert_array_equal(minibert.load(folder).encode(TEXTS), tiny.encode(TEXTS))


def test_a_model_without_a_pooler_refuses_the_pooler(folder: Path) -> None:
    save(folder, without_pooler(make_weights(CONFIG)))
    model = minibert.load(folder)
    assert model([[101, 102]]).pooler_output is None
    with pytest.raises(ValueError, match="no pooler"):
        model.encode("text", pooling="pooler")


def test_half_precision_equals_its_widened_values(folder: Path) -> None:
    half = {name: array.astype(np.float16) for name, array in make_weights(CONFIG).items()}
    save(folder, {name: array.astype(np.float32) for name, array in half.items()})
    expected = minibert.load(folder).encode(TEXTS)
    save(folder, half)
    np.testing.assert_array_equal(minibert.load(folder).encode(TEXTS), expected)


def test_bfloat16_equals_its_widened_values(folder: Path) -> None:
    bits = {name: array.view(np.uint32) >> 16 for name, array in make_weights(CONFIG).items()}
    save(folder, {name: (array << 16).view(np.float32) for name, array in bits.items()})
    expected = minibert.load(folder).encode(TEXTS)
    header, data = {}, b""
    for name, array in bits.items():
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": [len(data), len(data) + 2 * array.size]}
        data += array.astype("<u2").tobytes()
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    np.testing.assert_array_equal(minibert.load(folder).encode(TEXTS), expected)


def test_all_wrong_tensors_are_listed_in_one_error(folder: Path) -> None:
    tensors = make_weights(CONFIG)
    del tensors["encoder.layer.0.output.dense.bias"], tensors["embeddings.LayerNorm.weight"]
    tensors["encoder.layer.2.output.dense.bias"] = np.zeros(24, np.float32)
    tensors["encoder.layer.0.adapter.weight"] = np.zeros(1, np.float32)
    tensors["encoder.layer.1.intermediate.dense.weight"] = np.zeros((24, 96), np.float32)
    tensors["encoder.layer.1.intermediate.dense.bias"] = np.zeros(96, np.int32)
    save(folder, tensors)
    with pytest.raises(ValueError, match="do not belong together") as error:
        minibert.load(folder)
    message = str(error.value)
    assert "missing: embeddings.LayerNorm.weight, encoder.layer.0.output.dense.bias" in message
    assert "unexpected: encoder.layer.0.adapter.weight, encoder.layer.2.output.dense.bias" in message
    assert "merge them into the model" in message
    assert "encoder.layer.1.intermediate.dense.weight: expected (96, 24) from config.json" in message
    assert "found (96,) int32" in message


def test_one_tensor_under_two_names_is_refused(folder: Path) -> None:
    tensors = make_weights(CONFIG)
    save(folder, tensors | {"bert.pooler.dense.bias": tensors["pooler.dense.bias"]})
    with pytest.raises(ValueError, match=r"two tensors for pooler\.dense\.bias"):
        minibert.load(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", make_weights(CONFIG))
def test_a_tensor_with_nan_or_infinity_is_named_in_an_error(folder: Path, name: str, bad: float) -> None:
    tensors = make_weights(CONFIG)
    if "embeddings.weight" in name:
        tensors[name][...] = bad
    else:
        tensors[name].flat[7] = bad
    save(folder, tensors)
    model = minibert.load(folder)
    calls = [lambda: model([[101, 7592, 102]]), lambda: model.encode("hello world", pooling="pooler")]
    if "pooler" not in name:
        calls.append(lambda: model.encode_tokens("hello world"))
        calls += [lambda pooling=pooling: model.encode("hello world", pooling=pooling) for pooling in POOLINGS]
    for call in calls:
        with pytest.raises(ValueError, match=f"NaN or infinity in {name}"):
            call()


def test_overflow_beyond_the_layers_is_noticed(folder: Path) -> None:
    tensors = make_weights(CONFIG)
    tensors["encoder.layer.1.output.LayerNorm.bias"][...] = np.float32(2e38)
    save(folder, tensors)
    model = minibert.load(folder)
    with pytest.raises(ValueError, match="overflowed"):
        model.encode("hello world", pooling="mean")
    np.testing.assert_allclose(np.linalg.norm(model.encode("hello", pooling="cls", normalize_embeddings=True)), 1, atol=1e-6)


def test_overflow_is_not_blamed_on_the_weights(folder: Path) -> None:
    tensors = make_weights(CONFIG)
    tensors["embeddings.word_embeddings.weight"][...] = np.float32(3e38)
    save(folder, tensors)
    with pytest.raises(ValueError, match="overflowed"):
        minibert.load(folder).encode("hello")


def test_write_model_is_deterministic(tmp_path: Path) -> None:
    one, other = (write_model(tmp_path / name, CONFIG) / "model.safetensors" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
