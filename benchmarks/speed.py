"""Texts in, sentence vectors out: minibert on NumPy beside onnxruntime float32, both miniature sizes, both cores.

The rival is at its best: texts tokenized by Hugging Face `tokenizers`, sorted by length, batches of 4, 8, 16 and 64, the graph as exported
and with all of onnxruntime's BERT fusions; the fastest of the eight counts.

    pip install onnxruntime onnx onnxscript sympy transformers tokenizers==0.23.3 torch==2.13.0
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python benchmarks/speed.py
"""

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers
import torch
import transformers
from common import VOCAB, check_environment, median, paired, save, texts
from onnxruntime.transformers import optimizer

import minibert

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from make_models import SIZES, make_config, write_model

NUMBERS = {"L8_H128": 1000, "L6_H768": 100}  # texts of about 20 tokens; a fifth of it for the longer ones


class OnnxRuntime:
    """One graph, one batch size."""

    def __init__(self, graph: Path, batch_size: int, num_threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self.tokenizer = tokenizers.BertWordPieceTokenizer(str(VOCAB))
        self.tokenizer.enable_truncation(512)
        self.batch_size = batch_size

    def encode(self, texts: list[str]) -> np.ndarray:
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda index: -len(ids[index]))
        rows: dict[int, np.ndarray] = {}
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            padded = np.zeros((len(batch), len(ids[batch[0]])), np.int64)
            for row, index in zip(padded, batch, strict=True):
                row[: len(ids[index])] = ids[index]
            mask = (padded != 0).astype(np.int64)
            inputs = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)}
            (hidden,) = self.session.run(None, inputs)
            pooled = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            rows.update(zip(batch, pooled, strict=True))
        return np.stack([rows[index] for index in range(len(texts))])


class Exported(torch.nn.Module):
    """transformers' BertModel with the three inputs and the one output that a graph for embeddings has."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        return self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state


def graphs(folder: Path, num_heads: int, hidden_size: int) -> dict[str, Path]:
    plain, fused = folder / "plain.onnx", folder / "fused.onnx"
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.randint(5, 1000, (2, 9))
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "hidden"]}
    torch.onnx.export(
        Exported(folder),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        plain,
        input_names=names,
        output_names=["hidden"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    model = optimizer.optimize_model(str(plain), model_type="bert", num_heads=num_heads, hidden_size=hidden_size, opt_level=1)
    statistics = model.get_fused_operator_statistics()
    if not statistics["Attention"]:
        raise SystemExit(f"onnxruntime did not fuse attention: {statistics}")
    model.save_model_to_file(str(fused))
    return {"plain": plain, "fused": fused}


def measure(name: str, folder: Path) -> list[dict[str, Any]]:
    num_layers, hidden_size, num_heads = SIZES[name]
    write_model(folder, make_config(num_layers, hidden_size, num_heads))
    model = minibert.load(folder, backend="numpy")
    rivals = {
        f"{graph}, batches of {size}": OnnxRuntime(path, size, model.num_threads)
        for graph, path in graphs(folder, num_heads, hidden_size).items()
        for size in (4, 8, 16, 64)
    }
    rows = []
    for kind in ("about 20 tokens", "about 130 tokens", "3 to 512 tokens"):
        batch = texts(kind, NUMBERS[name] // (1 if kind == "about 20 tokens" else 5))
        num_tokens = len(model.tokenizer.encode_batch(batch, 512).input_ids)
        difference = np.abs(model.encode(batch) - rivals["plain, batches of 16"].encode(batch)).max()
        calls = {"minibert": lambda batch=batch: model.encode(batch)}
        calls |= {label: lambda rival=rival, batch=batch: rival.encode(batch) for label, rival in rivals.items()}
        seconds = paired(calls)
        best = min(rivals, key=lambda label: median(seconds[label]))
        ratios = [theirs / ours for theirs, ours in zip(seconds[best], seconds["minibert"], strict=True)]
        rows.append(
            {
                "model": name,
                "texts": kind,
                "num_tokens": num_tokens,
                "minibert_tokens_per_s": round(num_tokens / median(seconds["minibert"])),
                "onnxruntime_tokens_per_s": round(num_tokens / median(seconds[best])),
                "onnxruntime_best": best,
                "ratio": round(median(ratios), 2),
                "ratio_least": round(min(ratios), 2),
                "ratio_greatest": round(max(ratios), 2),
                "greatest_difference_of_vectors": float(f"{difference:.1e}"),
            }
        )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    check_environment()
    warnings.filterwarnings("ignore")
    results = []
    for name in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            results += measure(name, Path(folder))
    save("speed", results)
