"""`pytorch_model.bin`, in both of torch's formats, converted, beside transformers with the same weights, in both sizes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from make_models import SIZES, VOCAB, make_config, make_weights
from safetensors.numpy import load_file
from transformers import BertConfig, BertForPreTraining

import minibert

TOLERANCE = 2e-5
CONVERT = r"""
import re, sys
from pathlib import Path
from minibert.convert import convert
convert(Path(sys.argv[1]), Path(sys.argv[2]))
print(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])  # ru_maxrss would have the parent's
"""


@pytest.fixture(scope="module", params=SIZES)
def model(request: pytest.FixtureRequest) -> BertForPreTraining:
    """With the heads of pre-training, tied as transformers ties them."""
    config = make_config(*SIZES[request.param])
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**vars(config), attn_implementation="eager")).eval()
    weights = {f"bert.{name}": torch.from_numpy(array) for name, array in make_weights(config).items()}
    left = model.load_state_dict(weights, strict=False)
    assert not left.unexpected_keys
    assert all(name.startswith("cls.") for name in left.missing_keys)
    return model


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_torch(model: BertForPreTraining, is_zip: bool, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    torch.save(model.state_dict(), source / "pytorch_model.bin", _use_new_zipfile_serialization=is_zip)
    (source / "config.json").write_text(
        json.dumps({"model_type": "bert", **{name: getattr(model.config, name) for name in vars(make_config(1, 8, 2))}})
    )
    (source / "vocab.txt").write_bytes(VOCAB.read_bytes())
    command = [sys.executable, "-c", CONVERT, str(source), str(tmp_path / "model")]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    check_hidden_states(model, tmp_path / "model")
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    for name in ("cls.predictions.transform.dense.weight", "cls.predictions.bias", "cls.seq_relationship.weight"):
        np.testing.assert_array_equal(tensors[name], model.state_dict()[name].numpy())
    assert "cls.predictions.decoder.weight" not in tensors  # tied
    if model.config.hidden_size == 768:
        assert kilobytes * 1024 < 1.3 * (tmp_path / "model" / "model.safetensors").stat().st_size


def check_hidden_states(model: BertForPreTraining, folder: Path) -> None:
    ours, random = minibert.load(folder), np.random.default_rng(0)
    for length in (1, 2, 17, 128, 512):
        ids, types = random.integers(0, 30522, (2, length)), random.integers(0, 2, (2, length))
        with torch.no_grad():
            expected = model.bert(torch.from_numpy(ids), token_type_ids=torch.from_numpy(types), output_hidden_states=True)
        actual = ours(ids, token_type_ids=types, output_hidden_states=True)
        for one, other in zip(actual.hidden_states, expected.hidden_states, strict=True):
            assert np.abs(one - other.numpy()).max() <= TOLERANCE
        assert np.abs(actual.pooler_output - expected.pooler_output.numpy()).max() <= TOLERANCE
