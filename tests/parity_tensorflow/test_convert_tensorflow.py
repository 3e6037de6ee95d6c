"""Compare converted checkpoints of TensorFlow with TensorFlow's own BERT, in both sizes.

TensorFlow needs an environment of its own:

    python -m pip install -e . pytest tensorflow-cpu==2.21.0
    python -m pip install --no-deps tf-keras==2.21.0 tf-models-official==2.20.0 gin-config pyyaml \
        tensorflow-hub tf-slim tensorflow-model-optimization pandas python-dateutil pytz \
        tensorflow-datasets sentencepiece dm-tree attrs scipy psutil
    python -m pytest tests/parity_tensorflow
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

import tensorflow as tf
from official.nlp.modeling.networks import bert_encoder

import minibert
from minibert.bert.config import BertConfig
from minibert.importers.convert import convert
from tests.make.tensorflow_files import tf2_name
from tests.support.models import SIZES, VOCAB, make_config, make_weights

TOLERANCE = 2e-5
LENGTHS = (1, 2, 17, 128, 512)


def google_arrays(config: BertConfig) -> dict[str, np.ndarray]:
    """Weights in which every term counts, under google-research/bert's names."""
    arrays = {}
    for name, array in make_weights(config).items():
        name = name.replace(".", "/").replace("encoder/layer/", "encoder/layer_").replace("embeddings/weight", "embeddings")
        if "LayerNorm" in name:
            name = name.replace("/weight", "/gamma").replace("/bias", "/beta")
        elif name.endswith("/weight"):
            name, array = name.replace("/weight", "/kernel"), np.ascontiguousarray(array.T)
        arrays["bert/" + name] = array
    return arrays


@pytest.fixture(scope="module", params=SIZES)
def model(request: pytest.FixtureRequest) -> tuple[BertConfig, dict[str, np.ndarray], Any]:
    """Numbers, arrays, and the model garden's encoder with them: GELU by tanh, as it is there."""
    config = make_config(*SIZES[request.param])
    arrays = google_arrays(config)
    encoder = bert_encoder.BertEncoder(
        vocab_size=config.vocab_size, hidden_size=config.hidden_size, num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads, max_sequence_length=config.max_position_embeddings,
        inner_dim=config.intermediate_size, type_vocab_size=config.type_vocab_size, dict_outputs=True,
    )  # fmt: skip
    by_name = {tf2_name(name): array for name, array in arrays.items()}
    for variable in encoder.variables:
        variable.assign(by_name[variable.name.removesuffix(":0")].reshape(variable.shape))
    return config, arrays, encoder


def tf1_saver(model: Any, folder: Path) -> Path:
    config, arrays, _ = model
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, shape=array.shape, initializer=tf.compat.v1.zeros_initializer())
        variables = tf.compat.v1.global_variables()
        session.run([variable.initializer for variable in variables])
        for variable in variables:
            variable.load(arrays[variable.op.name], session)
        tf.compat.v1.train.Saver().save(session, str(folder / "bert_model.ckpt"), write_meta_graph=False)
    (folder / "bert_config.json").write_text(json.dumps(config._asdict() | {"hidden_act": "gelu"}))
    shutil.copy(VOCAB, folder)
    return folder


def tf2_checkpoint(model: Any, folder: Path) -> Path:
    path = tf.train.Checkpoint(model=model[2]).save(str(folder / "ckpt"))
    shutil.copy(VOCAB, folder)
    return Path(path)


def saved_model(model: Any, folder: Path) -> Path:
    model[2].save(str(folder), include_optimizer=False, save_format="tf")
    (folder / "assets").mkdir(exist_ok=True)
    shutil.copy(VOCAB, folder / "assets")
    return folder


@pytest.mark.parametrize("write", [tf1_saver, tf2_checkpoint, saved_model])
def test_hidden_states(model: Any, write: Any, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    convert(write(model, tmp_path / "source"), tmp_path / "model")
    ours, random = minibert.load(tmp_path / "model"), np.random.default_rng(0)
    assert ours.config.hidden_act == "gelu_new"
    for length in LENGTHS:
        ids, types = random.integers(0, model[0].vocab_size, (2, length)), random.integers(0, 2, (2, length))
        mask = np.ones_like(ids)
        mask[1, max(1, length // 2) :] = 0
        expected = model[2]({"input_word_ids": ids, "input_mask": mask, "input_type_ids": types})
        actual = ours(ids, mask, types)
        difference = np.abs(actual.last_hidden_state - expected["sequence_output"].numpy() * mask[..., np.newaxis]).max()
        assert difference <= TOLERANCE, f"{length} tokens: {difference}"
        assert np.abs(actual.pooler_output - expected["pooled_output"].numpy()).max() <= TOLERANCE
