"""Random model folders: combinations of the files and fields that the originals write.

The originals are transformers, tokenizers and sentence-transformers. A number gives always the same
folder, so a failure can be repeated: `python -m tests.parity.random_folders NUMBER FOLDER`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from minibert.bert.config import ARCHITECTURE, BertConfig
from minibert.bert.tensors import expected_shapes
from tests.parity.random_tokenizers import ABSENT, Draw, write, write_tokenizer

POOLINGS = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
ACTIVATIONS = [f"torch.nn.modules.activation.{name}" for name in ("Tanh", "ReLU", "GELU", "Sigmoid", "Softplus")]
ACTIVATIONS += ["torch.nn.modules.linear.Identity"]


def bert_config(draw: Draw, vocab_size: int, has_json: bool) -> dict[str, Any]:
    heads = draw.one(1, 2, 3)
    config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": vocab_size, "num_attention_heads": heads}
    config |= draw.fields(
        num_hidden_layers=(1, 2),
        intermediate_size=(5, 16),
        hidden_act=("gelu", "gelu_new"),
        max_position_embeddings=(12, 40),
        type_vocab_size=(1, 2),
        tokenizer_class=(*[ABSENT] * 6, "BertTokenizer", "PreTrainedTokenizerFast" if has_json else "BertTokenizerFast"),
    )
    return config | {"hidden_size": heads * draw.one(4, 8), "layer_norm_eps": 1e-12}


def weights(draw: Draw, config: dict[str, Any]) -> dict[str, Any]:
    """Tensors by name, in one of the dialects that `load` reads."""
    numbers = np.random.default_rng(draw.random.randrange(1 << 30))
    shapes = dict(expected_shapes(BertConfig(*(config[name] for name in ARCHITECTURE), config["hidden_act"], config["layer_norm_eps"])))
    prefix, dtype, has_pooler = draw.one("", "", "bert."), draw.one(np.float32, np.float32, np.float16), draw.chance(0.7)
    tensors = {}
    for name, shape in shapes.items():
        if has_pooler or not name.startswith("pooler."):
            scale = 1 + 0.1 * numbers.standard_normal(shape) if "LayerNorm.weight" in name else 0.3 * numbers.standard_normal(shape)
            tensors[prefix + name] = scale.astype(dtype)
    if prefix and draw.chance(0.5):
        tensors["cls.predictions.bias"] = np.zeros(config["vocab_size"], dtype)
    if draw.chance(0.3):
        tensors[f"{prefix}embeddings.position_ids"] = np.arange(config["max_position_embeddings"])[np.newaxis]
    return tensors


def write_weights(draw: Draw, folder: Path, tensors: dict[str, Any]) -> None:
    """One file, or shards and their index."""
    if draw.chance(0.8):
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, index = list(tensors), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    write(folder / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": index})


def pooling_config(draw: Draw, size: int) -> dict[str, Any]:
    """1_Pooling/config.json, in the form until version 5 or in the present one."""
    modes = draw.random.sample(POOLINGS, draw.one(1, 1, 1, 2, 3))
    prompt = draw.fields(include_prompt=(ABSENT, ABSENT, True, False))
    if draw.chance(0.5):
        return {"word_embedding_dimension": size} | {f"pooling_mode_{mode}": mode in modes for mode in POOLINGS} | prompt
    names = [mode.removesuffix("_tokens").removesuffix("_token") if mode != "mean_sqrt_len_tokens" else mode for mode in modes]
    return {"embedding_dimension": size, "pooling_mode": names[0] if len(names) == 1 else tuple(names)} | prompt


def write_modules(draw: Draw, folder: Path, inner: str, size: int) -> None:
    """modules.json and the folder of each module after the Transformer."""
    package = "sentence_transformers.models."
    modules = [(inner, "Transformer")]
    pooling = pooling_config(draw, size)
    modules.append((draw.one("1_Pooling", "1_Pooling", "pooling"), "Pooling"))
    (folder / modules[-1][0]).mkdir()
    write(folder / modules[-1][0] / "config.json", pooling)
    modes = sum(bool(value) for name, value in pooling.items() if name.startswith("pooling_mode_"))
    modes = modes or (1 if isinstance(pooling["pooling_mode"], str) else len(pooling["pooling_mode"]))
    width = size * modes
    for number in range(2, 2 + draw.one(0, 0, 1, 2)):
        if draw.chance(0.4):
            modules.append((f"{number}_Normalize", "Normalize"))
            continue
        path, outputs = f"{number}_Dense", draw.one(3, 8, width)
        (folder / path).mkdir()
        has_bias = draw.chance(0.7)
        config = {"in_features": width, "out_features": outputs, "bias": has_bias, "activation_function": draw.one(*ACTIVATIONS)}
        write(folder / path / "config.json", config)
        numbers = np.random.default_rng(number)
        tensors = {"linear.weight": numbers.standard_normal((outputs, width)).astype(np.float32)}
        tensors |= {"linear.bias": numbers.standard_normal(outputs).astype(np.float32)} if has_bias else {}
        save_file(tensors, folder / path / "model.safetensors", metadata={"format": "pt"})
        modules.append((path, "Dense"))
        width = outputs
    write(folder / "modules.json", [
        {"idx": index, "name": str(index), "path": path, "type": package + name} for index, (path, name) in enumerate(modules)
    ])  # fmt: skip


def write_settings(draw: Draw, folder: Path, encoder: Path) -> None:
    """sentence_bert_config.json and config_sentence_transformers.json."""
    if draw.chance(0.7):
        write(
            encoder / "sentence_bert_config.json",
            draw.fields(max_seq_length=(ABSENT, None, 5, 9, 200), do_lower_case=(ABSENT, False, True)),
        )
    if draw.chance(0.7):
        general = draw.fields(
            prompts=(ABSENT, {}, {"query": "play: ", "document": ""}, {"query": "hello ", "passage": "a b "}),
            truncate_dim=(ABSENT, ABSENT, ABSENT, None, 3),
            similarity_fn_name=(ABSENT, None, "cosine"),
        )
        names = [*general.get("prompts", {})]
        general |= draw.fields(default_prompt_name=(ABSENT, ABSENT, None, *names[:1]))
        write(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "3.0.0"}} | general)


def write_folder(draw: Draw, folder: Path) -> None:
    """A whole model."""
    has_modules = draw.chance(0.85)
    inner = draw.one("", "", "", "0_Transformer") if has_modules else ""
    encoder = folder / inner
    encoder.mkdir(exist_ok=True)
    vocab = write_tokenizer(draw, encoder)
    config = bert_config(draw, len(vocab) + draw.one(0, 0, 3, 6), (encoder / "tokenizer.json").exists())
    write(encoder / "config.json", config)
    write_weights(draw, encoder, weights(draw, config))
    if has_modules:
        write_modules(draw, folder, inner, config["hidden_size"])
        write_settings(draw, folder, encoder)


if __name__ == "__main__":
    write_folder(Draw(int(sys.argv[1])), Path(sys.argv[2]))
