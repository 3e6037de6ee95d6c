"""Model folders: what is read, in which dialect, and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import minibert
from minibert.bert.config import ARCHITECTURE, load_config
from minibert.folders.settings import load_folder
from minibert.pooling import POOLINGS
from tests.fuzz.fuzz_folders import Fuzzer
from tests.support.backends import needs_numba
from tests.support.models import make_config, make_weights, write_model

CONFIG = make_config(2, 24, 3, max_position_embeddings=64)
TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", ""]


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def save(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    save_file(tensors, folder / "model.safetensors")


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


# Weights


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
def test_dialects_of_names(folder: Path, tiny: minibert.MiniBert, dialect: Any) -> None:
    save(folder, dialect(make_weights(CONFIG)))
    np.testing.assert_array_equal(minibert.load(folder).encode(TEXTS), tiny.encode(TEXTS))


def test_without_pooler(folder: Path) -> None:
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


def test_all_that_is_wrong_with_tensors_is_listed_at_once(folder: Path) -> None:
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


def test_one_tensor_under_two_names(folder: Path) -> None:
    tensors = make_weights(CONFIG)
    save(folder, tensors | {"bert.pooler.dense.bias": tensors["pooler.dense.bias"]})
    with pytest.raises(ValueError, match=r"two tensors for pooler\.dense\.bias"):
        minibert.load(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", make_weights(CONFIG))
def test_numbers_that_are_not_finite_are_named_and_never_returned(folder: Path, name: str, bad: float) -> None:
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


# config.json


REFUSED: dict[str, tuple[Any, str]] = {
    "position_embedding_type": ("relative_key", 'position_embedding_type: expected "absolute"'),
    "hidden_act": ("relu", "hidden_act: expected one of gelu"),
    "model_type": ("roberta", 'model_type: expected "bert"'),
    "is_decoder": (True, "is_decoder: expected false"),
    "add_cross_attention": (True, "add_cross_attention: expected false"),
    "pruned_heads": ({"0": [1]}, "pruned_heads: expected {}"),
    "quantization_config": ({"bits": 4}, "quantization_config: expected"),
    "auto_map": ({"AutoModel": "code.Model"}, "auto_map: expected"),
    "embedding_size": (12, r"embedding_size: expected hidden_size \(24\)"),
    "num_attention_heads": (5, r"hidden_size: expected a multiple of num_attention_heads \(5\)"),
    "hidden_size": (24.0, "hidden_size: expected a whole number"),
    "intermediate_size": (True, "intermediate_size: expected a whole number"),
    "vocab_size": (None, "missing vocab_size"),
    "num_hidden_layers": (0, "num_hidden_layers: expected a positive number"),
    "layer_norm_eps": ("1e-12", "layer_norm_eps: expected a number"),
    "max_position_embeddings": ([512], "max_position_embeddings: expected a whole number"),
    "type_vocab_size": (-2, "type_vocab_size: expected a positive number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_configurations_that_are_refused(folder: Path, name: str) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {name: REFUSED[name][0]})
    with pytest.raises(ValueError, match=REFUSED[name][1]):
        minibert.load(folder)


def test_an_eps_of_zero_is_not_the_default(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {"layer_norm_eps": 0})
    with pytest.raises(ValueError, match=r"between 0 and 1 that float32 can hold, found 0\.0"):
        minibert.load(folder)


def test_more_layers_than_tensors(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {"num_hidden_layers": 10**8})
    with pytest.raises(ValueError, match="expected 100000000 layers"):
        minibert.load(folder)


def test_an_old_configuration(folder: Path, tiny: minibert.MiniBert) -> None:
    """As Google wrote it: no model_type, no layer_norm_eps."""
    content = json.loads((folder / "config.json").read_text())
    del content["layer_norm_eps"], content["model_type"]
    write_json(folder / "config.json", content)
    model = minibert.load(folder)
    assert model.config.layer_norm_eps == 1e-12
    np.testing.assert_array_equal(model.encode(TEXTS), tiny.encode(TEXTS))


@pytest.mark.parametrize("name", ARCHITECTURE)
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1e400", "NaN", "-Infinity", "2147483648", "-1", "true", '"\\ud800"'])
def test_numbers_of_an_architecture(tmp_path: Path, name: str, number: str) -> None:
    content = json.dumps({"model_type": "bert", **vars(CONFIG), name: "HERE"}).replace('"HERE"', number)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=rf"config\.json: {name}: expected a .{{1,300}}$"):
        load_config(tmp_path / "config.json")


@pytest.mark.parametrize("eps", ["9" * 400, "1e400", "NaN", "-1", "1", "1e-40", "1e-400", "true", "[]"])
def test_an_eps_that_float32_can_hold(tmp_path: Path, eps: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(vars(CONFIG) | {"layer_norm_eps": "HERE"}).replace('"HERE"', eps))
    with pytest.raises(ValueError, match=r"config\.json: layer_norm_eps: expected a number"):
        load_config(tmp_path / "config.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "\udc80"])
def test_broken_configuration(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"config\.json: expected"):
        minibert.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_missing_files(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        minibert.load(folder)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        minibert.load(tmp_path / "nothing")


def test_a_vocabulary_that_does_not_fit(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as file:
        file.write("onemore\n")
    with pytest.raises(ValueError, match="at most 30522 tokens"):
        minibert.load(folder)


# sentence-transformers


def module(name: str, path: str, package: str = "sentence_transformers.models") -> dict[str, Any]:
    return {"idx": 0, "name": "0", "path": path, "type": f"{package}.{name}"}


OLD = [module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")]
NEW = [
    module("Transformer", "", "sentence_transformers.base.modules.transformer"),
    module("Pooling", "1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling"),
    module("Normalize", "2_Normalize", "sentence_transformers.base.modules.normalize"),
]
OLD_POOLING = {"word_embedding_dimension": 24, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
NEW_POOLING = {"embedding_dimension": 24, "pooling_mode": "cls", "include_prompt": True}


@pytest.mark.parametrize(("modules", "pooling"), [(OLD, OLD_POOLING), (NEW, NEW_POOLING), (NEW, OLD_POOLING)])
def test_modules_old_and_new(folder: Path, tiny: minibert.MiniBert, modules: list[Any], pooling: dict[str, Any]) -> None:
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", pooling)
    model = minibert.load(folder)
    expected = tiny.encode(TEXTS, pooling="cls", normalize_embeddings=True)
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    np.testing.assert_array_equal(model.encode(TEXTS, normalize_embeddings=False), tiny.encode(TEXTS, pooling="cls"))
    np.testing.assert_array_equal(model.encode(TEXTS, truncate_dim=5), expected[:, :5])
    np.testing.assert_allclose(np.linalg.norm(model.encode(TEXTS, truncate_dim=5, normalize_embeddings=True), axis=1), 1, atol=1e-6)


def test_a_transformer_in_its_own_folder(folder: Path, tmp_path: Path, tiny: minibert.MiniBert) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    folder.rename(parent / "0_BERT")
    write_json(parent / "modules.json", [module("Transformer", "0_BERT"), module("Pooling", "1_Pooling")])
    write_json(parent / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    write_json(parent / "0_BERT" / "sentence_bert_config.json", {"max_seq_length": 7, "do_lower_case": False})
    model = minibert.load(parent)
    assert model.max_length == 7
    np.testing.assert_array_equal(model.encode(TEXTS[:1]), tiny.encode(TEXTS[:1]))


def test_prompts(folder: Path, tiny: minibert.MiniBert) -> None:
    write_json(folder / "modules.json", OLD[:2])
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    prompts = {"query": "query: ", "passage": "passage: ", "other": "x"}
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": "other"})
    model = minibert.load(folder)
    assert minibert.load(folder).prompts == {"query": "query: ", "document": "", "passage": "passage: ", "other": "x"}
    for actual, prefix in [
        (model.encode("hello"), "x"),
        (model.encode("hello", prompt=""), ""),
        (model.encode("hello", prompt="y "), "y "),
        (model.encode("hello", prompt_name="query"), "query: "),
        (model.encode_query("hello"), "query: "),
        (model.encode_document("hello"), ""),  # "document" is always there, and empty, in sentence-transformers
        (model.encode_query("hello", prompt="z"), "z"),
    ]:
        np.testing.assert_array_equal(actual, tiny.encode(prefix + "hello"))
    with pytest.raises(ValueError, match="expected one of query, document, passage, other, found 'nothing'"):
        model.encode("hello", prompt_name="nothing")


def test_lower_casing_asked_for_by_sentence_transformers(folder: Path, tiny: minibert.MiniBert) -> None:
    write_json(folder / "modules.json", OLD[:2])
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False})
    assert not np.array_equal(minibert.load(folder).encode("HELLO"), tiny.encode("HELLO"))
    write_json(folder / "sentence_bert_config.json", {"do_lower_case": True})
    np.testing.assert_array_equal(minibert.load(folder).encode("HELLO"), tiny.encode("HELLO"))


@pytest.mark.parametrize("name", ["sentence_distilbert_config.json", "sentence_roberta_config.json"])
def test_older_names_of_the_settings(folder: Path, name: str) -> None:
    write_json(folder / "modules.json", OLD[:2])
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    write_json(folder / name, {"max_seq_length": 20})
    write_json(folder / "config_sentence_transformers.json", {"truncate_dim": 5, "prompts": {"query": None}})
    model = minibert.load(folder)
    assert model.max_length == 20
    assert model.encode("hello").shape == model.encode_query("hello").shape == (5,)
    assert model.encode("hello", truncate_dim=7).shape == (7,)


MODULE_FILES: dict[str, tuple[str, Any, str]] = {
    "CNN": ("modules.json", [*OLD, module("CNN", "3_CNN")], "sentence_transformers.models.CNN"),
    "own code": ("modules.json", [module("Transformer", "", "custom")], "custom.Transformer"),
    "two poolings": ("modules.json", [OLD[0], OLD[1], OLD[1]], r"\[2\]: path: expected a folder of its own"),
    "two poolings in two folders": ("modules.json", [OLD[0], OLD[1], OLD[1] | {"path": "pooling"}], "found Transformer, Pooling, Pooling"),
    "no pooling": ("modules.json", OLD[:1], "expected Transformer, then Pooling"),
    "no modules": ("modules.json", [], "found nothing"),
    "module without path": ("modules.json", [{"type": "sentence_transformers.models.Transformer"}], "path: expected a text, found nothing"),
    "module of text": ("modules.json", ["Transformer"], r"\[0\]: expected an object"),
    "order": ("modules.json", [OLD[0], OLD[2], OLD[1]], "expected Transformer, then Pooling, then any of Dense, LayerNorm"),
    "too many modules": ("modules.json", [*OLD, *[OLD[2]] * 100_000], "at most 20"),
    "a pooling of ours": ("1_Pooling/config.json", {"pooling_mode": "mean_words"}, "pooling_mode: expected one or several of"),
    "no poolings": ("1_Pooling/config.json", {"pooling_mode": []}, "pooling_mode: expected one or several of"),
    "too many poolings": ("1_Pooling/config.json", {"pooling_mode": ["cls"] * 7}, "pooling_mode: expected one or several of"),
    "poolings of lists": ("1_Pooling/config.json", {"pooling_mode": [["cls"]]}, "pooling_mode: expected one or several of"),
    "pooling of false": ("1_Pooling/config.json", {"pooling_mode": False}, "pooling_mode: expected one or several of"),
    "infinite length": ("sentence_bert_config.json", {"max_seq_length": float("inf")}, "max_seq_length: expected a whole number"),
    "dimensions of true": ("config_sentence_transformers.json", {"truncate_dim": True}, "truncate_dim: expected a whole number"),
    "pooling of a number": ("1_Pooling/config.json", {"pooling_mode": 3}, "pooling_mode: expected one or several of"),
    "prompt of a number in the pooling": ("1_Pooling/config.json", {"include_prompt": 1}, "include_prompt: expected true or false"),
    "another output": ("sentence_bert_config.json", {"module_output_name": "logits"}, "module_output_name"),
    "another task": ("sentence_bert_config.json", {"query_length": 5}, "query_length: expected nothing"),
    "options of the model": ("sentence_bert_config.json", {"config_args": {"num_hidden_layers": 1}}, "config_args: expected nothing"),
    "length of text": ("sentence_bert_config.json", {"max_seq_length": "12"}, "max_seq_length: expected a whole number"),
    "length of nothing": ("sentence_bert_config.json", {"max_seq_length": 1}, "at least 2 tokens"),
    "negative length": ("sentence_bert_config.json", {"max_seq_length": -3}, "max_seq_length: expected a positive number"),
    "prompt of a number": ("config_sentence_transformers.json", {"prompts": {"a": 3}}, "prompts: a: expected a text"),
    "normalised tokens": ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, "module_input_name"),
    "a CrossEncoder": ("config_sentence_transformers.json", {"model_type": "CrossEncoder"}, "model_type: expected 'SentenceTransformer'"),
    "default prompt": ("config_sentence_transformers.json", {"prompts": {}, "default_prompt_name": "q"}, "default_prompt_name"),
    "not JSON": ("1_Pooling/config.json", None, "expected JSON"),
}


@pytest.mark.parametrize("name", MODULE_FILES)
def test_modules_and_options_that_are_refused(folder: Path, name: str) -> None:
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    path, content, message = MODULE_FILES[name]
    write_json(folder / path, content)
    if content is None:
        (folder / path).write_text("{")
    with pytest.raises(ValueError, match=message):
        minibert.load(folder)


def test_null_leaves_prompts_out_of_the_pooling(folder: Path) -> None:
    """As in sentence-transformers 6.2, where null counts as false."""
    for number, stored in enumerate(({}, {"include_prompt": None})):
        write_json(folder / "modules.json", OLD[:2])
        write_json(folder / "1_Pooling" / "config.json", OLD_POOLING | stored)
        assert minibert.load(folder).include_prompt is (number == 0)


PATHS = [
    "../victim",
    "a/../../victim",
    "/etc",
    "..",
    "..\\victim",
    "C:victim",
    "a\0b",
    "link",
    "link/deeper",
    "\ud800",
    "x" * 256,
    "up/victim",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["Transformer", "Pooling", "Normalize"])
def test_modules_elsewhere_are_refused(folder: Path, tmp_path: Path, path: str, name: str) -> None:
    (tmp_path / "victim" / "deeper").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "victim")
    (folder / "up").symlink_to("..")
    write_json(folder / "modules.json", [each | ({"path": path} if each["type"].endswith(name) else {}) for each in OLD])
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    with pytest.raises(ValueError, match="path: expected a relative path that stays in the folder"):
        load_folder(folder)


@pytest.mark.parametrize("path", ["", ".", "./", "0_BERT/", "./0_BERT", "0_BERT", "link"])
def test_modules_in_the_folder_are_found(folder: Path, path: str) -> None:
    (folder / "0_BERT").mkdir()
    (folder / "link").symlink_to("0_BERT")
    write_json(folder / "modules.json", [OLD[0] | {"path": path}, *OLD[1:]])
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    expected = {"0_BERT": folder / "0_BERT", "link": folder / "link"}.get(path.strip("./"), folder)
    assert load_folder(folder).weights == expected


@pytest.mark.parametrize("path", ["config.json", "x/vocab.txt", ".config.json.part", "x/.hidden", "model.safetensors"])
def test_modules_with_the_names_of_files_are_refused(folder: Path, path: str) -> None:
    """A folder cannot stand where a file is, or where one is on its way."""
    write_json(folder / "modules.json", [OLD[0], OLD[1] | {"path": path}])
    with pytest.raises(ValueError, match="path: expected names of folders that are neither hidden nor names of files"):
        minibert.load(folder)


def test_a_prompt_that_would_multiply_the_work_is_refused(folder: Path) -> None:
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "a " * 5001}})
    with pytest.raises(ValueError, match="prompts: query: expected prompts of at most 10,000 characters, found 10,002"):
        minibert.load(folder)


@pytest.mark.parametrize("name", ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"])
def test_a_link_to_nothing_is_not_nothing(folder: Path, name: str) -> None:
    """In a cache that is not complete, say. Without these files, the vectors would be others."""
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match=name):
        load_folder(folder)


def test_limits_of_length(folder: Path) -> None:
    assert minibert.load(folder).max_length == 64
    write_json(folder / "tokenizer_config.json", {"model_max_length": 512})
    assert minibert.load(folder).max_length == 64
    write_json(folder / "tokenizer_config.json", {"model_max_length": 9})
    assert minibert.load(folder).max_length == 9


@pytest.mark.parametrize("name", ["folder", pytest.param("folder_compiled", marks=needs_numba)])
def test_damaged_folders(tmp_path: Path, name: str) -> None:
    """The first inputs of tests/fuzz/fuzz_folders.py: some are read still, most are refused by name, and nothing else is raised."""
    fuzzer = Fuzzer(name, tmp_path)
    outcomes = []
    for number in range(300 if name == "folder" else 16):
        fuzzer.write(number)
        outcomes.append(fuzzer.outcome())
    assert 0 < outcomes.count("read") < len(outcomes) // 2


SPOILT = ["config.json", "modules.json", "1_Pooling/config.json", "2_Normalize/config.json", "sentence_bert_config.json"]
SPOILT += ["config_sentence_transformers.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "tokenizer.json"]


@pytest.mark.parametrize("name", SPOILT)
def test_a_link_that_leads_nowhere_is_no_missing_file(folder: Path, name: str) -> None:
    """A file of the Hugging Face cache whose blob is gone: to leave it out would silently give other vectors."""
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    (folder / name).parent.mkdir(exist_ok=True)
    for target, error in (("nothing", FileNotFoundError), (Path(name).name, ValueError)):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        with pytest.raises(error, match=name):
            minibert.load(folder, backend="numpy")


def test_the_command_line_shows_one_line(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"model_max_length": ' + "9" * 5000 + "}")
    command = [sys.executable, "-m", "minibert", "info", "--model", folder]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode != 0
    assert "tokenizer_config.json: model_max_length: expected a number, found inf" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_write_model_is_deterministic(tmp_path: Path) -> None:
    one, other = (write_model(tmp_path / name, CONFIG) / "model.safetensors" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
