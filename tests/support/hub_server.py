"""A server of the tests that answers as the hub does, with the faults that a test sets."""

import hashlib
import http.server
import re
import sys
import urllib.parse
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import minibert

REPOSITORY = "someone/tiny-bert"


class Hub(http.server.ThreadingHTTPServer):
    """Serves `/OWNER/REPO/resolve/main/FILE` as the hub does, with the faults that a test sets."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.requests: list[tuple[str, str | None]] = []  # (path, Range)
        self.break_after: dict[str, list[int]] = {}  # file -> number of bytes after which each next answer breaks off
        self.busy: dict[str, list[int]] = {}  # file -> seconds to wait that each next answer asks for
        self.corrupt: set[str] = set()
        self.lengths: dict[str, int] = {}  # file -> a wrong Content-Length
        self.redirect: str | None = None

    def handle_error(self, *connection: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # in some tests the client closes the connection
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


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").glob("*"))


def part_of(tmp_path: Path, hub: Hub) -> Path:
    """Return the path of the incomplete weights."""
    source = hashlib.sha256(hub.url.encode()).hexdigest()[:16]
    return tmp_path / "home" / "downloads" / "someone--tiny-bert" / source / ".model.safetensors.part"


def vectors(folder: str | Path) -> np.ndarray:
    return minibert.load(folder, backend="numpy").encode("I hate cancer")
