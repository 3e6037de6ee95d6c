"""Weights in several files, as transformers writes them."""

import json
from pathlib import Path

from safetensors.numpy import load_file, save_file

INDEX = "model.safetensors.index.json"
ONE, TWO, THREE = (f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))


def shard(folder: Path) -> Path:
    """Split model.safetensors into three, as `save_pretrained(max_shard_size=...)` does."""
    arrays = load_file(folder / "model.safetensors")
    names = sorted(arrays)
    (folder / "model.safetensors").unlink()
    places = {}
    for number, file in enumerate((ONE, TWO, THREE)):
        part = names[number::3]
        save_file({name: arrays[name] for name in part}, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return folder
