"""The reader of Spark NLP's models: what Spark and TensorFlow write, and damaged archives."""

import errno
import json
import os
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minibert.formats import spark_zip
from minibert.formats.spark_zip import load_spark_zip, spark_files
from minibert.formats.zip_archive import MAX_DIRECTORY_BYTES
from tests.formats.spark_writer import (
    GRAPH,
    INNER,
    METADATA,
    OUTER,
    PART,
    PATH,
    zipped,
)
from tests.make.spark_files import PREFIX, VOCABULARY
from tests.support.damage import check_refusal, mutate, scratch
from tests.support.tensorflow_golden import GOLDEN as TENSORFLOW
from tests.support.tensorflow_golden import check


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_model_that_spark_wrote(work: Path) -> None:
    arrays, vocabulary, metadata = load_spark_zip(PATH, work)
    with np.load(TENSORFLOW / "expected.npz") as file:
        expected = {PREFIX + name: array for name, array in file.items()}
    check(arrays, expected)
    assert arrays.keys() == expected.keys()
    assert vocabulary == VOCABULARY
    assert metadata["class"] == "com.johnsnowlabs.nlp.embeddings.BertSentenceEmbeddings"
    assert metadata["paramMap"]["maxSentenceLength"] == 128
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


@pytest.mark.parametrize("folder", ["", "sent_small_bert_L1_8_en_2.6.0_2.4/"])
@pytest.mark.parametrize("inner_folder", ["", "variables/", "saved/variables/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_archives_may_contain_folders(tmp_path: Path, work: Path, folder: str, inner_folder: str, method: int) -> None:
    inner = zipped({inner_folder + name: content for name, content in INNER.items()}, method)
    folders = {folder: b"", f"{folder}fields/": b""} if folder else {}
    outer = folders | {folder + name: content for name, content in (OUTER | {GRAPH: inner}).items()}
    (tmp_path / "x.zip").write_bytes(zipped(outer, method))
    arrays, vocabulary, _ = load_spark_zip(tmp_path / "x.zip", work)
    assert len(arrays) == 23
    assert vocabulary == VOCABULARY


def test_a_full_disk_is_not_a_damaged_archive(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spark_zip, "extract_member", full)
    with pytest.raises(OSError, match="No space left"):
        load_spark_zip(PATH, work)


@pytest.fixture
def unzipped(tmp_path: Path) -> Path:
    """The folder that Spark NLP keeps in its cache."""
    with zipfile.ZipFile(PATH) as archive:
        archive.extractall(tmp_path / "model")
    return tmp_path / "model"


def test_an_unpacked_model_is_read(unzipped: Path, work: Path) -> None:
    arrays, vocabulary, metadata = load_spark_zip(unzipped, work)
    assert len(arrays) == 23
    assert vocabulary == VOCABULARY
    assert metadata["paramMap"]["dimension"] == 8
    assert (unzipped / GRAPH).exists()
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (METADATA, None, "expected a model of Spark, with one metadata/part-00000, found 0"),
        (METADATA, bytes(1 << 21), "metadata/part-00000: expected at most 1,048,576 bytes, found more"),
        (PART, None, "expected tokens with the ids from 0"),
        (PART, b"PAR1", "fields/vocabulary/part-00000: .* expected a Hadoop SequenceFile"),
        (GRAPH, None, "expected one file <annotator>_tensorflow, found nothing"),
        (GRAPH, b"", "bert_sentence_tensorflow: expected a zip archive"),
    ],
)
def test_hostile_folders_are_refused(unzipped: Path, work: Path, name: str, content: bytes | None, message: str) -> None:
    (unzipped / name).unlink()
    if content is not None:
        (unzipped / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_spark_zip(unzipped, work)
    assert str(error.value).startswith(str(unzipped))


def test_two_archives_have_one_bound(tmp_path: Path, work: Path) -> None:
    """Zeros shrink twice: an outer archive of some kilobytes would unpack to 60 MB."""
    graph = zipped(INNER | {"saved_model.pb": bytes(60_000_000)}, zipfile.ZIP_DEFLATED)
    (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: graph}, zipfile.ZIP_DEFLATED))
    with pytest.raises(
        ValueError, match=r"tensorflow: expected members that unpack to at most \d{7} bytes, 20 times the archive, found 60\d{6}"
    ):
        load_spark_zip(tmp_path / "x.zip", work)
    assert [path.name for path in work.iterdir()] == ["inner.zip"]


def test_the_index_is_read_before_the_data_are_unpacked(tmp_path: Path, work: Path) -> None:
    data = b"".join(random.Random(number).randbytes(16) * 16 for number in range(20_000))  # 5 MB that shrink to a 12th
    for index, message in ((bytes(100), "expected a sorted string table"), (INNER["variables.index"], "as the index says, found 5120000")):
        graph = zipped({"variables.index": index, "variables.data-00000-of-00001": data}, zipfile.ZIP_DEFLATED)
        (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: graph}, zipfile.ZIP_DEFLATED))
        with pytest.raises(ValueError, match=message):
            load_spark_zip(tmp_path / "x.zip", work)
        assert sorted(path.name for path in work.iterdir()) == ["inner.zip", "variables.index"]
        for path in work.iterdir():
            path.unlink()


def test_shards_that_the_index_does_not_name_stay_packed(tmp_path: Path, work: Path) -> None:
    more = {"variables.data-00001-of-00002": bytes(1000), "variables.data-00000-of-00001x": bytes(1000)}
    (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: zipped(INNER | more)}))
    load_spark_zip(tmp_path / "x.zip", work)
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


def test_a_directory_of_a_million_entries_is_refused_before_it_is_parsed(tmp_path: Path, work: Path) -> None:
    data = zipped(OUTER)
    begin, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    directory = data[begin:end] * (MAX_DIRECTORY_BYTES // (end - begin) + 1)
    count = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), begin, 0)
    (tmp_path / "x.zip").write_bytes(data[:begin] + directory + count)
    tracemalloc.start()
    with pytest.raises(ValueError, match="expected a directory of at most 2097152 bytes"):
        load_spark_zip(tmp_path / "x.zip", work)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_DIRECTORY_BYTES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", [METADATA, PART, GRAPH])
def test_only_regular_files_of_a_folder_are_opened(unzipped: Path, work: Path, name: str) -> None:
    (unzipped / name).unlink()
    os.mkfifo(unzipped / name)
    with pytest.raises(ValueError, match="expected"):
        load_spark_zip(unzipped, work)
    assert unzipped / name not in spark_files(unzipped)


def test_links_in_a_folder_are_not_followed_outside(unzipped: Path, tmp_path: Path) -> None:
    before = spark_files(unzipped)
    assert [path.relative_to(unzipped).as_posix() for path in before] == sorted([GRAPH, PART, PART[:-1] + "1", METADATA])
    (unzipped / "loop").symlink_to(".")
    (unzipped / "fields" / "root").symlink_to("/")
    assert spark_files(unzipped) == before
    (unzipped / METADATA).rename(tmp_path / "outside")
    (unzipped / METADATA).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="metadata/part-00000: is a link to a file outside the folder"):
        spark_files(unzipped)


def test_the_working_folder_must_exist_and_be_empty(tmp_path: Path, work: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere: no such folder"):
        load_spark_zip(PATH, tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"y\.zip: no such file"):
        load_spark_zip(tmp_path / "y.zip", work)
    for name in ("variables.index", "inner.zip"):
        (work / name).write_bytes(b"mine")
        with pytest.raises(ValueError, match="expected an empty folder to work in, found this file"):
            load_spark_zip(PATH, work)
        assert (work / name).read_bytes() == b"mine"
        for path in work.iterdir():
            path.unlink()


def test_archives_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    whole = PATH.read_bytes()
    for size in {0, 1, len(whole) - 1, *range(0, len(whole), len(whole) // 60)}:
        (tmp_path / "x.zip").write_bytes(whole[:size])
        with scratch() as work, pytest.raises(ValueError, match=r"x\.zip: expected a zip archive"):
            load_spark_zip(tmp_path / "x.zip", Path(work))


# Mutants


def mutant_zip(source: random.Random, folder: Path) -> Path:
    """An archive with one fault: in itself, a file, the inner archive, or a file of that."""
    files, variables = dict(OUTER), dict(INNER)
    variables["saved_model.pb"], level = b"a graph", source.randrange(5)
    if level < 2:
        name = source.choice([METADATA, PART, "fields/vocabulary/part-00001"])
        files[name] = mutate(source, files[name])
    elif level == 2:
        name = source.choice(["variables.index", "variables.data-00000-of-00001"])
        variables[name] = mutate(source, variables[name])
    files[GRAPH] = mutate(source, zipped(variables)) if level == 3 else zipped(variables)
    data = zipped(files, source.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    if level == 4:
        data = source.choice([data, PATH.read_bytes()])
        start = source.choice((0, data.rindex(b"PK\1\2", 0, -200), data.rindex(b"PK\1\2")))  # most often the directory
        data = data[:start] + mutate(source, data[start:])
    path = folder / "x.zip"
    path.write_bytes(data)
    return path


def accepts_zip(path: Path) -> bool:
    """Whether a model was read. A refusal must name the file."""
    with scratch() as work:
        try:
            arrays, vocabulary, metadata = load_spark_zip(path, Path(work))
        except (ValueError, FileNotFoundError) as error:
            return check_refusal(path, error)
        for array in arrays.values():
            array.tobytes()
        return bool(vocabulary) and json.dumps(metadata) != ""


def test_mutants_are_read_or_refused() -> None:
    source = random.Random(0)
    with scratch() as folder:
        accepted = sum(accepts_zip(mutant_zip(source, Path(folder))) for _ in range(2000))
    assert 0 < accepted < 1800
