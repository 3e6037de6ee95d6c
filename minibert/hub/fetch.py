"""The only network client: a model's files from where they are published to a folder of the user's, converted and checked.

What is published for a BERT is a handful of files in a repository of the Hugging Face hub, `OWNER/REPO/resolve/main/FILE`. Each is
downloaded beside its name, goes on where a broken connection left it, and is held to the length and, for the large ones, the SHA-256 that
the hub announces. The small ones come first, so that what is no BERT is refused before its weights are asked for, and config.json tells how
large those can be. Then `convert` makes a model folder of them, which takes its name when it is whole.

Proxies are those of the environment (`https_proxy`). HF_ENDPOINT names a mirror with the hub's layout, as for huggingface_hub; `--from`
names a mirror, or a folder with the same files. `addresses` lists the files that are to be carried to a machine without a network.
"""

import errno
import hashlib
import http.client
import math
import os
import re
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import IO, Any

from ..bert.config import BertConfig, load_config
from ..bert.weights import expected_shapes
from ..cli.terminal import visible
from ..files.access import copy_inside, head_of
from ..files.partial import locked, open_part, read_note, size_of, write_note
from ..files.sources import HUB_PREFIX, missing, no_folder
from ..folders.hub_cache import snapshot
from ..folders.layout import (
    MODULE_WEIGHTS_FILES,
    TOKENIZER_FILES,
    TRANSFORMER_FILES,
    WEIGHTS_FILES,
    known_files,
    read_modules,
    transformer_path,
)
from ..folders.settings import load_folder
from ..formats.shards import INDEX, files_of
from ..importers.convert import convert, digest
from .catalog import HUB, REPOSITORY, VOCABULARY, Model, advice, find, folder_name, home

BLOCK = 1 << 20
# A server that brings nothing is left after 6 tries, of two minutes each at most, and 5 pauses of a minute at most.
ATTEMPTS, PATIENCE = 6, 60.0  # tries of a file; seconds without a byte, of a pause, and of a rate that is too low
SLOWEST = 1000  # bytes a second
SMALL = 64 << 20  # bytes of a file that is not weights, at most
ADDRESSES = ("http://", "https://")
SHA256 = re.compile(r'"?([0-9a-f]{64})"?')
STRONG_TAG = re.compile(r'"[!#-~]{1,1000}"')  # W/"..." stands for files that need not have the same bytes
NUMBER = re.compile(r"[0-9]{1,18}")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
REVISION = re.compile(r"[0-9A-Za-z]{1,64}")


class Missing(Exception):
    """The file is not published there."""


class Unreachable(OSError):
    """The network does not bring a file."""


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
        source: a mirror's address, or a folder with the same files, instead of the hub or HF_ENDPOINT.

    Returns the folder, which `minibert.load(name)` finds. What is there already stays.

    Raises:
        ValueError: no such name; a file is damaged, or not what a BERT needs. FileNotFoundError: it is not published there.
        OSError: the network or the disk refused; said again, it goes on.
    """
    if source == "":
        raise ValueError("--from: expected an address or a folder, found an empty text; is a variable of the shell not set?")
    model, repository = published(name)
    if model is not None and repository is None:
        return model.path  # in the box
    target = home() / "models" / folder_name(name) if model is None else model.path
    downloads = home() / "downloads" / target.name
    if not target.exists():
        _make(target.parent)
        _make(downloads)
        with locked(downloads / "lock"):
            if not target.exists():
                try:
                    _bring(str(repository), endpoint() if source is None else source, model, downloads, target)
                except Unreachable as error:
                    raise OSError(
                        f"{error}; HF_ENDPOINT or --from names a mirror, and `minibert fetch --list {name}` the files to carry here"
                    ) from None
    return target


def published(name: str) -> tuple[Model | None, str | None]:
    """The model of a name, if it has one, and the repository of its files, if it is not in the box. Raises ValueError for other names."""
    model = find(name)
    if model is None and not REPOSITORY.fullmatch(name):
        raise ValueError(f"{name:.200}: expected a name that `minibert models` lists, or OWNER/REPO, found neither; {advice(name)}")
    return model, name if model is None else model.repository


def endpoint() -> str:
    """The address of the hub, or of the mirror that HF_ENDPOINT names. Raises ValueError if that is no address."""
    address = os.environ.get("HF_ENDPOINT") or HUB
    if not address.startswith(ADDRESSES):
        raise ValueError(f"HF_ENDPOINT: expected an address, https://..., found {address!r:.200}")
    return address.rstrip("/")


def address_of(source: str, repository: str, file: str, revision: str = "main") -> str:
    return f"{source.rstrip('/')}/{repository}/resolve/{revision}/{urllib.parse.quote(file)}"


def addresses(name: str) -> Iterator[tuple[str, str, str]]:
    """(when it is needed, name within the folder, address) of each file that `fetch` looks for, without a look at the network.

    Nothing for the model in the box. Raises ValueError for names that are none.
    """
    model, repository = published(name)
    if repository is None:
        return
    needed = ("config.json",) if model is None else ("config.json", "vocab.txt")
    tokenizer = ("tokenizer.json", "vocab.txt") if model is None else ()
    sentence = ("modules.json", "1_Pooling/config.json", TRANSFORMER_FILES[0], "config_sentence_transformers.json")
    others = (*TOKENIZER_FILES, *sentence, "README.md", "LICENSE")
    rest = [file for file in others if file not in (*needed, *tokenizer)]
    for when, files in (("needed", needed), ("one of these", tokenizer), ("first of these", WEIGHTS_FILES), ("if it exists", rest)):
        yield from ((when, file, address_of(endpoint(), repository, file)) for file in files)


def _bring(repository: str, source: str, model: Model | None, downloads: Path, target: Path) -> None:
    """What comes from one source is kept apart from what comes from another; and is gone when it is converted, or turns out to be wrong."""
    folder = downloads / hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if folder.is_symlink():
        raise ValueError(f"{folder}: expected a folder, found a link; remove it")
    _make(folder)
    try:
        received = download(repository, source, folder, model)
        fetched = {file: vars(each) for file, each in received.items()}
        convert(folder, target, None if model is None else model.hidden_act, fetched)
    except (ValueError, FileNotFoundError) as error:
        shutil.rmtree(folder)
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
        place = f"{source.rstrip('/')}/{repository}" if source.startswith(ADDRESSES) else source
        raise kind(str(error).replace(str(folder), place)) from None  # what had come is gone
    shutil.rmtree(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder}: cannot be made ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None


def download(repository: str, source: str, folder: Path, model: Model | None) -> dict[str, Received]:
    """All files of a repository that a model folder is made of, of one revision.

    Raises FileNotFoundError if it has no BERT, ValueError for a BERT that cannot be run, or that is not the one that was asked for.
    """
    place = None if source.startswith(ADDRESSES) else _place(Path(source), repository)
    received: dict[str, Received] = {}

    def bring(file: str, limit: int = SMALL) -> bool:
        revision = received["config.json"].revision if received else None
        try:
            if place is None:
                received[file] = get(address_of(source, repository, file, revision or "main"), file, folder, limit)
            else:
                received[file] = copy(place, file, folder, limit)
        except Missing:
            return False
        return True

    if not bring("config.json"):
        public = f"{source}: no config.json of {repository}; is that the name of a BERT that everybody may read?"
        raise FileNotFoundError(public if place is None else missing(place, "config.json"))
    check_shape(folder, repository, model)
    bring("modules.json")
    for file in sorted({*known_files(folder)} - {"modules.json"}):
        bring(file)
    load_folder(folder)
    if model is not None and received.get("vocab.txt", received["config.json"]).sha256 != VOCABULARY:
        raise ValueError(f"{repository}: vocab.txt: expected the one of all miniatures, SHA-256 {VOCABULARY}, found another or none")
    if not _bring_weights(bring, folder, f"{source}: {repository}"):
        expected = " or ".join(WEIGHTS_FILES)
        where = f"{source}: {repository}: expected {expected}, found none of them"
        raise FileNotFoundError(where if place is None else missing(place, expected))
    for module in load_folder(folder).modules:
        lies_in = PurePosixPath(module.folder.relative_to(folder))
        if module.shapes and not any(bring(str(lies_in / file), module.most_bytes) for file in MODULE_WEIGHTS_FILES):
            raise FileNotFoundError(f"{source}: {repository}/{lies_in}: expected {' or '.join(MODULE_WEIGHTS_FILES)}, found neither")
    return received


def _bring_weights(bring: Callable[[str, int], bool], folder: Path, where: str) -> bool:
    """One file, or an index and its shards, which may have as many bytes together as one file; False if there is neither.

    Raises FileNotFoundError for a shard that is not there.
    """
    limit = most_bytes(load_config(folder / "config.json"))
    found = next((file for file in WEIGHTS_FILES if bring(file, SMALL if file.endswith(INDEX) else limit)), None)
    if found is None:
        return False
    for shard in files_of(folder / found)[1:]:
        if not bring(shard.name, limit):
            raise FileNotFoundError(f"{where}: {shard.name}: {found} names it, but it is not there")
        limit -= shard.stat().st_size
    return True


def check_shape(folder: Path, repository: str, model: Model | None) -> None:
    config = load_config(folder / "config.json")
    found = config.num_hidden_layers, config.hidden_size
    if model is not None and found != (model.num_layers, model.hidden_size):
        raise ValueError(
            f"{repository}: expected {model.num_layers} layers of {model.hidden_size} for {model.name}, found {found[0]} of {found[1]}"
        )


def _place(folder: Path, repository: str) -> Path:
    """Where a folder has the files of a repository: below its name, or at once."""
    if folder.is_file():
        raise ValueError(no_folder(folder, head_of(folder)))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected the address of a mirror (https://...) or a folder")
    names = repository, folder_name(repository), HUB_PREFIX + folder_name(repository)
    place = snapshot(next((folder / name for name in names if (folder / name).is_dir()), folder))
    _check_layout(place)
    return place


def _check_layout(place: Path) -> None:
    """Raises ValueError for an old model: its encoder lies in a folder of its own, which has no pooling."""
    if transformer_path(read_modules(place)) != ".":
        advice = f"`minibert convert {quote(str(place))} NEW` makes a model folder of it"
        raise ValueError(f"{place}: expected the encoder beside modules.json, found it in a folder of its own; {advice}")


def most_bytes(config: BertConfig) -> int:
    """Of a file of weights: four for each number of the encoder and of the heads of its training, and room for smaller heads and names."""
    one, two = (
        sum(math.prod(shape) for _, shape in expected_shapes(replace(config, num_hidden_layers=number))) for number in (1, 2)
    )  # for a number of layers that nobody could count
    heads = config.vocab_size * (config.hidden_size + 2) + 2 * config.hidden_size * (config.hidden_size + 4)
    return 4 * (one + (config.num_hidden_layers - 1) * (two - one) + heads) + SMALL


def copy(folder: Path, file: str, target_folder: Path, limit: int) -> Received:
    if not copy_inside(folder, file, target_folder, limit):
        raise Missing
    target = target_folder / file
    return Received(str(folder / file), target.stat().st_size, digest(target), False, None)


# --- HTTP ----------------------------------------------------------------------------------------------------------------------------


def get(url: str, file: str, folder: Path, limit: int) -> Received:
    """One file, whole; one that has come from there already is not asked for again. Raises Missing."""
    target = folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    note = target.with_name(f".{target.name}.json")
    with suppress(TypeError):  # not by us
        received = Received(**read_note(note))
        if received.url == url and size_of(target) == received.size:
            return received
    received = _persistently(url, target, limit)
    write_note(note, vars(received))
    return received


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the hub to where it keeps large files, never from https to http, and remembers what the hub said of them."""

    def __init__(self) -> None:
        self.announced: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if fp is not None:
            fp.close()  # a page without an end would be read to it
        if urllib.parse.urlsplit(newurl).scheme not in ({"https"} if req.full_url.startswith("https:") else {"http", "https"}):
            raise urllib.error.URLError(f"{req.full_url}: refused to be sent to {newurl}")
        self.announced |= {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-")}
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class Watch:
    """What has come on the connections of one try."""

    received: int = 0
    sockets: list[socket.socket] = field(default_factory=list)
    is_slow: bool = False

    def keep(self, finished: threading.Event) -> None:
        """Cut the connections when too little has come. A timeout would not do: one byte a minute is not silence."""
        before = 0
        while not finished.wait(PATIENCE):
            if self.sockets and self.received - before < SLOWEST * PATIENCE:
                self.is_slow = True
                for each in self.sockets:
                    with suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)
            before = self.received

    def opener(self, redirects: Redirects) -> urllib.request.OpenerDirector:
        """One that tells of its connections."""
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
    """Raises OSError for a connection that was cut, whatever it came to look like."""
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


def _plain(problem: object) -> str:
    """What a server said, in an error."""
    return visible(str(problem))[:300]


def _persistently(url: str, target: Path, limit: int) -> Received:
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
                raise Unreachable(f"{url}: refused ({error.code} {_plain(error.reason)})") from None
            problem = problem if problem and error.code == 416 else error
            asked = error.headers.get("Retry-After", "")
            pause = max(pause, min(float(asked), PATIENCE)) if asked.isdecimal() else pause  # "too many requests"
        except (ValueError, OverflowError, http.client.InvalidURL) as error:  # an address, a port or a length that is none; too many bytes
            raise ValueError(f"{url}: {_plain(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EISDIR):
                raise OSError(f"{part}: {error.strerror}") from None
            problem = error
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause)
    raise Unreachable(f"{url}: {_plain(problem)}; {size_of(part):,} bytes have come; say it again to go on")


def _attempt(url: str, part: Path, target: Path, limit: int) -> Received:
    """One try, from the first byte that is missing."""
    with watched() as watch:
        said = _transfer(url, part, limit, watch)
    return _received(url, part, target, said)


def _transfer(url: str, part: Path, limit: int, watch: Watch) -> dict[str, str]:
    """Bring the rest of a file. Returns what was said of it."""
    note = part.with_suffix(".etag")
    before = read_note(note)
    tag = str(before.get("etag"))
    have = size_of(part) if STRONG_TAG.fullmatch(tag) else 0
    headers = {"User-Agent": "minibert", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    redirects = Redirects()
    try:
        response = watch.opener(redirects).open(urllib.request.Request(url, headers=headers), timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            if error.headers.get("Content-Range", "") == f"bytes */{have}" and error.headers.get("ETag", tag) == tag:
                return redirects.announced | {"etag": tag}  # all of it had come
            part.unlink(missing_ok=True)
        raise
    with response:
        said = redirects.announced | {name.lower(): value for name, value in response.headers.items()}
        if response.status != 206:
            have = 0
        elif problem := _is_other(said, have, before):
            part.unlink(missing_ok=True)
            raise OSError(problem)
        total = _total(said, have, limit)
        with open_part(part, have) as file:
            write_note(note, {"etag": said.get("etag"), "last-modified": said.get("last-modified"), "size": total})
            size = _copy(response, file, have, total, limit, watch)
    if total is not None and size != total:
        raise OSError(f"expected {total:,} bytes, received {size:,}")
    return said


def _is_other(said: dict[str, str], have: int, before: dict[str, Any]) -> str:
    """Why an answer is not the rest of the file that had begun to come; "" if it is."""
    place = RANGE.fullmatch(said.get("content-range", ""))
    if place is None or int(place[1]) != have:
        return f"asked for what follows byte {have:,}, was sent {said.get('content-range', 'something else')}"
    found = {"etag": said.get("etag"), "last-modified": said.get("last-modified"), "size": None if place[3] == "*" else int(place[3])}
    # Only an ETag must be said again
    is_other = have and any(
        found[name] != before.get(name) for name in found if name == "etag" or None not in (found[name], before.get(name))
    )
    return "the file has changed meanwhile" if is_other else ""


def _total(said: dict[str, str], have: int, limit: int) -> int | None:
    """The size of the whole file; None where its end is told otherwise."""
    place = RANGE.fullmatch(said.get("content-range", "")) if have else None
    length, linked = said.get("content-length", ""), said.get("x-linked-size", "")
    total = have + int(length) if NUMBER.fullmatch(length) else int(linked) if NUMBER.fullmatch(linked) else None
    total = int(place[3]) if place and place[3] != "*" else total
    if total is None and said.get("transfer-encoding", "").lower() != "chunked":
        raise OSError("expected a length, was sent none, so that nobody could tell whether all has come")
    if total is not None and total > limit:
        raise ValueError(f"expected at most {limit:,} bytes, the sender announces {total:,}")
    return total


def _copy(response: http.client.HTTPResponse, file: IO[bytes], have: int, total: int | None, limit: int, watch: Watch) -> int:
    """Block by block, with progress at a terminal. Returns how many bytes there are now."""
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


def _received(url: str, part: Path, target: Path, said: dict[str, str]) -> Received:
    """Hold it to the digest that was announced, and give it its name."""
    actual = digest(part)
    announced = SHA256.fullmatch(said.get("x-linked-etag", said.get("etag", "")))
    if announced and announced[1] != actual:
        part.unlink()
        raise OSError(f"damaged on the way: expected SHA-256 {announced[1]}, found {actual}")
    revision = said.get("x-repo-commit", "")
    received = Received(url, part.stat().st_size, actual, bool(announced), revision if REVISION.fullmatch(revision) else None)
    part.replace(target)
    part.with_suffix(".etag").unlink(missing_ok=True)
    return received
