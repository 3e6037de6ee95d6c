"""The model folder that training writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from weights.training.lessons import write
from weights.training.student import Student

VOCAB = Path(__file__).parents[1] / "vocab.txt"
NUM_LAYERS, HIDDEN_SIZE, NUM_HEADS, MAX_LENGTH = 8, 128, 2, 512

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": HIDDEN_SIZE,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": NUM_HEADS,
    "intermediate_size": 4 * HIDDEN_SIZE,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": MAX_LENGTH,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "torch_dtype": "float32",  # of the computation; the file has float16
}
FILES: dict[str, Any] = {
    "config.json": CONFIG,
    "modules.json": [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN_SIZE, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": MAX_LENGTH, "do_lower_case": False},
    "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": MAX_LENGTH},
}


def save_folder(student: Student, folder: Path) -> None:
    """Write a folder like those of sentence-transformers, in float16."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(VOCAB, folder / "vocab.txt")
    arrays = {name: array.astype(np.float16) for name, array in student.checkpoint().items()}
    write(folder / "model.safetensors", lambda part: save_file(arrays, part, metadata={"format": "pt"}))
