"""Write tests/golden/safetensors/small.safetensors with the library.

It has several types, an empty tensor and a scalar.

python -m tests.make.safetensors_file
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FILE = Path(__file__).parents[1] / "golden" / "safetensors" / "small.safetensors"


def main() -> None:
    random = np.random.default_rng(0)
    tensors = {
        "bert.embeddings.word_embeddings.weight": random.normal(size=(7, 4)).astype(np.float32),
        "half": random.normal(size=(3, 5)).astype(np.float16),
        "bytes": np.arange(9, dtype=np.int8),
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.array(2.5),
    }
    FILE.parent.mkdir(exist_ok=True)
    save_file(tensors, FILE, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
