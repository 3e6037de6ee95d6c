"""Where `convert` finds an encoder: behind prefixes, in folders of sentence-transformers, in zips; and what it refuses by name."""

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.cli.main import main
from minibert.folders.layout import module_weights, read_modules
from minibert.folders.save import save_int8
from minibert.importers.checkpoint_kinds import Checkpoint
from minibert.importers.convert import convert, write_files
from tests.support.models import make_config, make_weights, write_model

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = make_config(2, 8, 2, max_position_embeddings=8)
TEXT = "I hate cancer"
Arrays = dict[str, np.ndarray]


def vector(folder: Path) -> np.ndarray:
    return minibert.load(folder, backend="numpy").encode(TEXT)


def rename(folder: Path, change: Callable[[str], str], **more: np.ndarray) -> Path:
    tensors = {change(name): array for name, array in make_weights(SMALL).items()}
    save_file(tensors | more, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "source", SMALL)


@pytest.fixture
def expected(source: Path) -> np.ndarray:
    return vector(source)


# --- Names ---------------------------------------------------------------------------------------------------------------------------

# Who writes it: DataParallel, Lightning modules, both and a task model, torch.compile, sentence-transformers until 5 and since 6,
# classes around a BertModel, peft
PREFIXES = ["module.", "model.", "module.bert.", "_orig_mod.", "0.auto_model.", "0.model.", "bert_model.", "encoder.bert.", "bert.bert.",
            "encoder.", "mbert.", "base_model.model.bert.", "module._orig_mod.0.auto_model.", "text_model.bert._orig_mod."]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_convert_sees_through_a_prefix_and_load_names_it(prefix: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    rename(source, lambda name: prefix + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    for command in (minibert.load, lambda folder: save_int8(folder, tmp_path / "int8")):
        with pytest.raises(ValueError, match=f"found '{prefix}' before them; `minibert convert`"):
            command(source)
    assert convert(source, tmp_path / "model")["tensors_left_out"] == []
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


@pytest.mark.parametrize("wrapper", ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_an_encoder(wrapper: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    """`model.encoder = torch.compile(model.encoder)`, or each layer by itself."""
    rename(source, lambda name: name.replace("encoder.layer.1.", f"encoder.{wrapper}.layer.1.{wrapper}."))
    convert(source, tmp_path / "model")
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


def test_heads_stand_beside_the_last_bert_of_a_prefix(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    heads = {f"model.cls.seq_relationship.{name}": np.ones(shape, np.float32) for name, shape in (("weight", (2, 8)), ("bias", 2))}
    other = {"model.bert.embeddings.position_ids": np.arange(8)[np.newaxis], "model.linear.weight": np.ones(3), "loss.weight": np.ones(1)}
    rename(source, lambda name: f"model.bert.{name}", **heads, **other)
    record = convert(source, tmp_path / "model")
    assert sorted(record["tensors_left_out"]) == sorted(other)
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    assert {"cls.seq_relationship.weight", "cls.seq_relationship.bias", "bert.pooler.dense.weight"} <= tensors.keys()
    assert len(tensors) == len(make_weights(SMALL)) + 2
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


@pytest.mark.parametrize(
    ("one", "other"), [("query_model.", "passage_model."), ("bert.", "bert2.bert."), ("", "teacher."), ("encoder.", "decoder.bert.")]
)
def test_two_encoders_are_refused_by_their_prefixes(one: str, other: str, source: Path, tmp_path: Path) -> None:
    rename(source, lambda name: one + name, **{other + name: array + 1 for name, array in make_weights(SMALL).items()})
    first, second = sorted((one, other))
    with pytest.raises(ValueError, match=f"expected one encoder, found 2, whose names begin with '{first}', '{second}'"):
        convert(source, tmp_path / "model")


def test_names_of_other_parts_are_no_encoder(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    """Not every name that ends as an encoder's does stands for one."""
    words = np.ones((4, 4), np.float32)
    more = {
        "cls.predictions.embeddings.word_embeddings.weight": words,
        "decoder.embeddings.word_embeddings.weight": words,
        "x.encoder.layer.0.attention.q": words,
        "xbert.embeddings": words,
    }
    rename(source, lambda name: f"bert.{name}", **more)
    np.testing.assert_array_equal(vector(source), expected)
    assert sorted(convert(source, tmp_path / "model")["tensors_left_out"]) == sorted(more)
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


# transformers 5.24 takes the encoder out of each of these (tests/parity/test_convert_torch.py)
HEADS = {
    "linear.weight": (4, 4), "crf.transitions": (4, 4), "loss_fct.weight": (4,), "bert_proj.weight": (2, 2), "classifier.weight": (2, 8),
    "bn.num_batches_tracked": (), "lm_head.decoder.bias": (30522,), "bert.linear.weight": (3,), "teacher.encoder.layer.7.x": (3,),
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_tensors_beside_an_encoder_are_left_aside(prefix: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    more = {name: np.full(shape, 3.0, np.float64) for name, shape in HEADS.items()}
    more |= {"epochs": np.array(3), prefix + "embeddings.token_type_ids": np.ones((1, 8), np.int64)}
    rename(source, lambda name: prefix + name, **more)
    np.testing.assert_array_equal(vector(source), expected)
    assert sorted(convert(source, tmp_path / "model")["tensors_left_out"]) == sorted(more)
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


INSIDE = [
    "encoder.layer.2.output.dense.weight",
    "encoder.layer.0.attention.self.distance_embedding.weight",
    "encoder.layer.0.attention.self.query.lora_A.weight",
    "encoder.layer.0.crossattention.self.query.weight",
    "encoder.layer.0.output.adapters.x.down.weight",
    "encoder.bn.num_batches_tracked",
    "embeddings.projection.weight",
    "pooler.weight",
]


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("name", INSIDE)
def test_unknown_tensors_inside_an_encoder_are_refused(prefix: str, name: str, source: Path, tmp_path: Path) -> None:
    rename(source, lambda each: prefix + each, **{prefix + name: np.ones((2, 2), np.float32)})
    for command in (minibert.load, lambda folder: convert(folder, tmp_path / "model")):
        with pytest.raises(ValueError, match=f"unexpected: {name}"):
            command(source)


def test_adapters_that_were_not_merged(source: Path, tmp_path: Path) -> None:
    """The names of peft 0.18: `base_layer` for what was there, `lora_A` and `lora_B` for what was trained."""
    query = "encoder.layer.0.attention.self.query."
    lora = {f"base_model.model.bert.{query}lora_{each}.default.weight": np.ones((2, 8), np.float32) for each in "AB"}
    rename(source, lambda name: "base_model.model.bert." + name.replace(query, query + "base_layer."), **lora)
    with pytest.raises(ValueError, match=rf"missing: {query}bias(.|\n)*base_layer(.|\n)*merge them into the model"):
        convert(source, tmp_path / "model")


def test_a_pooler_without_the_prefix_is_taken_where_there_is_no_other(source: Path, tmp_path: Path) -> None:
    """As transformers takes it; two are refused."""
    pooler = {name: array for name, array in make_weights(SMALL).items() if name.startswith("pooler.")}
    rename(source, lambda name: name if name in pooler else f"bert.{name}")
    convert(source, tmp_path / "model")
    for folder in (source, tmp_path / "model"):
        assert minibert.load(folder, backend="numpy").num_parameters == sum(array.size for array in make_weights(SMALL).values())
    rename(source, lambda name: f"bert.{name}", **pooler)
    for command in (minibert.load, lambda folder: convert(folder, tmp_path / "new")):
        with pytest.raises(ValueError, match=r"two tensors for pooler\.dense\.(bias|weight)"):
            command(source)


def test_float64_is_narrowed(source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    tensors = {name: array.astype(np.float64) + 1e-12 for name, array in make_weights(SMALL).items()}
    tensors["pooler.dense.bias"][0] = 1e300
    save_file(tensors, source / "model.safetensors")
    convert(source, tmp_path / "model")
    converted = load_file(tmp_path / "model" / "model.safetensors")
    assert {array.dtype for array in converted.values()} == {np.dtype(np.float32)}
    assert np.isinf(converted["pooler.dense.bias"][0])
    for folder in (source, tmp_path / "model"):
        np.testing.assert_allclose(vector(folder), expected, atol=1e-6)
        with pytest.raises(ValueError, match=r"NaN or infinity in pooler\.dense\.bias"):
            minibert.load(folder, backend="numpy").encode(TEXT, pooling="pooler")


def test_dtypes_may_be_mixed(source: Path, tmp_path: Path) -> None:
    kinds = (np.float16, np.float32, np.float64)
    mixed = {name: array.astype(kinds[index % 3]) for index, (name, array) in enumerate(make_weights(SMALL).items())}
    save_file(mixed, source / "model.safetensors")
    convert(source, tmp_path / "model")
    one, other = vector(source), vector(tmp_path / "model")
    save_file({name: array.astype(np.float32) for name, array in mixed.items()}, source / "model.safetensors")
    for each in (one, other):
        np.testing.assert_array_equal(each, vector(source))


# --- Files and folders ---------------------------------------------------------------------------------------------------------------


def sentence_folder(folder: Path, inner: str, pooling: str = "1_Pooling", old: str = "Transformer") -> Path:
    """A folder of sentence-transformers whose encoder lies in one of its folders, pooled by [CLS]."""
    write_model(folder / inner, SMALL)
    types = {old: inner, "Pooling": pooling}
    content = [{"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
               for number, (kind, path) in enumerate(types.items())]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(content))
    (folder / "config.json").write_text('{"__version__": "0.3.6"}') if inner else None
    (folder / pooling).mkdir()
    (folder / pooling / "config.json").write_text('{"word_embedding_dimension": 8, "pooling_mode_cls_token": true}')
    (folder / inner / "sentence_bert_config.json").write_text('{"max_seq_length": 7, "do_lower_case": false}')
    (folder / "README.md").write_text("Read me.\n")
    return folder


def test_a_module_without_files_may_lie_beside_the_encoder(tmp_path: Path) -> None:
    """The weights there are the encoder's, and are not written once more as those of a Dropout."""
    folder = sentence_folder(tmp_path / "source", "")
    expected = vector(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules += [{"type": f"sentence_transformers.models.{kind}", "path": ""} for kind in ("Dropout", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(modules))
    rename(folder, "module.{}".format)
    convert(folder, tmp_path / "model")
    np.testing.assert_allclose(vector(tmp_path / "model"), expected / np.linalg.norm(expected), rtol=0, atol=1e-6)


LAYOUTS = {
    "0.2": ("0_BERT", "1_Pooling", "BERT"),
    "0.3 to 1.x": ("0_Transformer", "1_Pooling", "Transformer"),
    "two levels": ("models/encoder", "models/pooling", "Transformer"),
    "pooling elsewhere": ("", "pooling", "Transformer"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_sentence_transformers(layout: str, tmp_path: Path) -> None:
    today = vector(sentence_folder(tmp_path / "today", ""))
    source = sentence_folder(tmp_path / "source", *LAYOUTS[layout])
    convert(source, tmp_path / "model")
    pooling = LAYOUTS[layout][1]
    files = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert files == {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "sentence_bert_config.json", "modules.json",
                     "README.md", "provenance.json", f"{pooling}/config.json"}  # fmt: skip
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    assert [(each["path"], each["type"].rpartition(".")[2]) for each in modules] == [("", "Transformer"), (pooling, "Pooling")]
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert (model.pooling, model.max_length) == ("cls", 7)
    np.testing.assert_array_equal(vector(tmp_path / "model"), today)


def test_the_inner_folder_is_a_model_with_mean_pooling_and_a_note_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As sentence-transformers gives it to the inner folder; a file in it is the same."""
    source = sentence_folder(tmp_path / "source", "0_Transformer")
    for number, given in enumerate((source / "0_Transformer", source / "0_Transformer" / "model.safetensors")):
        assert main(["convert", str(given), str(tmp_path / f"{number}")]) == 0
        assert "modules.json in the folder around was not read" in capsys.readouterr().out
        assert minibert.load(tmp_path / f"{number}", backend="numpy").pooling == "mean"


def test_weights_beside_a_transformer_that_is_elsewhere_are_refused(tmp_path: Path) -> None:
    """A file that is named itself is not the encoder that modules.json speaks of."""
    source = sentence_folder(tmp_path / "source", "0_BERT")
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        shutil.copy(source / "0_BERT" / name, source)
    with pytest.raises(ValueError, match=r"modules\.json: expected the Transformer in this folder"):
        convert(source / "model.safetensors", tmp_path / "model")


MODULES: dict[str, tuple[Any, str]] = {
    "a path out": ([("Transformer", "../victim")], "relative path that stays in the folder"),
    "a class that is a path": ([("Transformer", ""), ("../../victim", "1_Pooling")], "the dotted path of a class"),
    "an unknown class": ([("Transformer", ""), ("Pooling", "1_Pooling"), ("Marvel", "2")], "source/modules.json"),
    "two encoders": ([("Transformer", ""), ("Transformer", "1_Pooling")], "source/modules.json"),
    "a module in the folder of the encoder": ([("Transformer", ""), ("Pooling", "")], "a folder of its own"),
    "two modules in a folder": ([("Transformer", "1_Pooling"), ("Pooling", "1_Pooling")], "a folder of its own"),
    "many modules": ([("Transformer", "")] * 21, "at most 20 modules"),
}


@pytest.mark.parametrize("fault", MODULES)
def test_modules_that_are_refused(fault: str, tmp_path: Path) -> None:
    source = sentence_folder(tmp_path / "source", "")
    entries, message = MODULES[fault]
    content = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in entries]
    (source / "modules.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        convert(source, tmp_path / "model")
    assert ".part" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_weights_of_a_module_become_safetensors(kind: str, tmp_path: Path) -> None:
    """A Dense has some; the golden file of torch stands for its own."""
    source = sentence_folder(tmp_path / "source", "0_Transformer")
    content = json.loads((source / "modules.json").read_text())
    (source / "modules.json").write_text(json.dumps([*content, {"type": "sentence_transformers.models.Dense", "path": "dense"}]))
    (source / "dense").mkdir()
    (source / "dense" / "config.json").write_text('{"in_features": 8, "out_features": 4}')
    if kind == "torch":
        expected = dict(np.load(GOLDEN / "torch" / "integers.npz"))
        shutil.copy(GOLDEN / "torch" / "integers.zip.bin", source / "dense" / "pytorch_model.bin")
    else:
        expected = {"linear.weight": np.ones((4, 8), np.float16), "linear.bias": np.arange(4, dtype=np.float32)}
        save_file(expected, source / "dense" / "model.safetensors")
    (tmp_path / "new").mkdir()
    modules = read_modules(source)
    write_files(Checkpoint(kind, {}, {}, beside=source / "0_Transformer", outer=source, modules=modules), tmp_path / "new")
    assert [each["path"] for each in json.loads((tmp_path / "new" / "modules.json").read_text())] == ["", "1_Pooling", "dense"]
    assert (tmp_path / "new" / "dense" / "config.json").read_bytes() == (source / "dense" / "config.json").read_bytes()
    written = load_file(tmp_path / "new" / "dense" / "model.safetensors")
    assert written.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(written[name], array, strict=True)


def test_weights_of_a_module_that_lead_out_are_refused(tmp_path: Path) -> None:
    source = sentence_folder(tmp_path / "source", "")
    (source / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense", "path": "dense"}]))
    (source / "dense").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (source / "dense" / "model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="is a link to a file outside the folder"):
        module_weights(source, read_modules(source)[0])


def test_files_of_training_are_no_weights(source: Path, tmp_path: Path, expected: np.ndarray) -> None:
    """The folder of a Trainer, with weights of a name of their own."""
    (source / "model.safetensors").rename(source / "encoder.safetensors")
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth"):
        (source / name).write_bytes(b"not read")
    convert(source, tmp_path / "model")
    np.testing.assert_array_equal(vector(tmp_path / "model"), expected)


def test_torch_files_of_other_names(source: Path, tmp_path: Path) -> None:
    """Lightning says `.ckpt`; what says nothing is known by its first bytes; Google's config was also pytorch-pretrained-bert's."""
    (source / "model.safetensors").unlink()
    (source / "config.json").unlink()
    numbers = dict(vars(make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)))
    (source / "bert_config.json").write_text(json.dumps(numbers))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]
    (source / "vocab.txt").write_text("\n".join(tokens) + "\n")
    for number, (kind, name) in enumerate([("zip", "epoch=3.ckpt"), ("legacy", "weights"), ("zip", "weights.zip"), ("zip", "model")]):
        path = source / name
        shutil.copy(GOLDEN / "torch" / f"pretraining.{kind}.bin", path)
        assert convert(path, tmp_path / f"{number}")["format"] == "torch"
        assert minibert.load(tmp_path / f"{number}", backend="numpy").config.hidden_act == "gelu"
        path.unlink()


ARCHIVES = {
    "model.tar.gz": (b"\x1f\x8b\x08\x00", "tar xf"), "model.tgz": (b"\x1f\x8b\x08\x00", "tar xf"), "model.tar.bz2": (b"BZh9", "tar xf"),
    "model.tar.xz": (b"\xfd7zXZ\0", "tar xf"), "model.tar": (bytes(257) + b"ustar", "tar xf"), "model.7z": (b"7z\xbc\xaf\x27\x1c", "7z x"),
    "model.rar": (b"Rar!\x1a\x07", "unrar x"), "tf_model.h5": (b"\x89HDF\r\n", "save_pretrained"), "model.gguf": (b"GGUF", "llama.cpp"),
    "notes.txt": (b"see", "found nothing of the kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_is_not_read_is_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    start, message = ARCHIVES[name]
    (tmp_path / name).write_bytes(start + bytes(300))
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / name, tmp_path / "model")


# --- Zips ----------------------------------------------------------------------------------------------------------------------------


def pack(folder: Path, path: Path, prefix: str = "", **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            archive.write(each, prefix + each.relative_to(folder).as_posix())
        for name, content in more.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("prefix", ["", "model/", "home/user/model/"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "transformers"])
def test_zips_of_folders(layout: str, prefix: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = write_model(source, SMALL) if layout == "transformers" else sentence_folder(source, *LAYOUTS[layout])
    # what macOS adds, and what is of no use
    more = {"__MACOSX/._config.json": b"\0", f"{prefix}.DS_Store": b"\0", f"{prefix}onnx/model.onnx": b"x", "notes.txt": b"x"}
    path = pack(folder, tmp_path / "model.zip", prefix, **more)
    record = convert(path, tmp_path / "new")
    convert(folder, tmp_path / "other")
    np.testing.assert_array_equal(vector(tmp_path / "new"), vector(tmp_path / "other"))
    assert list(record["files"]) == ["model.zip"]
    assert not (tmp_path / "new" / "notes.txt").exists()


def test_zips_of_google(tmp_path: Path) -> None:
    """`uncased_L-2_H-128_A-2.zip`: a TensorFlow checkpoint in a folder of that name."""
    names = {"bert_config.json": json.dumps(vars(make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)))}
    names["vocab.txt"] = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in names.items():
            archive.writestr(f"uncased/{name}", content)
        for path in (GOLDEN / "tensorflow").glob("bert_model.ckpt.*"):
            archive.write(path, f"uncased/{path.name}")
    assert convert(tmp_path / "x.zip", tmp_path / "model")["format"] == "TensorFlow checkpoint"
    assert np.isfinite(vector(tmp_path / "model")).all()


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("model/vocab.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


ZIPS: dict[str, tuple[Callable[[zipfile.ZipFile], Any], str]] = {
    "a bomb": (lambda archive: archive.writestr("model/model.safetensors", bytes(1 << 24)), "members that unpack to at most"),
    "a bomb of no use": (lambda archive: archive.writestr("model/x", bytes(1 << 24)), "members that unpack to at most"),
    "a path out": (lambda archive: archive.writestr("../model/config.json", "{}"), "names of files within the archive"),
    "an absolute path": (lambda archive: archive.writestr("/model/config.json", "{}"), "names of files within the archive"),
    "a link": (_link, "a symbolic link"),
    "a name twice": (lambda archive: [archive.writestr("model/config.json", "{}") for _ in range(2)], "there twice"),
    "two models": (
        lambda archive: [archive.writestr(f"{name}/config.json", "{}") for name in "ab"],
        "some in a, b; unpack it, and convert one folder",
    ),
    "a zip in a zip": (lambda archive: archive.writestr("model.zip", "PK"), r"found model\.zip"),
    "no model": (lambda archive: archive.writestr("photo.jpg", "x"), r"expected a zip of a model folder.* found photo\.jpg"),
    "nothing": (lambda archive: None, "found nothing"),
    "no weights": (
        lambda archive: archive.writestr("model/config.json", "{}"),
        r"x\.zip: expected model\.safetensors.* but config\.json",
    ),
    "a folder and a file of one name": (
        lambda archive: [archive.writestr(f"model/{name}", "{}") for name in ("config.json", "x.bin", "x.bin/y.bin")],
        r"found x\.bin as both",
    ),
    "a folder with the name of a file": (
        lambda archive: [archive.writestr(f"model/{name}", "{}") for name in ("config.json", "config.json/vocab.txt")],
        "found nothing of the kind but config",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("fault", ZIPS)
def test_zips_that_are_refused(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, message = ZIPS[fault]
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive)
    with pytest.raises(ValueError, match=message) as error:
        convert(tmp_path / "x.zip", tmp_path / "model")
    assert str(tmp_path / "tmp") not in str(error.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["tmp", "x.zip"]


def test_a_member_that_is_larger_than_it_says(source: Path, tmp_path: Path) -> None:
    path = pack(source, tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    size = (source / "config.json").stat().st_size
    place = data.rindex(b"config.json") - 46 + 24  # of the size, in the directory of a zip
    assert int.from_bytes(data[place : place + 4], "little") == size
    data[place : place + 4] = (size - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.zip: (expected a zip archive, found a damaged one|.*as the directory says)"):
        convert(path, tmp_path / "model")


# --- The case of letters -------------------------------------------------------------------------------------------------------------


def cased(folder: Path) -> Path:
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    tokens[20000] = "Paris"
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    return folder


@pytest.mark.parametrize("config", [None, {}, {"do_lower_case": None}, {"do_lower_case": False}, {"do_lower_case": True}])
def test_load_and_convert_have_one_rule(config: Any, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of transformers 5.24, whose BertTokenizer lower-cases unless the folder says otherwise."""
    cased(source)
    if config is not None:
        (source / "tokenizer_config.json").write_text(json.dumps(config))
    assert main(["convert", str(source), str(tmp_path / "model")]) == 0
    said = capsys.readouterr().out
    is_silent = (config or {}).get("do_lower_case") is None
    assert ("vocab.txt has capital letters" in said) == is_silent
    assert ("do_lower_case in tokenizer_config.json changes that" in said) == is_silent
    tokens = [minibert.load(folder, backend="numpy").tokenizer.tokenize("Paris") for folder in (source, tmp_path / "model")]
    assert tokens == [["Paris"] if (config or {}).get("do_lower_case") is False else ["paris"]] * 2


def test_nothing_is_said_of_a_vocabulary_without_capitals(source: Path, tmp_path: Path) -> None:
    assert convert(source, tmp_path / "model")["notes"] == []
    assert json.loads((tmp_path / "model" / "tokenizer_config.json").read_text()) == {"do_lower_case": True}


def test_a_tokenizer_json_is_read_by_one_rule(source: Path, tmp_path: Path) -> None:
    content = {
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "normalizer": {"type": "BertNormalizer", "lowercase": False},
        "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "Paris": 4}},
    }  # fmt: skip
    (source / "tokenizer.json").write_text(json.dumps(content))
    before = minibert.WordPieceTokenizer.from_folder(cased(source)).tokenize("Paris")
    assert before == ["[UNK]"]  # BertTokenizer of transformers 5.24 lower-cases, whatever tokenizer.json says
    assert convert(source, tmp_path / "model")["notes"] == []
    assert minibert.WordPieceTokenizer.from_folder(tmp_path / "model").tokenize("Paris") == before
