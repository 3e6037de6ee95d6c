"""The only network client: a model's files from where they are published to a folder of the user's, converted and checked.

What is published for a BERT is a handful of files in a repository of the Hugging Face hub, `OWNER/REPO/resolve/main/FILE`. Each is
downloaded beside its name, goes on where a broken connection left it, and is held to the length and, for the large ones, the SHA-256 that
the hub announces. The small ones come first, so that what is no BERT is refused before its weights are asked for. Then `convert` makes a
model folder of them, which takes its name when it is whole.

Proxies are those of the environment (`https_proxy`). A mirror with the hub's layout, or a folder with the same files, is given as `--from`.
"""

import errno
import hashlib
import http.client
import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .config import load_config
from .convert import convert, digest
from .folder import known_files, load_folder
from .zoo import HUB, REPOSITORY, VOCABULARY, Model, find, folder_name, home

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that a repository has
BLOCK = 1 << 20
ATTEMPTS, PATIENCE = 6, 60.0  # tries of a file; seconds without a byte
SMALL = 64 << 20  # bytes of a file that is not weights, at most
SHA256 = re.compile(r'"?([0-9a-f]{64})"?')


class Missing(Exception):
    """The file is not published there."""


@dataclass(frozen=True)
class Received:
    """A file that has come."""

    url: str
    size: int
    sha256: str
    announced: bool  # whether the sender had told its SHA-256
    revision: str | None  # of the repository


def fetch(name: str, source: str | None = None) -> Path:
    """Bring a model: its name or an alias (`zoo`), or any OWNER/REPO of the hub with a BERT in it.

    Args:
        source: a mirror's address, or a folder with the same files, instead of the hub.

    Returns the folder, which `minibert.load(name)` finds. What is there already stays.

    Raises:
        ValueError: no such name; a file is damaged, or not what a BERT needs. FileNotFoundError: it is not published there.
        OSError: the network or the disk refused; said again, it goes on.
    """
    model = find(name)
    if model is None and not REPOSITORY.fullmatch(name):
        raise ValueError(f"{name}: expected a name that `minibert models` lists, or OWNER/REPO, found neither")
    if model is not None and model.repository is None:
        return model.path  # in the box
    repository = name if model is None else str(model.repository)
    target = home() / "models" / folder_name(name) if model is None else model.path
    downloads = home() / "downloads" / target.name
    if not target.exists():
        _make(target.parent)
        _make(downloads)
        with locked(downloads / "lock"):
            if not target.exists():
                _bring(repository, source or HUB, model, downloads, target)
    return target


def _bring(repository: str, source: str, model: Model | None, downloads: Path, target: Path) -> None:
    """What comes from one source is kept apart from what comes from another; and is gone when it is converted, or turns out to be wrong."""
    folder = downloads / hashlib.sha256(source.encode()).hexdigest()[:16]
    _make(folder)
    try:
        received = download(repository, source, folder, model)
        fetched = {file: vars(each) for file, each in received.items()}
        convert(folder, target, None if model is None else model.hidden_act, fetched)
    except (ValueError, FileNotFoundError):
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder}: cannot be made ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the next waits. The system lets go when a process ends."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None
    with file:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if sys.stderr is not None:
                    sys.stderr.write(f"minibert: waiting for another process, which fetches the same ({path})\n")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(repository: str, source: str, folder: Path, model: Model | None) -> dict[str, Received]:
    """All files of a repository that a model folder is made of, of one revision.

    Raises FileNotFoundError if it has no BERT, ValueError for a BERT that cannot be run, or that is not the one that was asked for.
    """
    is_address = source.startswith(("http://", "https://"))
    if not is_address:
        place = _place(Path(source), repository)
    received: dict[str, Received] = {}

    def bring(file: str) -> bool:
        revision = received["config.json"].revision if received else None
        try:
            if is_address:
                received[file] = get(f"{source.rstrip('/')}/{repository}/resolve/{revision or 'main'}/{file}", file, folder)
            else:
                received[file] = copy(place / file, folder / file)
        except Missing:
            return False
        return True

    if not bring("config.json"):
        raise FileNotFoundError(f"{source}: no config.json of {repository}; is that the name of a BERT that everybody may read?")
    check_shape(folder, repository, model)
    bring("modules.json")
    for file in known_files(folder):
        if file != "modules.json":
            bring(file)
    load_folder(folder)
    if model is not None and received.get("vocab.txt", received["config.json"]).sha256 != VOCABULARY:
        raise ValueError(f"{repository}: vocab.txt: expected the one of all miniatures, SHA-256 {VOCABULARY}, found another or none")
    if not any(bring(file) for file in WEIGHTS):
        raise FileNotFoundError(f"{source}: {repository}: expected {' or '.join(WEIGHTS)}, found neither")
    return received


def check_shape(folder: Path, repository: str, model: Model | None) -> None:
    config = load_config(folder / "config.json")
    found = config.num_hidden_layers, config.hidden_size
    if model is not None and found != (model.num_layers, model.hidden_size):
        raise ValueError(
            f"{repository}: expected {model.num_layers} layers of {model.hidden_size} for {model.name}, found {found[0]} of {found[1]}"
        )


def _place(folder: Path, repository: str) -> Path:
    """Where a folder has the files of a repository: below its name, or at once."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected the address of a mirror (https://...) or a folder")
    return next((each for each in (folder / repository, folder / folder_name(repository)) if each.is_dir()), folder)


def copy(path: Path, target: Path) -> Received:
    if not path.is_file():
        raise Missing
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, target)
    return Received(str(path), path.stat().st_size, digest(path), False, None)


# --- HTTP ----------------------------------------------------------------------------------------------------------------------------


def get(url: str, file: str, folder: Path) -> Received:
    """One file, whole; one that has come from there already is not asked for again. Raises Missing."""
    target = folder / file
    target.parent.mkdir(exist_ok=True)
    note = target.with_name(f".{target.name}.json")
    try:
        received = Received(**json.loads(note.read_text(encoding="utf-8")))
        if received.url == url and target.stat().st_size == received.size:
            return received
    except (OSError, ValueError, TypeError):
        pass  # not here, or not by us
    received = _persistently(url, target, limit=None if file in WEIGHTS else SMALL)
    part = note.with_suffix(".note")
    part.write_text(json.dumps(vars(received)), encoding="utf-8")
    part.replace(note)
    return received


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the hub to where it keeps large files, never from https to http, and remembers what the hub said of them."""

    def __init__(self) -> None:
        self.announced: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in ({"https"} if req.full_url.startswith("https:") else {"http", "https"}):
            raise urllib.error.URLError(f"{req.full_url}: refused to be sent to {newurl}")
        self.announced |= {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-")}
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _persistently(url: str, target: Path, limit: int | None) -> Received:
    """Try, and go on from what has come."""
    part = target.with_name(f".{target.name}.part")
    problem: Exception | None = None
    for attempt in range(ATTEMPTS):
        pause = min(2.0**attempt * 0.2, 10)
        try:
            return _attempt(url, part, target, limit)
        except urllib.error.HTTPError as error:
            error.close()
            if (error.code in (401, 404) and target.name == "config.json") or error.code == 404:
                raise Missing from None
            if error.code in (401, 403):
                raise OSError(f"{url}: refused ({error.code} {error.reason})") from None
            problem = problem if problem and error.code == 416 else error
            asked = error.headers.get("Retry-After", "")
            pause = max(pause, min(float(asked), PATIENCE)) if asked.isdecimal() else pause  # "too many requests"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            problem = error
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause)
    raise OSError(f"{url}: {problem}; {part.stat().st_size if part.exists() else 0:,} bytes have come; say it again to go on")


def _attempt(url: str, part: Path, target: Path, limit: int | None) -> Received:
    """One connection, from the first byte that is missing."""
    note = part.with_suffix(".etag")
    tag = note.read_text(encoding="utf-8") if note.exists() else ""
    have = part.stat().st_size if tag and part.exists() else 0
    headers = {"User-Agent": "minibert", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    redirects = Redirects()
    try:
        response = urllib.request.build_opener(redirects).open(urllib.request.Request(url, headers=headers), timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range", "") == f"bytes */{have}":
            return _received(url, part, target, redirects.announced | {"etag": tag})  # all of it had come
        if error.code == 416:
            part.unlink(missing_ok=True)
        raise
    with response:
        said = redirects.announced | {name.lower(): value for name, value in response.headers.items()}
        if response.status == 206 and not said.get("content-range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise OSError(f"asked for what follows byte {have:,}, was sent {said.get('content-range', 'something else')}")
        have = have if response.status == 206 else 0
        total = _total(said, have, limit)
        with part.open("r+b" if have else "wb") as file:
            note.write_text(said.get("etag", ""), encoding="utf-8")
            file.seek(have)
            size = _copy(response, file, have, total, limit, target.name)
    if total is not None and size != total:
        raise OSError(f"expected {total:,} bytes, received {size:,}")
    return _received(url, part, target, said)


def _total(said: dict[str, str], have: int, limit: int | None) -> int | None:
    """The size of the whole file; None where its end is told otherwise."""
    length = said.get("content-length", "")
    linked = said.get("x-linked-size", "")
    total = have + int(length) if length.isdecimal() else int(linked) if linked.isdecimal() else None
    if total is None and said.get("transfer-encoding", "").lower() != "chunked":
        raise OSError("expected a length, was sent none, so that nobody could tell whether all has come")
    if total is not None and limit is not None and total > limit:
        raise ValueError(f"expected at most {limit:,} bytes, the sender announces {total:,}")
    return total


def _copy(response: IO[bytes], file: IO[bytes], have: int, total: int | None, limit: int | None, name: str) -> int:
    """Block by block, with progress at a terminal. Returns how many bytes there are now."""
    show = sys.stderr is not None and sys.stderr.isatty() and (total or 0) > BLOCK
    while block := response.read(BLOCK):
        file.write(block)
        have += len(block)
        if limit is not None and have > limit:
            raise ValueError(f"{name}: expected at most {limit:,} bytes, found more")
        if show:
            sys.stderr.write(f"\r{name}: {have / 1e6:.1f} of {(total or have) / 1e6:.1f} MB" + "\n" * (have == total))
    return have


def _received(url: str, part: Path, target: Path, said: dict[str, str]) -> Received:
    """Hold it to the digest that was announced, and give it its name."""
    actual = digest(part)
    announced = SHA256.fullmatch(said.get("x-linked-etag", said.get("etag", "")))
    if announced and announced[1] != actual:
        part.unlink()
        raise OSError(f"damaged on the way: expected SHA-256 {announced[1]}, found {actual}")
    received = Received(url, part.stat().st_size, actual, bool(announced), said.get("x-repo-commit"))
    part.replace(target)
    part.with_suffix(".etag").unlink(missing_ok=True)
    return received
