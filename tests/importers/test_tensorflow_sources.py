"""Checkpoints of TensorFlow become model folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import minibert
from minibert.importers import checkpoint_kinds, encoder
from minibert.importers.convert import convert
from minibert.importers.tensorflow_names import transformers_name
from tests.support.checkpoint_sources import GOLDEN, GOOGLE, vocabulary

TENSORFLOW = GOLDEN / "tensorflow"


@pytest.fixture
def expected() -> dict[str, np.ndarray]:
    """Return the arrays that TensorFlow saved, under the names of google-research/bert."""
    return dict(np.load(TENSORFLOW / "expected.npz"))


def checkpoint_1(folder: Path) -> Path:
    """Write a checkpoint as in Google's archives: three files, bert_config.json, vocab.txt."""
    for file in TENSORFLOW.glob("bert_model.ckpt.*"):
        shutil.copy(file, folder)
    (folder / "bert_config.json").write_text(json.dumps(GOOGLE))
    vocabulary(folder)
    return folder


def checkpoint_2(folder: Path) -> Path:
    for file in (TENSORFLOW / "checkpoint").glob("ckpt-1.*"):
        shutil.copy(file, folder)
    vocabulary(folder)
    return folder / "ckpt-1"


def saved_model(folder: Path) -> Path:
    """Write a SavedModel as on TF Hub: variables/, assets/vocab.txt, and no config."""
    shutil.copytree(TENSORFLOW / "saved_model" / "variables", folder / "variables")
    (folder / "saved_model.pb").write_bytes(b"not looked at")
    (folder / "assets").mkdir()
    vocabulary(folder / "assets")
    return folder


SOURCES: dict[str, Callable[[Path], Path]] = {each.__name__: each for each in (checkpoint_1, checkpoint_2, saved_model)}


def check_arrays(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Compare without the product's code: TensorFlow computes x W, transformers x W^T."""
    layer, google = "encoder.layer.0.", "bert/encoder/layer_0/"
    arrays = {name.removeprefix("bert."): array for name, array in arrays.items()}
    for part in ("query", "key", "value"):
        np.testing.assert_array_equal(arrays[f"{layer}attention.self.{part}.weight"], expected[f"{google}attention/self/{part}/kernel"].T)
        np.testing.assert_array_equal(arrays[f"{layer}attention.self.{part}.bias"], expected[f"{google}attention/self/{part}/bias"])
    for part in ("attention/output", "intermediate", "output"):
        name = f"{layer}{part.replace('/', '.')}.dense"
        np.testing.assert_array_equal(arrays[f"{name}.weight"], expected[f"{google}{part}/dense/kernel"].T)
        np.testing.assert_array_equal(arrays[f"{name}.bias"], expected[f"{google}{part}/dense/bias"])
    for name, other in {"embeddings": "bert/embeddings", f"{layer}output": f"{google}output"}.items():
        np.testing.assert_array_equal(arrays[f"{name}.LayerNorm.weight"], expected[f"{other}/LayerNorm/gamma"])
        np.testing.assert_array_equal(arrays[f"{name}.LayerNorm.bias"], expected[f"{other}/LayerNorm/beta"])
    np.testing.assert_array_equal(arrays["pooler.dense.weight"], expected["bert/pooler/dense/kernel"].T)
    for kind in ("word", "position", "token_type"):
        np.testing.assert_array_equal(arrays[f"embeddings.{kind}_embeddings.weight"], expected[f"bert/embeddings/{kind}_embeddings"])


@pytest.mark.parametrize("kind", SOURCES)
def test_a_tensorflow_checkpoint_is_converted(
    kind: str, tmp_path: Path, expected: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "HEAD_DIM", 4)  # this small model has heads of 4
    (tmp_path / "source").mkdir()
    record = convert(SOURCES[kind](tmp_path / "source"), tmp_path / "model")
    check_arrays(load_file(tmp_path / "model" / "model.safetensors"), expected)
    if kind == "checkpoint_1":
        heads = {"cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.seq_relationship.weight"}
        assert heads <= load_file(tmp_path / "model" / "model.safetensors").keys()
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert (model.config.num_attention_heads, model.config.hidden_act, model.config.layer_norm_eps) == (2, "gelu_new", 1e-12)
    assert np.isfinite(model.encode("the of and")).all()
    assert record == json.loads((tmp_path / "model" / "provenance.json").read_text())
    assert all(len(each["sha256"]) == 64 for each in record["files"].values())
    assert record["tensors_left_out"] == {
        "checkpoint_1": ["bert/pooler/dense/kernel/adam_m", "bert/pooler/dense/kernel/adam_v", "global_step"]
    }.get(kind, record["tensors_left_out"])


@pytest.mark.parametrize("kind", ["checkpoint_1", "saved_model"])
def test_a_tensorflow_checkpoint_in_the_hub_cache_is_converted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "HEAD_DIM", 4)
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "1"
    blobs.mkdir(parents=True)
    (tmp_path / "source").mkdir()
    SOURCES[kind](tmp_path / "source")
    for number, path in enumerate(sorted(path for path in (tmp_path / "source").rglob("*") if path.is_file())):
        link = snapshot / path.relative_to(tmp_path / "source")
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / str(number))
        link.symlink_to(blobs / str(number))
    convert(snapshot, tmp_path / "model")
    assert np.isfinite(minibert.load(tmp_path / "model", backend="numpy").encode("the of and")).all()


@pytest.mark.parametrize("name", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001", "bert_config.json", "vocab.txt"])
def test_a_checkpoint_with_a_link_to_the_outside_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    (source / name).rename(tmp_path / "outside")
    (source / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match=f"{name}: is a link to a file outside the folder"):
        convert(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_unknown_tensors_are_refused_inside_the_encoder_and_recorded_outside() -> None:
    arrays = {"bert/next_sentence/logits/kernel": np.zeros((8, 2), np.float32), "save_counter": np.array(1)}
    assert checkpoint_kinds._translated(arrays, Path("x"))["left_out"] == list(arrays)
    for name in ("bert/encoder/layer_0/adapter/kernel", "bert/embeddings/rotary_embeddings"):
        with pytest.raises(ValueError, match=f"x: expected the tensors of a BERT, found also {name}"):
            checkpoint_kinds._translated({name: np.zeros(3, np.float32)}, Path("x"))


def test_a_number_of_heads_that_contradicts_the_kernels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_2(tmp_path / "source")
    (tmp_path / "source" / "bert_config.json").write_text(json.dumps(GOOGLE | {"num_attention_heads": 4}))
    with pytest.raises(ValueError, match="expected 4 attention heads, found kernels of 2"):
        convert(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_config_of_transformers_beside_tensorflow_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    (source / "bert_config.json").unlink()
    (source / "config.json").write_text(json.dumps({"model_type": "bert", "layer_norm_eps": 1e-5, **GOOGLE}))
    convert(source, tmp_path / "model")
    config = minibert.load(tmp_path / "model", backend="numpy").config
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu", 1e-5)


@pytest.mark.parametrize("is_cased", [False, True])
def test_the_case_of_letters_follows_the_vocabulary(is_cased: bool, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    if is_cased:
        path = source / "vocab.txt"
        path.write_text(path.read_text(encoding="utf-8").replace("\nthe\n", "\nThe\n"), encoding="utf-8")
        assert "The" in path.read_text(encoding="utf-8")
    convert(source, tmp_path / "model")
    assert minibert.load(tmp_path / "model", backend="numpy").tokenizer.settings.lowercase is not is_cased


@pytest.mark.parametrize(
    ("stored", "translated"),
    [
        ("module/bert/encoder/layer_11/attention/output/dense/kernel", "encoder.layer.11.attention.output.dense.kernel"),
        ("bert_encoder/transformer/layer_0/self_attention/attention_output/bias", "encoder.layer.0.attention.output.dense.bias"),
        ("cls/predictions/transform/LayerNorm/beta", "cls.predictions.transform.LayerNorm.bias"),
        ("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
        ("cls/predictions/output_bias/bias", "cls.predictions.bias"),  # the model garden's name for the heads and for older layers
        ("bert_pretrainer/predictions/transform/logits/kernel", "cls.seq_relationship.kernel"),
        ("bert_model/layer_0/self_attention_output/kernel", "encoder.layer.0.attention.output.dense.kernel"),
        ("transformer/layer_3/output_layer_norm/gamma", "encoder.layer.3.output.LayerNorm.weight"),
        ("bert/embeddings/word_embeddings:0", "embeddings.word_embeddings.weight"),
        ("bert/embeddings/word_embeddings/adam_m", None),
        ("resnet/conv1/kernel", None),
    ],
)
def test_names_are_translated(stored: str, translated: str | None) -> None:
    assert transformers_name(stored) == translated
