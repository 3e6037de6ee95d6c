"""Folders with modules after the pooling, and the vectors that they must give."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.support.small_folders import write_json

SIZE = 24


def write_chain(folder: Path, source: Path, *modules: tuple[str, dict[str, Any], dict[str, np.ndarray]], pooling: Any = "cls") -> Path:
    """Write a folder of sentence-transformers 6.2; a module is (class, config.json, weights)."""
    shutil.copytree(source, folder)
    listed = [("Transformer", ""), ("Pooling", "1_Pooling")]
    write_json(folder / "1_Pooling" / "config.json", {"embedding_dimension": SIZE, "pooling_mode": pooling, "include_prompt": True})
    for number, (kind, config, weights) in enumerate(modules, 2):
        listed.append((kind, f"{number}_{kind}"))
        write_json(folder / f"{number}_{kind}" / "config.json", config)
        if weights:
            save_file(weights, folder / f"{number}_{kind}" / "model.safetensors")
    types = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"} for i, (kind, path) in enumerate(listed)
    ]
    write_json(folder / "modules.json", types)
    return folder


def dense(
    in_features: int, out_features: int, activation: str = "Tanh", **config: Any
) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    random = np.random.default_rng(in_features * 1000 + out_features)
    weights = {"linear.weight": random.normal(size=(out_features, in_features)).astype(np.float32) / np.float32(math.sqrt(in_features))}
    if config.get("bias", True):
        weights["linear.bias"] = random.normal(size=out_features).astype(np.float32)
    package = "linear" if activation == "Identity" else "activation"
    settings = {
        "in_features": in_features,
        "out_features": out_features,
        "bias": True,
        "activation_function": f"torch.nn.modules.{package}.{activation}",
    }
    return "Dense", settings | config, weights


def layer_norm(size: int) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    random = np.random.default_rng(size)
    return "LayerNorm", {"dimension": size}, {f"norm.{name}": random.normal(size=size).astype(np.float32) for name in ("weight", "bias")}


NORMALIZE: tuple[str, dict[str, Any], dict[str, np.ndarray]] = ("Normalize", {}, {})
DROPOUT: tuple[str, dict[str, Any], dict[str, np.ndarray]] = ("Dropout", {"dropout": 0.2}, {})


def residual(in_features: int, out_features: int) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    kind, config, weights = dense(in_features, out_features, use_residual=True)
    if in_features != out_features:
        weights["residual.weight"] = np.random.default_rng(7).normal(size=(out_features, in_features)).astype(np.float32)
    return kind, config, weights


def expected_vectors(vectors: np.ndarray, *modules: tuple[str, dict[str, Any], dict[str, np.ndarray]]) -> np.ndarray:
    """Return the vectors after the modules, in float64.

    Other activations have a test of their own.
    """
    result = vectors.astype(np.float64)
    for kind, config, weights in modules:
        if kind == "Dense":
            given, result = result, result @ weights["linear.weight"].T.astype(np.float64) + weights.get("linear.bias", 0)
            result = np.tanh(result) if config["activation_function"].endswith("Tanh") else result
            if config.get("use_residual"):
                result = result + (given @ weights["residual.weight"].T if "residual.weight" in weights else given)
        elif kind == "LayerNorm":
            centred = result - result.mean(axis=1, keepdims=True)
            result = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * weights["norm.weight"] + weights["norm.bias"]
        elif kind == "Normalize":
            result = result / np.linalg.norm(result, axis=1, keepdims=True)
    return result
