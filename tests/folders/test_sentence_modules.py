"""The modules after the pooling. tests/parity compares vectors with the original."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.folders.save import save_int8
from minibert.hub.download import download
from minibert.ops.numpy_ops import ACTIVATIONS
from minibert.pooling import POOLINGS
from tests.support.backends import BACKENDS, prepare
from tests.support.models import make_config, make_weights
from tests.support.sentence_folders import DROPOUT, NORMALIZE, SIZE, dense, expected_vectors, layer_norm, residual, write_chain

TEXTS = ["I hate cancer", "", "Antibiotics aren't painkiller", "a " * 30]
# Values of PyTorch 2.13 for x = -3, -1, -0.25, 0.5, 2, 7: torch.nn.<name>()(torch.tensor(x)),
# rounded to seven digits
X = [-3, -1, -0.25, 0.5, 2, 7]
TORCH: dict[str, list[float]] = {
    "Identity": [-3, -1, -0.25, 0.5, 2, 7],
    "Tanh": [-0.9950548, -0.7615942, -0.2449187, 0.4621172, 0.9640276, 0.9999983],
    "ReLU": [0, 0, 0, 0.5, 2, 7],
    "ReLU6": [0, 0, 0, 0.5, 2, 6],
    "LeakyReLU": [-0.03, -0.01, -0.0025, 0.5, 2, 7],
    "ELU": [-0.950213, -0.6321205, -0.2211992, 0.5, 2, 7],
    "GELU": [-0.0040499, -0.1586553, -0.1003234, 0.3457312, 1.9545, 7],
    "SiLU": [-0.1422776, -0.2689414, -0.1094559, 0.3112297, 1.7615941, 6.9936228],
    "Sigmoid": [0.0474259, 0.2689414, 0.4378235, 0.6224594, 0.880797, 0.999089],
}
CHAINS = {
    "LaBSE": [dense(SIZE, SIZE), NORMALIZE],
    "distiluse": [dense(SIZE, 9)],
    "stella": [dense(SIZE, 40, "Identity")],
    "no bias": [dense(SIZE, 5, bias=False), NORMALIZE],
    "every kind": [dense(SIZE, 40), DROPOUT, NORMALIZE, dense(40, 7, "Identity"), layer_norm(7), NORMALIZE, NORMALIZE],
    "residual": [residual(SIZE, SIZE), residual(SIZE, 7), NORMALIZE],
    "normalised before": [NORMALIZE, dense(SIZE, 3)],
    "dropout": [DROPOUT],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CHAINS)
def test_modules_after_the_pooling_equal_their_definition(
    name: str, backend: str, tiny_folder: Path, tmp_path: Path, tiny: minibert.MiniBert
) -> None:
    modules = CHAINS[name]
    model = minibert.load(write_chain(tmp_path / "model", tiny_folder, *modules), backend=backend)
    vectors, expected = model.encode(TEXTS), expected_vectors(tiny.encode(TEXTS, pooling="cls"), *modules)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=2e-5)
    assert model.embedding_dimension == expected.shape[1]
    assert model.encode([]).shape == (0, expected.shape[1])
    assert model.encode("hello").shape == expected.shape[1:]
    assert model.normalize_embeddings == (modules[-1] is NORMALIZE)
    inner = modules[: len(modules) - sum(module is NORMALIZE for module in modules[-2:])] if modules[-1] is NORMALIZE else modules
    plain = expected_vectors(tiny.encode(TEXTS, pooling="cls"), *inner)
    np.testing.assert_allclose(model.encode(TEXTS, normalize_embeddings=False), plain, rtol=0, atol=1e-4)
    short = plain[:, :3] / np.linalg.norm(plain[:, :3], axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode(TEXTS, truncate_dim=3, normalize_embeddings=True), short, rtol=0, atol=2e-5)
    with pytest.raises(ValueError, match=f"truncate_dim: expected 1 to {expected.shape[1]}"):
        model.encode(TEXTS, truncate_dim=expected.shape[1] + 1)


@pytest.mark.parametrize("name", CHAINS)
def test_a_text_has_the_same_bits_in_any_batch_after_modules(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "model", tiny_folder, *CHAINS[name], pooling=list(POOLINGS[:1]))
    model, one_thread = minibert.load(folder, num_threads=4), minibert.load(folder, num_threads=1)
    if model.backend == "numpy":  # the rounding of BLAS depends on the size of the batch
        np.testing.assert_allclose(model.encode(TEXTS * 40), np.tile(one_thread.encode(TEXTS), (40, 1)), rtol=0, atol=2e-5)
        return
    expected = np.stack([one_thread.encode(text) for text in TEXTS])
    np.testing.assert_array_equal(model.encode(TEXTS * 40), np.tile(expected, (40, 1)))
    np.testing.assert_array_equal(model.encode(TEXTS[::-1], batch_tokens=1), expected[::-1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_pytorch(activation: str, backend: str) -> None:
    config = make_config(1, 24, 3, vocab_size=20, max_position_embeddings=8)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    dense = encoder.dense(minibert.bert.weights.Linear(np.eye(6, dtype=np.float32), np.zeros(6, np.float32)), activation)
    actual = dense(np.array([X, X], np.float32))
    np.testing.assert_allclose(actual, [TORCH[activation]] * 2, rtol=0, atol=1e-6)
    far = dense(np.array([[3e38, -3e38, 1e5, -1e5, 0, 1]], np.float32))
    assert np.isfinite(far).all()
    broken = dense(np.array([[np.nan, 0, 0, 0, 0, 0], [0, -np.inf, 0, 0, 0, 0]], np.float32))
    assert np.isnan(broken).all()  # 0 times infinity is NaN


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_weights_of_half_precision_equal_their_widened_values(dtype: Any, tiny_folder: Path, tmp_path: Path) -> None:
    kind, config, weights = dense(SIZE, 9)
    stored = {name: array.astype(dtype) for name, array in weights.items()}
    widened = {name: array.astype(np.float32) for name, array in stored.items()}
    one, other = (
        write_chain(tmp_path / name, tiny_folder, (kind, config, tensors)) for name, tensors in (("one", stored), ("other", widened))
    )
    np.testing.assert_array_equal(minibert.load(one).encode(TEXTS), minibert.load(other).encode(TEXTS))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another input": ({"module_input_name": "token_embeddings"}, "module_input_name: expected 'sentence_embedding'"),
    "another output": ({"module_output_name": "x"}, "module_output_name: expected 'sentence_embedding'"),
    "residual": ({"use_residual": True}, r"expected linear\.bias, linear\.weight, residual\.weight .*found linear\.bias, linear\.weight"),
    "residual of a number": ({"use_residual": 1}, "use_residual: expected true or false"),
    "another activation": ({"activation_function": "torch.nn.modules.activation.PReLU"}, r"expected one of torch\.nn\.Identity, Tanh"),
    "own activation": ({"activation_function": "custom.Tanh"}, "activation_function: expected one of"),
    "no activation": ({"activation_function": None}, "activation_function: expected a text, found nothing"),
    "activation of a number": ({"activation_function": 3}, "activation_function: expected a text"),
    "other inputs": ({"in_features": 23}, "expected vectors of 23 numbers, found vectors of 24"),
    "no inputs": ({"in_features": None}, "in_features: expected a whole number, found nothing"),
    "no outputs": ({"out_features": 0}, "out_features: expected 1 to 65536, found 0"),
    "very many outputs": ({"out_features": 10**30}, "out_features: expected 1 to 65536"),
    "other outputs": ({"out_features": 8}, r"linear\.weight: expected \(8, 24\)"),
    "bias of text": ({"bias": "yes"}, "bias: expected true or false"),
    "no bias": ({"bias": False}, r"expected linear\.weight .*found linear\.bias, linear\.weight"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_dense_modules_that_are_refused(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    changes, message = REFUSED[name]
    kind, config, weights = dense(SIZE, 9)
    folder = write_chain(tmp_path / "model", tiny_folder, (kind, config | changes, weights))
    with pytest.raises(ValueError, match=message) as error:
        minibert.load(folder, backend="numpy")
    assert "2_Dense" in str(error.value)
    assert "\n" not in str(error.value)


def test_sizes_of_modules_are_bounded_together(tiny_folder: Path, tmp_path: Path) -> None:
    """The check comes before anything is allocated: there is no file of weights."""
    wide = {"in_features": 60_000, "out_features": 4000, "activation_function": "torch.nn.Tanh"}
    folder = write_chain(tmp_path / "model", tiny_folder, ("Dense", wide, {}), ("Dense", wide, {}))
    with pytest.raises(ValueError, match=r"3_Dense/config\.json: expected at most 268,435,456 numbers in all modules"):
        minibert.load(folder, backend="numpy")


def test_missing_or_broken_weights_of_a_module_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    kind, config, weights = dense(SIZE, 9)
    folder = write_chain(tmp_path / "model", tiny_folder, (kind, config, {}))
    file = folder / "2_Dense" / "model.safetensors"
    with pytest.raises(FileNotFoundError, match=r"2_Dense/model\.safetensors: not found; `save_pretrained`"):
        minibert.load(folder, backend="numpy")
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"`minibert convert` makes it of pytorch_model\.bin"):
        minibert.load(folder, backend="numpy")
    file.write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match=r"2_Dense/model\.safetensors"):
        minibert.load(folder, backend="numpy")
    save_file({name: array.astype(np.int32) for name, array in weights.items()}, file)
    with pytest.raises(ValueError, match=r"as float32, float16, bfloat16 or float64, found .* int32"):
        minibert.load(folder, backend="numpy")
    (folder / "2_Dense" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"2_Dense/config\.json"):
        minibert.load(folder, backend="numpy")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ["Tanh", "Sigmoid", "ReLU6"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_modules_that_are_not_finite_are_named(bad: float, activation: str, backend: str, tiny_folder: Path, tmp_path: Path) -> None:
    kind, config, weights = dense(SIZE, 9, activation)
    weights["linear.weight"][3, 5] = bad
    folder = write_chain(tmp_path / "model", tiny_folder, (kind, config, weights))
    model = minibert.load(folder, backend=backend)
    with pytest.raises(ValueError, match=r"2_Dense/model\.safetensors: expected finite numbers, found NaN or infinity in linear\.weight"):
        model.encode("hello")
    with pytest.raises(ValueError, match=r"expected finite numbers, found NaN or infinity in linear\.weight"):
        save_int8(folder, tmp_path / "int8")


def test_the_int8_form_keeps_modules_in_float32(tiny_folder: Path, tmp_path: Path) -> None:
    modules = [dense(SIZE, 40), layer_norm(40), NORMALIZE]
    source = write_chain(tmp_path / "model", tiny_folder, *modules)
    (source / "2_Dense_1024").mkdir()
    (source / "2_Dense_1024" / "config.json").write_text("{}")  # stella has such a folder beside the one that modules.json names
    save_int8(source, tmp_path / "int8")
    for name in ("2_Dense/config.json", "2_Dense/model.safetensors", "3_LayerNorm/model.safetensors"):
        assert (tmp_path / "int8" / name).read_bytes() == (source / name).read_bytes()
    assert not (tmp_path / "int8" / "2_Dense_1024").exists()
    model = minibert.load(tmp_path / "int8")
    expected = minibert.load(source, precision="int8").encode(TEXTS)
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    assert (expected * minibert.load(source).encode(TEXTS)).sum(axis=1).min() > 0.98


def test_modules_that_do_not_fit_are_not_quantised(tiny_folder: Path, tmp_path: Path) -> None:
    source = write_chain(tmp_path / "model", tiny_folder, dense(23, 9))
    with pytest.raises(ValueError, match="expected vectors of 23 numbers, found vectors of 24"):
        save_int8(source, tmp_path / "int8")
    assert not (tmp_path / "int8").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_fetch_brings_the_weights_of_modules(file: str, tiny_folder: Path, tmp_path: Path) -> None:
    source = write_chain(tmp_path / "model", tiny_folder, dense(SIZE, 9), layer_norm(9), NORMALIZE)
    (source / "2_Dense" / "model.safetensors").rename(source / "2_Dense" / file)
    (tmp_path / "downloads").mkdir()
    received = download("a/b", str(source), tmp_path / "downloads", None)
    assert {name for name in received if "/" in name} == {
        "1_Pooling/config.json", "2_Dense/config.json", f"2_Dense/{file}", "3_LayerNorm/config.json", "3_LayerNorm/model.safetensors",
        "4_Normalize/config.json",
    }  # fmt: skip
    with (source / "2_Dense" / file).open("ab") as more:
        more.write(b"\0" * (1 << 17))
    with pytest.raises(ValueError, match=r"expected at most 67,336 bytes"):
        download("a/b", str(source), tmp_path / "downloads", None)
    (source / "2_Dense" / file).unlink()
    with pytest.raises(FileNotFoundError, match=r"a/b/2_Dense: expected model\.safetensors or pytorch_model\.bin, found neither"):
        download("a/b", str(source), tmp_path / "downloads", None)
