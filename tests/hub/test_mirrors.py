"""Mirrors, and the list of files for a machine without a network."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.cli.main import main
from minibert.hub.catalog import folder_name
from minibert.hub.fetch import endpoint, fetch
from tests.support.hub_server import REPOSITORY, Hub, models, vectors


def test_the_environment_names_a_mirror(hub: Hub, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY)), vectors(published / REPOSITORY))
    record = json.loads((tmp_path / "home" / "models" / "someone--tiny-bert" / "provenance.json").read_text())
    assert record["fetched"]["config.json"]["url"] == f"{hub.url}/{REPOSITORY}/resolve/main/config.json"


def test_from_overrides_the_environment(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, str(published))), vectors(published / REPOSITORY))


def test_an_empty_from_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell writes it for a variable that is not set, even where the hub must not be used."""
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    assert main(["fetch", REPOSITORY, "--from", ""]) == 2
    assert "--from: expected an address or a folder, found an empty text" in capsys.readouterr().err


def test_the_default_source_is_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("HF_ENDPOINT", raising=False)
        if value is not None:
            monkeypatch.setenv("HF_ENDPOINT", value)
        assert endpoint() == "https://huggingface.co"


@pytest.mark.parametrize("value", ["hf-mirror.com", "/media/stick", "ftp://mirror"])
def test_a_mirror_must_be_an_address(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", value)
    for options in ([], ["--list"]):
        assert main(["fetch", REPOSITORY, *options]) == 2
        assert capsys.readouterr().err == f"minibert: error: HF_ENDPOINT: expected an address, https://..., found {value!r}\n"


def test_without_a_network_the_error_says_what_to_do(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["fetch", REPOSITORY]) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"HF_ENDPOINT or --from names a mirror, and `minibert fetch --list {REPOSITORY}` lists the files to carry here\n")
    assert said.count("\n") == 1


def listed(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, tuple[str, str]], str]:
    """Return file -> (when it is needed, address), and the last line."""
    assert main(["fetch", "--list", name]) == 0
    *lines, _, last = capsys.readouterr().out.splitlines()
    rows = [re.fullmatch(r"(\S.*?)  +(\S+)  +(\S+)", line) for line in lines]
    return {row[2]: (row[1], row[3]) for row in rows if row is not None}, last


@pytest.mark.parametrize("name", [REPOSITORY, "google/bert_uncased_L-2_H-128_A-2", "small_bert_L2_128"])
def test_from_takes_the_files_that_the_list_names(
    name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list needs no network. Its files are downloaded elsewhere, carried, and fetched."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    files, last = listed(name, capsys)
    assert not hub.requests
    (tmp_path / "stick").mkdir()
    for file, (_, address) in files.items():
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(address) as answer:
            (tmp_path / "stick" / file).write_bytes(answer.read())
    brought = {path.name for path in (tmp_path / "stick").iterdir()}
    assert {file for file, (when, _) in files.items() if when == "needed"} <= brought
    number = len(hub.requests)
    command = last.removeprefix("Then, on the other machine: ").replace("FOLDER", str(tmp_path / "stick")).split()
    assert command[:3] == ["minibert", "fetch", name]
    assert main(command[1:]) in (0, 2)  # the weights are random, so no published numbers match
    assert len(hub.requests) == number
    assert models(tmp_path / "home") == [folder_name(name)]
    vectors(name)


def test_the_list_has_all_files_that_fetch_asks_for(
    hub: Hub, pooled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Files of other model families, and some files for people, are not in the list."""
    name = pooled("1_Pooling").relative_to(hub.root).as_posix()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    files, _ = listed(name, capsys)
    fetch(name)
    asked = {path.partition("/resolve/main/")[2] for path, _ in hub.requests}
    others = {f"sentence_{each}_config.json" for each in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")}
    assert asked - set(files) <= others | {"provenance.json", "LICENSE.txt", "LICENSE.md", "NOTICE"}
    assert "1_Pooling/config.json" in asked


def test_the_bundled_model_has_no_files_to_carry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--list", "minibert-L8-H128"]) == 0
    assert capsys.readouterr().out == "minibert-L8-H128 is bundled with minibert: there are no files to carry\n"
    assert main(["fetch", "--list", "nonsense"]) == 2
