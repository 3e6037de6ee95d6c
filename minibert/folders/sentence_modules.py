"""The modules of sentence-transformers after the pooling: Dense, LayerNorm, Normalize, Dropout.

A module is read in two parts. `read_module` reads its config.json, which tells the names, shapes
and size of its weights; `fetch` needs those before it downloads them. `prepare_module` reads the
weights and returns a function from vectors to vectors.

Source: sentence-transformers 6.2, `Dense`, `LayerNorm`, `Normalize`, `Dropout`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from os.path import join
from types import MappingProxyType

import numpy as np

from ..arrays import FLOAT_WORDS, FLOATS, widen
from ..bert.weights import LayerNorm, Linear
from ..files.access import listed
from ..files.fields import Fields, is_there, load_fields, optional_fields, shown
from ..formats.safetensors import open_safetensors
from ..ops import Encoder, Float32
from ..pooling import unit_length
from ..runtime.tuples import FieldTuple
from .layout import WITHOUT_FILES

WEIGHTS = "model.safetensors"
HEADER_BYTES = 1 << 16  # limit for the header of a file with three tensors
MAX_FEATURES = 1 << 16  # numbers of a vector; the widest model has 8,192
MAX_NUMBERS = 1 << 28  # weights of all modules together
NUMBER_BYTES = max(dtype.itemsize for dtype in FLOATS)  # bytes of a number at most
TORCH = ("torch.nn.", "torch.nn.modules.activation.", "torch.nn.modules.linear.")  # PyTorch's packages of activations
LAYER_NORM_EPS = 1e-5  # PyTorch's default, which sentence-transformers uses
Step = Callable[[Float32], Float32]  # vectors (num_texts, in_features) -> (num_texts, out_features)


class Module(FieldTuple):
    """A module as its config.json describes it."""

    kind: str
    config: str  # the path of that file, for messages
    folder: str
    in_features: int | None = None  # None for any size
    out_features: int | None = None  # None for the size of the input
    activation: str = "Identity"
    has_residual: bool = False
    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType({})  # by the names of its tensors

    @property
    def weights(self) -> str:
        """The file of its weights, if `shapes` has any."""
        return join(self.folder, WEIGHTS)

    @property
    def num_parameters(self) -> int:
        return sum(map(math.prod, self.shapes.values()))

    @property
    def max_bytes(self) -> int:
        """The largest size that the file of its weights may have."""
        return NUMBER_BYTES * self.num_parameters + HEADER_BYTES

    def __str__(self) -> str:
        if self.kind != "Dense":
            return self.kind
        return f"Dense({self.in_features} -> {self.out_features}, {self.activation}{', residual' if self.has_residual else ''})"


def read_module(kind: str, folder: str) -> Module:
    """Return a module, read from its config.json.

    Raises ValueError for what is not implemented, and FileNotFoundError for a missing file.
    """
    load = optional_fields if kind in WITHOUT_FILES else load_fields
    return READERS[kind](load(join(folder, "config.json")), folder)


def _dense(config: Fields, folder: str) -> Module:
    """A Dense multiplies by a matrix, adds a bias, and applies an activation.

    With `use_residual` it adds its input at the end. A further matrix gives the input the new size.
    """
    _check_names(config)
    has_residual = config.get("use_residual", bool, False)
    in_features, out_features = _features(config, "in_features"), _features(config, "out_features")
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (out_features, in_features)}
    if config.get("bias", bool, True):
        shapes["linear.bias"] = (out_features,)
    if has_residual and in_features != out_features:
        shapes["residual.weight"] = (out_features, in_features)
    return Module("Dense", config.where, folder, in_features, out_features, _activation(config), has_residual, shapes)


def _layer_norm(config: Fields, folder: str) -> Module:
    size = _features(config, "dimension")
    return Module("LayerNorm", config.where, folder, size, size, shapes={"norm.weight": (size,), "norm.bias": (size,)})


def _normalize(config: Fields, folder: str) -> Module:
    _check_names(config)
    return Module("Normalize", config.where, folder)


def _dropout(config: Fields, folder: str) -> Module:
    """Dropout does nothing outside of training."""
    return Module("Dropout", config.where, folder)


READERS: dict[str, Callable[[Fields, str], Module]] = {
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
    """Return the name of the activation, Tanh if the file has none; null is refused.

    sentence-transformers has the same default, and fails at null.
    """
    from ..ops.numpy_ops import ACTIVATIONS  # only Dense needs them

    path = config.need("activation_function", str) if "activation_function" in config.content else "torch.nn.Tanh"
    package, dot, name = path.rpartition(".")
    if package + dot not in TORCH or name not in ACTIVATIONS:
        raise config.refuse("activation_function", f"one of torch.nn.{', '.join(ACTIVATIONS)}")
    return name


def check_total(modules: Iterable[Module]) -> None:
    """Raise ValueError if the modules together have more weights than any real model."""
    total = 0
    for module in modules:
        total += module.num_parameters
        if total > MAX_NUMBERS:
            raise ValueError(f"{module.config}: expected at most {MAX_NUMBERS:,} numbers in all modules, found {total:,} so far")


def size_after(modules: Iterable[Module], size: int) -> int:
    """Return the size that a vector of `size` numbers has after the modules.

    Raises ValueError if a module takes vectors of another size.
    """
    for module in modules:
        if module.in_features not in (None, size):
            raise ValueError(f"{module.config}: expected vectors of {module.in_features} numbers, found vectors of {size}")
        size = size if module.out_features is None else module.out_features
    return size


def read_tensors(module: Module) -> dict[str, Float32]:
    """Return the weights of a module, which must have the shapes that its config says.

    Raises FileNotFoundError if there is no file, ValueError for a file that is broken or does not
    fit.
    """
    path = module.weights
    if not is_there(path):
        has_torch = is_there(join(module.folder, "pytorch_model.bin"))
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
    """Return a module as a function from vectors to vectors. Raises like `read_tensors`."""
    if module.kind == "Normalize":
        return unit_length
    tensors = read_tensors(module)
    if module.kind == "LayerNorm":
        from ..ops import numpy_ops

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
