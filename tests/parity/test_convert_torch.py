"""Compare converted files of torch with transformers.

There are both formats in both sizes, and the kinds of files that training programs leave.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file as save_tensors
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, BertModel

import minibert
from minibert.importers.convert import convert
from tests.support.models import SIZES, VOCAB, make_config, make_weights

TOLERANCE = 2e-5
CONVERT = r"""
import re, sys
from pathlib import Path
from minibert.importers.convert import convert
convert(Path(sys.argv[1]), Path(sys.argv[2]))
print(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])  # ru_maxrss would have the parent's
"""


@pytest.fixture(scope="module", params=SIZES)
def model(request: pytest.FixtureRequest) -> BertForPreTraining:
    """With the heads of pre-training, tied as transformers ties them."""
    config = make_config(*SIZES[request.param])
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**config._asdict(), attn_implementation="eager")).eval()
    weights = {f"bert.{name}": torch.from_numpy(array) for name, array in make_weights(config).items()}
    left = model.load_state_dict(weights, strict=False)
    assert not left.unexpected_keys
    assert all(name.startswith("cls.") for name in left.missing_keys)
    return model


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_torch(model: BertForPreTraining, is_zip: bool, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    torch.save(model.state_dict(), source / "pytorch_model.bin", _use_new_zipfile_serialization=is_zip)
    (source / "config.json").write_text(
        json.dumps({"model_type": "bert", **{name: getattr(model.config, name) for name in make_config(1, 8, 2)._fields}})
    )
    (source / "vocab.txt").write_bytes(VOCAB.read_bytes())
    command = [sys.executable, "-c", CONVERT, str(source), str(tmp_path / "model")]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    check_hidden_states(model, tmp_path / "model")
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    for name in ("cls.predictions.transform.dense.weight", "cls.predictions.bias", "cls.seq_relationship.weight"):
        np.testing.assert_array_equal(tensors[name], model.state_dict()[name].numpy())
    assert "cls.predictions.decoder.weight" not in tensors  # tied
    if model.config.hidden_size == 768:
        assert kilobytes * 1024 < 1.3 * (tmp_path / "model" / "model.safetensors").stat().st_size


def check_hidden_states(model: BertForPreTraining, folder: Path) -> None:
    ours, random = minibert.load(folder), np.random.default_rng(0)
    for length in (1, 2, 17, 128, 512):
        ids, types = random.integers(0, 30522, (2, length)), random.integers(0, 2, (2, length))
        with torch.no_grad():
            expected = model.bert(torch.from_numpy(ids), token_type_ids=torch.from_numpy(types), output_hidden_states=True)
        actual = ours(ids, token_type_ids=types, output_hidden_states=True)
        for one, other in zip(actual.hidden_states, expected.hidden_states, strict=True):
            assert np.abs(one - other.numpy()).max() <= TOLERANCE
        assert np.abs(actual.pooler_output - expected.pooler_output.numpy()).max() <= TOLERANCE


# Checkpoints of training programs

TINY = make_config(2, 8, 2, vocab_size=30, max_position_embeddings=12, intermediate_size=16)
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]
TEXTS = ["a b c", "", "x y a b c d e f g h i j k l m n", "q"]


def tiny(prefix: str = "", dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, torch.Tensor]:
    return {prefix + name: torch.from_numpy(array).to(dtype) for name, array in make_weights(TINY, seed).items()}


def tiny_folder(folder: Path, tensors: object, name: str = "pytorch_model.bin", tokens: list[str] = TOKENS) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **TINY._asdict()}))
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    torch.save(tensors, folder / name) if name.endswith(("bin", "ckpt")) else save_tensors(tensors, folder / name, {"format": "pt"})
    return folder


def states(model: BertModel) -> tuple[np.ndarray, np.ndarray]:
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 9, 10, 3]])
    with torch.no_grad():
        output = model.eval()(ids)
    return output.last_hidden_state.double().numpy(), output.pooler_output.double().numpy()


def check_states(folder: Path, expected: tuple[np.ndarray, np.ndarray], with_pooler: bool = True) -> None:
    actual = minibert.load(folder, backend="numpy")([[2, 5, 6, 7, 3], [2, 8, 9, 10, 3]])
    assert np.abs(actual.last_hidden_state - expected[0]).max() <= TOLERANCE
    if with_pooler:
        assert np.abs(actual.pooler_output - expected[1]).max() <= TOLERANCE


class Wrapped(torch.nn.Module):
    """A class around a BertModel, with a layer of its own: what people train."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert, self.linear = bert, torch.nn.Linear(8, 4)


WRAPPERS: dict[str, Callable[[BertModel], dict[str, object]]] = {
    "DataParallel": lambda bert: torch.nn.DataParallel(bert).state_dict(),
    "DataParallel of a class": lambda bert: torch.nn.DataParallel(Wrapped(bert)).state_dict(),
    "compile": lambda bert: torch.compile(bert).state_dict(),
    "compile of a part": lambda bert: (setattr(bert, "encoder", torch.compile(bert.encoder)), bert.state_dict())[1],
    "a class": lambda bert: {"epoch": 3, "model_state_dict": Wrapped(bert).state_dict()},
    "an average": lambda bert: torch.optim.swa_utils.AveragedModel(bert).state_dict(),
    "Lightning": lambda bert: {
        "epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.5.0", "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {},
        "optimizer_states": [torch.optim.AdamW(bert.parameters()).state_dict()], "lr_schedulers": [], "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3}, "state_dict": {f"model.bert.{name}": each for name, each in bert.state_dict().items()},
    },
    "DeepSpeed": lambda bert: {
        "module": {f"module.bert.{name}": each for name, each in bert.state_dict().items()}, "optimizer": None, "ds_version": "0.17.0",
        "param_shapes": [{name: each.shape for name, each in bert.named_parameters()}], "sparse_tensor_module_names": {"x"},
        "lr_scheduler": {"milestones": Counter([3])}, "device": torch.device("cpu"), "dtype": torch.float16, "client_state": {"id": b"abc"},
    },
    "sentence-transformers": lambda bert: {f"0.auto_model.{name}": each for name, each in bert.state_dict().items()},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers(wrapper: str, tmp_path: Path) -> None:
    bert = BertModel(BertConfig(**TINY._asdict(), attn_implementation="eager"))
    bert.load_state_dict(tiny())
    expected = states(bert)
    source = tiny_folder(tmp_path / "source", WRAPPERS[wrapper](bert), "last.ckpt")
    convert(source, tmp_path / "model")
    check_states(tmp_path / "model", expected)
    check_states(tmp_path / "model", states(BertModel.from_pretrained(tmp_path / "model")))


FOUR = torch.zeros(4, 4)
BESIDE: dict[str, dict[str, torch.Tensor]] = {
    "plain": tiny(),
    "bert.": tiny("bert."),
    "heads": tiny("bert.")
    | dict.fromkeys(("linear.weight", "crf.transitions", "loss_fct.weight", "bert_proj.weight", "bert.linear.x"), FOUR),
    "heads of a plain one": tiny() | dict.fromkeys(("linear.weight", "classifier.weight", "qa_outputs.bias", "bert.linear.x"), FOUR),
    "a teacher": tiny() | {f"teacher.{name}": each + 1 for name, each in list(tiny().items())[5:]},
    "no pooler": {name: each for name, each in tiny("bert.").items() if "pooler" not in name},
    "a pooler elsewhere": {name.replace("bert.pooler", "pooler"): each for name, each in tiny("bert.").items()},
    "buffers": tiny() | {"embeddings.position_ids": torch.arange(12)[None].flip(1), "embeddings.token_type_ids": torch.ones(1, 12)},
    "a counter": tiny() | {"norm.num_batches_tracked": torch.tensor(3)},
    "float64": tiny(dtype=torch.float64),
    "gamma": {name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): each for name, each in tiny("bert.").items()},
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_stands_beside_an_encoder(kind: str, tmp_path: Path) -> None:
    """What transformers makes of a file, `load` makes of it too, and so does `convert`."""
    folder = tiny_folder(tmp_path / "source", {name: each.clone() for name, each in BESIDE[kind].items()}, "model.safetensors")
    expected = states(BertModel.from_pretrained(folder))
    convert(folder, tmp_path / "model")
    for each in (folder, tmp_path / "model"):
        check_states(each, expected, with_pooler=kind != "no pooler")


@pytest.mark.parametrize("mode", ["cls", "mean", "max"])
@pytest.mark.parametrize(("inner", "pooling"), [("0_Transformer", "1_Pooling"), ("", "pooling"), ("a/b", "a/c")])
def test_layouts_of_sentence_transformers(inner: str, pooling: str, mode: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    tiny_folder(source / inner, tiny())
    (source / inner / "sentence_bert_config.json").write_text('{"max_seq_length": 9, "do_lower_case": false}')
    types = {"Transformer": inner, "Pooling": pooling}
    (source / "modules.json").write_text(json.dumps([
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(types.items())
    ]))  # fmt: skip
    (source / pooling).mkdir(parents=True)
    modes = {f"pooling_mode_{each}": each.startswith(mode) for each in ("cls_token", "mean_tokens", "max_tokens")}
    (source / pooling / "config.json").write_text(json.dumps({"word_embedding_dimension": 8, **modes}))
    expected = SentenceTransformer(str(source), device="cpu").encode(TEXTS)
    shutil.make_archive(str(tmp_path / "zip"), "zip", source)
    for given, target in ((source, tmp_path / "one"), (tmp_path / "zip.zip", tmp_path / "other")):
        convert(given, target)
        assert np.abs(minibert.load(target, backend="numpy").encode(TEXTS, truncation="silent") - expected).max() <= TOLERANCE
        again = SentenceTransformer(str(target), device="cpu").encode(TEXTS)
        assert np.abs(again - expected).max() <= TOLERANCE


@pytest.mark.parametrize("config", [None, {}, {"do_lower_case": False}, {"do_lower_case": True}])
def test_case_of_letters(config: dict[str, bool] | None, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "source", tiny(), "model.safetensors", tokens=[*TOKENS[:-2], "A", "É"])
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    convert(folder, tmp_path / "model")
    text = "A a É é e b A"
    expected = AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path / "model")(text)["input_ids"] == expected
    for each in (folder, tmp_path / "model"):
        assert list(minibert.load(each, backend="numpy").tokenizer(text).input_ids) == expected
