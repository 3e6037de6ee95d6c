"""The settings of a model folder: pooling, normalisation, prompts, length.

A folder of sentence-transformers lists its modules in `modules.json`: Transformer, Pooling, and any
of sentence_modules.py. A folder of transformers has no such file, and gets mean pooling, as in
sentence-transformers. A module or an option that is not implemented here is refused by name,
because the vectors would be different without it.

Source: sentence-transformers 6.2, `Transformer`, `Pooling`, `Normalize`, and the older files of 2.x
to 5.x.
"""

import os
from collections.abc import Mapping
from os.path import exists, isdir, join
from types import MappingProxyType

from ..files import StrPath
from ..files.access import head_of
from ..files.fields import Fields, is_there, load_fields, optional_fields, shown, shown_name
from ..pooling import Pooling
from ..runtime.tuples import FieldTuple
from .layout import TRANSFORMER_FILES, WITHOUT_FILES, ListedModule, read_modules
from .sentence_modules import READERS, Module, check_total, read_module, size_after

MODULES = ("Transformer", "Pooling", *READERS)
MODEL_TYPE = "SentenceTransformer"  # with any other type, sentence-transformers uses the encoder alone
MAX_PROMPT_CHARS = 10_000  # of a prompt: it is put before each text, so a long one would multiply the work
# Fields of Transformer's settings that may be there. None: any value. Otherwise this value only,
# because any other changes the result in a way that is not implemented.
TRANSFORMER_FIELDS = {
    "max_seq_length": None,
    "do_lower_case": None,
    "unpad_inputs": None,  # it saves work and changes no result
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}
# 1_Pooling/config.json has a switch for each mode until 5.x, and `pooling_mode` since 6.0. Several
# modes give vectors side by side, in this order. The file's dimension is not read:
# sentence-transformers does not use it for the pooling either.
POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
FOLDER_POOLINGS: tuple[Pooling, ...] = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
# sentence-transformers gives every model these two prompts, which are empty unless the folder sets
# them.
DEFAULT_PROMPTS = MappingProxyType({"query": "", "document": ""})


class FolderSettings(FieldTuple):
    """How the model in a folder turns texts into vectors.

    Attributes:
        weights: the folder with config.json, model.safetensors and the tokenizer.
        poolings: the results of several poolings are joined side by side.
        include_prompt: whether the tokens of a prompt count in the pooling.
        modules: the modules after the pooling, in order.
    """

    weights: str
    poolings: tuple[Pooling, ...] = ("mean",)
    include_prompt: bool = True
    modules: tuple[Module, ...] = ()
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: Mapping[str, str] = DEFAULT_PROMPTS
    default_prompt_name: str | None = None
    truncate_dim: int | None = None

    def dimension(self, hidden_size: int) -> int:
        """Return the size of a vector.

        Raises ValueError if a module does not fit the one before it.
        """
        size = size_after(self.modules, hidden_size * len(self.poolings))
        return size if self.truncate_dim is None else min(size, self.truncate_dim)

    @property
    def inner_modules(self) -> tuple[Module, ...]:
        """The modules without the Normalize at their end."""
        modules = list(self.modules)
        while modules and modules[-1].kind == "Normalize":
            modules.pop()
        return tuple(modules)


def load_folder(folder: StrPath) -> FolderSettings:
    """Return the settings of a model folder.

    Raises FileNotFoundError if it is missing, and ValueError for what is not implemented.
    """
    folder = os.fspath(folder)
    if not isdir(folder):
        if exists(folder):
            from ..files.sources import no_folder  # only this error needs it

            raise ValueError(no_folder(folder, head_of(folder)))
        raise FileNotFoundError(f"{folder}: no such folder; expected one with config.json, model.safetensors and a tokenizer")
    if not is_there(join(folder, "modules.json")):
        return FolderSettings(folder)
    modules = read_modules(folder)
    _check_order(join(folder, "modules.json"), modules)
    _check_configs(folder, modules)
    weights = folder if modules[0].path == "." else join(folder, modules[0].path)
    transformer = _transformer(weights)
    general = optional_fields(join(folder, "config_sentence_transformers.json"))
    if general.content.get("model_type", MODEL_TYPE) != MODEL_TYPE:
        raise general.refuse("model_type", repr(MODEL_TYPE))
    prompts, default_prompt_name = _prompts(general)
    pooling = load_fields(join(folder, modules[1].path, "config.json"))
    after = [read_module(module.name, join(folder, module.path)) for module in modules[2:]]
    check_total(after)
    return FolderSettings(
        weights=weights,
        poolings=_poolings(pooling),
        include_prompt=pooling.get("include_prompt", bool, "include_prompt" not in pooling.content),  # null means false
        modules=tuple(module for module in after if module.kind != "Dropout"),
        max_seq_length=_positive(transformer, "max_seq_length"),
        do_lower_case=transformer.get("do_lower_case", bool, False),
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        truncate_dim=_positive(general, "truncate_dim"),
    )


def _positive(fields: Fields, name: str) -> int | None:
    """Return a positive number, or None if the field is absent."""
    number = fields.get(name, int)
    if number is not None and number < 1:
        raise ValueError(f"{fields.where}: {name}: expected a positive number, found {shown(number)}")
    return number


def _check_order(path: str, modules: list[ListedModule]) -> None:
    """Raise ValueError unless the modules are of known classes, in an order that gives a vector."""
    for number, module in enumerate(modules):
        if not module.type.startswith("sentence_transformers.") or module.name not in MODULES:
            raise ValueError(f"{path}: [{number}]: type: expected one of {', '.join(MODULES)} of sentence_transformers, "
                             f"found {shown(module.type)}, which is not implemented")  # fmt: skip
    names = [module.name for module in modules]
    if names[:2] != ["Transformer", "Pooling"] or not {*names[2:]} <= {*READERS}:
        expected = f"expected Transformer, then Pooling, then any of {', '.join(READERS)}"
        raise ValueError(f"{path}: {expected}, found {', '.join(names) or 'nothing'}")


def _check_configs(folder: str, modules: list[ListedModule]) -> None:
    """Raise FileNotFoundError if modules.json names a folder that is missing."""
    for module in modules[1:]:
        if module.name not in WITHOUT_FILES and not is_there(join(folder, module.path, "config.json")):
            from ..files.sources import hub_name

            name = hub_name(folder)
            advice = "copy that folder too" if name is None else f"`minibert fetch {name}` gets all of it"
            raise FileNotFoundError(f"{folder}: expected {module.path}/config.json, because modules.json lists it, found none; {advice}")


def _poolings(config: Fields) -> tuple[Pooling, ...]:
    """Return the poolings that the config.json of Pooling selects, "mean" without a selection."""
    switched = [mode for switch, mode in POOLING_SWITCHES.items() if config.get(switch, bool)]
    modes = config.content.get("pooling_mode")
    modes = switched or ["mean"] if modes is None else [modes] if isinstance(modes, str) else modes
    is_valid = isinstance(modes, list) and 1 <= len(modes) <= len(FOLDER_POOLINGS) and all(mode in FOLDER_POOLINGS for mode in modes)
    if not is_valid:
        raise ValueError(f"{config.where}: pooling_mode: expected one or several of {', '.join(FOLDER_POOLINGS)}, found {shown(modes)}")
    return tuple(modes)


def _transformer(weights: str) -> Fields:
    """Return the settings of Transformer. Raises ValueError for a field that is not implemented."""
    name = next((name for name in TRANSFORMER_FILES if is_there(join(weights, name))), TRANSFORMER_FILES[0])
    config = optional_fields(join(weights, name))
    for name, value in config.content.items():
        expected = TRANSFORMER_FIELDS.get(name, {})
        if value not in (None, {}) and expected is not None and value != expected:
            raise config.refuse(name, repr(expected) if expected else "nothing")
    return config


def _prompts(config: Fields) -> tuple[dict[str, str], str | None]:
    """Return the prompts of a folder, and the name of the default one."""
    saved = config.child("prompts")
    prompts = DEFAULT_PROMPTS | {name: saved.get(name, str, "") or "" for name in saved.content}
    if long := [name for name, prompt in prompts.items() if len(prompt) > MAX_PROMPT_CHARS]:
        expected = f"expected prompts of at most {MAX_PROMPT_CHARS:,} characters"
        raise ValueError(f"{saved.where}: {shown_name(long[0])}: {expected}, found {len(prompts[long[0]]):,}")
    default = config.get("default_prompt_name", str)
    if default is not None and default not in prompts:
        raise ValueError(f"{config.where}: default_prompt_name: expected one of {shown([*prompts])}, found {shown(default)}")
    return prompts, default
