"""The only network client: a model's files from where they are published to a folder of the user's, converted and checked.

What is published for a BERT is a handful of files in a repository of the Hugging Face hub, `OWNER/REPO/resolve/main/FILE`. Each is
downloaded beside its name, goes on where a broken connection left it, and is held to the length and, for the large ones, the SHA-256 that
the hub announces. Then `convert` makes a model folder of them, which takes its name when it is whole.

Proxies are those of the environment (`https_proxy`). A mirror with the hub's layout, or a folder with the same files, is given as `--from`.
"""

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

from .convert import BESIDE, convert, digest
from .save import write_json
from .zoo import HUB, REPOSITORY, VOCABULARY, find, folder_name, home

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that a repository has
BLOCK = 1 << 20
ATTEMPTS, PATIENCE = 6, 60.0  # tries of a file; seconds without a byte
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
    _make(target.parent)
    _make(downloads)
    with locked(downloads / "lock"):
        if target.exists():
            return target
        received = download(repository, source or HUB, downloads)
        if model is not None:
            check_vocabulary(received.get("vocab.txt"), downloads)
        record = convert(downloads, target, None if model is None else model.hidden_act)
        record["fetched"] = {file: vars(each) for file, each in received.items()}
        write_json(target / "provenance.json", record)
        for path in downloads.glob("*"):
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target


def check_vocabulary(received: Received | None, folder: Path) -> None:
    """All miniatures have one; another is not kept. Raises ValueError."""
    found = received.sha256 if received else "no file"
    if found != VOCABULARY:
        for path in (folder / "vocab.txt", folder / ".vocab.txt.json"):
            path.unlink(missing_ok=True)
        raise ValueError(f"{received.url if received else folder}: vocab.txt: expected SHA-256 {VOCABULARY}, found {found}")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder}: cannot be made ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the next waits. The system lets go when a process ends."""
    with path.open("ab") as file:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(repository: str, source: str, folder: Path) -> dict[str, Received]:
    """All files of a repository that a model folder is made of. Raises FileNotFoundError if it has no BERT."""
    is_address = source.startswith(("http://", "https://"))
    base = f"{source.rstrip('/')}/{repository}/resolve/main" if is_address else str(_place(Path(source), repository))
    received: dict[str, Received] = {}
    for file in ("config.json", *BESIDE):
        try:
            received[file] = get(base, file, folder, is_address)
        except Missing:
            if file == "config.json":
                raise FileNotFoundError(f"{base}/{file}: not found; is {repository} the name of a BERT?") from None
    for file in WEIGHTS:
        try:
            received[file] = get(base, file, folder, is_address)
            return received
        except Missing:
            continue
    raise FileNotFoundError(f"{base}: expected {' or '.join(WEIGHTS)}, found neither")


def _place(folder: Path, repository: str) -> Path:
    """Where a folder has the files of a repository: below its name, or at once."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected the address of a mirror (https://...) or a folder")
    return next((each for each in (folder / repository, folder / folder_name(repository)) if each.is_dir()), folder)


def get(base: str, file: str, folder: Path, is_address: bool) -> Received:
    """One file, whole. Raises Missing."""
    target = folder / file
    target.parent.mkdir(exist_ok=True)
    note = target.with_name(f".{target.name}.json")
    if target.exists() and note.exists():
        return Received(**json.loads(note.read_text()))
    if is_address:
        received = _over_the_network(f"{base}/{file}", target)
    else:
        path = Path(base) / file
        if not path.exists():
            raise Missing
        shutil.copyfile(path, target)
        received = Received(str(path), path.stat().st_size, digest(path), False, None)
    write_json(note, vars(received))
    return received


# --- HTTP ----------------------------------------------------------------------------------------------------------------------------


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the hub to where it keeps large files, never from https to http, and remembers what the hub said of them."""

    def __init__(self) -> None:
        self.announced: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in ({"https"} if req.full_url.startswith("https:") else {"http", "https"}):
            raise urllib.error.URLError(f"{req.full_url}: refused to be sent to {newurl}")
        self.announced |= {name.lower(): value for name, value in headers.items()}
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _over_the_network(url: str, target: Path) -> Received:
    """Try, and go on from what has come."""
    part = target.with_name(f".{target.name}.part")
    problem: Exception | None = None
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(url, part, target)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404):
                raise (Missing() if error.code == 404 else OSError(f"{url}: refused ({error.code} {error.reason})")) from None
            if error.code == 416:  # there is no more of it than has come, and that was not right
                part.unlink(missing_ok=True)
            problem = problem if problem and error.code == 416 else error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        if attempt + 1 < ATTEMPTS:
            time.sleep(min(2.0**attempt * 0.2, 10))
    raise OSError(f"{url}: {problem}; {part.stat().st_size if part.exists() else 0:,} bytes have come; say it again to go on")


def _attempt(url: str, part: Path, target: Path) -> Received:
    """One connection, from the first byte that is missing."""
    note = part.with_suffix(".etag")
    tag = note.read_text() if note.exists() else ""
    have = part.stat().st_size if tag and part.exists() else 0
    headers = {"User-Agent": "minibert", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    redirects = Redirects()
    with urllib.request.build_opener(redirects).open(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as response:
        said = redirects.announced | {name.lower(): value for name, value in response.headers.items()}
        if response.status != 206 or _first_byte(said) != have:
            have = 0
        length = said.get("content-length")
        total = None if length is None else have + int(length)
        note.write_text(said.get("etag", ""))
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            size = _copy(response, file, have, total, target.name)
    if total is not None and size != total:
        raise OSError(f"expected {total:,} bytes, received {size:,}")
    return _received(url, part, target, said)


def _first_byte(said: dict[str, str]) -> int:
    found = re.match(r"bytes (\d+)-", said.get("content-range", ""))
    return int(found[1]) if found else 0


def _copy(response: IO[bytes], file: IO[bytes], have: int, total: int | None, name: str) -> int:
    """Block by block, with progress at a terminal. Returns how many bytes there are now."""
    show = sys.stderr is not None and sys.stderr.isatty() and (total or 0) > BLOCK
    while block := response.read(BLOCK):
        file.write(block)
        have += len(block)
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
