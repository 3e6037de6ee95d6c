"""Checkpoints in folders of sentence-transformers, and in files of other names."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.cli.main import main
from minibert.folders.layout import module_weights, read_modules
from minibert.importers.checkpoint_kinds import Checkpoint
from minibert.importers.convert import convert
from minibert.importers.write import write_files
from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.table_file import read_tables
from tests.support.checkpoint_sources import GOLDEN, LAYOUTS, rename, sentence_folder, vector
from tests.support.models import make_config


def test_a_module_without_files_may_lie_beside_the_encoder(tmp_path: Path) -> None:
    """The weights there belong to the encoder, and are not written again for a Dropout."""
    folder = sentence_folder(tmp_path / "source", "")
    expected = vector(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules += [{"type": f"sentence_transformers.models.{kind}", "path": ""} for kind in ("Dropout", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(modules))
    rename(folder, "module.{}".format)
    convert(folder, tmp_path / "model")
    np.testing.assert_allclose(vector(tmp_path / "model"), expected / np.linalg.norm(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_sentence_transformers_are_converted(layout: str, tmp_path: Path) -> None:
    today = vector(sentence_folder(tmp_path / "today", ""))
    source = sentence_folder(tmp_path / "source", *LAYOUTS[layout])
    convert(source, tmp_path / "model")
    pooling = LAYOUTS[layout][1]
    files = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert files == {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "sentence_bert_config.json", "modules.json",
                     "README.md", "provenance.json", TABLES_FILE, f"{pooling}/config.json"}  # fmt: skip
    assert read_tables(tmp_path / "model", False)
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    assert [(each["path"], each["type"].rpartition(".")[2]) for each in modules] == [("", "Transformer"), (pooling, "Pooling")]
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert (model.pooling, model.max_length) == ("cls", 7)
    np.testing.assert_array_equal(vector(tmp_path / "model"), today)


def test_the_inner_folder_becomes_a_model_with_mean_pooling_and_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """sentence-transformers reads the inner folder in this way. A file in it gives the same."""
    source = sentence_folder(tmp_path / "source", "0_Transformer")
    for number, given in enumerate((source / "0_Transformer", source / "0_Transformer" / "model.safetensors")):
        assert main(["convert", str(given), str(tmp_path / f"{number}")]) == 0
        assert "modules.json in the folder around it was not read" in capsys.readouterr().out
        assert minibert.load(tmp_path / f"{number}", backend="numpy").pooling == "mean"


def test_weights_are_refused_if_the_transformer_lies_elsewhere(tmp_path: Path) -> None:
    """The file that the user names is not the encoder of modules.json."""
    source = sentence_folder(tmp_path / "source", "0_BERT")
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        shutil.copy(source / "0_BERT" / name, source)
    with pytest.raises(ValueError, match=r"modules\.json: expected the Transformer in this folder"):
        convert(source / "model.safetensors", tmp_path / "model")


MODULES: dict[str, tuple[Any, str]] = {
    "a path out": ([("Transformer", "../victim")], "relative path that stays in the folder"),
    "a class that is a path": ([("Transformer", ""), ("../../victim", "1_Pooling")], "the dotted path of a class"),
    "an unknown class": ([("Transformer", ""), ("Pooling", "1_Pooling"), ("Marvel", "2")], "source/modules.json"),
    "two encoders": ([("Transformer", ""), ("Transformer", "1_Pooling")], "source/modules.json"),
    "a module in the folder of the encoder": ([("Transformer", ""), ("Pooling", "")], "a folder of its own"),
    "two modules in a folder": ([("Transformer", "1_Pooling"), ("Pooling", "1_Pooling")], "a folder of its own"),
    "many modules": ([("Transformer", "")] * 21, "at most 20 modules"),
}


@pytest.mark.parametrize("fault", MODULES)
def test_modules_that_are_refused(fault: str, tmp_path: Path) -> None:
    source = sentence_folder(tmp_path / "source", "")
    entries, message = MODULES[fault]
    content = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in entries]
    (source / "modules.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        convert(source, tmp_path / "model")
    assert ".part" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_weights_of_a_module_become_safetensors(kind: str, tmp_path: Path) -> None:
    """The golden file of torch stands for the weights of a Dense."""
    source = sentence_folder(tmp_path / "source", "0_Transformer")
    content = json.loads((source / "modules.json").read_text())
    (source / "modules.json").write_text(json.dumps([*content, {"type": "sentence_transformers.models.Dense", "path": "dense"}]))
    (source / "dense").mkdir()
    (source / "dense" / "config.json").write_text('{"in_features": 8, "out_features": 4}')
    if kind == "torch":
        expected = dict(np.load(GOLDEN / "torch" / "integers.npz"))
        shutil.copy(GOLDEN / "torch" / "integers.zip.bin", source / "dense" / "pytorch_model.bin")
    else:
        expected = {"linear.weight": np.ones((4, 8), np.float16), "linear.bias": np.arange(4, dtype=np.float32)}
        save_file(expected, source / "dense" / "model.safetensors")
    (tmp_path / "new").mkdir()
    modules = read_modules(source)
    write_files(Checkpoint(kind, {}, {}, beside=source / "0_Transformer", outer=source, modules=modules), tmp_path / "new")
    assert [each["path"] for each in json.loads((tmp_path / "new" / "modules.json").read_text())] == ["", "1_Pooling", "dense"]
    assert (tmp_path / "new" / "dense" / "config.json").read_bytes() == (source / "dense" / "config.json").read_bytes()
    written = load_file(tmp_path / "new" / "dense" / "model.safetensors")
    assert written.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(written[name], array, strict=True)


def test_weights_of_a_module_outside_the_folder_are_refused(tmp_path: Path) -> None:
    source = sentence_folder(tmp_path / "source", "")
    (source / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense", "path": "dense"}]))
    (source / "dense").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (source / "dense" / "model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="is a link to a file outside the folder"):
        module_weights(source, read_modules(source)[0])


def test_files_of_a_training_are_not_read_as_weights(source: Path, tmp_path: Path, expected: np.ndarray) -> None:
    """A Trainer leaves such files beside weights of any name."""
    (source / "model.safetensors").rename(source / "encoder.safetensors")
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth"):
        (source / name).write_bytes(b"not read")
    convert(source, tmp_path / "model")
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


def test_torch_files_of_other_names_are_converted(source: Path, tmp_path: Path) -> None:
    """Lightning's files end in `.ckpt`.

    A file without a known ending is recognised by its first bytes.
    """
    (source / "model.safetensors").unlink()
    (source / "config.json").unlink()
    numbers = make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)._asdict()
    (source / "bert_config.json").write_text(json.dumps(numbers))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]
    (source / "vocab.txt").write_text("\n".join(tokens) + "\n")
    for number, (kind, name) in enumerate([("zip", "epoch=3.ckpt"), ("legacy", "weights"), ("zip", "weights.zip"), ("zip", "model")]):
        path = source / name
        shutil.copy(GOLDEN / "torch" / f"pretraining.{kind}.bin", path)
        assert convert(path, tmp_path / f"{number}")["format"] == "torch"
        assert minibert.load(tmp_path / f"{number}", backend="numpy").config.hidden_act == "gelu"
        path.unlink()
