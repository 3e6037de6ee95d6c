"""The catalogue of named models."""

import json
from pathlib import Path

import pytest

import minibert
from minibert.cli.main import main
from minibert.folders.bundled import BUNDLED, bundled_folder
from minibert.hub.catalog import find, home, models
from minibert.hub.names import resolve

# Parameters of the encoder without its pooler, counted from the architecture
PARAMETERS = {
    (2, 128): 4_369_408,
    (8, 128): 5_559_040,
    (4, 256): 11_104_768,
    (12, 512): 53_720_064,
    (6, 768): 66_364_416,
    (12, 768): 108_891_648,
}
SEEDS = {
    "small_bert_L6_768": ["en.embed.bert.small_L6_768", "sent_small_bert_L6_768"],
    "small_bert_L8_128": ["sent_small_bert_L8_128", "en.embed_sentence.small_bert_L8_128"],
}


def test_every_miniature_has_all_its_names() -> None:
    names = [name for model in models() for name in model.names]
    assert len(names) == len(set(names)) == 1 + 24 * 5
    for name, aliases in SEEDS.items():
        assert all(find(alias) is find(name) for alias in aliases)
    assert find("small_bert_L7_768") is None


def test_the_weights_have_two_entries_with_two_forms_of_gelu() -> None:
    spark, hub = find("small_bert_L8_128"), find("google/bert_uncased_L-8_H-128_A-2")
    assert spark is not None
    assert hub is not None
    assert spark.repository == hub.repository == "google/bert_uncased_L-8_H-128_A-2"
    assert (spark.hidden_act, hub.hidden_act) == ("gelu_new", None)
    assert spark.spark[1].endswith("/sent_small_bert_L8_128_en_2.6.0_2.4_1598350334113.zip")
    assert spark.path != hub.path


def test_numbers_of_parameters() -> None:
    found = {(model.num_layers, model.hidden_size): model.num_parameters for model in models()}
    assert {shape: found[shape] for shape in PARAMETERS} == PARAMETERS
    bundled = minibert.load(backend="numpy")
    assert find(BUNDLED).num_parameters == bundled.num_parameters  # type: ignore[union-attr]


def test_fetched_models_are_found_by_their_names(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="`minibert fetch sent_small_bert_L8_128` gets one"):
        minibert.load("sent_small_bert_L8_128")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small_bert_L8_128").symlink_to(tiny_folder)
    (tmp_path / "models" / "someone--tiny").symlink_to(tiny_folder)
    for name in ("sent_small_bert_L8_128", "en.embed.bert.small_L8_128", "someone/tiny"):
        assert minibert.load(name, backend="numpy").config.hidden_size == 24
    assert resolve(BUNDLED) == resolve(None) == bundled_folder()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nonsense", "no model of that name; `minibert models`"),
        ("owner/repo", "`minibert fetch owner/repo` gets one"),
        ("a/b/c", "no model of that name"),
        ("../../no/such", "no model of that name"),
        ("owner/..", "no model of that name"),
        ("a" * 5000, "^a{200}: no such folder, and no model of that name"),
        ("owner/" + "a" * 5000, "^owner/a{194}: no such folder, and no model of that name"),
        ("a/" * 5000, "no model of that name"),
        ("a\0b", "no model of that name"),
        ("a\udc80\n", "no model of that name"),
        ("owner/repo/", "give the name without the / around it, owner/repo$"),
        ("owner/repo\n", r"^'owner/repo\\n': .* give the name without the blanks around it, owner/repo$"),
        (" owner/repo/", "give the name without the blanks around it, owner/repo$"),
    ],
)
def test_an_unknown_name_is_refused_with_advice(name: str, expected: str) -> None:
    with pytest.raises(FileNotFoundError, match=expected):
        resolve(name)


def test_without_a_home_folder_models_are_not_looked_for_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MINIBERT_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # the system has no home folder
    for data in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", data)
        with pytest.raises(FileNotFoundError, match="expected a home folder, found none; set MINIBERT_HOME"):
            resolve("owner/repo")
    assert main(["models"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(models())


@pytest.mark.parametrize("chosen", ["~nobody-of-that-name/x", "/" + "a" * 5000, "/dev/null", "a\udc80"])
def test_an_impossible_home_folder_is_one_line_of_error(
    chosen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIBERT_HOME", chosen)
    assert main(["models"]) == 0
    capsys.readouterr()
    assert main(["embed", "-m", "small_bert_L8_128", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_home_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MINIBERT_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home() == tmp_path / "minibert"
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"


def test_models_lists_all_models(tmp_path: Path) -> None:
    assert main(["models", "-o", str(tmp_path / "x.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert len(rows) == len(models())
    assert rows[0]["names"] == [BUNDLED]
    assert rows[0]["path"] == bundled_folder()
    assert sum(len(row["checks"]) for row in rows) == 2 * (3 + 2 + 3 + 2 + 28)  # each set of weights is there twice
    assert {tuple(check["values"]) for row in rows for check in row["checks"]} >= {(1.3234734535217285, -0.39469125866889954)}
