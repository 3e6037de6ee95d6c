"""Sources for the tests of `convert`: small models, and folders of sentence-transformers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import minibert
from tests.support.models import VOCAB, make_config, make_weights, write_model

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = make_config(2, 8, 2, max_position_embeddings=8)
TEXT = "I hate cancer"


def vector(folder: Path) -> np.ndarray:
    return minibert.load(folder, backend="numpy").encode(TEXT)


def rename(folder: Path, change: Callable[[str], str], **more: np.ndarray) -> Path:
    tensors = {change(name): array for name, array in make_weights(SMALL).items()}
    save_file(tensors | more, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def sentence_folder(folder: Path, inner: str, pooling: str = "1_Pooling", old: str = "Transformer") -> Path:
    """Write a folder of sentence-transformers with its encoder in `inner`, pooled by [CLS]."""
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


LAYOUTS = {
    "0.2": ("0_BERT", "1_Pooling", "BERT"),
    "0.3 to 1.x": ("0_Transformer", "1_Pooling", "Transformer"),
    "two levels": ("models/encoder", "models/pooling", "Transformer"),
    "pooling elsewhere": ("", "pooling", "Transformer"),
}


# bert_config.json in the spelling of google-research/bert
GOOGLE = {
    "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 8, "initializer_range": 0.02,
    "intermediate_size": 16, "max_position_embeddings": 12, "num_attention_heads": 2, "num_hidden_layers": 1, "type_vocab_size": 2,
    "vocab_size": 30,
}  # fmt: skip


def vocabulary(folder: Path) -> None:
    tokens = VOCAB.read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([*tokens[:1], *tokens[100:103], *tokens[1996:2022]]) + "\n", encoding="utf-8")
