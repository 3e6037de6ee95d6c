"""Zip of a Spark NLP model -> ({name: array}, vocabulary, metadata).

    [<folder>/]metadata/part-00000              one line of JSON: class, parameters
    [<folder>/]fields/vocabulary/part-0000N     token -> id, see java_objects
    [<folder>/]<annotator>_tensorflow           a zip of its own: saved_model.pb, variables.index, variables.data-00000-of-00001

Of the inner zip, the variables are unpacked, a tensor bundle: first the index, then the shards that it speaks of, if they have the sizes
that it says. Nothing else is written anywhere, and no name in an archive becomes a path.

Bounds: both archives together unpack to at most MAX_RATIO times the bytes of the outer one, and FREE_BYTES more. This limits the disk that
is taken and the time. A directory has at most MAX_DIRECTORY_BYTES, metadata MAX_METADATA_BYTES, the vocabulary MAX_VOCABULARY_BYTES; as
Python objects, they take up to fifty times as much memory. All else is read in pieces of CHUNK_BYTES.

Sources: Feature.scala, ParamsAndFeaturesWritable.scala, TensorflowWrapper.scala and ZipArchiveUtil.scala of Spark NLP.
"""

import errno
import io
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt

from ..files import check_inside, listed, open_regular, read_bytes
from .java_objects import parse_sequence_file
from .sstable import MAX_TABLE_BYTES
from .tensor_bundle import load_tensor_bundle, shard_sizes

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 1 << 21
MAX_RATIO = 20  # weights hardly get smaller; zeros do, a thousandfold
FREE_BYTES = 1 << 20  # on top, for small models in tests
MAX_VOCABULARY_BYTES = 1 << 24  # that of a BERT in 100 languages has 14 MB
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
        budget = _budget(inner_path)
    else:
        budget = _budget(path)
        with _archive(path, str(path)) as archive:
            members, budget = _check_members(archive, budget)
            graph, vocabulary, metadata = _parse_model(members, partial(_read, archive, members))
            _extract(archive, members[graph], inner)
        inner_path = inner
    where = f"{path}: {graph}"
    with _archive(inner_path, where) as archive:
        members, _ = _check_members(archive, budget)
        _extract_bundle(archive, members, work)
    inner.unlink(missing_ok=True)
    try:
        return load_tensor_bundle(work / "variables"), vocabulary, metadata
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{where}, unpacked: {error}") from None


def spark_files(path: Path) -> list[Path]:
    """The files that `load_spark_zip` reads. Raises ValueError if one of them is a link that leads out of the folder."""
    if not path.is_dir():
        return [path]
    names = [name for name in _names(path) if re.fullmatch(r"metadata/part-00000|fields/vocabulary/part-[0-9]+|[^/]*_tensorflow", name)]
    for name in names:
        check_inside(path, path / name)
    return sorted(path / name for name in names)


def _budget(path: Path) -> int:
    """How many bytes a file may unpack to."""
    return FREE_BYTES + MAX_RATIO * (path.stat().st_size if path.exists() else 0)


def _names(path: Path) -> list[str]:
    """Names of the files of an unpacked model, where it has them."""
    names = []
    for folder in ("", "metadata/", "fields/vocabulary/"):
        if not (path / folder).is_dir():
            continue
        with os.scandir(path / folder) as entries:
            names += [folder + entry.name for entry, _ in zip(entries, range(MAX_MEMBERS), strict=False) if entry.name[0] != "."]
    return [name for name in names if (path / name).is_file()]


def _parse_folder(path: Path) -> tuple[str, list[str], dict[str, Any]]:
    try:
        return _parse_model(_names(path), lambda name, limit: read_bytes(path / name, limit))
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _parse_model(names: Collection[str], read: Callable[[str, int], bytes]) -> tuple[str, list[str], dict[str, Any]]:
    """The name of the graph's zip, the vocabulary, and the metadata."""
    root = _root(names)
    metadata = _parse_metadata(f"{root}metadata/part-00000", read)
    return _graph(names, root), _vocabulary(names, read, f"{root}fields/vocabulary/"), metadata


class _Archive(io.BufferedReader):
    """A file that is read in pieces only: zipfile reads the whole directory of an archive at once, and makes an object of each entry."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY_BYTES + 1))
        if len(content) > MAX_DIRECTORY_BYTES:
            raise ValueError(f"expected a directory of at most {MAX_DIRECTORY_BYTES} bytes, found more")
        return content


@contextmanager
def _archive(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """An open archive. Errors begin with `where`."""
    try:
        with _Archive(open_regular(path).detach()) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(f"{where}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the disk that is read or written; EINVAL is a seek to where a damaged archive points
        raise ValueError(f"{where}: expected a zip archive, found a damaged one, or something else: {error}") from None


def _check_members(archive: zipfile.ZipFile, budget: int) -> tuple[Members, int]:
    """The files in an archive by name, after all that can be checked without reading them, and what they leave of the budget."""
    infos, size = archive.infolist(), os.fstat(archive.fp.fileno()).st_size  # type: ignore[union-attr]
    if len(infos) > MAX_MEMBERS:
        raise ValueError(f"expected at most {MAX_MEMBERS} members, found {len(infos)}")
    members = {}
    for info in infos:
        _check_member(info)
        if info.orig_filename in members:
            raise ValueError(f"{info.orig_filename:.200}: there twice")
        members[info.orig_filename] = info
    packed, unpacked = (sum(getattr(info, name) for info in infos) for name in ("compress_size", "file_size"))
    if packed > size:
        raise ValueError(f"expected members of at most {size} bytes, as the archive has, found {packed}; they overlap, or it is cut off")
    if unpacked > budget:
        raise ValueError(f"expected members that unpack to at most {budget} bytes, {MAX_RATIO} times the archive, found {unpacked}")
    return {name: info for name, info in members.items() if not name.endswith("/")}, budget - unpacked


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\:\x00-\x1f]", name):
        raise ValueError(f"expected names of files within the archive, found {name!r:.200}")
    if info.flag_bits & 0x41:
        raise ValueError(f"{name:.200}: encrypted")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{name:.200}: expected a file, found {'a symbolic link' if kind == stat.S_IFLNK else f'mode {kind:o}'}")
    if info.compress_type not in METHODS:
        raise ValueError(f"{name:.200}: expected it stored (0) or deflated (8), found method {info.compress_type}")


def _root(names: Collection[str]) -> str:
    """Nothing, or the folder that all is in, with a slash."""
    found = [name.removesuffix("metadata/part-00000") for name in names if re.fullmatch(r"([^/]+/)?metadata/part-00000", name)]
    if len(found) != 1:
        raise ValueError(f"expected a model of Spark, with one metadata/part-00000, found {len(found)} in {listed(names)}")
    return found[0]


def _graph(names: Collection[str], root: str) -> str:
    beside = [name.removeprefix(root) for name in names if name.startswith(root) and "/" not in name.removeprefix(root)]
    found = [name for name in beside if name.endswith("_tensorflow")]
    if len(found) != 1:
        raise ValueError(f"expected one file <annotator>_tensorflow, found {listed(beside)}")
    return root + found[0]


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """What is in a member, if it is as much as the directory says; zipfile gives no more than that."""
    size = 0
    with archive.open(info) as member:
        while chunk := member.read(CHUNK_BYTES):
            size += len(chunk)
            yield chunk
    if size != info.file_size:
        raise ValueError(f"{info.filename:.200}: expected {info.file_size} bytes, as the directory says, found {size}")


def _check_size(info: zipfile.ZipInfo, limit: int) -> None:
    if info.file_size > limit:
        raise ValueError(f"{info.filename:.200}: expected at most {limit} bytes, found {info.file_size}")


def _read(archive: zipfile.ZipFile, members: Members, name: str, limit: int) -> bytes:
    _check_size(members[name], limit)
    return b"".join(_chunks(archive, members[name]))


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    if os.path.lexists(target):
        raise ValueError(f"{target}: expected an empty folder to work in, found this file")
    file: BinaryIO
    with target.open("xb") as file:
        for chunk in _chunks(archive, info):
            file.write(chunk)


def _extract_bundle(archive: zipfile.ZipFile, members: Members, work: Path) -> None:
    """`variables.*` of the inner zip, at its root or in its only folder of variables, as `variables.*` in the folder to work in."""
    found = [name for name in members if name == "variables.index" or name.endswith("/variables.index")]
    if len(found) != 1:
        raise ValueError(f"expected one variables.index, found {len(found)} in {listed(members)}")
    index = members[found[0]]
    _check_size(index, MAX_TABLE_BYTES)
    _extract(archive, index, work / "variables.index")
    for path, size in shard_sizes(work / "variables").items():
        name = found[0].removesuffix("variables.index") + path.name
        if name not in members:
            raise ValueError(f"expected {name:.200}, of which the index speaks, found {listed(members)}")
        if members[name].file_size != size:
            raise ValueError(f"{name:.200}: expected {size} bytes, as the index says, found {members[name].file_size}")
        _extract(archive, members[name], path)


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
