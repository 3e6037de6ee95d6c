"""Commands about models: description, list, comparison with published numbers, warm-up."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..folders.bundled import BUNDLED
from ..runtime.cache import where_kept
from ..runtime.library import find
from ..warmup import warm_up
from .backend_list import backend_lines, backend_rows, tokenizer_backend
from .options import add_backend, add_model, add_output, load_model
from .output import write
from .streams import show


def declare_info(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `info`."""
    parser.set_defaults(run=run_info)
    add_model(parser)
    add_output(parser, ".jsonl")
    add_backend(parser)


def declare_models(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `models`."""
    parser.set_defaults(run=run_models)
    add_output(parser, ".jsonl")


def declare_verify(parser: argparse.ArgumentParser) -> None:
    """Declare the argument of `verify`."""
    parser.set_defaults(run=run_verify)
    parser.add_argument("model", metavar="MODEL", help="name or folder of a model")


def declare_warmup(parser: argparse.ArgumentParser) -> None:
    """Declare the argument of `warmup`."""
    parser.set_defaults(run=run_warmup)
    backend = "auto compiles only if no library runs here, since it is then that Numba's loops are used (default: auto)"
    parser.add_argument("--backend", choices=("auto", "numba"), default="auto", help=backend)


def run_info(options: argparse.Namespace) -> None:
    """Write what is known of a model, and of what computes it here."""
    model = load_model(options)
    settings = model.tokenizer.settings
    backends = backend_rows(model)
    description: dict[str, Any] = {
        "model": options.model or BUNDLED,
        **model.config._asdict(),
        "backend": model.backend,
        "tokenizer_backend": tokenizer_backend(model),
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

    def people() -> Iterator[str]:
        yield from (f"{name:<24} {value}" for name, value in description.items())
        yield from backend_lines(backends)

    write(options.output, None, [description | {"backends": backends}], people)


def run_models(options: argparse.Namespace) -> None:
    """Write the catalogue."""
    from ..hub.catalog import HUB, models
    from ..hub.published import checks_of_model

    rows = [
        {
            "names": list(model.names),
            "num_hidden_layers": model.num_layers,
            "hidden_size": model.hidden_size,
            "parameters": model.num_parameters,
            "licence": model.licence,
            "repository": f"{HUB}/{model.repository}" if model.repository else None,
            "spark": list(model.spark),
            "checks": [vars(check) for check in checks_of_model(model)],
            "path": str(model.path) if model.is_here() else None,
        }
        for model in models()
    ]

    def people() -> Iterator[str]:
        yield f"{'model':<40} layers size  parameters  float32  checks    here"
        for model in models():
            names, here = " ".join(model.names[:2]), "-" if not model.is_here() else "yes" if model.repository else "bundled"
            size = f"{model.num_layers:>6} {model.hidden_size:>4} {model.num_parameters:>11,} {model.num_parameters * 4e-6:>5.0f} MB"
            yield f"{names:<40} {size} {len(checks_of_model(model)):>7} {here:>7}"
        licence = models()[0].licence
        yield f"All have the licence {licence}. `minibert fetch NAME` gets one. In a pipe this list is JSON, with aliases and sources."

    write(options.output, None, rows, people)


def run_verify(options: argparse.Namespace) -> None:
    """Compare a model that is here with published numbers."""
    from ..hub.names import resolve

    print_verdicts(options.model, Path(resolve(options.model)))


def print_verdicts(name: str, folder: Path) -> None:
    """Print the table of verdicts.

    Raises ValueError if no variant explains any published number.
    """
    from ..hub.verify import checks_of, lines, verify

    verdicts = verify(folder, checks_of(name, folder))
    matches = sum(verdict.is_match for verdict in verdicts)
    show([*lines(verdicts), f"{matches} of {len(verdicts)} sources explained"])
    if not matches:
        raise ValueError(f"{folder}: expected the published vectors, found others in every variant; these are other weights")


def run_warmup(options: argparse.Namespace) -> None:
    """Compile Numba's loops if they are used, and say where the compiled code is kept."""
    library = find().library
    if library and options.backend == "auto":
        show([f"nothing to compile: {library.path} has the loops for this processor"])
        return
    start = time.perf_counter()
    try:
        warm_up()
    except ImportError:
        raise ValueError("nothing to compile: Numba does not import here, and backend 'numpy' needs no compiler") from None
    show([f"compiled in {time.perf_counter() - start:.1f} s, {where_kept()}"])


COMMANDS = {"info": declare_info, "models": declare_models, "verify": declare_verify, "warmup": declare_warmup}
