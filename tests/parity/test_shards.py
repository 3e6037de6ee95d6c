"""Shards that `save_pretrained` writes give transformers' vectors, from both kinds of files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

import minibert
from minibert.importers.convert import convert
from tests.support.models import VOCAB, make_config, make_weights

TOLERANCE = 2e-5
IDS = torch.tensor([[101, 1045, 5223, 4456, 102]])


@pytest.fixture(scope="module")
def model() -> BertModel:
    config = make_config(2, 24, 3, max_position_embeddings=64)
    model = BertModel(BertConfig(**config._asdict(), attn_implementation="eager")).eval()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in make_weights(config).items()})
    return model


def difference(folder: Path, model: BertModel) -> float:
    with torch.no_grad():
        theirs = model(IDS).last_hidden_state.numpy()
    return float(np.abs(minibert.load(folder, backend="numpy")(IDS.numpy()).last_hidden_state - theirs).max())


def test_safetensors(model: BertModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    (tmp_path / "vocab.txt").write_bytes(VOCAB.read_bytes())
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert difference(tmp_path, model) < TOLERANCE
    assert difference(tmp_path, BertModel.from_pretrained(tmp_path).eval()) < TOLERANCE


def test_torch_checkpoints(model: BertModel, tmp_path: Path) -> None:
    """They are written by transformers 4; the layout is that of safetensors with other names."""
    source = tmp_path / "source"
    model.save_pretrained(source, max_shard_size="50KB")
    (source / "vocab.txt").write_bytes(VOCAB.read_bytes())
    index = json.loads((source / "model.safetensors.index.json").read_text())
    state = model.state_dict()
    names = {}
    for name, file in index["weight_map"].items():
        names[name] = file.replace("model-", "pytorch_model-").replace(".safetensors", ".bin")
    for file in set(names.values()):
        torch.save({name: state[name] for name in names if names[name] == file}, source / file)
    for path in [*source.glob("*.safetensors"), source / "model.safetensors.index.json"]:
        path.unlink()
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index | {"weight_map": names}))
    record = convert(source, tmp_path / "new")
    assert record["format"] == "torch"
    assert difference(tmp_path / "new", model) < TOLERANCE
    assert difference(tmp_path / "new", BertModel.from_pretrained(source).eval()) < TOLERANCE


def test_the_one_file_comes_before_an_index(model: BertModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    (tmp_path / "vocab.txt").write_bytes(VOCAB.read_bytes())
    other = {
        name: torch.from_numpy(array) for name, array in make_weights(make_config(2, 24, 3, max_position_embeddings=64), seed=1).items()
    }
    save_file(other, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert difference(tmp_path, BertModel.from_pretrained(tmp_path).eval()) < TOLERANCE
    assert difference(tmp_path, model) > 0.1


def test_tensors_that_the_index_does_not_name_are_read(model: BertModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    (tmp_path / "vocab.txt").write_bytes(VOCAB.read_bytes())
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    del index["weight_map"]["encoder.layer.0.output.dense.weight"]
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    theirs = BertModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(theirs.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert difference(tmp_path, theirs) < TOLERANCE
