"""Downloading one file. This is the only module that uses the network.

A file is written beside its name. After a broken connection the download goes on from the last
byte. The result must have the length that the server announced, and its SHA-256 if the server
announced one. Then it takes its name.

Bounds: a file has a limit, which its caller states. A server that sends nothing, or too slowly, is
given up after ATTEMPTS attempts.
"""

import errno
import http.client
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..files.access import digest
from ..files.fields import visible
from ..files.partial import open_part, read_note, size_of, write_note
from .headers import Headers, announced_digest, difference, is_strong, revision, total_size

BLOCK = 1 << 20
ATTEMPTS = 6
PATIENCE = 60.0  # seconds: limit of a silence, of a pause, and of the time at a rate below SLOWEST
SLOWEST = 1000  # bytes a second
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EISDIR)


class Missing(Exception):
    """The file is not published there."""


class Unreachable(OSError):
    """The network does not deliver a file."""


@dataclass(frozen=True)
class Received:
    """A file that was downloaded or copied.

    Attributes:
        announced: whether the server announced its SHA-256.
        revision: the revision of the repository, if the server told it.
    """

    url: str
    size: int
    sha256: str
    announced: bool
    revision: str | None


def address_of(source: str, repository: str, file: str, revision: str = "main") -> str:
    """Return the address of a file of a repository, in the layout of the hub."""
    return f"{source.rstrip('/')}/{repository}/resolve/{revision}/{urllib.parse.quote(file)}"


def get(url: str, file: str, folder: Path, limit: int) -> Received:
    """Download one file, unless it was downloaded from there before. Raises Missing."""
    target = folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    note = target.with_name(f".{target.name}.json")
    with suppress(TypeError):  # a note with other fields is not ours
        received = Received(**read_note(note))
        if received.url == url and size_of(target) == received.size:
            return received
    received = _persistently(url, target, limit)
    write_note(note, vars(received))
    return received


# --- Attempts -------------------------------------------------------------------------------------


def _persistently(url: str, target: Path, limit: int) -> Received:
    """Try several times, each time from the byte where the last attempt ended."""
    part = target.with_name(f".{target.name}.part")
    problem: Exception | None = None
    for attempt in range(ATTEMPTS):
        pause = min(2.0**attempt * 0.2, 10)
        try:
            return _attempt(url, part, target, limit)
        except urllib.error.HTTPError as error:
            error.close()
            _check_status(error, url, target)
            problem = problem if problem and error.code == 416 else error
            pause = max(pause, _asked_pause(error))
        except (ValueError, OverflowError, http.client.InvalidURL) as error:  # a wrong address, port or length; too many bytes
            raise ValueError(f"{url}: {_plain(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise OSError(f"{part}: {error.strerror}") from None
            problem = error
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause)
    raise Unreachable(f"{url}: {_plain(problem)}; {size_of(part):,} bytes have come; run the command again to go on")


def _check_status(error: urllib.error.HTTPError, url: str, target: Path) -> None:
    """Raise Missing or Unreachable for a status that stays the same in another attempt."""
    if error.code == 404 or (error.code == 401 and target.name == "config.json"):
        raise Missing from None
    if error.code in (401, 403):
        raise Unreachable(f"{url}: refused ({error.code} {_plain(error.reason)})") from None


def _asked_pause(error: urllib.error.HTTPError) -> float:
    """Return the seconds that a busy server asks for in Retry-After, at most PATIENCE."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), PATIENCE) if asked.isdecimal() else 0


def _plain(problem: object) -> str:
    """Return a server's text in a form that is safe in an error."""
    return visible(str(problem))[:300]


def _attempt(url: str, part: Path, target: Path, limit: int) -> Received:
    """Make one attempt, from the first byte that is missing."""
    with watched() as watch:
        headers = _transfer(url, part, limit, watch)
    return _received(url, part, target, headers)


def _transfer(url: str, part: Path, limit: int, watch: "Watch") -> Headers:
    """Download the rest of a file. Return the headers that describe it."""
    note = part.with_suffix(".etag")
    before = read_note(note)
    tag = str(before.get("etag"))
    have = size_of(part) if is_strong(tag) else 0
    request = {"User-Agent": "minibert", "Accept-Encoding": "identity"}
    if have:
        request |= {"Range": f"bytes={have}-", "If-Range": tag}
    redirects = Redirects()
    try:
        response = watch.opener(redirects).open(urllib.request.Request(url, headers=request), timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            if error.headers.get("Content-Range", "") == f"bytes */{have}" and error.headers.get("ETag", tag) == tag:
                return redirects.announced | {"etag": tag}  # the part is the whole file
            part.unlink(missing_ok=True)
        raise
    with response:
        headers = redirects.announced | {name.lower(): value for name, value in response.headers.items()}
        if response.status != 206:
            have = 0
        elif problem := difference(headers, have, before):
            part.unlink(missing_ok=True)
            raise OSError(problem)
        total = total_size(headers, have, limit)
        with open_part(part, have) as file:
            write_note(note, {"etag": headers.get("etag"), "last-modified": headers.get("last-modified"), "size": total})
            size = _copy(response, file, have, total, limit, watch)
    if total is not None and size != total:
        raise OSError(f"expected {total:,} bytes, received {size:,}")
    return headers


def _copy(response: http.client.HTTPResponse, file: IO[bytes], have: int, total: int | None, limit: int, watch: "Watch") -> int:
    """Copy block by block, with progress at a terminal. Return the size of the file so far."""
    show = sys.stderr is not None and sys.stderr.isatty() and (total or 0) > BLOCK
    told = 0
    while block := response.read1(BLOCK):
        file.write(block)
        have += len(block)
        watch.received += len(block)
        if have > limit:
            raise ValueError(f"expected at most {limit:,} bytes, found more")
        if show and (have >= told + BLOCK or have == total):
            sys.stderr.write(f"\r{have / 1e6:.1f} of {(total or have) / 1e6:.1f} MB" + "\n" * (have == total))
            told = have
    return have


def _received(url: str, part: Path, target: Path, headers: Headers) -> Received:
    """Check the digest that was announced, and give the file its name."""
    actual = digest(part)
    announced = announced_digest(headers)
    if announced is not None and announced != actual:
        part.unlink()
        raise OSError(f"damaged on the way: expected SHA-256 {announced}, found {actual}")
    received = Received(url, part.stat().st_size, actual, announced is not None, revision(headers))
    part.replace(target)
    part.with_suffix(".etag").unlink(missing_ok=True)
    return received


# --- Connections ----------------------------------------------------------------------------------


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the hub's redirect to its store of large files, but never from https to http.

    The headers of the redirect describe the file. They are kept in `announced`.
    """

    def __init__(self) -> None:
        self.announced: Headers = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if fp is not None:
            fp.close()  # otherwise urllib reads the page to its end, and it may have none
        if urllib.parse.urlsplit(newurl).scheme not in ({"https"} if req.full_url.startswith("https:") else {"http", "https"}):
            raise urllib.error.URLError(f"{req.full_url}: refused to follow the redirect to {newurl}")
        self.announced |= {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-")}
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class Watch:
    """The connections of one attempt, and how many bytes they have delivered."""

    received: int = 0
    sockets: list[socket.socket] = field(default_factory=list)
    is_slow: bool = False

    def keep(self, finished: threading.Event) -> None:
        """Cut the connections if they deliver too little.

        A timeout of the socket is not enough: a server that sends one byte a minute never meets it.
        """
        before = 0
        while not finished.wait(PATIENCE):
            if self.sockets and self.received - before < SLOWEST * PATIENCE:
                self.is_slow = True
                for each in self.sockets:
                    with suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)
            before = self.received

    def opener(self, redirects: Redirects) -> urllib.request.OpenerDirector:
        """Return an opener that registers its connections here."""
        watch = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                watch.sockets.append(self.sock)

        class Secure(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watch.sockets.append(self.sock)

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class SecureHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Secure, req)

        return urllib.request.build_opener(redirects, PlainHandler, SecureHandler)


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the speed of one attempt. Raises OSError for a connection that was cut for it."""
    watch, finished = Watch(), threading.Event()
    thread = threading.Thread(target=watch.keep, args=(finished,), daemon=True)
    thread.start()
    try:
        yield watch
    except (OSError, http.client.HTTPException):
        if watch.is_slow:
            raise OSError(f"slower than {SLOWEST:,} bytes a second for {PATIENCE:.0f} seconds") from None
        raise
    finally:
        finished.set()
        thread.join()
