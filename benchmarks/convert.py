"""Measure the time and memory that a conversion of L-6_H-768 takes.

    pip install torch==2.13.0             # for both formats of torch
    pip install tensorflow-cpu==2.21.0    # for its checkpoints, in an environment of its own
    python -m benchmarks.convert

Formats whose library is not installed are left out.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, VOCAB, machine, median
from tests.support.models import SIZES, make_config, make_weights

ROUNDS = 5
CONVERT = r"""
import re, sys, time
from pathlib import Path
from minibert.importers.convert import convert
started = time.perf_counter()
convert(Path(sys.argv[1]), Path(sys.argv[2]))
seconds = time.perf_counter() - started
# ru_maxrss would include the memory of the parent.
print(seconds, int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
Arrays = dict[str, np.ndarray]


def torch_zip(arrays: Arrays, folder: Path, **options: Any) -> None:
    import torch

    state = {f"bert.{name}": torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, folder / "pytorch_model.bin", **options)


def torch_legacy(arrays: Arrays, folder: Path) -> None:
    torch_zip(arrays, folder, _use_new_zipfile_serialization=False)


def tensorflow(arrays: Arrays, folder: Path) -> None:
    import tensorflow as tf

    named = {}
    for name, array in arrays.items():
        name = name.replace(".", "/").replace("encoder/layer/", "encoder/layer_").replace("embeddings/weight", "embeddings")
        if "LayerNorm" in name:
            name = name.replace("/weight", "/gamma").replace("/bias", "/beta")
        elif name.endswith("/weight"):
            name, array = name.replace("/weight", "/kernel"), array.T
        named["bert/" + name] = tf.constant(array)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"), tensor_names=list(named), shape_and_slices=[""] * len(named), tensors=list(named.values())
    )


SOURCES: dict[str, tuple[str, Callable[[Arrays, Path], None]]] = {
    "torch, zip": ("torch", torch_zip),
    "torch, legacy": ("torch", torch_legacy),
    "TensorFlow checkpoint": ("tensorflow", tensorflow),
}


def measure(write: Callable[[Arrays, Path], None], arrays: Arrays, config: dict[str, Any]) -> dict[str, float]:
    """The medians of fresh processes."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.mkdir()
        write(arrays, source)
        (source / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
        (source / "vocab.txt").write_bytes(VOCAB.read_bytes())
        rounds = []
        for number in range(ROUNDS):
            target = Path(work) / f"model{number}"
            command = [sys.executable, "-c", CONVERT, str(source), str(target)]
            rounds.append([float(each) for each in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()])
            size = (target / "model.safetensors").stat().st_size / 2**20
        seconds, megabytes = (median(list(each)) for each in zip(*rounds, strict=True))
    return {"seconds": round(seconds, 2), "megabytes": round(megabytes), "file": round(size), "share": round(megabytes / size, 2)}


def main() -> None:
    """Measure, and add to the results of other environments."""
    path = RESULTS / "convert.json"
    content = json.loads(path.read_text()) if path.exists() else {}
    config = make_config(*SIZES["L6_H768"])
    arrays = make_weights(config)
    for name, (package, write) in SOURCES.items():
        if find_spec(package):
            content[name] = measure(write, arrays, config._asdict()) | {"machine": machine()}
            print(name, content[name], flush=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
