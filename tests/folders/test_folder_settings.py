"""Folders of sentence-transformers: modules, prompts, lengths, and what is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.folders.settings import load_folder
from tests.fuzz.fuzz_folders import Fuzzer
from tests.support.backends import needs_compiled
from tests.support.small_folders import TEXTS, write_json


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
def test_old_and_new_module_types_give_the_same_vectors(
    folder: Path, tiny: minibert.MiniBert, modules: list[Any], pooling: dict[str, Any]
) -> None:
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", pooling)
    model = minibert.load(folder)
    expected = tiny.encode(TEXTS, pooling="cls", normalize_embeddings=True)
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    np.testing.assert_array_equal(model.encode(TEXTS, normalize_embeddings=False), tiny.encode(TEXTS, pooling="cls"))
    np.testing.assert_array_equal(model.encode(TEXTS, truncate_dim=5), expected[:, :5])
    np.testing.assert_allclose(np.linalg.norm(model.encode(TEXTS, truncate_dim=5, normalize_embeddings=True), axis=1), 1, atol=1e-6)


def test_a_transformer_in_its_own_folder_is_found(folder: Path, tmp_path: Path, tiny: minibert.MiniBert) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    folder.rename(parent / "0_BERT")
    write_json(parent / "modules.json", [module("Transformer", "0_BERT"), module("Pooling", "1_Pooling")])
    write_json(parent / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    write_json(parent / "0_BERT" / "sentence_bert_config.json", {"max_seq_length": 7, "do_lower_case": False})
    model = minibert.load(parent)
    assert model.max_length == 7
    np.testing.assert_array_equal(model.encode(TEXTS[:1]), tiny.encode(TEXTS[:1]))


def test_prompts_are_put_before_texts(folder: Path, tiny: minibert.MiniBert) -> None:
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
        (model.encode_document("hello"), ""),  # sentence-transformers always has an empty prompt "document"
        (model.encode_query("hello", prompt="z"), "z"),
    ]:
        np.testing.assert_array_equal(actual, tiny.encode(prefix + "hello"))
    with pytest.raises(ValueError, match="expected one of query, document, passage, other, found 'nothing'"):
        model.encode("hello", prompt_name="nothing")


def test_do_lower_case_of_sentence_transformers_is_applied(folder: Path, tiny: minibert.MiniBert) -> None:
    write_json(folder / "modules.json", OLD[:2])
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False})
    assert not np.array_equal(minibert.load(folder).encode("HELLO"), tiny.encode("HELLO"))
    write_json(folder / "sentence_bert_config.json", {"do_lower_case": True})
    np.testing.assert_array_equal(minibert.load(folder).encode("HELLO"), tiny.encode("HELLO"))


@pytest.mark.parametrize("name", ["sentence_distilbert_config.json", "sentence_roberta_config.json"])
def test_older_names_of_the_settings_are_read(folder: Path, name: str) -> None:
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
    """In sentence-transformers 6.2, null counts as false too."""
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
def test_modules_outside_the_folder_are_refused(folder: Path, tmp_path: Path, path: str, name: str) -> None:
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
    assert load_folder(folder).weights == str(expected)


@pytest.mark.parametrize("path", ["config.json", "x/vocab.txt", ".config.json.part", "x/.hidden", "model.safetensors"])
def test_modules_with_the_names_of_files_are_refused(folder: Path, path: str) -> None:
    """A folder cannot have the name of a file, or of a file that is being downloaded."""
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
def test_a_broken_link_is_not_treated_as_a_missing_file(folder: Path, name: str) -> None:
    """A cache may be incomplete. Without these files, the vectors would be different."""
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match=name):
        load_folder(folder)


def test_the_smallest_limit_of_the_length_holds(folder: Path) -> None:
    assert minibert.load(folder).max_length == 64
    write_json(folder / "tokenizer_config.json", {"model_max_length": 512})
    assert minibert.load(folder).max_length == 64
    write_json(folder / "tokenizer_config.json", {"model_max_length": 9})
    assert minibert.load(folder).max_length == 9


@pytest.mark.parametrize("name", ["folder", pytest.param("folder_compiled", marks=needs_compiled)])
def test_damaged_folders_are_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    """Run the first inputs of tests/fuzz/fuzz_folders.py. The others must be refused by name."""
    fuzzer = Fuzzer(name, tmp_path)
    outcomes = []
    for number in range(300 if name == "folder" else 16):
        fuzzer.write(number)
        outcomes.append(fuzzer.outcome())
    assert 0 < outcomes.count("read") < len(outcomes) // 2


SPOILT = ["config.json", "modules.json", "1_Pooling/config.json", "2_Normalize/config.json", "sentence_bert_config.json"]
SPOILT += ["config_sentence_transformers.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "tokenizer.json"]


@pytest.mark.parametrize("name", SPOILT)
def test_a_broken_link_of_any_file_is_an_error(folder: Path, name: str) -> None:
    """A file whose blob is missing in the cache: the vectors would be different without it."""
    write_json(folder / "modules.json", OLD)
    write_json(folder / "1_Pooling" / "config.json", OLD_POOLING)
    (folder / name).parent.mkdir(exist_ok=True)
    for target, error in (("nothing", FileNotFoundError), (Path(name).name, ValueError)):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        with pytest.raises(error, match=name):
            minibert.load(folder, backend="numpy")


def test_the_command_line_shows_an_error_in_one_line(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"model_max_length": ' + "9" * 5000 + "}")
    command = [sys.executable, "-m", "minibert", "info", "--model", folder]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode != 0
    assert "tokenizer_config.json: model_max_length: expected a number, found inf" in result.stderr
    assert len(result.stderr.splitlines()) == 1
