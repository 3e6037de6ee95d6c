"""A loaded model does not depend on its files, on later settings, or on other threads."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.arguments import check_rectangle
from minibert.folders.read import open_weights
from minibert.formats.safetensors import open_safetensors
from tests.support.backends import BACKENDS

TEXTS = ["Hello world", "zebra quartz", "an unrelated third text"]


# --- Settings


SETTINGS = {
    "max_length": 1000,
    "max_seq_length": 16,
    "pooling": "cls",
    "normalize_embeddings": True,
    "truncate_dim": 3,
    "prompts": {},
    "default_prompt_name": "query",
    "num_threads": 1,
    "config": None,
    "tokenizer": None,
    "backend": "numpy",
    "precision": "int8",
    "num_parameters": 0,
    "anything": 1,
    "encode": None,
    "_encoder": None,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_attribute_can_be_set(tiny: minibert.MiniBert, name: str) -> None:
    before = getattr(tiny, name, None)
    with pytest.raises(AttributeError, match=f"{name}: a loaded model does not change; give the argument to `encode`"):
        setattr(tiny, name, SETTINGS[name])
    with pytest.raises(AttributeError, match=name):
        delattr(tiny, name)
    assert getattr(tiny, name, None) == before


def test_prompts_cannot_be_changed(tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError):
        tiny.prompts["query"] = "query: "  # type: ignore[index]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_gives_the_same_vectors(tiny_folder: Path, copied: Callable[[Any], Any]) -> None:
    model = minibert.load(tiny_folder, backend="numpy", num_threads=2, tokenizer_compat="google", mmap=True)
    other = copied(model)
    np.testing.assert_array_equal(other.encode(TEXTS), model.encode(TEXTS))
    assert (other.num_threads, other.tokenizer.settings.compat, other._settings.reload) == (2, "google", model._settings.reload)


def test_the_length_is_cut_to_the_positions(tiny: minibert.MiniBert) -> None:
    positions = tiny.config.max_position_embeddings
    long = "word " * (2 * positions)
    np.testing.assert_array_equal(tiny.encode(long, max_length=positions, truncation="silent"), tiny.encode(long, truncation="silent"))
    with pytest.raises(ValueError, match=f"max_length: expected 2 to {positions}"):
        tiny.encode(long, max_length=positions + 1)


NUMBERS = {
    "huge": (10**5000, ValueError),
    "hugely negative": (-(10**5000), ValueError),
    "text": ("9" * 5000, TypeError),
    "half": (10.5, TypeError),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_of_any_size_is_refused_by_name(tiny: minibert.MiniBert, kind: str) -> None:
    argument: Any
    argument, error = NUMBERS[kind]
    with pytest.raises(error, match=r"max_length: expected") as refused:
        tiny.encode("a text", max_length=argument)
    assert len(str(refused.value)) < 400


WRONG_KINDS: dict[str, tuple[Callable[[minibert.MiniBert], Any], str]] = {
    "spans of time as ids": (lambda model: model(np.array([[1, "NaT"]], "m8[s]")), "input_ids: expected whole numbers"),
    "spans of time as types": (lambda model: model([[1, 2]], None, np.array([[1, "NaT"]], "m8[s]")), "token_type_ids: expected whole"),
    "ragged mask": (lambda model: model([[1, 2], [1, 2]], [[1, 1], [1]]), "attention_mask: expected rows of equal length"),
    "ragged types": (lambda model: model([[1, 2], [1, 2]], None, [[1, 1], [1]]), "token_type_ids: expected rows of equal length"),
    "array as a choice": (lambda model: model.encode("a", pooling=np.array(["mean", "cls"])), "pooling: expected 'mean' or"),  # type: ignore[call-overload]
    "list as a prompt's name": (lambda model: model.encode("a", prompt_name=[]), "prompt_name: expected one of"),  # type: ignore[arg-type]
    "huge prompt's name": (lambda model: model.encode("a", prompt_name=10**5000), "prompt_name: expected one of"),  # type: ignore[arg-type]
    "huge id": (lambda model: model.tokenizer.decode([10**5000]), "expected ids of the vocabulary"),
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_an_argument_of_another_kind_is_refused_by_name(tiny: minibert.MiniBert, name: str) -> None:
    call, message = WRONG_KINDS[name]
    with pytest.raises(ValueError, match=message):
        call(tiny)


def test_no_number_of_a_config_can_be_changed(tiny: minibert.MiniBert) -> None:
    """Loops compute addresses from them."""
    for name in ("intermediate_size", "num_attention_heads"):
        for change in (setattr, object.__setattr__):
            with pytest.raises(AttributeError):
                change(tiny.config, name, 10**7)
        with pytest.raises(ValueError, match=f"{name}: expected a positive number"):
            tiny.config._replace(**{name: -7})


# --- Files


CHANGES = {
    "cut": "open(file, 'wb').close()",
    "written over": "content[len(content) // 2:] = bytes(len(content) - len(content) // 2); open(file, 'r+b').write(content)",
    "removed": "os.remove(file)",
    "a FIFO": "os.remove(file); os.mkfifo(file)",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_loaded_model_does_not_need_its_file(tiny_folder: Path, tmp_path: Path, backend: str, change: str) -> None:
    code = f"""
import os, shutil, sys, minibert
shutil.copytree(sys.argv[1], sys.argv[2])
file = sys.argv[2] + "/model.safetensors"
content = bytearray(open(file, "rb").read())
model = minibert.load(sys.argv[2], backend={backend!r})
expected = minibert.load(sys.argv[1], backend={backend!r}).encode({TEXTS!r})
{CHANGES[change]}
assert (model.encode({TEXTS!r}) == expected).all()
"""
    arguments = [sys.executable, "-c", code, str(tiny_folder), str(tmp_path / "copy")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_mmap_maps_the_weights(tiny_folder: Path) -> None:
    mapped, read = (minibert.load(tiny_folder, backend="numpy", mmap=mmap) for mmap in (True, False))
    np.testing.assert_array_equal(mapped.encode(TEXTS), read.encode(TEXTS))
    owns = [model._encoder.parameters.word_embeddings.base for model in (mapped, read)]
    assert owns[0] is not None
    assert owns[1] is None


def test_a_file_that_changes_while_it_is_read_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_bytes((tiny_folder / "config.json").read_bytes())
    content = (tiny_folder / "model.safetensors").read_bytes()
    file.write_bytes(content)
    first, second = open_weights(tmp_path), open_weights(tmp_path)
    weights = first.__enter__()
    file.write_bytes(content + b"more")
    assert len(weights.layers[0].query.bias) == weights.config.hidden_size
    with pytest.raises(ValueError, match=r"model\.safetensors: the file changed while it was read"):
        first.__exit__(None, None, None)
    file.write_bytes(content)
    weights = second.__enter__()
    file.write_bytes(content[: len(content) // 8])
    with pytest.raises(ValueError, match=r"model\.safetensors: the file was cut off while it was read"):
        weights.layers[1]


def test_a_layer_is_read_when_it_is_used(tiny_folder: Path) -> None:
    with open_safetensors(tiny_folder / "model.safetensors") as tensors, open_weights(tiny_folder) as weights:
        assert len(weights.layers) == weights.config.num_hidden_layers == len(list(weights.layers)) == len(weights.layers[:])
        for index, layer in enumerate(weights.layers):
            np.testing.assert_array_equal(layer.output.weight, np.asarray(tensors[f"encoder.layer.{index}.output.dense.weight"]))
        assert weights.layers[-1] is not weights.layers[-1]
        with pytest.raises(IndexError):
            weights.layers[len(weights.layers)]


@pytest.mark.parametrize("name", ["a" * 5000, "x/" * 3000, "a\0b"])
def test_a_name_that_no_file_system_accepts_is_refused(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder, and no model of that name"):
        minibert.load(name, backend="numpy")


# --- Other threads


@pytest.mark.parametrize("name", ["input_ids", "attention_mask", "token_type_ids"])
def test_arguments_may_change_during_the_check(tiny: minibert.MiniBert, name: str) -> None:
    """The test writes to the array at each line of the check. The result is right or refused."""
    arrays = {
        "input_ids": np.full((2, 3), 7, np.int32),
        "attention_mask": np.ones((2, 3), np.int32),
        "token_type_ids": np.zeros((2, 3), np.int32),
    }
    good = arrays[name].copy()
    limits = {"input_ids": tiny.config.vocab_size, "attention_mask": 2, "token_type_ids": tiny.config.type_vocab_size}
    line, poisoned_line, refused = 0, 0, 0

    def trace(called: FrameType, event: str, _: Any) -> Any:
        nonlocal line
        if not called.f_code.co_filename.endswith("arguments.py"):
            return None
        if event == "line":
            line += 1
            arrays[name][:] = good if line < poisoned_line else 2**31 - 1
        return trace

    while poisoned_line <= line:  # from the first line to one after the last
        line = 0
        poisoned_line += 1
        arrays[name][:] = good
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            found = dict(zip(arrays, check_rectangle(**arrays, config=tiny.config), strict=True))  # type: ignore[arg-type]
        except ValueError:
            refused += 1
        else:
            assert all((array >= 0).all() and (array < limits[each]).all() for each, array in found.items())
        finally:
            sys.settrace(before)
    assert refused > 0
    assert poisoned_line > 10


# --- Texts


class Table:
    """Iteration gives the names of columns, as in a data frame."""

    columns = ("text", "number")

    def __iter__(self) -> Any:
        return iter(self.columns)


NO_TEXTS: dict[str, tuple[Any, str]] = {
    "dict": ({"query": "a text"}, r"expected a str or several, found a dict, whose keys or columns"),
    "table": (Table(), r"found a Table, whose keys or columns are not texts; give one column, as in texts\['name'\]"),
    "bytes": (b"a text", r"found a bytes; decode it, as in texts.decode\('utf-8'\)"),
    "bytearray": (bytearray(b"a text"), r"found a bytearray; decode it"),
    "None": (None, "found a NoneType: None"),
    "int": (3, "found an int: 3"),
    "array without dimensions": (np.array("a text"), "found a ndarray: array"),
    "list of None": (["a", None], r"texts\[1\]: expected a str, found NoneType: None"),
    "list of bytes": ([b"a"], r"texts\[0\]: expected a str, found bytes"),
    "list of lists": ([["a"]], r"texts\[0\]: expected a str, found list"),
}


@pytest.mark.parametrize("name", NO_TEXTS)
def test_other_objects_than_texts_are_refused(tiny: minibert.MiniBert, name: str) -> None:
    texts, message = NO_TEXTS[name]
    for call in (tiny.encode, tiny.encode_tokens, tiny.encode_query, tiny.encode_document, tiny.predict):
        with pytest.raises(TypeError, match=message):
            call(texts)
