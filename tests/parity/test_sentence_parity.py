"""Folders with modules of sentence-transformers: poolings, prompts, Dense and pairs."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Dropout, LayerNorm, Normalize, Pooling, Transformer
from torch import nn

import minibert
from minibert.importers.convert import convert
from minibert.ops.numpy_ops import ACTIVATIONS
from minibert.tokenizer import WordPieceTokenizer
from tests.support.models import make_config, write_model

TOLERANCE = 2e-5
SIZE = 24
TEXTS = ["hello world", "", "I hate cancer, and antibiotics are not painkillers", "word " * 100, "a"]
PAIRS: list[Any] = [("a b", "c d e"), ["hello", "world " * 90], "alone", ("", ""), ("naïve " * 50, "x")]
PROMPTS = {"query": "query: ", "document": "Represent this: "}
CALLS: dict[str, Callable[[Any], np.ndarray]] = {
    "no prompt": lambda model: model.encode(TEXTS),
    "query": lambda model: model.encode_query(TEXTS),
    "prompt name": lambda model: model.encode(TEXTS, prompt_name="document"),
    "prompt": lambda model: model.encode(TEXTS, prompt="x y: "),
    "a space": lambda model: model.encode(TEXTS, prompt=" "),
    "empty prompt": lambda model: model.encode(TEXTS, prompt=""),
    "a prompt that is cut": lambda model: model.encode(TEXTS, prompt="word " * 60),
    "pairs": lambda model: model.encode(PAIRS),
    "pairs with a prompt": lambda model: model.encode_document(PAIRS),
    "array of pairs": lambda model: model.encode(np.array([["a", "b c"], ["d", "e"]])),
    "a tuple of texts": lambda model: model.encode(("a", "b c")),
    "cut and normalised": lambda model: model.encode(PAIRS, truncate_dim=4, normalize_embeddings=True),
}
pytestmark = pytest.mark.filterwarnings("ignore::minibert.TruncationWarning")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("encoder"), make_config(2, SIZE, 3, max_position_embeddings=64))


def save(encoder: Path, folder: Path, *modules: nn.Module) -> SentenceTransformer:
    model = SentenceTransformer(modules=[Transformer(str(encoder)), *modules], device="cpu", prompts=PROMPTS)
    model.max_seq_length = 40
    model.save(str(folder))
    return SentenceTransformer(str(folder), device="cpu")


def check(folder: Path, theirs: SentenceTransformer) -> None:
    models = [minibert.load(folder, backend=backend) for backend in ("numba", "numpy")]
    assert models[0].embedding_dimension == theirs.get_embedding_dimension()
    for name, call in CALLS.items():
        expected = call(theirs)
        for ours in models:
            np.testing.assert_allclose(call(ours), expected, rtol=0, atol=TOLERANCE, err_msg=f"{ours.backend}, {name}")


COMBINATIONS = [(mode,) for mode in Pooling.POOLING_MODES] + [("cls", "mean"), ("weightedmean", "max", "lasttoken"), ("mean", "mean")]
COMBINATIONS.append(tuple(reversed(Pooling.POOLING_MODES)))


@pytest.mark.parametrize("modes", COMBINATIONS, ids="-".join)
@pytest.mark.parametrize("include_prompt", [True, False])
def test_poolings(modes: tuple[str, ...], include_prompt: bool, encoder: Path, tmp_path: Path) -> None:
    check(tmp_path, save(encoder, tmp_path, Pooling(SIZE, pooling_mode=modes, include_prompt=include_prompt)))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_switches_of_older_versions(seed: int, encoder: Path, tmp_path: Path) -> None:
    """Several at once, written in any order."""
    source = random.Random(seed)
    switches = [f"pooling_mode_{name}" for name in ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "lasttoken")]
    chosen = {name: source.random() < 0.5 for name in source.sample(switches, len(switches))}
    save(encoder, tmp_path, Pooling(SIZE))
    config = tmp_path / "1_Pooling" / "config.json"
    config.write_text(str({"word_embedding_dimension": SIZE} | chosen).replace("'", '"').replace("True", "true").replace("False", "false"))
    check(tmp_path, SentenceTransformer(str(tmp_path), device="cpu"))


@pytest.mark.parametrize("mode", [mode for mode in Pooling.POOLING_MODES if mode != "max"])  # theirs is minus infinity
def test_a_text_whose_tokens_all_belong_to_the_prompt(mode: Any, encoder: Path, tmp_path: Path) -> None:
    theirs = save(encoder, tmp_path, Pooling(SIZE, pooling_mode=mode, include_prompt=False))
    ours = minibert.load(tmp_path)
    texts = ["g", "g chess"]  # `playing` is one piece, `playin` two
    assert len(ours.tokenizer.tokenize("playing")) < len(ours.tokenizer.tokenize("playin"))
    np.testing.assert_allclose(ours.encode(texts, prompt="playin"), theirs.encode(texts, prompt="playin"), rtol=0, atol=TOLERANCE)


def layer_norm(size: int) -> LayerNorm:
    module = LayerNorm(size)
    nn.init.normal_(module.norm.weight)
    nn.init.normal_(module.norm.bias)
    return module


CHAINS: dict[str, Callable[[], list[nn.Module]]] = {
    **{
        name: (lambda name=name: [Dense(SIZE, 17, activation_function=getattr(nn, name)()), Normalize()])  # type: ignore[misc]
        for name in ACTIVATIONS
    },
    "default": lambda: [Dense(SIZE, SIZE)],
    "no bias": lambda: [Dense(SIZE, 40, bias=False)],
    "every kind": lambda: [
        Dense(SIZE, 40, activation_function=nn.GELU()), Dropout(0.3), Normalize(), Dense(40, 7), layer_norm(7), Normalize(), Normalize(),
    ],
    "residual": lambda: [Dense(SIZE, SIZE, use_residual=True), Dense(SIZE, 9, use_residual=True, activation_function=nn.ReLU())],
    "normalised before": lambda: [Normalize(), Dense(SIZE, 5)],
    "LayerNorm": lambda: [layer_norm(SIZE)],
    "Dropout": lambda: [Dropout(0.5)],
}  # fmt: skip


HALVES = list(itertools.product(["Tanh", "every kind"], [torch.float16, torch.bfloat16]))


@pytest.mark.parametrize(("name", "dtype"), [*((name, torch.float32) for name in CHAINS), *HALVES])
def test_modules_after_the_pooling(name: str, dtype: torch.dtype, encoder: Path, tmp_path: Path) -> None:
    """Weights of half precision are compared with their widened values."""
    torch.manual_seed(0)
    modules = CHAINS[name]()
    rounded = save(encoder, tmp_path / "float32", Pooling(SIZE, pooling_mode="cls"), *(module.to(dtype).float() for module in modules))
    save(encoder, tmp_path / "saved", Pooling(SIZE, pooling_mode="cls"), *(module.to(dtype) for module in modules))
    check(tmp_path / "saved", rounded)


def test_pairs_have_the_ids_of_transformers(encoder: Path) -> None:
    theirs = Transformer(str(encoder)).tokenizer
    source, ours = random.Random(0), WordPieceTokenizer.from_folder(encoder)
    words = ["the", "a", "unaffable", "[SEP]", "hello,", "naïve", "漢字", "antidisestablishmentarianism"]

    def text() -> str:
        return " ".join(source.choice(words) for _ in range(source.randrange(10)))

    for _ in range(200):
        pairs = [(text(), text()) for _ in range(4)]
        max_length = source.choice([4, 5, 8, 13, 20, 50])
        expected = theirs(pairs, truncation="longest_first", max_length=max_length)
        batch = ours.encode_batch(pairs, max_length)
        assert batch.token_type_ids is not None
        assert batch.input_ids.tolist() == list(itertools.chain(*expected["input_ids"]))
        assert batch.token_type_ids.tolist() == list(itertools.chain(*expected["token_type_ids"]))


def test_ids_out_of_torch(encoder: Path) -> None:
    tokenizer = WordPieceTokenizer.from_folder(encoder)
    ids = [101, 7592, 2088, 102]
    for dtype in (torch.int64, torch.int32, torch.int16):
        assert tokenizer.decode(torch.tensor(ids, dtype=dtype)) == "hello world"
        assert tokenizer.decode(list(torch.tensor(ids, dtype=dtype))) == "hello world"
        assert tokenizer.decode(torch.tensor(7592, dtype=dtype)) == "hello"
    for wrong in (torch.tensor([ids]), torch.tensor([101.0]), torch.tensor([1.5], requires_grad=True), torch.tensor([True])):
        with pytest.raises(TypeError, match="expected"):
            tokenizer.decode(wrong)


@pytest.mark.parametrize("inner", ["", "0_Transformer"])
def test_convert_of_weights_of_torch(inner: str, encoder: Path, tmp_path: Path) -> None:
    """A Dense in pytorch_model.bin, in the layout of today and in that until 1.x."""
    torch.manual_seed(0)
    modules = [Transformer(str(encoder)), Pooling(SIZE), Dense(SIZE, SIZE, use_residual=True), layer_norm(SIZE), Dense(SIZE, 9)]
    source = tmp_path / "source"
    SentenceTransformer(modules=modules, device="cpu", prompts=PROMPTS).save(str(source), safe_serialization=False)
    assert len(list(source.glob("*/pytorch_model.bin"))) == 3
    if inner:
        (source / inner).mkdir()
        kept = ("modules.json", "config_sentence_transformers.json")
        for path in [path for path in source.iterdir() if path.is_file() and path.name not in kept]:
            path.rename(source / inner / path.name)
        entries = json.loads((source / "modules.json").read_text())
        (source / "modules.json").write_text(json.dumps([entries[0] | {"path": inner}, *entries[1:]]))
    convert(source, tmp_path / "new")
    check(tmp_path / "new", SentenceTransformer(str(source), device="cpu"))
