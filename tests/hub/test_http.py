"""Downloads from a server that is broken, slow, busy or hostile."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from minibert.hub import download, http
from minibert.hub.fetch import fetch
from tests.support.hub_server import REPOSITORY, Handler, Hub, models, part_of, send, vectors, without_end


def test_a_busy_server_is_given_the_time_that_it_asks_for(hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is as long as the server asks, but at most PATIENCE."""
    slept: list[float] = []
    monkeypatch.setattr(http.time, "sleep", slept.append)
    hub.busy["vocab.txt"] = [7, 3600]
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))
    assert slept == [7, http.PATIENCE]


def test_a_download_goes_on_where_the_connection_broke(hub: Hub, published: Path) -> None:
    hub.break_after["model.safetensors"] = [10_000, 1, 0, 50_000]
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [None, "bytes=10000-", "bytes=10001-", "bytes=10001-", "bytes=60001-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_a_download_goes_on_where_a_killed_process_stopped(hub: Hub, published: Path, tmp_path: Path) -> None:
    """The first process is killed during the download; another one finishes it."""
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


def test_a_file_that_changed_meanwhile_is_downloaded_from_its_start(hub: Hub, published: Path, tmp_path: Path) -> None:
    part = part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": '"another"'}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == ["bytes=18-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_redirects_are_followed_and_the_announced_digest_is_checked(hub: Hub, tmp_path: Path) -> None:
    hub.redirect = hub.url
    record = json.loads((fetch(REPOSITORY, hub.url) / "provenance.json").read_text())["fetched"]["model.safetensors"]
    assert (record["announced"], record["revision"]) == (True, "0123abcd")


FAULTS = {
    "corrupt": ({"corrupt": {"model.safetensors"}}, "damaged on the way: expected SHA-256"),
    "too short": ({"lengths": {"model.safetensors": 1000}}, "damaged on the way"),
    "never whole": ({"break_after": {"model.safetensors": [100] * 100}}, "run the command again to go on"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_incomplete_file_does_not_become_a_model(hub: Hub, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings, expected = FAULTS[fault]
    for name, value in settings.items():
        setattr(hub, name, value)
    assert main(["fetch", REPOSITORY, "--from", hub.url]) == 2
    assert expected in capsys.readouterr().err
    assert models(tmp_path / "home") == []


def test_a_wrong_length_is_found_by_the_next_attempt(hub: Hub, published: Path) -> None:
    hub.lengths["model.safetensors"] = 5 * 10**7
    fetch(REPOSITORY, hub.url)
    size = (published / REPOSITORY / "model.safetensors").stat().st_size
    assert hub.of("model.safetensors") == [None, f"bytes={size}-"]
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))


def test_a_redirect_away_from_https_is_refused(hub: Hub) -> None:
    redirects = http.Redirects()
    request = urllib.request.Request("https://hub/x")
    for target in ("http://elsewhere/x", "file:///etc/passwd", "ftp://elsewhere/x"):
        with pytest.raises(urllib.error.URLError, match="refused to follow the redirect"):
            redirects.redirect_request(request, None, 302, "Found", {}, target)


def test_a_complete_download_without_its_name_is_used(hub: Hub, published: Path, tmp_path: Path) -> None:
    data, part = (published / REPOSITORY / "model.safetensors").read_bytes(), part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(data)
    part.with_suffix(".etag").write_text(json.dumps({"etag": f'"{hashlib.sha256(data).hexdigest()}"'}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [f"bytes={len(data)}-"]


ODD = {
    "another place": ({"Content-Range": "bytes 5-9/10"}, 206, "expected what follows byte 18"),
    "no place": ({}, 206, "expected what follows byte 18, was sent something else"),
    "no end": ({"ETag": '"x"'}, 200, "expected a length, was sent none"),
}


@pytest.mark.parametrize("answer", ODD)
def test_an_answer_that_does_not_fit_the_request_is_refused(
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
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    part.write_bytes(b"of another version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": '"another"'}))
    assert main(["fetch", REPOSITORY, "--from", hub.url]) == 2
    assert expected in capsys.readouterr().err
    assert models(tmp_path / "home") == []


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
    """The server ignores If-Range and sends another file, without a digest.

    All is downloaded again.
    """
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
def test_a_part_is_continued_only_with_a_strong_etag(hub: Hub, tmp_path: Path, tag: object) -> None:
    part = part_of(tmp_path, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of some version")
    part.with_suffix(".etag").write_text(json.dumps({"etag": tag}))
    fetch(REPOSITORY, hub.url)
    assert hub.of("model.safetensors") == [None]


@pytest.mark.parametrize("is_announced", [True, False])
def test_weights_may_not_be_larger_than_the_configuration_allows(
    hub: Hub, tmp_path: Path, answer: Callable[..., None], is_announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SMALL", 1 << 20)

    def large(self: Handler, _: bytes) -> None:
        send(self, 200, {"Content-Length": "1000000000000000"} if is_announced else {"Transfer-Encoding": "chunked"})
        without_end(self)

    answer("model.safetensors", large)
    with pytest.raises(ValueError, match=r"model\.safetensors: expected at most [\d,]+ bytes"):
        fetch(REPOSITORY, hub.url)
    assert [path.name for path in part_of(tmp_path, hub).parent.parent.iterdir()] == ["lock"]


def test_control_characters_of_a_server_do_not_reach_the_terminal(
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


def test_a_redirect_with_an_endless_page_is_followed(hub: Hub, published: Path, answer: Callable[..., None]) -> None:
    def elsewhere(self: Handler, _: bytes) -> None:
        send(self, 302, {"Location": self.path, "Transfer-Encoding": "chunked"})
        without_end(self)

    answer("config.json", elsewhere, times=1)
    np.testing.assert_array_equal(vectors(fetch(REPOSITORY, hub.url)), vectors(published / REPOSITORY))


def test_a_server_that_is_too_slow_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server sends an endless header, byte by byte, so that no timeout is reached."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    monkeypatch.setattr(http, "PATIENCE", 2.0)
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
        http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/x", "x", tmp_path, 1000)
    thread.join()


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:port", "http://exa mple", "http://a\udc80"])
def test_an_invalid_address_is_named_and_tried_once(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise AssertionError("tried again")

    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(http.time, "sleep", sleep)
    with pytest.raises(ValueError, match=re.escape(f"{address}/someone/tiny-bert")):
        fetch(REPOSITORY, address)


def test_a_length_of_many_digits_is_refused(hub: Hub, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    answer("config.json", lambda self, data: send(self, 200, {"Content-Length": "9" * 5000}, data))
    with pytest.raises(OSError, match=rf"{hub.url}.*expected a length, was sent none"):
        fetch(REPOSITORY, hub.url)


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', "\xff"])
def test_a_damaged_note_is_ignored(hub: Hub, tmp_path: Path, note: str) -> None:
    path = part_of(tmp_path, hub).with_name(".config.json.json")
    path.parent.mkdir(parents=True)
    path.write_text(note)
    fetch(REPOSITORY, hub.url)
    assert len(hub.of("config.json")) == 1


@pytest.mark.parametrize("path", ["1 Pooling", "é", "a#b", "a?b", "%2e%2e"])
def test_special_characters_in_a_name_are_quoted_in_the_address(hub: Hub, pooled: Callable[[str], Path], path: str) -> None:
    pooled(path)
    fetch(REPOSITORY, hub.url)
    assert minibert.load(REPOSITORY).pooling == "max"
