"""Any checkpoint of a BERT -> a model folder, without the framework that wrote it.

checkpoints.py reads the checkpoint. The folder has the layout of the current sentence-transformers:
encoder and tokenizer beside modules.json, other modules in folders of their own, weights as
safetensors. Heads of pre-training are kept. Other tensors beside the encoder are left out.

GELU: google-research/bert wrote "gelu" and computed its tanh form, and so do TF Hub and Spark NLP.
That "gelu" becomes "gelu_new". A config of transformers is taken as it is.

Case of letters, where a source does not tell: transformers makes letters lower case, so a source
that transformers could read is lower-cased. Any other source is lower-cased unless its vocabulary
has capital letters.

Bounds: those of checkpoints.py. Each file beside the weights has at most MAX_JSON_BYTES. The result
is at most four times as large as the source, and some megabytes. It may be larger because tensors
of torch may share their storages, and because bfloat16 becomes float32.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from ..bert.config import BertConfig, load_config
from ..files.access import check_unchanged, digest
from ..folders.hub_cache import snapshot
from ..folders.new import new_folder, write_json
from ..folders.sentence_modules import read_tensors
from ..folders.settings import FolderSettings, load_folder
from ..folders.tables import write_tables
from ..tokenizer import load_settings
from .checkpoint_kinds import Checkpoint
from .checkpoints import read, unpacked_folder
from .encoder import inferred_config, sorted_arrays
from .write import write_files, write_tokenizer, write_weights


def convert(source: Path, target: Path, hidden_act: str | None = None, fetched: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write a model folder from a checkpoint. Return its provenance record.

    Weights are mapped. If another program makes their file shorter meanwhile, the system ends this
    process (SIGBUS); Python cannot catch that.

    Args:
        source: a file, or a folder with a checkpoint in it.
        target: name of the folder to write.
        hidden_act: the form of GELU that the model is run with; None for the form that the source
            means.
        fetched: for the record, where the files of the source came from.

    Raises:
        FileExistsError: something is at `target`.
        FileNotFoundError: the source, or the folder around `target`, is missing.
        ValueError: the source is of no known kind, is damaged, is not a BERT, or changes while it
            is read; or `target` lies in it.
    """
    source = Path(snapshot(source))
    with (
        new_folder(target, source) as part,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,  # Windows removes no file that is mapped
        _errors_of(source, part, unpacked_folder(Path(work))),
    ):
        checkpoint = read(source, Path(work))
        config = inferred_config(checkpoint, source) if checkpoint.config is None else checkpoint.config
        config |= {"hidden_act": hidden_act} if hidden_act else {}
        write_json(part / "config.json", config)
        numbers = load_config(part / "config.json")
        write_weights(sorted_arrays(checkpoint, numbers, source), part / "model.safetensors")
        write_files(checkpoint, part)
        write_tokenizer(checkpoint, part, source)
        settings = check_folder(part, numbers, source)
        write_tables(part, settings.do_lower_case)
        record = provenance(checkpoint, source, config) | ({"fetched": fetched} if fetched else {})
        write_json(part / "provenance.json", record)
        check_unchanged(checkpoint.files)
    return record


@contextmanager
def _errors_of(source: Path, *folders: Path) -> Iterator[None]:
    """Replace the paths of temporary files in an error by the path of the source."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        message = str(error)
        for folder in folders:
            message = message.replace(str(folder), str(source))
        raise (FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError)(message) from None


def check_folder(folder: Path, config: BertConfig, source: Path) -> FolderSettings:
    """Return the settings of a new folder.

    Raises ValueError or FileNotFoundError if it could not be loaded.
    """
    settings = load_folder(folder)
    settings.dimension(config.hidden_size)
    for module in settings.modules:
        if module.shapes:
            read_tensors(module)
    greatest = load_settings(folder).last_id
    if greatest >= config.vocab_size:
        raise ValueError(
            f"{source}: expected a vocabulary of at most {config.vocab_size} tokens, found ids up to {greatest}; "
            "vocabulary and weights belong to different models"
        )
    return settings


def provenance(checkpoint: Checkpoint, source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return the record of where a folder came from."""
    return {
        "converted_by": f"minibert {metadata.version('minibert-numpy')}",
        "format": checkpoint.kind,
        "source": _text(source.name),
        "files": {
            _text(str(file.relative_to(source if source.is_dir() else source.parent))): {
                "bytes": file.stat().st_size,
                "sha256": digest(file),
            }
            for file in checkpoint.files
        },
        "tensors_left_out": checkpoint.left_out,
        "hidden_act": config["hidden_act"],
        "notes": checkpoint.notes,
    }


def _text(name: str) -> str:
    """Return the name of a file in a form for JSON; its bytes need not be UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
