"""The command line, with the arguments that a user types."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from tests.support.terminal import at_a_terminal

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", ""]


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "minibert", *map(str, arguments)], input=stdin, capture_output=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def test_embed_from_arguments_file_and_standard_input(tiny_folder: Path, tiny: minibert.MiniBert, file: Path, tmp_path: Path) -> None:
    expected = tiny.encode(TEXTS)
    for name, more, stdin in [("a.npy", TEXTS, b""), ("b.npy", ["--file", file], b""), ("c.npy", [], file.read_bytes())]:
        assert run("embed", "-m", tiny_folder, "--backend", "auto", "--output", tmp_path / name, *more, stdin=stdin).returncode == 0
        np.testing.assert_array_equal(np.load(tmp_path / name), expected)
    lines = run("embed", "-m", tiny_folder, "--backend", "auto", *TEXTS).stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == TEXTS
    np.testing.assert_array_equal(np.array([json.loads(line)["embedding"] for line in lines], np.float32), expected)
    assert main(["embed", "-m", str(tiny_folder), "--backend", "auto", "-f", str(file), "-o", str(tmp_path / "d.jsonl")]) == 0
    assert (tmp_path / "d.jsonl").read_bytes().splitlines() == lines


def test_options_of_embed(tiny_folder: Path, tiny: minibert.MiniBert, tmp_path: Path) -> None:
    output = tmp_path / "x.npy"
    assert main(["embed", "-m", str(tiny_folder), "--backend", "auto", "-o", str(output), "--pooling", "cls", "--normalize", *TEXTS]) == 0
    np.testing.assert_array_equal(np.load(output), tiny.encode(TEXTS, pooling="cls", normalize_embeddings=True))


def test_the_option_tokens_gives_a_vector_for_each_word(tiny_folder: Path, tiny: minibert.MiniBert) -> None:
    (line,) = run("embed", "-m", tiny_folder, "--backend", "auto", "--tokens", "I love NLP").stdout.splitlines()
    row = json.loads(line)
    assert row["tokens"] == ["I", "love", "NLP"]
    assert row["offsets"] == [[0, 1], [2, 6], [7, 10]]
    np.testing.assert_array_equal(np.array(row["vectors"], np.float32), tiny.encode_tokens("I love NLP", level="word").vectors)


def test_similarity_gives_cosines(tiny_folder: Path, tiny: minibert.MiniBert, tmp_path: Path) -> None:
    unit = tiny.encode(TEXTS, normalize_embeddings=True)
    assert main(["similarity", "-m", str(tiny_folder), "-o", str(tmp_path / "x.npy"), *TEXTS]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), unit @ unit.T, atol=1e-6)
    lines = run("similarity", "-m", tiny_folder, "--query", TEXTS[1], "--top", "2", *TEXTS).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2
    assert rows[0]["text"] == TEXTS[1]
    assert rows[0]["similarity"] == pytest.approx(1, abs=1e-6)


def test_tokenize_gives_ids_and_tokens(tiny_folder: Path, tiny: minibert.MiniBert, tmp_path: Path) -> None:
    assert main(["tokenize", "-m", str(tiny_folder), "-o", str(tmp_path / "x.npy"), *TEXTS]) == 0
    ids = np.load(tmp_path / "x.npy")
    for row, text in zip(ids, TEXTS, strict=True):
        assert row[row > 0].tolist() == tiny.tokenizer(text).input_ids
    row = json.loads(run("tokenize", "-m", tiny_folder, "--split-special-tokens", "a [SEP]").stdout)
    assert row["tokens"] == ["[CLS]", "a", "[", "sep", "]", "[SEP]"]


def test_tokenize_colors_pieces_at_a_terminal(tiny_folder: Path) -> None:
    """A terminal gets the text with its pieces, then each piece, and no control character."""
    shown = at_a_terminal("tokenize", "-m", tiny_folder, "unaffable \x1b[2J\u2603", NO_COLOR="")
    assert "\x1b[32muna\x1b[0m\x1b[34mffa\x1b[0m\x1b[32mble\x1b[0m" in shown
    assert "\x1b[34m##ffa" in shown
    assert "\x1b[31m[UNK]" in shown
    assert "\x1b[2J" not in shown
    for variables in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert "\x1b" not in at_a_terminal("tokenize", "-m", tiny_folder, "unaffable", **variables)
    assert b"\x1b" not in run("tokenize", "-m", tiny_folder, "unaffable").stdout


def test_tokenize_follows_google(tiny_folder: Path) -> None:
    row = json.loads(run("tokenize", "-m", tiny_folder, "--compat", "google", "a [SEP]").stdout)
    assert row["tokens"] == ["[CLS]", "a", "[", "sep", "]", "[SEP]"]


def test_tokenize_compares_both_tokenizers(tiny_folder: Path, tmp_path: Path) -> None:
    row = json.loads(run("tokenize", "-m", tiny_folder, "--compat", "both", "ΟΔΥΣΣΕΥΣ [SEP] same").stdout)
    assert [row["hf"]["tokens"][8], row["google"]["tokens"][8]] == ["##σ", "##ς"]
    assert row["differences"] == [
        {"start": 7, "end": 8, "tokens": ["##σ"], "other_tokens": ["##ς"]},
        {"start": 9, "end": 14, "tokens": ["[SEP]"], "other_tokens": ["[", "sep", "]"]},
    ]
    shown = at_a_terminal("tokenize", "-m", tiny_folder, "--compat", "both", "ΑΣ", "same")
    assert "hf      ##σ" in shown
    assert "google  ##ς" in shown
    assert "same    (no difference)" in shown
    assert main(["tokenize", "-m", str(tiny_folder), "--compat", "both", "-o", str(tmp_path / "x.npy"), "a"]) == 2


def test_info_describes_a_model(tiny_folder: Path, tiny: minibert.MiniBert) -> None:
    description = json.loads(run("info", "-m", tiny_folder).stdout)
    assert description["hidden_size"] == 24
    assert description["parameters"] == tiny.num_parameters
    assert description["pooling"] == "mean"


def test_quantize_and_the_option_precision_agree(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", str(tiny_folder), str(tmp_path / "int8")]) == 0
    expected = minibert.load(tiny_folder, precision="int8").encode(TEXTS)
    for folder, more in ((tmp_path / "int8", []), (tiny_folder, ["--precision", "int8"])):
        assert main(["embed", "-m", str(folder), "--backend", "auto", "--force", "-o", str(tmp_path / "x.npy"), *more, *TEXTS]) == 0
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    capsys.readouterr()
    assert main(["info", "-m", str(tmp_path / "int8"), "--backend", "numpy"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["precision"], described["backend"]) == ("int8", "numpy")
    assert main(["quantize", str(tiny_folder), str(tmp_path / "int8")]) == 2
    assert "give the name of a new folder" in capsys.readouterr().err


def test_a_missing_backend_is_refused_in_one_line(tiny_folder: Path) -> None:
    code = "import sys; sys.modules['numba'] = None; from minibert.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "info", "-m", tiny_folder]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout)["backend"] in ("library", "numpy")
    refused = subprocess.run([*command, "--backend", "numba"], capture_output=True, text=True, check=False)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "take backend='numpy'" in refused.stderr


def test_a_terminal_shows_tables(tiny_folder: Path, tiny: minibert.MiniBert) -> None:
    shown = at_a_terminal("tokenize", "-m", tiny_folder, "Unaffable")
    assert "##ffa" in shown
    assert "'Una'" in shown
    shown = at_a_terminal("embed", "-m", tiny_folder, "I hate cancer")
    assert f"{tiny.encode('I hate cancer')[0]:.4f}" in shown
    assert "dim 24" in shown
    assert at_a_terminal("similarity", "-m", tiny_folder, "a", "b").splitlines()[1].startswith("   1  1.000")
    assert "hidden_size              24" in at_a_terminal("info", "-m", tiny_folder)


def test_a_lone_surrogate_survives_as_its_escape(tiny_folder: Path, tmp_path: Path) -> None:
    assert main(["embed", "-m", str(tiny_folder), "-o", str(tmp_path / "x.jsonl"), "a\udc80"]) == 0
    assert json.loads((tmp_path / "x.jsonl").read_text(encoding="utf-8"))["text"] == "a\udc80"


def test_truncation_is_reported_once(tiny_folder: Path) -> None:
    result = run("embed", "-m", tiny_folder, "word " * 100)
    assert result.returncode == 0
    assert (
        result.stderr.decode() == "minibert: 1 of 1 texts are longer than 64 tokens; 38 tokens were cut off. Raise max_length if "
        "the model allows it, split the texts, or say truncation='silent'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "-m", "nowhere", "x"], "no such folder"),
        (["embed", "-m", "MODEL", "-o", "x.csv", "x"], "expected a name that ends in .npy or .jsonl"),
        (["embed", "-m", "MODEL", "--tokens", "-o", "x.npy", "x"], "expected a name that ends in .jsonl"),
        (["embed", "-m", "MODEL", "--tokens", "--normalize", "x"], "--tokens"),
        (["embed", "-m", "MODEL", "-f", "FILE", "x"], "found both"),
        (["embed", "-m", "MODEL", "-f", "absent.txt"], "absent.txt"),
        (["embed", "-m", "MODEL", "--truncation", "error", "word " * 100], "would be cut off"),
        (["embed", "-m", "MODEL", "--prompt-name", "nothing", "x"], "expected one of query, document"),
        (["similarity", "-m", "MODEL", "--top", "3", "x"], "--top"),
        (["tokenize", "-m", "MODEL", "--max-length", "1", "x"], "max_length"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    message: str,
    tiny_folder: Path,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"MODEL": str(tiny_folder), "FILE": str(file)}
    assert main([names.get(argument, argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("minibert: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["texts.txt"]


@pytest.mark.parametrize("command", ["embed", "similarity", "tokenize"])
def test_the_name_of_a_file_is_taken_as_a_text_with_a_message(
    command: str, tiny_folder: Path, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    (file.parent / "other.txt").write_text("x")
    (file.parent / "folder").mkdir()
    for texts, is_told in (([file.name], True), (["other.txt", file.name], True), ([file.name, "x"], False), (["folder"], False)):
        assert main([command, "-m", str(tiny_folder), *texts]) == 0
        output, messages = capsys.readouterr()
        assert [json.loads(line)["text"] for line in output.splitlines()] == texts
        expected = f"minibert: {texts[0]} is the name of a file; the name was taken as a text, and --file reads what is in the file\n"
        assert messages == (expected if is_told else "")


def test_a_text_that_is_not_utf8_is_refused(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.txt").write_bytes("fine\ncaf\xe9\n".encode("latin-1"))
    assert main(["embed", "-m", str(tiny_folder), "-f", str(tmp_path / "latin.txt")]) == 2
    assert "expected UTF-8, found byte 0xe9 in line 2" in capsys.readouterr().err


def test_a_command_without_texts_is_refused_at_a_terminal(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["embed", "-m", str(tiny_folder)]) == 2
    assert "no texts" in capsys.readouterr().err


def test_a_failed_write_leaves_the_old_file(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.npy").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "save", full)
    assert main(["embed", "-m", str(tiny_folder), "-o", str(tmp_path / "x.npy"), "x"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert (tmp_path / "x.npy").read_bytes() == b"old"


def test_a_reader_that_leaves_early_is_no_error(tiny_folder: Path) -> None:
    command = f"yes text | head -2000 | {sys.executable} -m minibert embed -m {tiny_folder} | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert result.stderr == b""
    assert json.loads(result.stdout)["text"] == "text"


@pytest.mark.parametrize("command", ["embed", "similarity", "tokenize", "info", "quantize", "warmup"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"examples:\n  minibert {command}" in capsys.readouterr().out
