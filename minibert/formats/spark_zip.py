"""Zip of a Spark NLP model -> ({name: array}, vocabulary, metadata).

    [<folder>/]metadata/part-00000              one line of JSON: class, parameters
    [<folder>/]fields/vocabulary/part-0000N     token -> id, see java_objects
    [<folder>/]<annotator>_tensorflow           a zip of its own: saved_model.pb, variables.index, variables.data-00000-of-00001

Of the inner zip, the variables are unpacked, a tensor bundle. Nothing else is written anywhere, and no name in an archive becomes a path.

Sources: Feature.scala, ParamsAndFeaturesWritable.scala, TensorflowWrapper.scala and ZipArchiveUtil.scala of Spark NLP.
"""

import errno
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt

from .java_objects import parse_sequence_file
from .sstable import MAX_TABLE_BYTES
from .tensor_bundle import load_tensor_bundle

MAX_MEMBERS = 10_000
MAX_RATIO = 100  # weights hardly get smaller; zeros do, a thousandfold
FREE_BYTES = 1 << 20  # on top, for small models in tests
MAX_DATA_BYTES = 1 << 33
MAX_VOCABULARY_BYTES = 1 << 26
MAX_METADATA_BYTES = 1 << 20
CHUNK_BYTES = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the standard library raises for damaged archives. It knows RuntimeError for encrypted ones, which are refused before
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError, OSError)

Members = dict[str, zipfile.ZipInfo]


def load_spark_zip(path: Path, work: Path) -> tuple[dict[str, npt.NDArray[Any]], list[str], dict[str, Any]]:
    """Read-only arrays by the names of the graph's variables, tokens by their ids, and the metadata of the pipeline stage.

    The path is that of a zip, or of the folder that it unpacks to, in which Spark NLP keeps its models. The arrays are mapped over
    `variables.*` in the folder `work`, which must be there and empty, and stay while they are used. What was unpacked when an error is
    found is left there too.
    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    if not work.is_dir():
        raise FileNotFoundError(f"{work}: no such folder")
    inner = work / "inner.zip"
    if path.is_dir():
        graph, vocabulary, metadata = _parse_folder(path)
        inner_path = path / graph
    else:
        with _archive(path, str(path)) as (archive, members):
            graph, vocabulary, metadata = _parse_model(members, partial(_read, archive, members))
            _extract(archive, members[graph], inner, MAX_DATA_BYTES)
        inner_path = inner
    where = f"{path}: {graph}"
    with _archive(inner_path, where) as (archive, members):
        _extract_bundle(archive, members, work)
    inner.unlink(missing_ok=True)
    try:
        return load_tensor_bundle(work / "variables"), vocabulary, metadata
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{where}, unpacked: {error}") from None


def _parse_folder(path: Path) -> tuple[str, list[str], dict[str, Any]]:
    def read(name: str, limit: int) -> bytes:
        with (path / name).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"{name}: expected at most {limit} bytes, found more")
        return content

    names = [file.relative_to(path).as_posix() for pattern in ("*", "metadata/*", "fields/vocabulary/*") for file in path.glob(pattern)]
    try:
        return _parse_model([name for name in names if (path / name).is_file()], read)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _parse_model(names: Collection[str], read: Callable[[str, int], bytes]) -> tuple[str, list[str], dict[str, Any]]:
    """The name of the graph's zip, the vocabulary, and the metadata."""
    root = _root(names)
    metadata = _parse_metadata(f"{root}metadata/part-00000", read)
    return _graph(names, root), _vocabulary(names, read, f"{root}fields/vocabulary/"), metadata


@contextmanager
def _archive(path: Path, where: str) -> Iterator[tuple[zipfile.ZipFile, Members]]:
    """An open archive and its files by name, after all that can be checked without reading them. Errors begin with `where`."""
    if not path.is_file():
        raise FileNotFoundError(f"{where}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive, _check_members(archive.infolist(), path.stat().st_size)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the disk that is read or written; EINVAL is a seek to where a damaged archive points
        raise ValueError(f"{where}: expected a zip archive, found a damaged one, or something else: {error}") from None


def _check_members(infos: list[zipfile.ZipInfo], size: int) -> Members:
    if len(infos) > MAX_MEMBERS:
        raise ValueError(f"expected at most {MAX_MEMBERS} members, found {len(infos)}")
    members = {}
    for info in infos:
        _check_member(info)
        if info.orig_filename in members:
            raise ValueError(f"{info.orig_filename}: there twice")
        members[info.orig_filename] = info
    packed, unpacked = (sum(getattr(info, name) for info in infos) for name in ("compress_size", "file_size"))
    if packed > size:
        raise ValueError(f"expected members of at most {size} bytes, as the archive has, found {packed}; they overlap, or it is cut off")
    if unpacked > FREE_BYTES + MAX_RATIO * packed:
        raise ValueError(f"expected members that unpack to {MAX_RATIO} times their size at most, found {unpacked} bytes of {packed}")
    return {name: info for name, info in members.items() if not name.endswith("/")}


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\:\x00-\x1f]", name):
        raise ValueError(f"expected names of files within the archive, found {name!r:.200}")
    if info.flag_bits & 0x41:
        raise ValueError(f"{name}: encrypted")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{name}: expected a file, found {'a symbolic link' if kind == stat.S_IFLNK else f'mode {kind:o}'}")
    if info.compress_type not in METHODS:
        raise ValueError(f"{name}: expected it stored (0) or deflated (8), found method {info.compress_type}")


def _listed(names: Iterable[str]) -> str:
    return f"{', '.join(sorted(names)) or 'nothing':.200}"


def _root(names: Collection[str]) -> str:
    """Nothing, or the folder that all is in, with a slash."""
    found = [name.removesuffix("metadata/part-00000") for name in names if re.fullmatch(r"([^/]+/)?metadata/part-00000", name)]
    if len(found) != 1:
        raise ValueError(f"expected a model of Spark, with one metadata/part-00000, found {len(found)} in {_listed(names)}")
    return found[0]


def _graph(names: Collection[str], root: str) -> str:
    beside = [name.removeprefix(root) for name in names if name.startswith(root) and "/" not in name.removeprefix(root)]
    found = [name for name in beside if name.endswith("_tensorflow")]
    if len(found) != 1:
        raise ValueError(f"expected one file <annotator>_tensorflow, found {_listed(beside)}")
    return root + found[0]


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Iterator[bytes]:
    """What is in a member, if it is as much as the directory says (zipfile gives no more than that) and no more than allowed."""
    if info.file_size > limit:
        raise ValueError(f"{info.filename}: expected at most {limit} bytes, found {info.file_size}")
    size = 0
    with archive.open(info) as member:
        while chunk := member.read(CHUNK_BYTES):
            size += len(chunk)
            yield chunk
    if size != info.file_size:
        raise ValueError(f"{info.filename}: expected {info.file_size} bytes, as the directory says, found {size}")


def _read(archive: zipfile.ZipFile, members: Members, name: str, limit: int) -> bytes:
    return b"".join(_chunks(archive, members[name], limit))


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, limit: int) -> None:
    if target.exists():
        raise ValueError(f"{target}: expected an empty folder to work in, found this file")
    file: BinaryIO
    with target.open("xb") as file:
        for chunk in _chunks(archive, info, limit):
            file.write(chunk)


def _extract_bundle(archive: zipfile.ZipFile, members: Members, work: Path) -> None:
    """`variables.*` of the inner zip, at its root or in its only folder of variables, as `variables.*` in the folder to work in."""
    found = [name for name in members if name == "variables.index" or name.endswith("/variables.index")]
    if len(found) != 1:
        raise ValueError(f"expected one variables.index, found {len(found)} in {_listed(members)}")
    prefix = found[0].removesuffix("index")
    _extract(archive, members[found[0]], work / "variables.index", MAX_TABLE_BYTES)
    budget = MAX_DATA_BYTES
    for name, info in members.items():
        ending = name.removeprefix(prefix)
        if name.startswith(prefix) and re.fullmatch(r"data-[0-9]{5}-of-[0-9]{5}", ending):
            _extract(archive, info, work / f"variables.{ending}", budget)
            budget -= info.file_size


def _parse_metadata(name: str, read: Callable[[str, int], bytes]) -> dict[str, Any]:
    try:
        content = read(name, MAX_METADATA_BYTES).decode("utf-8")
        metadata = json.loads(content)
    except RecursionError:
        raise ValueError(f"{name}: JSON that is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name}: expected a line of JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise ValueError(f"{name}: expected a JSON object, found {type(metadata).__name__}")
    return metadata


def _vocabulary(names: Collection[str], read: Callable[[str, int], bytes], folder: str) -> list[str]:
    """Tokens by id, of all partitions."""
    ids: dict[str, int] = {}
    budget = MAX_VOCABULARY_BYTES
    for name in sorted(names):
        if not name.startswith(folder) or not re.fullmatch(r"part-[0-9]+", name.removeprefix(folder)):
            continue
        content = read(name, budget)
        budget -= len(content)
        try:
            pairs = parse_sequence_file(content)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        for token, number in pairs:
            if token in ids:
                raise ValueError(f"{name}: the token {token!r:.100} is there twice, as {ids[token]} and {number}")
            ids[token] = number
    tokens = sorted(ids, key=ids.__getitem__)
    if not tokens or [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(f"{folder}: expected tokens with the ids from 0, each once, found {len(tokens)} tokens with others")
    return tokens
