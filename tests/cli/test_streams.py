"""Standard streams that are closed, full or left by their reader, and text for a terminal."""

import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from minibert.cli.main import main
from minibert.cli.terminal import MESSAGE_LENGTH, one_line
from minibert.files.fields import visible
from tests.support.models import make_config, write_model
from tests.support.terminal import at_a_terminal

PROGRAM = "tests.support.closed_streams"
FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="Linux")
# Commands whose result goes to standard output
ANSWERS = {
    "embed": ["embed", "-m", "MODEL", "--backend", "numpy", "x"],
    "tokens": ["embed", "-m", "MODEL", "--backend", "numpy", "--tokens", "x"],
    "similarity": ["similarity", "-m", "MODEL", "--backend", "numpy", "x", "y"],
    "tokenize": ["tokenize", "-m", "MODEL", "x"],
    "info": ["info", "-m", "MODEL", "--backend", "numpy"],
    "models": ["models"],
}
TEXTS_OF_ITS_OWN = {"--help": ["--help"], "--version": ["--version"], "embed --help": ["embed", "--help"]}
WORK = {
    "fetch": ["fetch", "someone/tiny", "--from", "MODEL"],
    "convert": ["convert", "MODEL", "NEW/converted"],
    "quantize": ["quantize", "MODEL", "NEW/quantized"],
    "to a file": ["embed", "-m", "MODEL", "--backend", "numpy", "-o", "NEW/x.npy", "x"],
}
ERRORS = {"verify": ["verify", "MODEL"], "usage": ["embed", "--nothing"], "no command": [], "absent": ["embed", "-m", "absent", "x"]}
COMMANDS = ANSWERS | TEXTS_OF_ITS_OWN | WORK | ERRORS
CLOSINGS = [dict(zip(("stdin", "stdout", "stderr"), each, strict=True)) for each in product(("", "closed"), repeat=3)]


class Results(dict[tuple[str, str], tuple[int, str, str, Path]]):
    """(command, state of the streams) -> (exit status, output, messages, new folder)."""


def describe(streams: dict[str, str]) -> str:
    return " ".join(f"{name}:{target}" for name, target in streams.items() if target)


ODD = [*CLOSINGS, {"stdout": FULL}, {"stderr": FULL}, {"stdout": FULL, "stderr": FULL}, {"stdout": "left"}, {"stderr": "left"}]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("streams")
    model = str(write_model(root / "model", make_config(1, 8, 2, max_position_embeddings=16)))
    places, cases = {}, []
    for number, (command, streams) in enumerate(product(COMMANDS, ODD)):
        folder = root / str(number)
        folder.mkdir()
        arguments = [each.replace("MODEL", model).replace("NEW", str(folder)) for each in COMMANDS[command]]
        usual = {"stdin": os.devnull, "stdout": str(folder / "stdout"), "stderr": str(folder / "stderr")}
        cases.append([arguments, usual | {name: target for name, target in streams.items() if target}])
        places[command, describe(streams)] = folder
    (root / "cases.json").write_text(json.dumps(cases))
    environment = os.environ | {"MINIBERT_HOME": str(root / "home")}
    done = subprocess.run([sys.executable, "-m", PROGRAM, root / "cases.json"], capture_output=True, text=True, check=True, env=environment)
    found = Results()
    for status, (key, folder) in zip(json.loads(done.stdout), places.items(), strict=True):
        texts = [(folder / name).read_text() if (folder / name).exists() else "" for name in ("stdout", "stderr")]
        found[key] = (status, texts[0], texts[1], folder)
    return found


@needs_full
@pytest.mark.parametrize("streams", ODD, ids=describe)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_exit_status_tells_what_happened(results: Results, command: str, streams: dict[str, str]) -> None:
    status, output, messages, folder = results[command, describe(streams)]
    stdout, stderr = streams.get("stdout", ""), streams.get("stderr", "")
    prints = command in ANSWERS or command in TEXTS_OF_ITS_OWN or command in ("fetch", "convert")
    is_lost = (command in ANSWERS and stdout == "closed") or (prints and stdout == FULL)
    assert status == (2 if command in ERRORS or is_lost else 0)
    assert "Traceback" not in messages
    assert "Exception ignored" not in messages
    if not stderr:
        errors = [line for line in messages.splitlines() if "error: " in line]
        assert len(errors) == (status == 2)
    if command in ANSWERS and not stdout:
        assert all(json.loads(line) for line in output.splitlines())
        assert output
    made = {"convert": "converted", "quantize": "quantized", "to a file": "x.npy"}
    if command in made:
        assert sorted(path.name for path in folder.iterdir() if path.name not in ("stdout", "stderr")) == [made[command]]


def test_help_is_shown_in_a_locale_without_greek() -> None:
    command = [sys.executable, "-m", "minibert", "tokenize", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert "minibert tokenize --compat both" in done.stdout


def test_no_file_takes_the_number_of_a_closed_stream(tiny_folder: Path, tmp_path: Path) -> None:
    command = f'{sys.executable} -m minibert embed -m {tiny_folder} --backend numpy --force -o /dev/stdout x >&- 2>"$0"'
    assert subprocess.run(["bash", "-c", command, tmp_path / "messages"], check=False).returncode == 2
    assert "expected a name that ends in" in (tmp_path / "messages").read_text()


@pytest.mark.parametrize(
    ("number", "status", "expected"),
    [(signal.SIGINT, 130, "minibert: interrupted\n"), (signal.SIGTERM, 143, ""), (signal.SIGHUP, 129, "")],
)
def test_a_signal_leaves_nothing_half_written(tmp_path: Path, number: signal.Signals, status: int, expected: str) -> None:
    """The signal comes while the file is written: its rows come from a writer that waits."""
    program = (
        "import sys, time; from minibert.cli import main, output, tokenize_command\n"
        "def rows():\n    yield {}\n    print('here', flush=True)\n    time.sleep(60)\n"
        "tokenize_command.run_tokenize = lambda options: output.write(options.output, None, rows(), None)\n"
        "sys.exit(main.main(['tokenize', '-o', sys.argv[1], 'x']))"
    )
    output = tmp_path / "x.jsonl"
    with subprocess.Popen([sys.executable, "-c", program, output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert list(tmp_path.iterdir()) != []
        process.send_signal(number)
        messages = process.communicate(timeout=60)[1]
    assert (process.returncode, messages) == (status, expected)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_a_command_that_reads(tmp_path: Path, tiny_folder: Path) -> None:
    command = [sys.executable, "-m", "minibert", "embed", "-m", tiny_folder, "--backend", "numpy", "--file", tmp_path / "fifo"]
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process, open(tmp_path / "fifo", "wb"):
        process.send_signal(signal.SIGINT)  # the FIFO has been opened at its other end
        output, messages = process.communicate(timeout=60)
    assert (process.returncode, output, messages) == (130, "", "minibert: interrupted\n")


# --- What a terminal shows ------------------------------------------------------------------------

EVIL = "a\x1b]52;c;AAAA\x07\x9b2J\x7f\u202e\u2066\u200f\u2028\r\nminibert: error: b"
UNSHOWN = set(EVIL) - set("a]52;cAJ \nminibert: error: b")


def test_control_characters_are_not_shown() -> None:
    assert not set(visible(EVIL)) & (UNSHOWN | {"\n"})
    for text in ("Grüße, 世界\u3000", "👩\u200d🔬", "می\u200cخواهم", "שלום", "\ufb01 \u00a0\u00ad"):
        assert visible(text) == text


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert one_line("x: expected\n  missing: a\n  unexpected: b") == "x: expected; missing: a; unexpected: b"
    assert "\n" not in one_line("a\nminibert: error: b")
    long = one_line("begin" + "x" * 10**6 + "end")
    assert (long[:5], long[-3:]) == ("begin", "end")
    assert len(long) <= MESSAGE_LENGTH + 3


@pytest.fixture(scope="module")
def evil_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose prompts have names and texts for a terminal."""
    folder = write_model(tmp_path_factory.mktemp("evil") / "model", make_config(1, 8, 2, max_position_embeddings=64))
    content = {"prompts": {EVIL: EVIL}, "default_prompt_name": EVIL}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(content))
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed", "-m", "MODEL", "--backend", "numpy", EVIL],
        ["embed", "-m", "MODEL", "--backend", "numpy", "--tokens", EVIL],
        ["similarity", "-m", "MODEL", "--backend", "numpy", EVIL, "x"],
        ["similarity", "-m", "MODEL", "--backend", "numpy", "--query", "x", EVIL],
        ["tokenize", "-m", "MODEL", EVIL],
        ["tokenize", "-m", "MODEL", "--compat", "both", EVIL + "ΑΣ"],
        ["info", "-m", "MODEL", "--backend", "numpy"],
        ["embed", "-m", "MODEL", "--backend", "numpy", "-o", "/dev/stdout", EVIL],
    ],
    ids=lambda arguments: " ".join(each for each in arguments if each not in (EVIL, EVIL + "ΑΣ")),
)
def test_texts_and_names_do_not_control_the_terminal(evil_folder: Path, arguments: list[str]) -> None:
    command = [str(evil_folder) if each == "MODEL" else each for each in arguments]
    shown = at_a_terminal(*command)
    assert shown
    assert not set(shown) & UNSHOWN
    assert "\nminibert: error" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed", "-m", EVIL, "x"],
        ["embed", "-m", "MODEL", "--backend", "numpy", "--prompt-name", EVIL + "c", "x"],
        ["embed", "-m", "MODEL", "-f", EVIL],
        ["embed", "-m", "MODEL", "-o", EVIL, "x"],
        ["embed", "--pooling", EVIL, "x"],
        ["fetch", EVIL],
        ["fetch", "owner/repo", "--from", EVIL],
        ["convert", EVIL, "new"],
        ["verify", EVIL],
        ["quantize", EVIL, "new"],
        [EVIL],
        ["--" + EVIL.replace(" ", "")],
        ["embed", "-m", "a" * 5000, "x"],
        ["embed", "-m", "MODEL", "-o", "a" * 5000 + ".npy", "x"],
        ["embed", "-m", "MODEL", "-f", "a" * 5000],
        ["embed", "-m", "a\udc80", "x"],
        ["embed", "-m", "a\0b", "x"],
        ["embed", "-m", "MODEL", "-o", "a\0b.npy", "x"],
        ["embed", "-m", "MODEL", "-f", "a\0b"],
        ["embed", "--max-length", "9" * 5000, "x"],
        ["embed", "-m", "MODEL", "--backend", "numpy", "--max-length", "9" * 400, "a\udc80"],
        ["embed", "-m", "MODEL", "--backend", "numpy", "--threads", "9" * 5000, "x"],
        ["similarity", "-m", "MODEL", "--backend", "numpy", "--top", "-" + "9" * 400, "--query", "x", "x"],
    ],
    ids=lambda arguments: visible(" ".join(arguments))[:60],
)
def test_an_error_is_one_short_line_and_cannot_forge_another(
    evil_folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path))
    command = [str(evil_folder) if each == "MODEL" else each for each in arguments]
    try:
        status = main(command)
    except SystemExit as exit:
        status = exit.code
    written = capsys.readouterr().err
    assert status == 2
    assert not set(written) & UNSHOWN
    errors = [line for line in written.splitlines() if line.startswith("minibert")]
    assert len(errors) <= 1
    assert len(written) < MESSAGE_LENGTH + 1000
