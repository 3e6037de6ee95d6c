"""Commands about models: what there is, how to get it, and whether it is what it should be."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..folders.save import save_int8
from ..folders.settings import BOX
from ..hub.catalog import HUB, MODELS, Model, find, resolve
from ..loading import load
from ..model import MiniBert
from ..runtime.cache import where_kept
from ..warmup import warm_up
from .answers import write
from .streams import show


def load_model(options: argparse.Namespace) -> MiniBert:
    threads = getattr(options, "threads", None)
    return load(options.model, backend=options.backend, precision=options.precision, num_threads=threads)


def info(options: argparse.Namespace) -> None:
    model = load_model(options)
    settings = model.tokenizer.settings
    description: dict[str, Any] = {
        "model": options.model or BOX,
        **vars(model.config),
        "backend": model.backend,
        "precision": model.precision,
        "max_length": model.max_length,
        "pooling": model.pooling,
        "include_prompt": model.include_prompt,
        "modules": list(model.modules),
        "normalize_embeddings": model.normalize_embeddings,
        "truncate_dim": model.truncate_dim,
        "embedding_dimension": model.embedding_dimension,
        "prompts": dict(model.prompts),
        "default_prompt_name": model.default_prompt_name,
        "lowercase": settings.lowercase,
        "vocabulary": len(settings.vocab),
        "parameters": model.num_parameters,
    }
    write(options.output, None, [description], lambda: (f"{name:<24} {value}" for name, value in description.items()))


def models(options: argparse.Namespace) -> None:
    rows = [
        {
            "names": list(model.names),
            "num_hidden_layers": model.num_layers,
            "hidden_size": model.hidden_size,
            "parameters": model.num_parameters,
            "licence": model.licence,
            "repository": f"{HUB}/{model.repository}" if model.repository else None,
            "spark": list(model.spark),
            "checks": [vars(check) for check in model.checks],
            "path": str(model.path) if is_here(model) else None,
        }
        for model in MODELS
    ]

    def people() -> Iterator[str]:
        yield f"{'model':<40} layers size  parameters  float32  checks here"
        for model in MODELS:
            names, here = " ".join(model.names[:2]), "yes" if is_here(model) else "-"
            size = f"{model.num_layers:>6} {model.hidden_size:>4} {model.num_parameters:>11,} {model.num_parameters * 4e-6:>5.0f} MB"
            yield f"{names:<40} {size} {len(model.checks):>7} {here:>4}"
        yield f"All under {MODELS[0].licence}. `minibert fetch NAME` brings one; in a pipe this list is JSON, with aliases and sources."

    write(options.output, None, rows, people)


def is_here(model: Model) -> bool:
    try:
        return model.path.exists()
    except OSError:  # no box, no home, or one that may not be read
        return False


def fetch(options: argparse.Namespace) -> None:
    from ..hub.fetch import addresses  # nothing else needs the network
    from ..hub.fetch import fetch as bring

    if options.list:
        _list(options.name, list(addresses(options.name)))
        return
    folder = bring(options.name, options.source)
    show([folder])
    model = find(options.name)
    if model and model.checks:
        _judge(options.name, folder)
    else:
        show(["no numbers of its vectors were published to compare with"])


def _list(name: str, files: list[tuple[str, str, str]]) -> None:
    """What to carry to a machine without a network, and what to type there."""
    if not files:
        show([f"{name} is part of minibert: there is nothing to carry"])
        return
    show(f"{when:<14}  {file:<34}  {address}" for when, file, address in files)
    show(
        [
            "Put them into one folder, under the names of the second column. Add what an index (*.index.json) or modules.json names.",
            f"Then, on the other machine: minibert fetch {name} --from FOLDER",
        ]
    )


def convert(options: argparse.Namespace) -> None:
    from ..importers.convert import convert as translate

    record = translate(options.source, options.target, options.hidden_act)
    show([f"{options.target}: from {record['format']}, hidden_act {record['hidden_act']}"])
    if record["tensors_left_out"]:
        show([f"left out, since an encoder has no use for them: {', '.join(record['tensors_left_out'])}"])
    show(f"note: {note}" for note in record["notes"])


def verify(options: argparse.Namespace) -> None:
    _judge(options.model, resolve(options.model))


def _judge(name: str, folder: Path) -> None:
    """Print the table; an error if no variant explains anything that was published."""
    from ..hub.verify import checks_of, lines
    from ..hub.verify import verify as judge

    verdicts = judge(folder, checks_of(name, folder))
    matches = sum(verdict.is_match for verdict in verdicts)
    show([*lines(verdicts), f"{matches} of {len(verdicts)} sources explained"])
    if not matches:
        raise ValueError(f"{folder}: no way to make vectors explains what was published; these are other weights")


def quantize(options: argparse.Namespace) -> None:
    save_int8(resolve(options.source), options.target)


def warmup(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    try:
        warm_up()
    except ImportError:
        raise ValueError("nothing to compile: Numba does not import here, and backend 'numpy' needs no compiler") from None
    show([f"compiled in {time.perf_counter() - start:.1f} s, {where_kept()}"])
