"""The modules that a folder of sentence-transformers has after its pooling: Dense, LayerNorm, Normalize, Dropout.

Each is read in two steps. `read_module` looks at its config.json alone, so that `fetch` knows which weights to bring, and of which size.
`prepare_module` reads the weights and gives a function from vectors to vectors.

Source: sentence-transformers 6.2, `Dense`, `LayerNorm`, `Normalize`, `Dropout`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..arrays import widen
from ..bert.weights import FLOAT_WORDS, FLOATS, LayerNorm, Linear
from ..files.access import listed
from ..files.fields import Fields, is_there, load_fields, optional_fields, shown
from ..formats.safetensors import open_safetensors
from ..ops import Encoder, Float32, numpy_ops
from ..pooling import unit_length
from .layout import WITHOUT_FILES

WEIGHTS = "model.safetensors"
HEADER_BYTES = 1 << 16  # of a file with two tensors, at most
MAX_FEATURES = 1 << 16  # numbers of a vector; the widest model has 8,192
MAX_NUMBERS = 1 << 28  # of the weights of all modules
MOST_BYTES = max(dtype.itemsize for dtype in FLOATS)  # of a number
TORCH = ("torch.nn.", "torch.nn.modules.activation.", "torch.nn.modules.linear.")  # where PyTorch has its activations
LAYER_NORM_EPS = 1e-5  # PyTorch's, which sentence-transformers does not change
Step = Callable[[Float32], Float32]  # vectors (num_texts, in_features) -> (num_texts, out_features)


@dataclass(frozen=True)
class Module:
    """What the config.json of a module says."""

    kind: str
    config: str  # where that file is
    folder: Path
    in_features: int | None = None  # None for any
    out_features: int | None = None  # None for as many as come in
    activation: str = "Identity"
    has_residual: bool = False
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of its tensors

    @property
    def weights(self) -> Path:
        """Its file of weights, if `shapes` has any."""
        return self.folder / WEIGHTS

    @property
    def num_parameters(self) -> int:
        return sum(map(math.prod, self.shapes.values()))

    @property
    def most_bytes(self) -> int:
        """Of its file of weights, at most."""
        return MOST_BYTES * self.num_parameters + HEADER_BYTES

    def __str__(self) -> str:
        if self.kind != "Dense":
            return self.kind
        return f"Dense({self.in_features} -> {self.out_features}, {self.activation}{', residual' if self.has_residual else ''})"


def read_module(kind: str, folder: Path) -> Module:
    """A module by its config.json. Raises ValueError for what is not implemented, FileNotFoundError for a missing file."""
    load = optional_fields if kind in WITHOUT_FILES else load_fields
    return READERS[kind](load(folder / "config.json"), folder)


def _dense(config: Fields, folder: Path) -> Module:
    _check_names(config)
    has_residual = config.get("use_residual", bool, False)
    in_features, out_features = _features(config, "in_features"), _features(config, "out_features")
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (out_features, in_features)}
    if config.get("bias", bool, True):
        shapes["linear.bias"] = (out_features,)
    if has_residual and in_features != out_features:
        shapes["residual.weight"] = (out_features, in_features)
    return Module("Dense", config.where, folder, in_features, out_features, _activation(config), has_residual, shapes)


def _layer_norm(config: Fields, folder: Path) -> Module:
    size = _features(config, "dimension")
    return Module("LayerNorm", config.where, folder, size, size, shapes={"norm.weight": (size,), "norm.bias": (size,)})


def _normalize(config: Fields, folder: Path) -> Module:
    _check_names(config)
    return Module("Normalize", config.where, folder)


def _dropout(config: Fields, folder: Path) -> Module:
    """Nothing, outside of training."""
    return Module("Dropout", config.where, folder)


READERS: dict[str, Callable[[Fields, Path], Module]] = {
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
    "Dropout": _dropout,
}


def _check_names(config: Fields) -> None:
    for name in ("module_input_name", "module_output_name"):
        if config.get(name, str, "sentence_embedding") != "sentence_embedding":
            raise config.refuse(name, "'sentence_embedding'")


def _features(config: Fields, name: str) -> int:
    number = config.need(name, int)
    if not 1 <= number <= MAX_FEATURES:
        raise ValueError(f"{config.where}: {name}: expected 1 to {MAX_FEATURES}, found {shown(number)}")
    return number


def _activation(config: Fields) -> str:
    """Tanh where the file says nothing, as in sentence-transformers, which does not read null."""
    path = config.need("activation_function", str) if "activation_function" in config.content else "torch.nn.Tanh"
    package, dot, name = path.rpartition(".")
    if package + dot not in TORCH or name not in numpy_ops.ACTIVATIONS:
        raise config.refuse("activation_function", f"one of torch.nn.{', '.join(numpy_ops.ACTIVATIONS)}")
    return name


def check_total(modules: Iterable[Module]) -> None:
    """ValueError if the weights of all modules are more than any model has."""
    total = 0
    for module in modules:
        total += module.num_parameters
        if total > MAX_NUMBERS:
            raise ValueError(f"{module.config}: expected at most {MAX_NUMBERS:,} numbers in all modules, found {total:,} so far")


def size_after(modules: Iterable[Module], size: int) -> int:
    """How many numbers a vector of `size` has behind the modules. Raises ValueError if one of them takes another number."""
    for module in modules:
        if module.in_features not in (None, size):
            raise ValueError(f"{module.config}: expected vectors of {module.in_features} numbers, found {size}, which come in")
        size = size if module.out_features is None else module.out_features
    return size


def read_tensors(module: Module) -> dict[str, Float32]:
    """The weights of a module, which are as its config says.

    Raises FileNotFoundError if there are none, ValueError for a file that is broken or does not fit.
    """
    path = module.weights
    if not is_there(path):
        has_torch = is_there(module.folder / "pytorch_model.bin")
        advice = "`minibert convert` makes it of pytorch_model.bin" if has_torch else "`save_pretrained` of sentence-transformers writes it"
        raise FileNotFoundError(f"{path}: not found; {advice}")
    with open_safetensors(path) as tensors:
        if tensors.keys() != module.shapes.keys():
            raise ValueError(f"{path}: expected {listed(module.shapes)} ({module.config}), found {listed(tensors)}")
        for name, shape in module.shapes.items():
            if tensors[name].shape != shape or tensors[name].dtype not in FLOATS:
                expected = f"expected {shape} ({module.config}), as {FLOAT_WORDS}"
                raise ValueError(f"{path}: {name}: {expected}, found {tensors[name].shape} {tensors[name].dtype}")
        return {name: widen(np.asarray(tensors[name])) for name in module.shapes}


def prepare_module(module: Module, encoder: Encoder) -> Step:
    """Return the function that a module is. Raise like `read_tensors`."""
    if module.kind == "Normalize":
        return unit_length
    tensors = read_tensors(module)
    if module.kind == "LayerNorm":
        norm = LayerNorm(tensors["norm.weight"], tensors["norm.bias"], LAYER_NORM_EPS)
        return lambda vectors: numpy_ops.layer_norm(np.array(vectors, order="C"), norm)
    zeros = np.zeros(module.shapes["linear.weight"][0], np.float32)
    dense = encoder.dense(Linear(tensors["linear.weight"], tensors.get("linear.bias", zeros)), module.activation)
    residual = encoder.dense(Linear(tensors["residual.weight"], zeros), "Identity") if "residual.weight" in tensors else None

    def step(vectors: Float32) -> Float32:
        vectors = np.require(vectors, requirements=["C", "W"])
        result = dense(vectors)
        if module.has_residual:
            result += vectors if residual is None else residual(vectors)
        return result

    return step
