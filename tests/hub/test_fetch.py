"""`minibert fetch`: names, repositories, folders, and what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.files.partial import locked
from minibert.hub.download import SMALL, max_weight_bytes
from minibert.hub.fetch import fetch
from tests.support.hub_server import REPOSITORY, Hub, models, vectors
from tests.support.models import VOCAB, make_config, write_model


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_process_that_waits_for_another_says_so(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from minibert.files.partial import locked; locked(Path(sys.argv[1])).__enter__()"
    with locked(tmp_path / "lock"):
        waiting = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "lock")], stderr=subprocess.PIPE, text=True)
        assert waiting.stderr is not None
        assert "waiting for another process" in waiting.stderr.readline()
        assert waiting.poll() is None
    assert waiting.communicate(timeout=60)[1] == ""
    assert waiting.returncode == 0


def test_a_repository_becomes_a_model(hub: Hub, published: Path, tmp_path: Path) -> None:
    folder = fetch(REPOSITORY, hub.url)
    assert folder == tmp_path / "home" / "models" / "someone--tiny-bert"
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))
    record = json.loads((folder / "provenance.json").read_text())
    assert (
        record["fetched"]["model.safetensors"]["sha256"]
        == hashlib.sha256((published / REPOSITORY / "model.safetensors").read_bytes()).hexdigest()
    )
    assert oct((folder / "model.safetensors").stat().st_mode & 0o777) == oct((folder / "config.json").stat().st_mode & 0o777)
    number = len(hub.requests)
    assert fetch(REPOSITORY, hub.url) == folder  # it is already here
    assert len(hub.requests) == number
    assert [path.name for path in (tmp_path / "home" / "downloads" / folder.name).iterdir()] == ["lock"]


def test_a_name_selects_the_gelu_of_the_training(hub: Hub) -> None:
    assert minibert.load(fetch("sent_small_bert_L2_128", hub.url), backend="numpy").config.hidden_act == "gelu_new"
    assert minibert.load(fetch("google/bert_uncased_L-2_H-128_A-2", hub.url), backend="numpy").config.hidden_act == "gelu"


def test_an_unknown_repository_and_an_unknown_name_are_refused(hub: Hub) -> None:
    with pytest.raises(FileNotFoundError, match=r"no config\.json of nobody/nothing"):
        fetch("nobody/nothing", hub.url)
    with pytest.raises(ValueError, match="expected a name that `minibert models` lists, or OWNER/REPO"):
        fetch("nonsense", hub.url)


def test_a_folder_replaces_the_hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, str(published))), vectors(published / REPOSITORY))
    with pytest.raises(FileNotFoundError, match="expected the address of a mirror"):
        fetch("someone/else", str(tmp_path / "nowhere"))


def test_a_home_that_cannot_be_made_is_refused(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="set MINIBERT_HOME to a folder that you may write to"):
        fetch(REPOSITORY, str(published))


def test_two_processes_fetch_a_model_once(hub: Hub, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minibert", "fetch", REPOSITORY, "--from", hub.url]
    both = [subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(folders) == 1
    assert models(tmp_path / "home") == ["someone--tiny-bert"]
    assert len(hub.of("model.safetensors")) == 1  # the second process waited, and found the model
    vectors(REPOSITORY)


def test_a_miniature_must_have_the_vocabulary_of_all_miniatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = write_model(tmp_path / "source", make_config(2, 128, 2, max_position_embeddings=32))
    with (folder / "vocab.txt").open("ab") as file:
        file.write(b"x\n")
    with pytest.raises(ValueError, match="expected the one of all miniatures, SHA-256 07eced375cec"):
        fetch("small_bert_L2_128", str(folder))
    assert models(tmp_path / "home") == []


def test_a_name_is_refused_for_a_model_of_another_shape(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="expected 6 layers of 768 for small_bert_L6_768, found 2 of 128"):
        fetch("small_bert_L6_768", str(published / REPOSITORY))
    assert models(tmp_path / "home") == []


def test_a_damaged_file_is_not_kept(hub: Hub, published: Path, tmp_path: Path) -> None:
    """Another source works after a damaged one, and files of two sources are not mixed."""
    broken = tmp_path / "stick"
    shutil.copytree(published / REPOSITORY, broken)
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(ValueError, match="the file is cut off"):
        fetch(REPOSITORY, str(broken))
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))


def test_files_as_google_published_them_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub has the miniatures in torch's old format, beside a checkpoint of TensorFlow."""
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    golden = Path(__file__).parents[1] / "golden"
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(golden / "torch" / "pretraining.legacy.bin", folder / "pytorch_model.bin")
    for file in (golden / "tensorflow").glob("bert_model.ckpt.*"):
        shutil.copy(file, folder)
    tokens = VOCAB.read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([*tokens[:1], *tokens[100:103], *tokens[1996:2022]]) + "\n", encoding="utf-8")
    config = make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)._asdict()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
    model = minibert.load(fetch("google/bert_uncased_L-1_H-8_A-2", str(folder)), backend="numpy")
    assert model.config.hidden_act == "gelu"
    assert np.isfinite(model.encode("the of")).all()


def test_a_repository_without_a_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    (folder / VOCAB.name).unlink()
    with pytest.raises(FileNotFoundError, match=r"no vocab\.txt beside it"):
        fetch(REPOSITORY, str(folder))
    assert models(tmp_path / "home") == []


def test_the_limit_of_weights_includes_all_heads() -> None:
    """The limit is computed at once, whatever number of layers the configuration has."""
    config = make_config(2, 128, 2)
    largest = 4 * (minibert.load(backend="numpy").num_parameters + 128 * 128 + 128)  # 8 layers and a pooler, no heads
    assert max_weight_bytes(make_config(8, 128, 2)) > largest + 4 * 30522 * 129
    assert max_weight_bytes(config) < 2 * largest + SMALL
    assert max_weight_bytes(make_config(2**31 - 1, 128, 2)) > 10**15


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "config.json").unlink(), "{folder}: expected config.json, found nothing of the kind"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "tf_model.h5"), "found tf_model.h5, weights of Keras; "),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "bert.pt"),
            "a torch checkpoint; `minibert convert {folder}/bert.pt NEW`",
        ),
        (lambda folder: (folder / "config.json").write_text("<html>"), "{folder}/config.json: expected JSON, found an HTML page"),
        (
            lambda folder: (folder / "vocab.txt").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "{folder}/vocab.txt: expected the file itself, found a Git-LFS pointer to it; run `git lfs pull`",
        ),
        (lambda folder: (folder / "modules.json").write_text("{}"), "{folder}/modules.json: expected a list"),
    ],
)
def test_an_error_names_what_the_folder_has_instead(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], Any], expected: str
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = Path(shutil.copytree(published / REPOSITORY, tmp_path / "stick"))
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        fetch(REPOSITORY, str(folder))
    assert expected.format(folder=folder) in str(caught.value)
    assert str(tmp_path / "home") not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_refused(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="found a file of such a folder; give the folder, "):
        fetch(REPOSITORY, str(published / REPOSITORY / "model.safetensors"))
