"""Zip of a Spark NLP model -> ({name: array}, vocabulary, metadata).

    [<folder>/]metadata/part-00000              one line of JSON: class, parameters
    [<folder>/]fields/vocabulary/part-0000N     token -> id, see java_objects
    [<folder>/]<annotator>_tensorflow           a zip inside: saved_model.pb, variables.index,
                                                variables.data-00000-of-00001

The variables of the inner zip are a tensor bundle, and are unpacked. The index comes first. Then
come the shards that it names, if they have the sizes that it states. Nothing else is written, and
no name in an archive becomes a path.

Bounds: both archives together unpack to what `zip_archive` allows for the outer one. Metadata have
at most MAX_METADATA_BYTES, and the vocabulary has at most MAX_VOCABULARY_BYTES. As Python objects,
they take up to fifty times as much memory.

Sources: Feature.scala, ParamsAndFeaturesWritable.scala, TensorflowWrapper.scala and
ZipArchiveUtil.scala of Spark NLP.
"""

import json
import os
import re
import zipfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..files.access import check_inside, listed, read_bytes
from .java_objects import parse_sequence_file
from .sstable import MAX_TABLE_BYTES
from .tensor_bundle import load_tensor_bundle, shard_sizes
from .zip_archive import (
    MAX_MEMBERS,
    Members,
    budget_of,
    check_members,
    check_size,
    extract_member,
    open_archive,
    read_member,
)

MAX_VOCABULARY_BYTES = 1 << 24  # a BERT in 100 languages has 14 MB
MAX_METADATA_BYTES = 1 << 20


def load_spark_zip(path: Path, work: Path) -> tuple[dict[str, npt.NDArray[Any]], list[str], dict[str, Any]]:
    """Read-only arrays by the names of the graph's variables, tokens by id, and the metadata.

    Args:
        path: a zip, or the folder that it unpacks to, in which Spark NLP keeps its models.
        work: an empty folder. The arrays are mapped over `variables.*` there, so it must exist as
            long as they are used. After an error, what was unpacked stays there too.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    if not work.is_dir():
        raise FileNotFoundError(f"{work}: no such folder")
    inner = work / "inner.zip"
    if path.is_dir():
        graph, vocabulary, metadata = _parse_folder(path)
        inner_path = path / graph
        budget = budget_of(inner_path)
    else:
        budget = budget_of(path)
        with open_archive(path, str(path)) as archive:
            members, budget = check_members(archive, budget)
            graph, vocabulary, metadata = _parse_model(members, partial(read_member, archive, members))
            extract_member(archive, members[graph], inner)
        inner_path = inner
    where = f"{path}: {graph}"
    with open_archive(inner_path, where) as archive:
        members, _ = check_members(archive, budget)
        _extract_bundle(archive, members, work)
    inner.unlink(missing_ok=True)
    try:
        return load_tensor_bundle(work / "variables"), vocabulary, metadata
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{where}, unpacked: {error}") from None


def spark_files(path: Path) -> list[Path]:
    """The files that `load_spark_zip` reads.

    Raises ValueError for a link that leads out of the folder.
    """
    if not path.is_dir():
        return [path]
    names = [name for name in _names(path) if re.fullmatch(r"metadata/part-00000|fields/vocabulary/part-[0-9]+|[^/]*_tensorflow", name)]
    for name in names:
        check_inside(path, path / name)
    return sorted(path / name for name in names)


def _names(path: Path) -> list[str]:
    """The names of the files of an unpacked model, in the folders where a model has files."""
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


def _root(names: Collection[str]) -> str:
    """The folder that contains the model, with a slash; empty if there is none."""
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


def _extract_bundle(archive: zipfile.ZipFile, members: Members, work: Path) -> None:
    """Unpack `variables.*` of the inner zip to `variables.*` in the folder `work`.

    In the zip, they are at the root or in the only folder of variables.
    """
    found = [name for name in members if name == "variables.index" or name.endswith("/variables.index")]
    if len(found) != 1:
        raise ValueError(f"expected one variables.index, found {len(found)} in {listed(members)}")
    index = members[found[0]]
    check_size(index, MAX_TABLE_BYTES)
    extract_member(archive, index, work / "variables.index")
    for path, size in shard_sizes(work / "variables").items():
        name = found[0].removesuffix("variables.index") + path.name
        if name not in members:
            raise ValueError(f"expected {name:.200}, which the index names, found {listed(members)}")
        if members[name].file_size != size:
            raise ValueError(f"{name:.200}: expected {size} bytes, as the index says, found {members[name].file_size}")
        extract_member(archive, members[name], path)


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
    """The tokens of all partitions, by id."""
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
                raise ValueError(f"{name}: the token {token!r:.100} occurs twice, as {ids[token]} and {number}")
            ids[token] = number
    tokens = sorted(ids, key=ids.__getitem__)
    if not tokens or [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(f"{folder}: expected tokens with the ids from 0, each once, found {len(tokens)} tokens with others")
    return tokens
