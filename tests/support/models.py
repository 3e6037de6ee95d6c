"""Write models to test with: both miniature sizes, from a seed. Every term of the weights counts.

Freshly initialised weights hide errors. Their biases are 0, their norms are 1 and 0, and their
attention is nearly flat. With them, a forgotten bias or erf in place of tanh stays within 2e-5.
So these weights have other values:

* biases and betas have a standard deviation of 0.5, and gammas lie in 0.5..1.5;
* query and key give attention scores with a standard deviation of about 3;
* the inputs of GELU go beyond 3.

    python -m tests.support.models FOLDER          # FOLDER/L6_H768 and FOLDER/L8_H128
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from minibert.bert.config import BertConfig
from minibert.bert.tensors import expected_shapes

VOCAB = Path(__file__).parents[2] / "weights" / "vocab.txt"
SIZES = {"L6_H768": (6, 768, 12), "L8_H128": (8, 128, 2)}
SCORE_STD, PRE_ACTIVATION_STD = 3.0, 1.5


def make_config(num_layers: int, hidden_size: int, num_heads: int, **changes: object) -> BertConfig:
    numbers = {
        "vocab_size": 30522,
        "hidden_size": hidden_size,
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "intermediate_size": 4 * hidden_size,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    return BertConfig(**(numbers | changes))  # type: ignore[arg-type]


def make_weights(config: BertConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors under transformers' names.

    The rows that enter a layer have a variance of about 1.3, by the gammas and betas above.
    """
    random = np.random.RandomState(seed)  # its stream never changes; that of a Generator may
    hidden, intermediate = config.hidden_size, config.intermediate_size
    row_variance = hidden * (1 + 1 / 12 + 0.5**2)  # the expected squared length of a row that leaves a norm
    stds = {
        # scores = q k / sqrt(head_dim): if q and k have a variance of SCORE_STD each, that is the
        # standard deviation of the scores
        "query": np.sqrt(SCORE_STD / row_variance),
        "key": np.sqrt(SCORE_STD / row_variance),
        "value": 1 / np.sqrt(row_variance),
        "attention.output.dense": 1 / np.sqrt(hidden),
        "intermediate.dense": PRE_ACTIVATION_STD / np.sqrt(row_variance),
        "output.dense": 1 / np.sqrt(intermediate),
        "pooler.dense": 0.5 / np.sqrt(row_variance),
        "embeddings.weight": 0.5,
    }
    tensors = {}
    for name, shape in expected_shapes(config):
        normal = random.standard_normal(shape).astype(np.float32)
        if name.endswith("LayerNorm.weight"):
            tensors[name] = random.uniform(0.5, 1.5, shape).astype(np.float32)
        elif name.endswith("bias"):
            tensors[name] = normal * np.float32(0.5)
        else:
            kind = next(part for part in stds if part in name.replace("embeddings.weight", "_embeddings.weight"))
            tensors[name] = normal * np.float32(stds[kind])
    return tensors


def write_model(folder: Path, config: BertConfig, seed: int = 0) -> Path:
    """Write a folder like those of transformers: config.json, model.safetensors, vocab.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model_type": "bert", "architectures": ["BertModel"], **config._asdict()}
    (folder / "config.json").write_text(json.dumps(content, indent=2) + "\n")
    (folder / "vocab.txt").write_bytes(VOCAB.read_bytes())
    save_file(make_weights(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for name, size in SIZES.items():
        print(write_model(Path(sys.argv[1]) / name, make_config(*size)))
