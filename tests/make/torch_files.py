"""Write tests/golden/torch: small checkpoints as torch writes them, and their values.

Needs torch (2.13 wrote the committed ones).

    python -m tests.make.torch_files

Storage keys of the old format are addresses, so it looks different each time.
"""

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support.models import make_config, make_weights

FOLDER = Path(__file__).parents[1] / "golden" / "torch"


def state_dict() -> OrderedDict[str, torch.Tensor]:
    """A state dict with the peculiarities of BERT's.

    They are a tied decoder, views of one storage, Parameters, an expanded buffer, half precision
    and `_metadata`.
    """
    generator = torch.Generator().manual_seed(0)
    words = torch.randn(7, 4, generator=generator)
    square = torch.randn(4, 4, generator=generator)
    tensors: OrderedDict[str, torch.Tensor] = OrderedDict()
    tensors["bert.embeddings.word_embeddings.weight"] = words
    tensors["bert.embeddings.position_ids"] = torch.arange(6).expand(1, -1)
    tensors["bert.encoder.layer.0.attention.self.query.weight"] = square.t()
    tensors["bert.encoder.layer.0.attention.self.key.weight"] = square[1:, 1::2]
    tensors["bert.encoder.layer.0.attention.self.value.weight"] = square[4:, 2:]  # empty, and begins behind the end
    tensors["bert.encoder.layer.0.output.LayerNorm.gamma"] = torch.nn.Parameter(torch.rand(4, generator=generator))
    tensors["bert.pooler.dense.weight"] = square.half()[2:]
    tensors["bert.pooler.dense.bias"] = square.bfloat16()[0]
    tensors["cls.predictions.decoder.weight"] = words
    tensors["cls.predictions.bias"] = words[:, 3]
    tensors["scalar"] = torch.tensor(-2.5, dtype=torch.float64)
    tensors["empty"] = torch.zeros(0, 3)
    tensors._metadata = OrderedDict({"": {"version": 1}, "bert": {"version": 1}})  # type: ignore[attr-defined]
    return tensors


def integers() -> dict[str, torch.Tensor]:
    """Every type that is not floating, in a plain dict."""
    types = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    return {str(dtype).removeprefix("torch."): torch.tensor([[0, 1, 100]]).to(dtype) for dtype in types}


def training() -> dict[str, object]:
    """What a training script saves: the model, and beside it the state of an optimizer."""
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    parameter.note = "attributes make it another function"  # type: ignore[attr-defined]
    return {"epoch": 3, "loss": 0.25, "big": 2**40, "model": {"weight": parameter}, "optimizer": optimizer.state_dict()}


def pretraining() -> OrderedDict[str, torch.Tensor]:
    """A whole BERT of one layer with the heads of pre-training, the decoder tied."""
    config = make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)
    tensors = OrderedDict((f"bert.{name}", torch.from_numpy(array)) for name, array in make_weights(config).items())
    tensors["cls.predictions.bias"] = torch.arange(30.0)
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    return tensors


def arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The values. NumPy has no bfloat16: its bits as int16."""
    bits = {name: tensor.detach().view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor for name, tensor in tensors.items()}
    return {name: tensor.detach().numpy() for name, tensor in bits.items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    cases: dict[str, Any] = {"bert": state_dict(), "integers": integers(), "training": training(), "pretraining": pretraining()}
    for name, value in cases.items():
        torch.save(value, FOLDER / f"{name}.zip.bin")
        torch.save(value, FOLDER / f"{name}.legacy.bin", _use_new_zipfile_serialization=False)
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays(value.get("model", value)))  # type: ignore[arg-type]
    buffer = io.BytesIO()  # without a name, the folder is "archive"; without byteorder, as older versions wrote it
    torch.save(cases["bert"], buffer, _disable_byteorder_record=True)
    (FOLDER / "bert.old.bin").write_bytes(buffer.getvalue())
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.stat().st_size:8} {path.name}")


if __name__ == "__main__":
    main()
