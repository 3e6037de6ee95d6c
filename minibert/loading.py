"""From a folder to a model: read what it says, prepare both halves, check that they fit."""

import os
import sys
from types import MappingProxyType

from . import habits
from .arguments import check_choice, check_integer
from .bert.config import BertConfig
from .files import StrPath
from .folders.bundled import BUNDLED, bundled_folder
from .folders.read import open_weights, weights_file
from .folders.settings import FolderSettings, load_folder
from .habits import explain
from .model import MiniBert
from .model_base import ModelSettings
from .ops import backends
from .runtime.threads import forks_wait, usable_threads
from .tokenizer import WordPieceTokenizer, choose

PRECISIONS = ("auto", "float32", "int8")
# Characters from which the compiled tokenizer pays where the encoder is compiled too. Its
# tables take some tenths of a second, and it saves 1 ms for every 10,000 characters.
COMPILED_TOKENIZER_PAYS = 10_000


@explain("load", habits.LOAD)
def load(
    path: str | os.PathLike[str] | None = None,
    *,
    backend: str = "auto",
    precision: str = "auto",
    num_threads: int | None = None,
    tokenizer_compat: str = "hf",
    mmap: bool = False,
) -> MiniBert:
    """Load the bundled model, or a folder that transformers or sentence-transformers wrote.

    Nothing is downloaded. A loaded model does not depend on its files, unless they are mapped.

    Args:
        path: a folder with `config.json`, `model.safetensors` (or shards with their index), and
            `tokenizer.json` or `vocab.txt`. Or the name of a model that `minibert fetch` has
            brought, or an alias (`minibert models` lists them). Or OWNER/REPO in the cache of the
            Hugging Face hub. None is the bundled model, minibert-L8-H128, which turns English texts
            into 128 numbers.
        backend: "library" has compiled kernels in a shared library. "numba" compiles the same
            kernels in this process, on the first use ever. "numpy" needs only NumPy. "auto" is the
            first of these that can run here.
        precision: "float32". Or "int8": matrix products of eight-bit integers. Compiled, they are
            two to three times as fast. Weights take a quarter of the memory of float32. Word
            embeddings that are stored as float16 take half. Vectors have a cosine of 0.998 to the
            others. "auto" is the precision in which the folder stores its weights.
        num_threads: threads of a call, at most four for each CPU of the machine. None is the number
            of CPUs that affinity and the container's quota leave to this process.
        tokenizer_compat: "hf" tokenizes as Hugging Face `tokenizers` 0.23.3, "google" as
            google-research/bert. They differ on hundreds of characters, which the docstring of
            `minibert.tokenizer` lists.
        mmap: True maps the weights instead of reading them, so that processes share their pages.
            It maps the word embeddings, and with "numpy" the float32 matrices too. Then the file
            must stay as it is. If it is overwritten, the vectors change. If it is cut, the process
            ends with SIGBUS. Replace it by a rename.

    Raises:
        FileNotFoundError: the folder or a file in it is missing.
        ValueError: a file is broken or changes while it is read, the files do not belong together,
            or one asks for something that is not implemented.
        ImportError: `backend="numba"` without Numba, or "library" without a library.
    """
    return _load(path, backend, precision, num_threads, tokenizer_compat, mmap)


def _load(path: StrPath | None, backend: str, precision: str, num_threads: int | None, compat: str, mmap: bool) -> MiniBert:
    with forks_wait():  # a fork during an import would leave the module half imported in the child
        return _loaded(path, backend, precision, num_threads, compat, mmap)


def _loaded(path: StrPath | None, backend: str, precision: str, num_threads: int | None, compat: str, mmap: bool) -> MiniBert:
    check_choice("backend", backend, backends.NAMES)
    check_choice("precision", precision, PRECISIONS)
    _check_compat("tokenizer_compat", compat)
    threads = usable_threads(None if num_threads is None else check_integer("num_threads", num_threads, 1))
    chosen = backends.choose(backend)
    prepare = chosen.load()
    place, name = _folder_of(path)
    folder = load_folder(place)
    if chosen.is_compiled:
        tokenizer = _tokenizer(folder, compat, chosen.name, COMPILED_TOKENIZER_PAYS)
    else:
        tokenizer = _tokenizer(folder, compat, "auto" if backend == "auto" else "numpy")
    with open_weights(folder.weights, mmap) as weights:
        if weights.is_int8 and precision == "float32":
            raise ValueError(f"{place}: precision: expected 'auto' or 'int8', since these weights are stored as int8, found 'float32'")
        max_length = _max_length(place, folder, tokenizer, weights.config)
        folder.dimension(weights.config.hidden_size)  # refuses modules that do not fit one another
        encoder = prepare(weights, is_int8=precision == "int8")
    modules = folder.inner_modules
    settings = ModelSettings(
        max_length=max_length,
        num_threads=threads,
        poolings=folder.poolings,
        include_prompt=folder.include_prompt,
        modules=modules,
        normalize_embeddings=len(modules) < len(folder.modules),
        truncate_dim=folder.truncate_dim,
        prompts=MappingProxyType(dict(folder.prompts)),
        default_prompt_name=folder.default_prompt_name,
        weights_files=(weights_file(folder.weights), *(module.weights for module in modules if module.shapes)),
        reload=(_load, (name, backend, precision, num_threads, compat, mmap)),
        name=name or BUNDLED,
    )
    return MiniBert(encoder, tokenizer, settings)


def _check_compat(name: str, compat: object) -> None:
    if compat != "hf":
        from .tokenizer import COMPATS  # in the module with the characters of both

        check_choice(name, compat, COMPATS)


def _folder_of(path: StrPath | None) -> tuple[str, str | None]:
    """Return the folder of a model, and the name with which `_load` finds the same model again.

    A name may mean another folder where the model is unpickled. A path is made absolute.
    """
    if path is None:
        return bundled_folder(), None
    from .hub.names import exists, resolve  # the bundled model needs no names

    name = os.fspath(path)
    is_relative = exists(name) and not os.path.isabs(name)
    return resolve(name), os.path.join(os.getcwd(), name) if is_relative else name


def _max_length(path: str, folder: FolderSettings, tokenizer: WordPieceTokenizer, config: BertConfig) -> int:
    """Return how many tokens of a text are read. Raise ValueError if the two halves do not fit."""
    facts = tokenizer.facts
    if (last := facts.last_id) >= config.vocab_size:
        raise ValueError(
            f"{path}: expected a vocabulary of at most {config.vocab_size} tokens (vocab_size in config.json), found ids up to {last}; "
            "tokenizer and weights belong to different models"
        )
    limits = [folder.max_seq_length, facts.model_max_length]
    max_length = min(next(filter(None, limits), sys.maxsize), config.max_position_embeddings)
    if max_length < 2:
        raise ValueError(f"{path}: expected a maximal length of at least 2 tokens, [CLS] and [SEP], found {max_length}")
    return max_length


@explain("load_tokenizer", habits.LOAD_TOKENIZER)
def load_tokenizer(path: str | os.PathLike[str] | None = None, compat: str = "hf") -> WordPieceTokenizer:
    """Load the tokenizer of a model folder, or of the bundled model, without its weights.

    Raises like `load`.
    """
    _check_compat("compat", compat)
    with forks_wait():
        folder, _ = _folder_of(path)
        return _tokenizer(load_folder(folder), compat)


def _tokenizer(folder: FolderSettings, compat: str, backend: str = "auto", compiled_pays: int | None = None) -> WordPieceTokenizer:
    return choose.load_tokenizer(
        folder.weights, lowercase=folder.do_lower_case, compat=compat, backend=backend, compiled_pays=compiled_pays
    )
