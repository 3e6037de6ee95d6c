"""Commands that write a model folder: from the hub, a checkpoint, or another model folder."""

import argparse
from pathlib import Path

from .model_commands import print_verdicts
from .streams import show

NEW_FOLDER = "name of the folder to write; it must not exist"


def declare_fetch(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fetch`."""
    parser.set_defaults(run=run_fetch)
    parser.add_argument("name", metavar="NAME", help="a name that `minibert models` lists, or OWNER/REPO of the Hugging Face hub")
    places = parser.add_mutually_exclusive_group()
    source = "a mirror of the hub, or a folder with the same files (default: HF_ENDPOINT, or the hub)"
    places.add_argument("--from", dest="source", metavar="URL|DIR", help=source)
    places.add_argument("--list", action="store_true", help="print the addresses of its files, to be carried here from another machine")


def declare_convert(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `convert`."""
    parser.set_defaults(run=run_convert)
    parser.add_argument("source", type=Path, metavar="SRC", help="checkpoint, or a folder with one in it")
    parser.add_argument("target", type=Path, metavar="DST", help=NEW_FOLDER)
    hidden_act = "GELU by erf (gelu) or by tanh (gelu_new) (default: the form that the source means)"
    parser.add_argument("--hidden-act", choices=("gelu", "gelu_new"), help=hidden_act)


def declare_quantize(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `quantize`."""
    parser.set_defaults(run=run_quantize)
    parser.add_argument("source", metavar="MODEL", help="name or folder of a model")
    parser.add_argument("target", type=Path, metavar="NEW", help=NEW_FOLDER)


def run_fetch(options: argparse.Namespace) -> None:
    """Fetch a model and compare it with published numbers, or list the files to carry."""
    from ..hub.catalog import find
    from ..hub.fetch import addresses, fetch  # no other command needs the network
    from ..hub.published import checks_of_model

    if options.list:
        _print_addresses(options.name, list(addresses(options.name)))
        return
    folder = fetch(options.name, options.source)
    show([folder])
    if checks_of_model(find(options.name)):
        print_verdicts(options.name, folder)
    else:
        show(["no numbers of its vectors were published to compare with"])


def _print_addresses(name: str, files: list[tuple[str, str, str]]) -> None:
    """Print the files to carry to a machine without a network, and the command to type there."""
    if not files:
        show([f"{name} is bundled with minibert: there are no files to carry"])
        return
    show(f"{when:<14}  {file:<34}  {address}" for when, file, address in files)
    show(
        [
            "Put them into one folder, under the names of the second column. "
            "Add the files that an index (*.index.json) or modules.json names.",
            f"Then, on the other machine: minibert fetch {name} --from FOLDER",
        ]
    )


def run_convert(options: argparse.Namespace) -> None:
    """Convert a checkpoint, and say what was left out."""
    from ..importers.convert import convert

    record = convert(options.source, options.target, options.hidden_act)
    show([f"{options.target}: from {record['format']}, hidden_act {record['hidden_act']}"])
    if record["tensors_left_out"]:
        show([f"left out, because an encoder does not use them: {', '.join(record['tensors_left_out'])}"])
    show(f"note: {note}" for note in record["notes"])


def run_quantize(options: argparse.Namespace) -> None:
    """Write the int8 form of a model."""
    from ..folders.save import save_int8
    from ..hub.names import resolve

    save_int8(Path(resolve(options.source)), options.target)


COMMANDS = {"fetch": declare_fetch, "convert": declare_convert, "quantize": declare_quantize}
