"""What a model folder says beside its weights: pooling, normalisation, prompts, length.

A folder that sentence-transformers wrote lists its modules in `modules.json`; one that transformers wrote has none, and gets mean
pooling, as sentence-transformers gives it. A module or an option that is not implemented here is refused by name, since without it
the vectors would be others.

Source: sentence-transformers 6.2, `Transformer`, `Pooling`, `Normalize`, and the older files of 2.x to 5.x.
"""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .fields import Fields, is_there, load_fields, load_list, optional_fields, shown, shown_name
from .files import inside
from .pooling import Pooling

BOX = "minibert-L8-H128"  # the model that comes along
MODULES = ("Transformer", "Pooling", "Normalize")
# The names that sentence-transformers has given to the settings of Transformer; it reads the first that is there.
TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json" for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Beside config.json and the weights, a model folder has files of these names, and those that modules.json speaks of.
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
GENERAL_FILES = ("modules.json", "config_sentence_transformers.json", "provenance.json",
                 "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")  # fmt: skip
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
FILES = {"config.json", *WEIGHTS_FILES, *TOKENIZER_FILES, *TRANSFORMER_FILES, *GENERAL_FILES}
MAX_PATH_LENGTH = 255  # of a module's path
MAX_PROMPT_CHARS = 10_000  # of a prompt, which is put before each text: a long one would multiply the work
# What those settings may say: any value, or only the given one. Anything else would change the result in ways that are not implemented.
TRANSFORMER_FIELDS = {
    "max_seq_length": None,
    "do_lower_case": None,
    "unpad_inputs": None,  # saves work, changes nothing
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}
# 1_Pooling/config.json until 5.x: a switch per mode. `pooling_mode` since 6.0.
POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
FOLDER_POOLINGS: dict[str, Pooling] = {"cls": "cls", "max": "max", "mean": "mean"}
# sentence-transformers knows these two prompts for every model; they are empty unless the folder says otherwise.
DEFAULT_PROMPTS = {"query": "", "document": ""}


@dataclass(frozen=True)
class FolderSettings:
    """How a folder wants its texts turned into vectors."""

    weights: Path  # the folder with config.json, model.safetensors and the tokenizer
    pooling: Pooling = "mean"
    normalize: bool = False
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_PROMPTS))
    default_prompt_name: str | None = None
    truncate_dim: int | None = None


def box_folder() -> Path:
    """The model in the box: inside an installed package, or in `weights/` of a checkout. Raises FileNotFoundError where neither is."""
    places = Path(__file__).parent / "box", Path(__file__).parents[1] / "weights" / BOX
    found = next((place for place in places if (place / "config.json").exists()), None)
    if found is None:
        advice = "install the package again" if places[0].parent.is_dir() else "unpack the archive, out of which no model is read"
        raise FileNotFoundError(f"{BOX}: expected in {' or '.join(map(str, places))}; {advice}, or load a folder of your own")
    return found


def load_folder(folder: Path) -> FolderSettings:
    """The settings of a model folder.

    Raises FileNotFoundError if it is not there, ValueError for what is not implemented.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one with config.json, model.safetensors and a tokenizer")
    modules = module_paths(folder)
    if not modules:
        return FolderSettings(folder)
    if "Normalize" in modules:
        _check_normalize(optional_fields(folder / modules["Normalize"] / "config.json"))
    weights = folder / modules["Transformer"]
    transformer = _transformer(weights)
    general = optional_fields(folder / "config_sentence_transformers.json")
    prompts, default_prompt_name = _prompts(general)
    return FolderSettings(
        weights=weights,
        pooling=_pooling(load_fields(folder / modules["Pooling"] / "config.json")),
        normalize="Normalize" in modules,
        max_seq_length=_positive(transformer, "max_seq_length"),
        do_lower_case=transformer.get("do_lower_case", bool, False),
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        truncate_dim=_positive(general, "truncate_dim"),
    )


def known_files(folder: Path) -> list[str]:
    """Names, within the folder, of all that a model folder may have beside config.json and the weights. Raises as `load_folder`."""
    modules = module_paths(folder)
    inner = PurePosixPath(modules.get("Transformer", ""))
    configs = [f"{PurePosixPath(path) / 'config.json'}" for name, path in modules.items() if name != "Transformer"]
    return [*GENERAL_FILES, *(str(inner / name) for name in (*TOKENIZER_FILES, *TRANSFORMER_FILES)), *configs]


def _positive(fields: Fields, name: str) -> int | None:
    number = fields.get(name, int)
    if number is not None and number < 1:
        raise ValueError(f"{fields.where}: {name}: expected a positive number, found {shown(number)}")
    return number


def module_paths(folder: Path) -> dict[str, str]:
    """Class of each module -> its folder within `folder`; empty where there is no modules.json.

    The path of a class has changed with every major version; its last name has not.
    """
    path = folder / "modules.json"
    if not is_there(path):
        return {}
    modules: dict[str, str] = {}
    for module in load_list(path):
        package, _, name = module.need("type", str).rpartition(".")
        if not package.startswith("sentence_transformers.") or name not in MODULES or name in modules:
            raise module.refuse("type", f"each of {', '.join(MODULES)} at most once")
        modules[name] = _module_path(module, folder)
    if list(modules) not in (["Transformer", "Pooling"], list(MODULES)):
        raise ValueError(f"{path}: expected Transformer, then Pooling, then Normalize or nothing, found {', '.join(modules) or 'nothing'}")
    return modules


def _module_path(module: Fields, folder: Path) -> str:
    """The path of a module, as long as it leads nowhere else than into the folder, on any system."""
    path = module.need("path", str)
    parts = PurePosixPath(path).parts
    is_plain = len(path) <= MAX_PATH_LENGTH and path.isprintable() and not {"\\", ":"} & set(path)
    if not is_plain or path.startswith("/") or ".." in parts or not inside(folder, folder / path):
        raise module.refuse("path", "a relative path that stays in the folder")
    # A folder and a file cannot both have a name; and a file on its way has a hidden one
    if any(part in FILES or part.startswith(".") for part in parts):
        raise module.refuse("path", "names of folders that are neither hidden nor names of files of a model")
    return str(PurePosixPath(path))


def _pooling(config: Fields) -> Pooling:
    if not config.get("include_prompt", bool, True):
        raise config.refuse("include_prompt", "true")
    switched = [mode for switch, mode in POOLING_SWITCHES.items() if config.get(switch, bool)]
    modes = config.content.get("pooling_mode")
    modes = switched or ["mean"] if modes is None else [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or len(modes) != 1 or not isinstance(modes[0], str) or modes[0] not in FOLDER_POOLINGS:
        raise ValueError(f"{config.where}: pooling_mode: expected one of {', '.join(FOLDER_POOLINGS)}, found {shown(modes)}")
    return FOLDER_POOLINGS[modes[0]]


def _transformer(weights: Path) -> Fields:
    path = next((weights / name for name in TRANSFORMER_FILES if is_there(weights / name)), weights / TRANSFORMER_FILES[0])
    config = optional_fields(path)
    for name, value in config.content.items():
        expected = TRANSFORMER_FIELDS.get(name, {})
        if value not in (None, {}) and expected is not None and value != expected:
            raise config.refuse(name, repr(expected) if expected else "nothing")
    return config


def _prompts(config: Fields) -> tuple[dict[str, str], str | None]:
    saved = config.child("prompts")
    prompts = DEFAULT_PROMPTS | {name: saved.get(name, str, "") or "" for name in saved.content}
    if long := [name for name, prompt in prompts.items() if len(prompt) > MAX_PROMPT_CHARS]:
        expected = f"expected prompts of at most {MAX_PROMPT_CHARS:,} characters"
        raise ValueError(f"{saved.where}: {shown_name(long[0])}: {expected}, found {len(prompts[long[0]]):,}")
    default = config.get("default_prompt_name", str)
    if default is not None and default not in prompts:
        raise ValueError(f"{config.where}: default_prompt_name: expected one of {shown([*prompts])}, found {shown(default)}")
    return prompts, default


def _check_normalize(config: Fields) -> None:
    for name in ("module_input_name", "module_output_name"):
        if config.get(name, str, "sentence_embedding") != "sentence_embedding":
            raise config.refuse(name, "'sentence_embedding'")
