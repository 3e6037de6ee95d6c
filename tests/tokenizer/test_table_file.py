"""Tables in a file: the same ids, nothing else is made, and the file is never stale."""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minibert.tokenizer import WordPieceTokenizer, load_settings, load_tokenizer, make_tokenizer, table_file
from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.compiled.tables import prepare
from minibert.tokenizer.table_file import FromFile, read_tables
from minibert.tokenizer.table_writer import tables_of
from minibert.tokenizer.wordpiece import make_rules
from tests.support.backends import COMPILED, needs_compiled
from tests.support.encodings import assert_same
from tests.support.hard_texts import TEXTS, VOCAB, adversarial_texts, tokenizer_folders
from tests.support.sources import imported_modules, module_name, sources
from tests.support.table_files import small_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "model")


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with BERT's uncased vocabulary and its tables."""
    folder = tmp_path_factory.mktemp("english")
    shutil.copy(VOCAB, folder / "vocab.txt")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 512}')
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    return folder


def made(tokenizer: WordPieceTokenizer) -> bool:
    """Whether the dictionaries of a tokenizer have been made."""
    return tokenizer._late._made is not None


# The same results


@needs_compiled
@pytest.mark.parametrize("return_offsets", [False, True])
def test_ids_with_tables_from_a_file(english: Path, return_offsets: bool) -> None:
    plain = WordPieceTokenizer.from_folder(english)
    fast, rebuilt = load_tokenizer(english, backend=COMPILED), make_tokenizer(plain.settings, COMPILED)
    texts = [*TEXTS, "a\ud800b \udfff c", "[MASK] a [SEP]", *adversarial_texts(1000, seed=12)]
    for split_special_tokens in (False, True):
        for max_length in (None, 7):
            arguments = (texts, max_length, split_special_tokens, return_offsets)
            expected = plain.encode_batch(*arguments)
            assert_same(fast.encode_batch(*arguments), expected, texts)
            assert_same(rebuilt.encode_batch(*arguments), expected, texts)
    pairs = [(text, "a kiwi") for text in TEXTS]
    np.testing.assert_array_equal(fast.encode_batch(pairs, 12).input_ids, plain.encode_batch(pairs, 12).input_ids)


@pytest.mark.parametrize("name", ["uncased", "cased", "cased without accents"])
def test_tables_and_facts_are_those_that_are_made(name: str, tmp_path: Path) -> None:
    folder = tokenizer_folders(tmp_path)[name]
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    found, plain = read_tables(folder, False), WordPieceTokenizer.from_folder(folder)
    assert isinstance(found, FromFile)
    expected = prepare(make_rules(plain.settings))
    for field, array in expected.tables._asdict().items():
        np.testing.assert_array_equal(getattr(found.prepared.tables, field), array, field)
    assert found.prepared[1:] == expected[1:]
    assert found.facts == plain.facts
    assert found.settings() == plain.settings


def test_lower_case_that_the_folder_forces(tmp_path: Path) -> None:
    folder = tokenizer_folders(tmp_path)["cased"]
    (folder / TABLES_FILE).write_bytes(tables_of(folder, True) or b"")
    assert read_tables(folder, False) is None
    found = read_tables(folder, True)
    assert found
    assert found.settings() == replace(load_settings(folder), lowercase=True)


# Nothing else is made


@needs_compiled
def test_no_dictionary_is_made_to_encode(english: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(english, folder)
    tokenizer = load_tokenizer(folder, backend=COMPILED)
    shutil.rmtree(folder)
    encoder = tokenizer._accelerated
    assert encoder
    encoder._waits_for = 0  # type: ignore[attr-defined]  # as with a library
    assert tokenizer.encode_batch(["I hate cancer"]).input_ids.tolist() == [101, 1045, 5223, 4456, 102]
    assert tokenizer.facts.last_id == 30521
    assert tokenizer.facts.model_max_length == 512
    assert not made(tokenizer)
    assert tokenizer("Kiwis!").tokens == ["[CLS]", "ki", "##wi", "##s", "!", "[SEP]"]  # the folder is gone
    assert made(tokenizer)
    assert tokenizer.settings is tokenizer.settings
    assert tokenizer.vocab["kiwi"[:2]] == 11382
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.settings == tokenizer.settings
    assert again.backend == tokenizer.backend
    with pytest.raises(AttributeError, match="vocab: a tokenizer cannot be changed"):
        tokenizer.vocab = {}  # type: ignore[misc, assignment]


def test_the_first_ids_need_few_modules(english: Path) -> None:
    code = f"""
import pathlib, sys
from minibert.tokenizer.table_file import read_tables
assert read_tables(pathlib.Path({str(english)!r}), False)
import minibert.tokenizer.compiled.batch
print(*(name for name in sys.modules if name.startswith("minibert.tokenizer.")))"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("minibert.tokenizer.") for name in result.stdout.split()}
    assert not loaded & {"settings", "loading", "readable", "wordpiece", "tables_hf", "compiled.tables", "named_tokens", "pipeline"}


# Never stale


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n"), ("tokenizer_config.json", "{}"), ("special_tokens_map.json", "{}"),
        ("added_tokens.json", "{}"), ("config.json", "{}"), ("config.json", None), ("tokenizer.json", "{}"),
    ],
)  # fmt: skip
def test_a_file_for_other_files_is_passed_over(folder: Path, name: str, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_tables(folder, False)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    assert read_tables(folder, False) is None
    assert capsys.readouterr().err == ""


def test_vocab_txt_does_not_count_beside_tokenizer_json(tmp_path: Path) -> None:
    folder = tokenizer_folders(tmp_path)["uncased"]
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    (folder / "vocab.txt").write_text("anything")
    assert read_tables(folder, False)


def test_a_file_of_other_modules_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for other in (b"0" * 16, b""):
        monkeypatch.setattr(table_file, "modules_hash", lambda other=other: other)
        assert read_tables(folder, False) is None
    assert capsys.readouterr().err == ""


def test_the_hash_covers_all_modules_that_settings_and_tables_are_made_by() -> None:
    files = sources("minibert")
    modules = frozenset(map(module_name, files))
    waiting, needed = ["minibert.tokenizer.table_writer"], set()
    while waiting:
        module = waiting.pop()
        if module.startswith("minibert.tokenizer.") and module not in needed:
            needed.add(module)
            path = next(file for file in files if module_name(file) == module)
            waiting += imported_modules(path, modules)
    hashed = {module_name(f"minibert/{name}") for name in table_file.MODULES}
    # Google's rules have no file of tables. The others check a file, or have types and a limit.
    names = ("tables_google", "compiled.checks", "encoding", "one_text", "truncation")
    others = {f"minibert.tokenizer.{name}" for name in names}
    assert needed - hashed == others


def test_the_same_sources_give_the_same_file(folder: Path) -> None:
    """Whatever the order of a set of str in a process."""
    code = "import sys, zlib; from minibert.tokenizer import table_writer as w; print(zlib.crc32(w.tables_of(sys.argv[1], False)))"
    command = [sys.executable, "-c", code, str(folder)]
    found = {subprocess.check_output(command, env=os.environ | {"PYTHONHASHSEED": seed}) for seed in ("1", "2", "3")}
    assert len(found) == 1
