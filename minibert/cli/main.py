"""The command line: `minibert embed | similarity | tokenize`, and commands about models.

At a terminal the output is for people; anywhere else it is one JSON object a line.
"""

import argparse
import io
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NoReturn

import minibert

from ..folders.settings import BOX
from ..loading import PRECISIONS
from ..pooling import POOLINGS
from ..tokenizer import COMPATS
from . import commands, text_commands
from .answers import find_output
from .streams import Messages, drop, fill_closed, say, standard_output
from .terminal import one_line

DESCRIPTION = "Embed text with BERT: no torch, and no network but for `fetch`."
MODEL = f"""
MODEL: a name that `minibert models` lists, OWNER/REPO in the cache of the Hugging Face hub, or a folder as transformers
or sentence-transformers write it; else {BOX}."""
EXAMPLES = {
    "embed": """
  minibert embed "I hate cancer" "Antibiotics aren't painkiller"
  minibert embed --file texts.txt --output vectors.npy                  # one text a line -> float32 (num_texts, dim)
  cat texts.txt | minibert embed -m MODEL --output vectors.jsonl        # {"text": ..., "embedding": [...]} a line
  minibert embed -m MODEL --tokens "I love NLP"                         # a vector for each word
""",
    "similarity": """
  minibert similarity "a cat sat" "a kitten was sitting" "stocks fell"
  minibert similarity --query "pain relief" --file texts.txt --top 3
  minibert similarity -m MODEL --file texts.txt --output cosines.npy    # float32 (num_texts, num_texts)
""",
    "tokenize": """
  minibert tokenize "Antibiotics aren't painkiller"
  minibert tokenize -m MODEL --file texts.txt --output ids.jsonl        # input_ids, tokens, offsets, word_ids ... a line
  minibert tokenize -m MODEL --file texts.txt --output ids.npy          # int32 (num_texts, longest), padded with 0
  minibert tokenize --compat both "ΟΔΥΣΣΕΥΣ"                            # where Hugging Face and Google differ
""",
    "info": """
  minibert info
  minibert info -m MODEL
""",
    "models": """
  minibert models                                                       # names, sizes, and which are here
""",
    "fetch": """
  minibert fetch small_bert_L6_768
  minibert fetch BAAI/bge-small-en-v1.5
  minibert fetch small_bert_L6_768 --list                               # the files to carry to a machine without a network
  minibert fetch small_bert_L6_768 --from /media/stick                  # and what to type there
""",
    "convert": """
  minibert convert pytorch_model.bin NEW                                # with config.json and vocab.txt beside it
  minibert convert uncased_L-8_H-128_A-2 NEW                            # a TensorFlow checkpoint
  minibert convert last.ckpt NEW                                        # of a training program, also with prefixes and an optimizer
  minibert convert bert-base-nli-mean-tokens.zip NEW                    # a zip of a model folder
  minibert convert sent_small_bert_L8_128_en_2.6.0_2.4_1598350334113.zip NEW
""",
    "verify": """
  minibert verify small_bert_L6_768
""",
    "quantize": """
  minibert quantize MODEL MODEL-int8                                    # a quarter of the size
  minibert embed -m MODEL-int8 "I hate cancer"
""",
    "warmup": """
  minibert warmup                                                       # in the build of an image, say
""",
}


# What the caller, the files or the machine is to blame for. Anything else is an error of this program, and is shown as one.
ERRORS = (ImportError, OSError, ValueError, OverflowError, MemoryError, RecursionError, Warning)


class Parser(argparse.ArgumentParser):
    """Its errors repeat arguments, which may be anything; and --help may be written to a full disk."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")  # examples in Greek, where the locale knows ASCII only
        with standard_output():
            (file or sys.stderr).write(message)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; --help, --version and wrong usage raise SystemExit with it.

    0: done, also when the reader of standard output left early, or when messages could not be written.
    2: an error that is the caller's to mend, told in one line on standard error.
    130: SIGINT. 143 and 129: SIGTERM and SIGHUP while something is written, which is removed; elsewhere they end the process at once.
    1, with a traceback: an error of this program.
    """
    fill_closed()
    with redirect_stderr(Messages(sys.stderr)):
        try:
            options = _parser().parse_args(arguments)
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_: say(str(message))
                _check_output(options)
                options.run(options)
        except KeyboardInterrupt:
            if sys.stdout is not None:
                drop(sys.stdout)  # its reader may never take the rest
            say("interrupted")
            return 130
        except ERRORS as error:
            say(f"error: {str(error) or 'out of memory'}")
            return 2
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            say(f"error: {error}: this machine allows no more of them")
            return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="minibert",
        description=DESCRIPTION,
        epilog="examples:" + "".join(EXAMPLES.values()).replace("\n\n", "\n") + MODEL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True)

    def plain(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(
            name, help=help, description=help, epilog="examples:" + EXAMPLES[name], formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(run=run)
        return added

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = plain(name, run, help)
        added.add_argument("-m", "--model", metavar="MODEL", help=f"model folder (default: {BOX}, which comes along)")
        _add_output(added, ".npy or .jsonl")
        return added

    embed = command("embed", text_commands.embed, "Turn texts into vectors.")
    embed.add_argument("--tokens", action="store_true", help="a vector for each word instead of one for each text (not for .npy)")
    similarity = command("similarity", text_commands.similarity, "Compare texts by the cosine of their vectors.")
    similarity.add_argument("--query", help="rank the texts by their likeness to this one")
    similarity.add_argument("--top", type=int, metavar="N", help="with --query: the N most similar texts only")
    tokenize = command("tokenize", text_commands.tokenize, "Show how texts are cut into pieces of the vocabulary.")
    tokenize.add_argument(
        "--compat", choices=(*COMPATS, "both"), default="hf", help="whose tokenizer; both shows where they differ (default: hf)"
    )
    tokenize.add_argument("--split-special-tokens", action="store_true", help="read [SEP] and its like in a text as ordinary characters")
    info = command("info", commands.info, "Describe a model.")
    _add_model_commands(plain)
    _add_shared_options(embed, similarity, tokenize, info)
    embed.add_argument("--normalize", action=argparse.BooleanOptionalAction, help="vectors of length 1 (default: what the folder says)")
    return parser


def _add_output(added: argparse.ArgumentParser, kinds: str) -> None:
    added.add_argument("-o", "--output", type=Path, metavar="FILE", help=f"write to FILE, {kinds}, instead of standard output")
    added.add_argument("--force", action="store_true", help="with --output: replace FILE if it exists")


def _add_shared_options(
    embed: argparse.ArgumentParser, similarity: argparse.ArgumentParser, tokenize: argparse.ArgumentParser, info: argparse.ArgumentParser
) -> None:
    for added in (embed, similarity, tokenize):
        added.add_argument(
            "texts", nargs="*", metavar="TEXT", help="texts; without any, and without --file, one a line from standard input"
        )
        added.add_argument("-f", "--file", type=Path, help="read texts from a UTF-8 file, one a line; - for standard input")
        added.add_argument(
            "--max-length",
            type=int,
            metavar="N",
            help="cut texts to N tokens (default: what the model reads, see `info`; `tokenize` does not cut)",
        )
    for added in (embed, similarity, info):
        added.add_argument("--backend", choices=("auto", "numba", "numpy"), default="auto", help="who computes (default: numba, if there)")
        added.add_argument(
            "--precision", choices=PRECISIONS, default="auto", help="int8 is faster and almost the same (default: as the folder stores it)"
        )
    for added in (embed, similarity):
        added.add_argument("--pooling", choices=POOLINGS, help="how token vectors become one (default: what the folder says, else mean)")
        added.add_argument("--prompt-name", metavar="NAME", help="put the folder's prompt of that name before each text")
        added.add_argument("--truncation", choices=("warn", "error", "silent"), default="warn", help="what to do about texts that are cut")
        added.add_argument("--threads", type=int, metavar="N", help="threads (default: the CPUs that this process may use)")


def _add_model_commands(plain: Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]) -> None:
    listed = plain("models", commands.models, "List the models that have names.")
    _add_output(listed, ".jsonl")
    fetched = plain("fetch", commands.fetch, "Download a model, convert it, and compare it with the numbers published of it.")
    fetched.add_argument("name", metavar="NAME", help="a name that `minibert models` lists, or OWNER/REPO of the Hugging Face hub")
    places = fetched.add_mutually_exclusive_group()
    places.add_argument(
        "--from",
        dest="source",
        metavar="URL|DIR",
        help="a mirror of the hub, or a folder with the same files (default: HF_ENDPOINT, or the hub)",
    )
    places.add_argument("--list", action="store_true", help="print the addresses of its files, to be carried here from another machine")
    converted = plain("convert", commands.convert, "Write a model folder from a checkpoint of torch, TensorFlow or Spark NLP.")
    converted.add_argument("source", type=Path, metavar="SRC", help="checkpoint, or a folder with one in it")
    converted.add_argument("target", type=Path, metavar="DST", help="name of the folder to write; it must not exist")
    converted.add_argument("--hidden-act", choices=("gelu", "gelu_new"), help="GELU by erf or by tanh (default: what the source means)")
    verified = plain("verify", commands.verify, "Compare a model's vectors with the numbers that were published of them.")
    verified.add_argument("model", metavar="MODEL", help="name or folder")
    quantized = plain("quantize", commands.quantize, "Write the int8 form of a model folder.")
    quantized.add_argument("source", metavar="MODEL", help="name or folder")
    quantized.add_argument("target", type=Path, metavar="NEW", help="name of the folder to write; it must not exist")
    plain("warmup", commands.warmup, "Compile everything once, for this processor.")


def _check_output(options: argparse.Namespace) -> None:
    """Look at where the answer goes before anything is computed, and put an `answers.Output` in the place of the name."""
    if not hasattr(options, "output"):
        return
    if options.output is None:
        if sys.stdout is None:
            raise ValueError("standard output is closed; name a file with --output")
        return
    is_ragged = options.run in (commands.info, commands.models) or getattr(options, "tokens", False)
    is_ragged = is_ragged or getattr(options, "compat", None) == "both"
    suffixes = (".jsonl",) if is_ragged else (".npy", ".jsonl")
    options.output = find_output(options.output, suffixes, text_commands.source(options), options.force)


if __name__ == "__main__":
    sys.exit(main())
