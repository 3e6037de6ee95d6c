"""Checkpoints of every kind become the same model folder; what is none, or is damaged, leaves nothing behind."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.cli.main import main
from minibert.importers import checkpoint_kinds
from minibert.importers import convert as module
from minibert.importers.convert import convert
from minibert.importers.tensorflow_names import translate
from tests.support.models import VOCAB, make_config, write_model

GOLDEN = Path(__file__).parents[1] / "golden"
TENSORFLOW = GOLDEN / "tensorflow"
# google-research/bert's own spelling, as bert_config.json has it
GOOGLE = {
    "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 8, "initializer_range": 0.02,
    "intermediate_size": 16, "max_position_embeddings": 12, "num_attention_heads": 2, "num_hidden_layers": 1, "type_vocab_size": 2,
    "vocab_size": 30,
}  # fmt: skip


@pytest.fixture
def expected() -> dict[str, np.ndarray]:
    """What TensorFlow was told to save, in google-research/bert's words."""
    return dict(np.load(TENSORFLOW / "expected.npz"))


def vocabulary(folder: Path) -> None:
    tokens = VOCAB.read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([*tokens[:1], *tokens[100:103], *tokens[1996:2022]]) + "\n", encoding="utf-8")


def checkpoint_1(folder: Path) -> Path:
    """As Google's archives have it: uncased_L-..._A-..., three files of a checkpoint, bert_config.json, vocab.txt."""
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
    """As TF Hub has it: variables/, assets/vocab.txt, and no config at all."""
    shutil.copytree(TENSORFLOW / "saved_model" / "variables", folder / "variables")
    (folder / "saved_model.pb").write_bytes(b"not looked at")
    (folder / "assets").mkdir()
    vocabulary(folder / "assets")
    return folder


SOURCES: dict[str, Callable[[Path], Path]] = {each.__name__: each for each in (checkpoint_1, checkpoint_2, saved_model)}


def check_arrays(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """By hand, from the two sources: TensorFlow multiplies x W, transformers x W^T."""
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
def test_tensorflow(kind: str, tmp_path: Path, expected: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_DIM", 4)  # of this little one
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
def test_tensorflow_in_the_cache_of_the_hub(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_DIM", 4)
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
def test_a_checkpoint_with_a_link_out_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    (source / name).rename(tmp_path / "outside")
    (source / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match=f"{name}: is a link to a file outside the folder"):
        convert(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_files_whose_names_are_no_text(tmp_path: Path) -> None:
    """On most systems they may be any bytes; JSON has them with backslashes."""
    source = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    strange = tmp_path / os.fsdecode(b"\xff")
    try:
        source.rename(strange)
    except OSError:
        pytest.skip("names are text here")
    assert convert(strange, tmp_path / "model")["source"] == "\\udcff"
    assert (tmp_path / "model" / "config.json").exists()


def test_what_is_unknown_is_refused_inside_the_encoder_and_recorded_outside() -> None:
    arrays = {"bert/next_sentence/logits/kernel": np.zeros((8, 2), np.float32), "save_counter": np.array(1)}
    assert checkpoint_kinds._translated(arrays, Path("x"))["left_out"] == list(arrays)
    for name in ("bert/encoder/layer_0/adapter/kernel", "bert/embeddings/rotary_embeddings"):
        with pytest.raises(ValueError, match=f"x: expected the tensors of a BERT, found also {name}"):
            checkpoint_kinds._translated({name: np.zeros(3, np.float32)}, Path("x"))


def test_heads_that_the_kernels_contradict(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_2(tmp_path / "source")
    (tmp_path / "source" / "bert_config.json").write_text(json.dumps(GOOGLE | {"num_attention_heads": 4}))
    with pytest.raises(ValueError, match="expected 4 attention heads, found kernels of 2"):
        convert(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_config_of_transformers_beside_tensorflow_means_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    (source / "bert_config.json").unlink()
    (source / "config.json").write_text(json.dumps({"model_type": "bert", "layer_norm_eps": 1e-5, **GOOGLE}))
    convert(source, tmp_path / "model")
    config = minibert.load(tmp_path / "model", backend="numpy").config
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu", 1e-5)


@pytest.mark.parametrize("is_cased", [False, True])
def test_case_is_what_the_vocabulary_shows(is_cased: bool, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = checkpoint_1(tmp_path / "source")
    if is_cased:
        path = source / "vocab.txt"
        path.write_text(path.read_text(encoding="utf-8").replace("\nthe\n", "\nThe\n"), encoding="utf-8")
        assert "The" in path.read_text(encoding="utf-8")
    convert(source, tmp_path / "model")
    assert minibert.load(tmp_path / "model", backend="numpy").tokenizer.settings.lowercase is not is_cased


@pytest.mark.parametrize("name", ["pretraining.zip.bin", "pretraining.legacy.bin"])
def test_torch(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(GOLDEN / "torch" / name, source / "pytorch_model.bin")
    (source / "config.json").write_text(json.dumps({"model_type": "bert", **GOOGLE}))
    vocabulary(source)
    record = convert(source, tmp_path / "model")
    converted, expected = load_file(tmp_path / "model" / "model.safetensors"), np.load(GOLDEN / "torch" / "pretraining.npz")
    assert record["tensors_left_out"] == ["cls.predictions.decoder.weight"]
    assert converted.keys() == set(expected.files) - {"cls.predictions.decoder.weight"}
    for each, array in converted.items():
        np.testing.assert_array_equal(array, expected[each])
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert model.config.hidden_act == "gelu"  # transformers' word, and transformers' meaning
    assert np.isfinite(model.encode("the of and")).all()


@pytest.mark.parametrize("is_unpacked", [False, True])
def test_spark(is_unpacked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_DIM", 4)
    (source,) = (GOLDEN / "spark").glob("*.zip")
    if is_unpacked:
        zipfile.ZipFile(source).extractall(tmp_path / "unpacked")
        source = tmp_path / "unpacked"
    record = convert(source, tmp_path / "model")
    assert ("fields/vocabulary/part-00000" if is_unpacked else source.name) in record["files"]
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert model.config.hidden_act == "gelu_new"
    assert len((tmp_path / "model" / "vocab.txt").read_text(encoding="utf-8").splitlines()) == model.config.vocab_size
    assert np.isfinite(model.encode("x")).all()


def test_heads_are_kept_and_what_is_tied_is_not(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    tensors = {f"bert.{name}": array for name, array in load_file(folder / "model.safetensors").items()}
    tensors["cls.predictions.bias"] = np.arange(30522, dtype=np.float32)
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].copy()
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].copy()
    tensors["bert.embeddings.position_ids"] = np.arange(8)[np.newaxis]
    tensors["bert.embeddings.LayerNorm.gamma"] = tensors.pop("bert.embeddings.LayerNorm.weight")
    save_file(tensors, folder / "model.safetensors")
    record = convert(folder, tmp_path / "model")
    converted = load_file(tmp_path / "model" / "model.safetensors")
    assert sorted(record["tensors_left_out"]) == [
        "bert.embeddings.position_ids",
        "cls.predictions.decoder.bias",
        "cls.predictions.decoder.weight",
    ]
    np.testing.assert_array_equal(converted["cls.predictions.bias"], tensors["cls.predictions.bias"])
    assert "bert.embeddings.LayerNorm.weight" in converted
    one, other = (minibert.load(each, backend="numpy").encode("I hate cancer") for each in (folder, tmp_path / "model"))
    np.testing.assert_array_equal(one, other)


def test_gelu_may_be_chosen(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    assert main(["convert", str(folder), str(tmp_path / "model"), "--hidden-act", "gelu_new"]) == 0
    assert minibert.load(tmp_path / "model", backend="numpy").config.gelu == "tanh"


def change(folder: Path, **changes: np.ndarray | None) -> None:
    tensors = load_file(folder / "model.safetensors")
    for name, array in changes.items():
        tensors.pop(name, None)
        if array is not None:
            tensors[name] = array
    save_file(tensors, folder / "model.safetensors")


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a tensor is missing": (lambda folder: change(folder, **{"pooler.dense.bias": None}), r"missing: pooler\.dense\.bias"),
    "a tensor too many": (
        lambda folder: change(folder, **{"encoder.layer.5.x": np.zeros(1, np.float32)}),
        r"unexpected: encoder\.layer\.5\.x",
    ),
    "a head that does not fit": (
        lambda folder: change(folder, **{"cls.predictions.bias": np.zeros(3, np.float32)}),
        r"cls\.predictions\.bias: expected \(30522,\), found \(3,\)",
    ),
    "a name twice": (
        lambda folder: change(folder, **{"bert.pooler.dense.bias": np.zeros(8, np.float32)}),
        r"two tensors for pooler\.dense\.bias",
    ),
    "no vocabulary": (lambda folder: (folder / "vocab.txt").unlink(), r"no vocab\.txt beside it"),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"config\.json: not found"),
    "nothing": (lambda folder: [path.unlink() for path in folder.iterdir()], "found an empty folder"),
    "two of a kind": (
        lambda folder: (
            [shutil.copy(folder / "model.safetensors", folder / name) for name in ("a.index", "b.index")]
            and (folder / "model.safetensors").unlink()
        ),
        "name the file",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_and_nothing_is_written(fault: str, tmp_path: Path) -> None:
    damage, message = FAULTS[fault]
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(folder, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        convert(folder, folder)
    with pytest.raises(FileNotFoundError, match="expected a checkpoint"):
        convert(tmp_path / "nowhere", tmp_path / "model")


@pytest.mark.parametrize(
    ("stored", "translated"),
    [
        ("module/bert/encoder/layer_11/attention/output/dense/kernel", "encoder.layer.11.attention.output.dense.kernel"),
        ("bert_encoder/transformer/layer_0/self_attention/attention_output/bias", "encoder.layer.0.attention.output.dense.bias"),
        ("cls/predictions/transform/LayerNorm/beta", "cls.predictions.transform.LayerNorm.bias"),
        ("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
        ("cls/predictions/output_bias/bias", "cls.predictions.bias"),  # as the model garden's heads and its older layers are called
        ("bert_pretrainer/predictions/transform/logits/kernel", "cls.seq_relationship.kernel"),
        ("bert_model/layer_0/self_attention_output/kernel", "encoder.layer.0.attention.output.dense.kernel"),
        ("transformer/layer_3/output_layer_norm/gamma", "encoder.layer.3.output.LayerNorm.weight"),
        ("bert/embeddings/word_embeddings:0", "embeddings.word_embeddings.weight"),
        ("bert/embeddings/word_embeddings/adam_m", None),
        ("resnet/conv1/kernel", None),
    ],
)
def test_names(stored: str, translated: str | None) -> None:
    assert translate(stored) == translated
