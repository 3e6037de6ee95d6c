"""Names of tensors in checkpoints: prefixes, wrappers, heads, and names that are refused."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.folders.save import save_int8
from minibert.importers.convert import convert
from tests.support.checkpoint_sources import SMALL, TEXT, rename, vector
from tests.support.models import make_weights

# Prefixes of DataParallel, of Lightning modules, of both with a task model, of torch.compile. Then
# those of sentence-transformers until 5 and since 6, of classes around a BertModel, and of peft.
PREFIXES = ["module.", "model.", "module.bert.", "_orig_mod.", "0.auto_model.", "0.model.", "bert_model.", "encoder.bert.", "bert.bert.",
            "encoder.", "mbert.", "base_model.model.bert.", "module._orig_mod.0.auto_model.", "text_model.bert._orig_mod."]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_convert_removes_a_prefix_and_load_names_it(prefix: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    rename(source, lambda name: prefix + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    for command in (minibert.load, lambda folder: save_int8(folder, tmp_path / "int8")):
        with pytest.raises(ValueError, match=f"found '{prefix}' before them; `minibert convert`"):
            command(source)
    assert convert(source, tmp_path / "model")["tensors_left_out"] == []
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


@pytest.mark.parametrize("wrapper", ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_an_encoder_are_removed(wrapper: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    """`model.encoder = torch.compile(model.encoder)` gives such names, also for each layer."""
    rename(source, lambda name: name.replace("encoder.layer.1.", f"encoder.{wrapper}.layer.1.{wrapper}."))
    convert(source, tmp_path / "model")
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


def test_heads_beside_the_last_bert_of_a_prefix_are_kept(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    heads = {f"model.cls.seq_relationship.{name}": np.ones(shape, np.float32) for name, shape in (("weight", (2, 8)), ("bias", 2))}
    other = {"model.bert.embeddings.position_ids": np.arange(8)[np.newaxis], "model.linear.weight": np.ones(3), "loss.weight": np.ones(1)}
    rename(source, lambda name: f"model.bert.{name}", **heads, **other)
    record = convert(source, tmp_path / "model")
    assert sorted(record["tensors_left_out"]) == sorted(other)
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    assert {"cls.seq_relationship.weight", "cls.seq_relationship.bias", "bert.pooler.dense.weight"} <= tensors.keys()
    assert len(tensors) == len(make_weights(SMALL)) + 2
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


@pytest.mark.parametrize(
    ("one", "other"), [("query_model.", "passage_model."), ("bert.", "bert2.bert."), ("", "teacher."), ("encoder.", "decoder.bert.")]
)
def test_two_encoders_are_refused_by_their_prefixes(one: str, other: str, source: Path, tmp_path: Path) -> None:
    rename(source, lambda name: one + name, **{other + name: array + 1 for name, array in make_weights(SMALL).items()})
    first, second = sorted((one, other))
    with pytest.raises(ValueError, match=f"expected one encoder, found 2, whose names begin with '{first}', '{second}'"):
        convert(source, tmp_path / "model")


def test_similar_names_of_other_parts_are_no_encoder(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    """Some names end like those of an encoder, but belong to another part."""
    words = np.ones((4, 4), np.float32)
    more = {
        "cls.predictions.embeddings.word_embeddings.weight": words,
        "decoder.embeddings.word_embeddings.weight": words,
        "x.encoder.layer.0.attention.q": words,
        "xbert.embeddings": words,
    }
    rename(source, lambda name: f"bert.{name}", **more)
    np.testing.assert_array_equal(vector(source), expected)
    assert sorted(convert(source, tmp_path / "model")["tensors_left_out"]) == sorted(more)
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


# transformers 5.24 reads the encoder beside each of these (tests/parity/test_convert_torch.py)
HEADS = {
    "linear.weight": (4, 4), "crf.transitions": (4, 4), "loss_fct.weight": (4,), "bert_proj.weight": (2, 2), "classifier.weight": (2, 8),
    "bn.num_batches_tracked": (), "lm_head.decoder.bias": (30522,), "bert.linear.weight": (3,), "teacher.encoder.layer.7.x": (3,),
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_tensors_beside_an_encoder_are_left_out(prefix: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    more = {name: np.full(shape, 3.0, np.float64) for name, shape in HEADS.items()}
    more |= {"epochs": np.array(3), prefix + "embeddings.token_type_ids": np.ones((1, 8), np.int64)}
    rename(source, lambda name: prefix + name, **more)
    np.testing.assert_array_equal(vector(source), expected)
    assert sorted(convert(source, tmp_path / "model")["tensors_left_out"]) == sorted(more)
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


INSIDE = [
    "encoder.layer.2.output.dense.weight",
    "encoder.layer.0.attention.self.distance_embedding.weight",
    "encoder.layer.0.attention.self.query.lora_A.weight",
    "encoder.layer.0.crossattention.self.query.weight",
    "encoder.layer.0.output.adapters.x.down.weight",
    "encoder.bn.num_batches_tracked",
    "embeddings.projection.weight",
    "pooler.weight",
]


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("name", INSIDE)
def test_unknown_tensors_inside_an_encoder_are_refused(prefix: str, name: str, source: Path, tmp_path: Path) -> None:
    rename(source, lambda each: prefix + each, **{prefix + name: np.ones((2, 2), np.float32)})
    for command in (minibert.load, lambda folder: convert(folder, tmp_path / "model")):
        with pytest.raises(ValueError, match=f"unexpected: {name}"):
            command(source)


def test_adapters_that_were_not_merged_are_refused(source: Path, tmp_path: Path) -> None:
    """In peft 0.18, `base_layer` has the original weights, `lora_A` and `lora_B` the adapter."""
    query = "encoder.layer.0.attention.self.query."
    lora = {f"base_model.model.bert.{query}lora_{each}.default.weight": np.ones((2, 8), np.float32) for each in "AB"}
    rename(source, lambda name: "base_model.model.bert." + name.replace(query, query + "base_layer."), **lora)
    with pytest.raises(ValueError, match=rf"missing: {query}bias(.|\n)*base_layer(.|\n)*merge them into the model"):
        convert(source, tmp_path / "model")


def test_a_pooler_without_the_prefix_is_used_if_it_is_the_only_one(source: Path, tmp_path: Path) -> None:
    """As in transformers, one is used; two poolers are refused."""
    pooler = {name: array for name, array in make_weights(SMALL).items() if name.startswith("pooler.")}
    rename(source, lambda name: name if name in pooler else f"bert.{name}")
    convert(source, tmp_path / "model")
    for folder in (source, tmp_path / "model"):
        assert minibert.load(folder, backend="numpy").num_parameters == sum(array.size for array in make_weights(SMALL).values())
    rename(source, lambda name: f"bert.{name}", **pooler)
    for command in (minibert.load, lambda folder: convert(folder, tmp_path / "new")):
        with pytest.raises(ValueError, match=r"two tensors for pooler\.dense\.(bias|weight)"):
            command(source)


def test_float64_is_narrowed(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    tensors = {name: array.astype(np.float64) + 1e-12 for name, array in make_weights(SMALL).items()}
    tensors["pooler.dense.bias"][0] = 1e300
    save_file(tensors, source / "model.safetensors")
    convert(source, tmp_path / "model")
    converted = load_file(tmp_path / "model" / "model.safetensors")
    assert {array.dtype for array in converted.values()} == {np.dtype(np.float32)}
    assert np.isinf(converted["pooler.dense.bias"][0])
    for folder in (source, tmp_path / "model"):
        np.testing.assert_allclose(vector(folder), expected, atol=1e-6)
        with pytest.raises(ValueError, match=r"NaN or infinity in pooler\.dense\.bias"):
            minibert.load(folder, backend="numpy").encode(TEXT, pooling="pooler")


def test_dtypes_may_be_mixed(source: Path, tmp_path: Path) -> None:
    kinds = (np.float16, np.float32, np.float64)
    mixed = {name: array.astype(kinds[index % 3]) for index, (name, array) in enumerate(make_weights(SMALL).items())}
    save_file(mixed, source / "model.safetensors")
    convert(source, tmp_path / "model")
    one, other = vector(source), vector(tmp_path / "model")
    save_file({name: array.astype(np.float32) for name, array in mixed.items()}, source / "model.safetensors")
    for each in (one, other):
        np.testing.assert_array_equal(each, vector(source))
