"""`minibert fetch` against a server of our own: broken, lying, slow to find, and two processes at once."""

import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from minibert.hub import fetch as client
from minibert.hub.catalog import folder_name
from minibert.hub.fetch import fetch
from tests.support.models import VOCAB, make_config, write_model

REPOSITORY = "someone/tiny-bert"


class Hub(http.server.ThreadingHTTPServer):
    """Serves `/OWNER/REPO/resolve/main/FILE` as the hub does, with the faults that it is told to have."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.requests: list[tuple[str, str | None]] = []  # path, Range
        self.break_after: dict[str, list[int]] = {}  # file -> after how many bytes each of its next answers breaks off
        self.busy: dict[str, list[int]] = {}  # file -> how many seconds each of its next answers asks to wait
        self.corrupt: set[str] = set()
        self.lengths: dict[str, int] = {}  # file -> Content-Length that is a lie
        self.redirect: str | None = None

    def handle_error(self, *connection: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # some tests are about clients that hang up
            super().handle_error(*connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, file: str) -> list[str | None]:
        return [ranged for path, ranged in self.requests if re.search(rf"/resolve/\w+/{re.escape(file)}$", path)]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self.server, self.path.removeprefix("/cdn")
        hub.requests.append((self.path, self.headers.get("Range")))
        file = hub.root / urllib.parse.unquote(re.sub(r"/resolve/\w+", "", path.lstrip("/")))
        if not file.is_file():
            self.send_error(404)
            return
        if hub.busy.get(file.name):
            self.send_response(429)
            self.send_header("Retry-After", str(hub.busy[file.name].pop(0)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if hub.redirect is not None and not self.path.startswith("/cdn"):
            self.send_response(302)
            self.send_header("Location", f"{hub.redirect}/cdn{path}")
            self.send_header("X-Linked-ETag", f'"{digest}"')
            self.send_header("X-Repo-Commit", "0123abcd")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.answer(file.name, data, digest)

    def answer(self, name: str, data: bytes, digest: str) -> None:
        hub, start = self.server, 0
        if self.headers.get("Range") and self.headers.get("If-Range") == f'"{digest}"':
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{digest}"')
        self.send_header("Content-Length", str(hub.lengths.get(name, len(data) - start)))
        self.end_headers()
        body = data[start:]
        if name in hub.corrupt:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if breaks := hub.break_after.get(name):
            body = body[: breaks.pop(0)]
            self.wfile.write(body)
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(body)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as the hub has them."""
    root = tmp_path_factory.mktemp("hub")
    for name in (REPOSITORY, "google/bert_uncased_L-2_H-128_A-2"):
        write_model(root / name, make_config(2, 128, 2, max_position_embeddings=32))
    return root


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(client, "BLOCK", 4096)
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    server = Hub(published)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").glob("*"))


def part_of(tmp_path: Path, hub: Hub) -> Path:
    """What has come of the weights."""
    source = hashlib.sha256(hub.url.encode()).hexdigest()[:16]
    return tmp_path / "home" / "downloads" / "someone--tiny-bert" / source / ".model.safetensors.part"


def vectors(folder: str | Path) -> np.ndarray:
    return minibert.load(folder, backend="numpy").encode("I hate cancer")


def test_who_is_asked_to_wait_waits(hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as was asked for, but never longer than for an answer."""
    slept: list[float] = []
    monkeypatch.setattr(client.time, "sleep", slept.append)
    hub.busy["vocab.txt"] = [7, 3600]
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))
    assert slept == [7, client.PATIENCE]


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_who_waits_for_another_process_says_so(tmp_path: Path) -> None:
    program = "import sys; from minibert.hub.fetch import Path, locked; locked(Path(sys.argv[1])).__enter__()"
    with client.locked(tmp_path / "lock"):
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
    assert fetch(REPOSITORY, hub.url) == folder  # is here
    assert len(hub.requests) == number
    assert [path.name for path in (tmp_path / "home" / "downloads" / folder.name).iterdir()] == ["lock"]


def test_a_name_means_gelu_as_it_was_trained(hub: Hub) -> None:
    assert minibert.load(fetch("sent_small_bert_L2_128", hub.url), backend="numpy").config.hidden_act == "gelu_new"
    assert minibert.load(fetch("google/bert_uncased_L-2_H-128_A-2", hub.url), backend="numpy").config.hidden_act == "gelu"


def test_a_broken_connection_goes_on_where_it_broke(hub: Hub, published: Path) -> None:
    hub.break_after["model.safetensors"] = [10_000, 1, 0, 50_000]
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [None, "bytes=10000-", "bytes=10001-", "bytes=10001-", "bytes=60001-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_a_killed_process_goes_on_where_it_was(hub: Hub, published: Path, tmp_path: Path) -> None:
    """The first process is killed while the file is on its way; another finishes."""
    size = (published / REPOSITORY / "model.safetensors").stat().st_size
    hub.break_after["model.safetensors"] = [size // 2] + [0] * 50
    command = [sys.executable, "-m", "minibert", "fetch", REPOSITORY, "--from", hub.url]
    with subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL) as process:
        part = part_of(tmp_path, hub)
        while not part.exists() or part.stat().st_size < size // 2:
            assert process.poll() is None
        process.kill()
    assert models(tmp_path / "home") == []
    hub.break_after.clear()
    hub.requests.clear()
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [f"bytes={size // 2}-"]
    assert hub.of("config.json") == []
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_a_file_that_changed_meanwhile_starts_again(hub: Hub, published: Path, tmp_path: Path) -> None:
    part = part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": '"another"'}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == ["bytes=18-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_redirects_are_followed_and_what_the_hub_announced_is_checked(hub: Hub, tmp_path: Path) -> None:
    hub.redirect = hub.url
    record = json.loads((fetch(REPOSITORY, hub.url) / "provenance.json").read_text())["fetched"]["model.safetensors"]
    assert (record["announced"], record["revision"]) == (True, "0123abcd")


FAULTS = {
    "corrupt": ({"corrupt": {"model.safetensors"}}, "damaged on the way: expected SHA-256"),
    "too short": ({"lengths": {"model.safetensors": 1000}}, "damaged on the way"),
    "never whole": ({"break_after": {"model.safetensors": [100] * 100}}, "say it again to go on"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_whole_is_never_a_model(hub: Hub, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings, expected = FAULTS[fault]
    for name, value in settings.items():
        setattr(hub, name, value)
    assert main(["fetch", REPOSITORY, "--from", hub.url]) == 2
    assert expected in capsys.readouterr().err
    assert models(tmp_path / "home") == []


def test_a_length_that_lies_is_found_out_by_the_digest(hub: Hub, published: Path) -> None:
    hub.lengths["model.safetensors"] = 5 * 10**7
    fetch(REPOSITORY, hub.url)
    size = (published / REPOSITORY / "model.safetensors").stat().st_size
    assert hub.of("model.safetensors") == [None, f"bytes={size}-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_what_is_not_there(hub: Hub) -> None:
    with pytest.raises(FileNotFoundError, match=r"no config\.json of nobody/nothing"):
        fetch("nobody/nothing", hub.url)
    with pytest.raises(ValueError, match="expected a name that `minibert models` lists, or OWNER/REPO"):
        fetch("nonsense", hub.url)


def test_https_is_never_left(hub: Hub) -> None:
    redirects = client.Redirects()
    request = client.urllib.request.Request("https://hub/x")
    for target in ("http://elsewhere/x", "file:///etc/passwd", "ftp://elsewhere/x"):
        with pytest.raises(client.urllib.error.URLError, match="refused to be sent"):
            redirects.redirect_request(request, None, 302, "Found", {}, target)


def test_a_folder_in_the_place_of_the_hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, str(published))), vectors(published / REPOSITORY))
    with pytest.raises(FileNotFoundError, match="expected the address of a mirror"):
        fetch("someone/else", str(tmp_path / "nowhere"))


def test_a_home_that_cannot_be(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="set MINIBERT_HOME to a folder that you may write to"):
        fetch(REPOSITORY, str(published))


def test_two_processes_at_once(hub: Hub, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minibert", "fetch", REPOSITORY, "--from", hub.url]
    both = [subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(folders) == 1
    assert models(tmp_path / "home") == ["someone--tiny-bert"]
    assert len(hub.of("model.safetensors")) == 1  # the second waited, and found it
    vectors(REPOSITORY)


def test_a_miniature_has_the_vocabulary_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = write_model(tmp_path / "source", make_config(2, 128, 2, max_position_embeddings=32))
    with (folder / "vocab.txt").open("ab") as file:
        file.write(b"x\n")
    with pytest.raises(ValueError, match="expected the one of all miniatures, SHA-256 07eced375cec"):
        fetch("small_bert_L2_128", str(folder))
    assert models(tmp_path / "home") == []


def test_a_name_is_not_given_to_another_shape(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="expected 6 layers of 768 for small_bert_L6_768, found 2 of 128"):
        fetch("small_bert_L6_768", str(published / REPOSITORY))
    assert models(tmp_path / "home") == []


def test_what_was_wrong_once_may_be_right_later(hub: Hub, published: Path, tmp_path: Path) -> None:
    """A damaged file is not kept, and what came from one place is not mixed with what comes from another."""
    broken = tmp_path / "stick"
    shutil.copytree(published / REPOSITORY, broken)
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(ValueError, match="the file is cut off"):
        fetch(REPOSITORY, str(broken))
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', "\xff"])
def test_a_damaged_note_is_no_note(hub: Hub, tmp_path: Path, note: str) -> None:
    path = part_of(tmp_path, hub).with_name(".config.json.json")
    path.parent.mkdir(parents=True)
    path.write_text(note)
    fetch(REPOSITORY, hub.url)
    assert len(hub.of("config.json")) == 1


def test_all_had_come_but_the_name(hub: Hub, published: Path, tmp_path: Path) -> None:
    data, part = (published / REPOSITORY / "model.safetensors").read_bytes(), part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(data)
    part.with_suffix(".etag").write_text(json.dumps({"etag": f'"{hashlib.sha256(data).hexdigest()}"'}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [f"bytes={len(data)}-"]


def test_google_s_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hub has the miniatures: torch's old format, no safetensors, a checkpoint of TensorFlow and flax beside it."""
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    golden = Path(__file__).parents[1] / "golden"
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(golden / "torch" / "pretraining.legacy.bin", folder / "pytorch_model.bin")
    for file in (golden / "tensorflow").glob("bert_model.ckpt.*"):
        shutil.copy(file, folder)
    tokens = VOCAB.read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([*tokens[:1], *tokens[100:103], *tokens[1996:2022]]) + "\n", encoding="utf-8")
    config = vars(make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
    model = minibert.load(fetch("google/bert_uncased_L-1_H-8_A-2", str(folder)), backend="numpy")
    assert model.config.hidden_act == "gelu"
    assert np.isfinite(model.encode("the of")).all()


ODD = {
    "another place": ({"Content-Range": "bytes 5-9/10"}, 206, "asked for what follows byte 18"),
    "no place": ({}, 206, "asked for what follows byte 18, was sent something else"),
    "no end": ({"ETag": '"x"'}, 200, "expected a length, was sent none"),
}


@pytest.mark.parametrize("answer", ODD)
def test_answers_that_nobody_asked_for(
    hub: Hub, tmp_path: Path, answer: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, status, expected = ODD[answer]
    part = part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)

    def odd(self: Handler, name: str, data: bytes, digest: str) -> None:
        self.send_response(status)
        for each, value in headers.items():
            self.send_header(each, value)
        self.end_headers()
        self.wfile.write(data)

    regular = Handler.answer
    monkeypatch.setattr(Handler, "answer", lambda self, name, *rest: (odd if name == "model.safetensors" else regular)(self, name, *rest))
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    part.write_bytes(b"of another version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": '"another"'}))
    assert main(["fetch", REPOSITORY, "--from", hub.url]) == 2
    assert expected in capsys.readouterr().err
    assert models(tmp_path / "home") == []


def test_without_a_vocabulary_there_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    (folder / VOCAB.name).unlink()
    with pytest.raises(FileNotFoundError, match=r"no vocab\.txt beside it"):
        fetch(REPOSITORY, str(folder))
    assert models(tmp_path / "home") == []


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Another answer to a request of one file: the next one, or every one."""

    def replace(file: str, odd: Callable[[Handler, bytes], None], times: int = 1_000_000) -> None:
        regular, left = Handler.answer, [times]

        def either(self: Handler, name: str, data: bytes, digest: str) -> None:
            if name == file and left[0]:
                left[0] -= 1
                odd(self, data)
            else:
                regular(self, name, data, digest)

        monkeypatch.setattr(Handler, "answer", either)

    return replace


def send(self: Handler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    self.send_response(status)
    for name, value in headers.items():
        self.send_header(name, value)
    self.end_headers()
    self.wfile.write(body)


def without_end(self: Handler) -> None:
    with suppress(ConnectionError):
        while True:
            self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


OTHERS = {
    "etag": ({"ETag": '"other"'}, "{size}"),
    "no etag": ({}, "{size}"),
    "date": ({"ETag": '"first"', "Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}, "{size}"),
    "size": ({"ETag": '"first"'}, "1000000000"),
}


@pytest.mark.parametrize("changed", OTHERS)
def test_the_rest_of_another_version_is_not_appended(
    hub: Hub, published: Path, tmp_path: Path, answer: Callable[..., None], changed: str
) -> None:
    """A server that goes on with another file in spite of If-Range. The whole file is fetched anew, and no digest is announced."""
    headers, size = OTHERS[changed]
    data, part = (published / REPOSITORY / "model.safetensors").read_bytes(), part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(data[:100])
    part.with_suffix(".etag").write_text(
        json.dumps({"etag": '"first"', "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT", "size": len(data)})
    )
    place = f"bytes 100-{len(data) - 1}/{size.format(size=len(data))}"
    rest = bytes(len(data) - 100)
    length = {"Content-Length": str(len(rest)), "Content-Range": place}
    answer("model.safetensors", lambda self, _: send(self, 206, headers | length, rest), times=1)
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == ["bytes=100-", None]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


@pytest.mark.parametrize("tag", ['W/"weak"', "", "no quotes", '"a\r\nX: y"', 5])
def test_only_a_strong_etag_stands_for_a_part(hub: Hub, tmp_path: Path, tag: object) -> None:
    part = part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of some version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": tag}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [None]


@pytest.mark.parametrize("is_announced", [True, False])
def test_weights_are_no_larger_than_the_configuration_allows(
    hub: Hub, tmp_path: Path, answer: Callable[..., None], is_announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SMALL", 1 << 20)

    def large(self: Handler, _: bytes) -> None:
        send(self, 200, {"Content-Length": "1000000000000000"} if is_announced else {"Transfer-Encoding": "chunked"})
        without_end(self)

    answer("model.safetensors", large)
    with pytest.raises(ValueError, match=r"model\.safetensors: expected at most [\d,]+ bytes"):
        fetch(REPOSITORY, hub.url)
    assert [path.name for path in part_of(tmp_path, hub).parent.parent.iterdir()] == ["lock"]


def test_the_limit_of_weights() -> None:
    """Room for all heads of the training, and counted at once whatever a configuration says."""
    config = make_config(2, 128, 2)
    largest = 4 * (minibert.load(backend="numpy").num_parameters + 128 * 128 + 128)  # 8 layers and a pooler, no heads
    assert client.most_bytes(make_config(8, 128, 2)) > largest + 4 * 30522 * 129
    assert client.most_bytes(config) < 2 * largest + client.SMALL
    assert client.most_bytes(make_config(2**31 - 1, 128, 2)) > 10**15


def test_what_a_server_says_is_not_passed_on_to_the_terminal(
    hub: Hub, answer: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: Handler, _: bytes) -> None:
        self.wfile.write(b"HTTP/1.0 403 No\x1b]52;c;AAAA\x07\x9b2J" + b"x" * 60_000 + b"\r\n\r\n")

    def noise(self: Handler, _: bytes) -> None:
        self.wfile.write(b"\x1b[2Jnoise\r\n\r\n")

    for odd in (refuse, noise):
        answer("config.json", odd)
        assert main(["fetch", REPOSITORY, "--from", hub.url]) == 2
        written = capsys.readouterr().err
        assert not set(written) & {"\x1b", "\x07", "\x9b"}
        assert written.count("\n") == 1
        assert len(written) < 1000


def test_a_redirect_with_a_page_without_end(hub: Hub, published: Path, answer: Callable[..., None]) -> None:
    def elsewhere(self: Handler, _: bytes) -> None:
        send(self, 302, {"Location": self.path, "Transfer-Encoding": "chunked"})
        without_end(self)

    answer("config.json", elsewhere, times=1)
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))


def test_a_server_that_trickles_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header without an end, in bytes that come often enough for every timeout. The server itself gives up after 20 seconds."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(client, "PATIENCE", 2.0)
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(400):
                connection.sendall(b"x")
                time.sleep(0.05)

    thread = threading.Thread(target=trickle)
    thread.start()
    with listener, pytest.raises(OSError, match="slower than 1,000 bytes a second for 2 seconds"):
        client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/x", "x", tmp_path, 1000)
    thread.join()


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:port", "http://exa mple", "http://a\udc80"])
def test_an_address_that_is_none_is_named_and_tried_once(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise AssertionError("tried again")

    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(client.time, "sleep", sleep)
    with pytest.raises(ValueError, match=re.escape(f"{address}/someone/tiny-bert")):
        fetch(REPOSITORY, address)


def test_a_length_of_many_digits(hub: Hub, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    answer("config.json", lambda self, data: send(self, 200, {"Content-Length": "9" * 5000}, data))
    with pytest.raises(OSError, match=rf"{hub.url}.*expected a length, was sent none"):
        fetch(REPOSITORY, hub.url)


@pytest.mark.parametrize("kind", ["link", "hard link", "FIFO"])
def test_what_others_put_beside_a_download_is_neither_followed_nor_waited_for(hub: Hub, published: Path, tmp_path: Path, kind: str) -> None:
    victim, part = tmp_path / "victim", part_of(tmp_path, hub)
    victim.write_text(json.dumps({"etag": '"x"'}))
    part.parent.mkdir(parents=True)
    etag = part.with_suffix(".etag")
    names = [part, etag, etag.with_name(f"{etag.name}.part"), part.with_name(".config.json.json"), part.with_name(".config.json.part")]
    for path in [*names, part.with_name(".config.json.json.part"), part.with_name("config.json")]:
        {"link": path.symlink_to, "hard link": path.hardlink_to, "FIFO": lambda _, path=path: os.mkfifo(path)}[kind](victim)
    fetch(REPOSITORY, hub.url)
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))
    assert victim.read_text() == json.dumps({"etag": '"x"'})


@pytest.fixture
def pooled(hub: Hub, tmp_path: Path) -> Callable[[str], Path]:
    """Publish the model with a pooling in a folder."""

    def publish(path: str) -> Path:
        shutil.copytree(hub.root, tmp_path / "published")
        hub.root = tmp_path / "published"
        folder = hub.root / REPOSITORY
        modules = [
            {"path": each, "type": f"sentence_transformers.models.{name}"} for name, each in (("Transformer", ""), ("Pooling", path))
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / path).mkdir()
        (folder / path / "config.json").write_text('{"pooling_mode_max_tokens": true}')
        return folder

    return publish


@pytest.mark.parametrize("path", ["1 Pooling", "é", "a#b", "a?b", "%2e%2e"])
def test_a_name_stays_one_name_in_an_address(hub: Hub, pooled: Callable[[str], Path], path: str) -> None:
    pooled(path)
    fetch(REPOSITORY, hub.url)
    assert minibert.load(REPOSITORY).pooling == "max"


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_what_others_put_beside_a_copy_is_not_written_to(
    published: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    source = str(published / REPOSITORY)
    path = tmp_path / "home" / "downloads" / folder_name(REPOSITORY) / hashlib.sha256(source.encode()).hexdigest()[:16] / "config.json"
    path.parent.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    {"link": path.symlink_to, "hard link": path.hardlink_to}[kind](tmp_path / "victim")
    fetch(REPOSITORY, source)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_link_in_the_place_of_the_lock(hub: Hub, tmp_path: Path) -> None:
    downloads = part_of(tmp_path, hub).parent.parent
    downloads.mkdir(parents=True)
    (downloads / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock: cannot be written"):
        fetch(REPOSITORY, hub.url)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["config.json", "README.md", "model.safetensors"])
@pytest.mark.parametrize("kind", ["FIFO", "link", "device"])
def test_a_folder_in_the_place_of_the_hub_gives_its_own_files_only(
    published: Path, tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    (tmp_path / "secret").write_text("of somebody else")
    folder = tmp_path / "stick"
    shutil.copytree(published / REPOSITORY, folder)
    (folder / name).unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(tmp_path / "secret" if kind == "link" else "/dev/zero")
    with pytest.raises(ValueError, match=r"expected a regular file, found a FIFO|is a link to a file outside the folder"):
        fetch(REPOSITORY, str(folder))
    assert models(tmp_path / "home") == []


# A mirror, and no network at all


def test_the_environment_names_a_mirror(hub: Hub, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY)), vectors(published / REPOSITORY))
    record = json.loads((tmp_path / "home" / "models" / "someone--tiny-bert" / "provenance.json").read_text())
    assert record["fetched"]["config.json"]["url"] == f"{hub.url}/{REPOSITORY}/resolve/main/config.json"


def test_from_comes_before_the_environment(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, str(published))), vectors(published / REPOSITORY))


def test_an_empty_from_is_not_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell writes it for a variable that is not set, on a machine that is to ask nobody."""
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    assert main(["fetch", REPOSITORY, "--from", ""]) == 2
    assert "--from: expected an address or a folder, found an empty text" in capsys.readouterr().err


def test_without_a_mirror_it_is_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("HF_ENDPOINT", raising=False)
        if value is not None:
            monkeypatch.setenv("HF_ENDPOINT", value)
        assert client.endpoint() == "https://huggingface.co"


@pytest.mark.parametrize("value", ["hf-mirror.com", "/media/stick", "ftp://mirror"])
def test_a_mirror_is_an_address(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", value)
    for options in ([], ["--list"]):
        assert main(["fetch", REPOSITORY, *options]) == 2
        assert capsys.readouterr().err == f"minibert: error: HF_ENDPOINT: expected an address, https://..., found {value!r}\n"


def test_without_a_network_the_error_says_what_to_do(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["fetch", REPOSITORY]) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"HF_ENDPOINT or --from names a mirror, and `minibert fetch --list {REPOSITORY}` the files to carry here\n")
    assert said.count("\n") == 1


def listed(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, tuple[str, str]], str]:
    """File -> (when it is needed, address), and the last line."""
    assert main(["fetch", "--list", name]) == 0
    *lines, _, last = capsys.readouterr().out.splitlines()
    rows = [re.fullmatch(r"(\S.*?)  +(\S+)  +(\S+)", line) for line in lines]
    return {row[2]: (row[1], row[3]) for row in rows if row is not None}, last


@pytest.mark.parametrize("name", [REPOSITORY, "google/bert_uncased_L-2_H-128_A-2", "small_bert_L2_128"])
def test_what_the_list_says_is_what_from_takes(
    name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is printed without a network; what it names is downloaded elsewhere, carried, and fetched."""
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
    assert main(command[1:]) in (0, 2)  # the weights are random, and no published numbers are theirs
    assert len(hub.requests) == number
    assert models(tmp_path / "home") == [folder_name(name)]
    vectors(name)


def test_the_list_has_all_that_fetch_asks_for(
    hub: Hub, pooled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """But for files that only other families have, and such as are for people."""
    name = pooled("1_Pooling").relative_to(hub.root).as_posix()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    files, _ = listed(name, capsys)
    fetch(name)
    asked = {path.partition("/resolve/main/")[2] for path, _ in hub.requests}
    others = {f"sentence_{each}_config.json" for each in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")}
    assert asked - set(files) <= others | {"provenance.json", "LICENSE.txt", "LICENSE.md", "NOTICE"}
    assert "1_Pooling/config.json" in asked


def test_nothing_is_to_be_carried_of_the_model_in_the_box(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--list", "minibert-L8-H128"]) == 0
    assert capsys.readouterr().out == "minibert-L8-H128 is part of minibert: there is nothing to carry\n"
    assert main(["fetch", "--list", "nonsense"]) == 2


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
def test_what_a_folder_has_instead_is_named_where_it_is(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], Any], expected: str
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    folder = Path(shutil.copytree(published / REPOSITORY, tmp_path / "stick"))
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        fetch(REPOSITORY, str(folder))
    assert expected.format(folder=folder) in str(caught.value)
    assert str(tmp_path / "home") not in str(caught.value)


def test_a_file_in_the_place_of_the_folder(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="found a file of one; give its folder, "):
        fetch(REPOSITORY, str(published / REPOSITORY / "model.safetensors"))
