"""What a model folder says beside its weights: pooling, normalisation, prompts, length.

A folder that sentence-transformers wrote lists its modules in `modules.json`; one that transformers wrote has none, and gets mean
pooling, as sentence-transformers gives it. A module or an option that is not implemented here is refused by name, since without it
the vectors would be others.

Source: sentence-transformers 6.2, `Transformer`, `Pooling`, `Normalize`, and the older files of 2.x to 5.x.
"""

from dataclasses import dataclass, field
from pathlib import Path

from .config import load_json
from .pooling import POOLINGS, Pooling

MODULES = ("Transformer", "Pooling", "Normalize")
# 1_Pooling/config.json until 5.x: a switch per mode. pooling_mode since 6.0.
POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# sentence_bert_config.json: fields that change the result -> what they must say if they are there at all.
TRANSFORMER_FIELDS = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}


@dataclass(frozen=True)
class FolderSettings:
    """How a folder wants its texts turned into vectors."""

    weights: Path  # the folder with config.json, model.safetensors and the tokenizer
    pooling: Pooling = "mean"
    normalize: bool = False
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None


def load_folder(folder: Path) -> FolderSettings:
    """The settings of a model folder.

    Raises FileNotFoundError if it is not there, ValueError for what is not implemented.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one with config.json, model.safetensors and a tokenizer")
    if not (folder / "modules.json").exists():
        return FolderSettings(folder)
    modules = _modules(folder / "modules.json")
    if "Pooling" not in modules:
        raise ValueError(f"{folder / 'modules.json'}: expected a Pooling module, found {', '.join(modules)}")
    weights = folder / modules["Transformer"]
    pooling = _pooling(folder / modules["Pooling"] / "config.json")
    max_seq_length, do_lower_case = _transformer(weights / "sentence_bert_config.json")
    prompts, default_prompt_name = _prompts(folder / "config_sentence_transformers.json")
    if "Normalize" in modules:
        _check_normalize(folder / modules["Normalize"] / "config.json")
    return FolderSettings(weights, pooling, "Normalize" in modules, max_seq_length, do_lower_case, prompts, default_prompt_name)


def _modules(path: Path) -> dict[str, str]:
    """Class of each module -> its folder. The class path has changed with every major version; its last name has not."""
    modules: dict[str, str] = {}
    for module in load_json(path, list):
        package, _, name = module["type"].rpartition(".")
        if not package.startswith("sentence_transformers.") or name not in MODULES or name in modules:
            raise ValueError(
                f"{path}: expected each of {', '.join(MODULES)} at most once, found {module['type']}, which is not implemented"
            )
        modules[name] = module["path"]
    if list(modules) != [name for name in MODULES if name in modules] or "Transformer" not in modules:
        raise ValueError(f"{path}: expected Transformer, then Pooling, then Normalize, found {', '.join(modules)}")
    return modules


def _pooling(path: Path) -> Pooling:
    config = load_json(path)
    if config.get("include_prompt", True) is not True:
        raise ValueError(f"{path}: include_prompt: expected true, found {config['include_prompt']!r}, which is not implemented")
    modes = config.get("pooling_mode", [mode for switch, mode in POOLING_SWITCHES.items() if config.get(switch)] or "mean")
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ValueError(f"{path}: expected one pooling mode of cls, max, mean, found {' and '.join(modes)}, which is not implemented")
    mode: Pooling = modes[0]
    return mode


def _transformer(path: Path) -> tuple[int | None, bool]:
    config = load_json(path) if path.exists() else {}
    for name, expected in TRANSFORMER_FIELDS.items():
        if config.get(name, expected) != expected:
            raise ValueError(f"{path}: {name}: expected {expected!r}, found {config[name]!r}, which is not implemented")
    return config.get("max_seq_length"), config.get("do_lower_case", False)


def _prompts(path: Path) -> tuple[dict[str, str], str | None]:
    config = load_json(path) if path.exists() else {}
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise ValueError(f"{path}: default_prompt_name: expected one of {', '.join(prompts) or 'no prompts'}, found {default!r}")
    return prompts, default


def _check_normalize(path: Path) -> None:
    for name, value in (load_json(path) if path.exists() else {}).items():
        if name in ("module_input_name", "module_output_name") and value != "sentence_embedding":
            raise ValueError(f"{path}: {name}: expected 'sentence_embedding', found {value!r}, which is not implemented")
