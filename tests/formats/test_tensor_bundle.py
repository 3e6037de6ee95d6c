"""The reader of TensorFlow's checkpoints: what TensorFlow writes, and damaged files."""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.arrays import BFLOAT16, widen
from minibert.formats.sstable import read_table
from minibert.formats.tensor_bundle import OBJECT_GRAPH, bundle_files, load_tensor_bundle, shard_sizes
from tests.formats.bundle_writer import HEADER, PREFIXES, block, bundle, entry, graph, graph_entry, named, rows, string, table
from tests.make.tensorflow_files import tf2_name
from tests.support.damage import check_refusal, mutate, scratch
from tests.support.tensorflow_golden import GOLDEN, check


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(GOLDEN / "expected.npz") as file:
        return dict(file)


def test_a_checkpoint_of_google_research_bert(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "bert_model.ckpt")
    check(loaded, expected)
    assert {name: array.shape for name, array in loaded.items() if name not in expected} == {
        "bert/pooler/dense/kernel/adam_m": (8, 8),
        "bert/pooler/dense/kernel/adam_v": (8, 8),
        "cls/predictions/output_bias": (30,),
        "cls/predictions/transform/dense/kernel": (8, 8),
        "cls/seq_relationship/output_weights": (2, 8),
        "global_step": (),
    }
    assert loaded["bert/encoder/layer_0/attention/self/query/kernel"].shape == (8, 8)


def test_a_checkpoint_of_tensorflow_2(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "checkpoint" / "ckpt-1")
    names = {f"bert_encoder_v2/{tf2_name(name)}": array for name, array in expected.items()}
    check(loaded, names)
    bias = "bert_encoder_v2/pooler_transform/bias"
    assert loaded.keys() - names.keys() == {f"{bias}/Adam", f"{bias}/Adam_1", "beta1_power", "beta2_power", "save_counter"}
    assert loaded["bert_encoder_v2/transformer/layer_0/self_attention/query/kernel"].shape == (8, 2, 4)


def test_a_saved_model_as_tf_hub_has_them(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "saved_model" / "variables" / "variables")
    names = {tf2_name(name): array for name, array in expected.items()}
    check(loaded, names)
    assert loaded.keys() - names.keys() == {"Variable"}  # do_lower_case
    assert loaded["Variable"] == np.True_
    assert loaded["transformer/layer_0/self_attention/attention_output/kernel"].shape == (2, 4, 8)


def test_every_dtype() -> None:
    loaded = load_tensor_bundle(GOLDEN / "kinds")
    for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"):
        assert loaded[name].dtype == name
        np.testing.assert_array_equal(loaded[name], np.arange(6).reshape(2, 3).astype(name))
    assert loaded["bfloat16"].dtype == BFLOAT16
    np.testing.assert_array_equal(widen(loaded["bfloat16"]), [[0, 1, 2], [3, 4, 5]])
    assert loaded["scalar"] == np.float32(1.5)
    assert loaded["empty"].shape == (0, 3)
    assert "a" not in loaded  # strings


def test_several_shards(tmp_path: Path) -> None:
    loaded = load_tensor_bundle(GOLDEN / "shards")
    np.testing.assert_array_equal(loaded["0"], [0, 1, 2])
    np.testing.assert_array_equal(loaded["1"], [1, 2, 3])
    shutil.copy(GOLDEN / "shards.index", tmp_path)
    shutil.copy(GOLDEN / "shards.data-00000-of-00002", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No such file.*shards\.data-00001-of-00002"):
        load_tensor_bundle(tmp_path / "shards")
    with pytest.raises(FileNotFoundError, match=r"No such file.*other\.index"):
        load_tensor_bundle(tmp_path / "other")


def test_two_shards_in_one_file_are_refused(tmp_path: Path) -> None:
    """Otherwise a thousand links to a file of a gigabyte would make a terabyte."""
    shutil.copy(GOLDEN / "shards.index", tmp_path)
    shutil.copy(GOLDEN / "shards.data-00000-of-00002", tmp_path)
    (tmp_path / "shards.data-00001-of-00002").hardlink_to(tmp_path / "shards.data-00000-of-00002")
    with pytest.raises(ValueError, match=r"shards\.data-00001-of-00002: expected a file for each shard, found a link to that of another"):
        load_tensor_bundle(tmp_path / "shards")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["shards.index", "shards.data-00000-of-00002"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str) -> None:
    for path in GOLDEN.glob("shards.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: expected a regular file, found a FIFO"):
        load_tensor_bundle(tmp_path / "shards")


def test_an_index_names_shards_and_sizes() -> None:
    assert shard_sizes(GOLDEN / "shards") == {path: path.stat().st_size for path in sorted(GOLDEN.glob("shards.data-*"))}
    assert bundle_files(GOLDEN / "shards") == [GOLDEN / "shards.index", *sorted(GOLDEN.glob("shards.data-*"))]


def test_a_partitioned_variable_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sliced.index: .*a partitioned variable, stored in slices"):
        load_tensor_bundle(GOLDEN / "sliced")


def test_the_writer_can_write_right_files(tmp_path: Path) -> None:
    data = np.arange(4, dtype="<f4").tobytes()
    blocks = [
        block([(0, b"", HEADER), (0, b"ab", entry())]),
        block([(0, b"abc", entry(offset=8)), (3, b"d", entry(offset=16, size=0, shape=(0,)))]),
    ]
    bundle(table(blocks, [b"ab", b"b"]), data)(tmp_path / "x")
    loaded = load_tensor_bundle(tmp_path / "x")
    assert {name: array.tolist() for name, array in loaded.items()} == {"ab": [0, 1], "abc": [2, 3], "abcd": []}
    assert [key for key, _ in read_table(tmp_path / "x.index")] == [b"", b"ab", b"abc", b"abcd"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("key", "name")], ["name"]),
        ([("key", "")], ["key"]),
        ([("other", "name")], ["key"]),
        ([("key", "key")], ["key"]),
        ([("key", "name"), ("elsewhere", "name")], ["name"]),
        ([("key", OBJECT_GRAPH)], ["key"]),  # the name of another tensor
        ([("key", "name"), ("key", "name")], ["name"]),
    ],
)
def test_unambiguous_names_of_variables_are_used(tmp_path: Path, names: list[tuple[str, str]], expected: list[str]) -> None:
    graph(string(named(*names)))(tmp_path / "x")
    assert list(load_tensor_bundle(tmp_path / "x")) == expected


def test_a_name_of_two_tensors_is_not_used(tmp_path: Path) -> None:
    stored = string(named(("key", "Variable"), ("key2", "Variable"), ("key3", "c")))
    index = rows(_CHECKPOINTABLE_OBJECT_GRAPH=graph_entry(stored, 24), key=entry(), key2=entry(offset=8), key3=entry(offset=16))
    bundle(index, bytes(24) + stored)(tmp_path / "x")
    assert list(load_tensor_bundle(tmp_path / "x")) == ["key", "key2", "c"]


def test_an_index_with_one_byte_changed_or_cut_is_refused(tmp_path: Path) -> None:
    """No file with one byte changed, and no file that is cut off, is read."""
    whole = (GOLDEN / "shards.index").read_bytes()
    path = tmp_path / "x.index"
    for place in range(len(whole)):
        for changed in (whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :], whole[:place]):
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=r"x\.index: "):
                read_table(path)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_data_that_is_cut_off_is_refused(tmp_path: Path, prefix: str) -> None:
    source = GOLDEN / prefix
    for path in source.parent.glob(f"{source.name}.*"):
        shutil.copy(path, tmp_path)
    data = max(tmp_path.glob("*.data-*"))
    whole = data.read_bytes()
    for size in {0, 1, len(whole) - 1, *range(0, len(whole), max(1, len(whole) // 50))}:
        data.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="the file is cut off"):
            load_tensor_bundle(tmp_path / source.name)


@pytest.mark.parametrize("prefix", ["bert_model.ckpt", "kinds", "shards"])
def test_checksums_of_tensors_are_verified_on_request(tmp_path: Path, prefix: str) -> None:
    assert load_tensor_bundle(GOLDEN / prefix, verify=True).keys() == load_tensor_bundle(GOLDEN / prefix).keys()
    source = GOLDEN / prefix
    for path in source.parent.glob(f"{source.name}.*"):
        shutil.copy(path, tmp_path)
    data = min(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:-1] + b"\x55")
    load_tensor_bundle(tmp_path / source.name)
    with pytest.raises(ValueError, match=r"is damaged: expected checksum 0x\w{8}, found 0x\w{8}"):
        load_tensor_bundle(tmp_path / source.name, verify=True)


def mutant_bundle(source: random.Random, folder: Path) -> Path:
    """A bundle with one fault: in its data, in its index, or in a block with a right checksum."""
    prefix = GOLDEN / source.choice(PREFIXES)
    data = max(prefix.parent.glob(f"{prefix.name}.data-*"))
    level = source.randrange(4)
    index = prefix.with_name(f"{prefix.name}.index").read_bytes()
    if level == 0:
        index = mutate(source, index)
    elif level < 3:
        pairs = read_table(prefix.with_name(f"{prefix.name}.index"))
        plain = block([(0, key, value) for key, value in pairs])
        if level == 1:
            plain = mutate(source, plain)
        else:
            place = source.randrange(len(pairs))
            pairs[place] = (pairs[place][0], mutate(source, pairs[place][1]))
            plain = block([(0, key, value) for key, value in pairs])
        index = table([plain], [b"\xff"])
    (folder / "x.index").write_bytes(index)
    for old in folder.glob("x.data-*"):
        old.unlink()
    for path in prefix.parent.glob(f"{prefix.name}.data-*"):
        stored = path.read_bytes()
        (folder / f"x{path.name.removeprefix(prefix.name)}").write_bytes(mutate(source, stored) if level == 3 and path == data else stored)
    return folder / "x"


def accepts_bundle(prefix: Path) -> bool:
    """Whether arrays were read, whose bytes must exist. A refusal must name the file."""
    try:
        loaded = load_tensor_bundle(prefix)
    except (ValueError, FileNotFoundError) as error:
        return check_refusal(prefix, error)
    for array in loaded.values():
        array.tobytes()
    return True


def test_mutants_are_read_or_refused() -> None:
    source = random.Random(0)
    with scratch() as folder:
        accepted = sum(accepts_bundle(mutant_bundle(source, Path(folder))) for _ in range(2000))
    assert 0 < accepted < 1500
