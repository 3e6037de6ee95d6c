"""The commands, with examples of each. The help of the program needs nothing more.

The module that declares and runs a command is imported when the command is chosen. So `--help` and
`--version` do not wait for NumPy, and a command imports what it uses.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import NamedTuple

Declare = Callable[[argparse.ArgumentParser], None]  # adds the arguments of a command, and what runs it

EMBED = """
  minibert embed "I hate cancer" "Antibiotics aren't painkiller"
  minibert embed --file texts.txt --output vectors.npy                  # one text a line -> float32 (num_texts, dim)
  cat texts.txt | minibert embed -m MODEL --output vectors.jsonl        # {"text": ..., "embedding": [...]} a line
  minibert embed -m MODEL --tokens "I love NLP"                         # a vector for each word
"""
SIMILARITY = """
  minibert similarity "a cat sat" "a kitten was sitting" "stocks fell"
  minibert similarity --query "pain relief" --file texts.txt --top 3
  minibert similarity -m MODEL --file texts.txt --output cosines.npy    # float32 (num_texts, num_texts)
"""
TOKENIZE = """
  minibert tokenize "Antibiotics aren't painkiller"
  minibert tokenize -m MODEL --file texts.txt --output ids.jsonl        # input_ids, tokens, offsets, word_ids ... a line
  minibert tokenize -m MODEL --file texts.txt --output ids.npy          # int32 (num_texts, longest), padded with 0
  minibert tokenize --compat both "ΟΔΥΣΣΕΥΣ"                            # where Hugging Face and Google differ
"""
INFO = """
  minibert info
  minibert info -m MODEL
"""
MODELS = """
  minibert models                                                       # names, sizes, and which are here
"""
VERIFY = """
  minibert verify small_bert_L6_768
"""
WARMUP = """
  minibert warmup                                                       # for example in the build of an image
  minibert warmup --backend numba                                       # also where a library runs
"""
FETCH = """
  minibert fetch small_bert_L6_768
  minibert fetch BAAI/bge-small-en-v1.5
  minibert fetch small_bert_L6_768 --list                               # the files to carry to a machine without a network
  minibert fetch small_bert_L6_768 --from /media/stick                  # and the command to type there
"""
CONVERT = """
  minibert convert pytorch_model.bin NEW                                # with config.json and vocab.txt beside it
  minibert convert uncased_L-8_H-128_A-2 NEW                            # a TensorFlow checkpoint
  minibert convert last.ckpt NEW                                        # of a training program, also with prefixes and an optimizer
  minibert convert bert-base-nli-mean-tokens.zip NEW                    # a zip of a model folder
  minibert convert sent_small_bert_L8_128_en_2.6.0_2.4_1598350334113.zip NEW
"""
QUANTIZE = """
  minibert quantize MODEL MODEL-int8                                    # a quarter of float32, half of float16
  minibert embed -m MODEL-int8 "I hate cancer"
"""
COMPILE = """
  minibert compile                                                      # for this processor, into a folder of this user's cache
  minibert compile --tier all --output libraries                        # for every processor, to be carried elsewhere
"""


class Command(NamedTuple):
    """A command of the program.

    Attributes:
        summary: what it does, as one sentence.
        examples: a text that begins and ends with a line end.
        declared: imports its module, and returns the commands that the module declares.
    """

    summary: str
    examples: str
    declared: Callable[[], Mapping[str, Declare]]


def _about_texts() -> Mapping[str, Declare]:
    from .text_commands import COMMANDS

    return COMMANDS


def _about_pieces() -> Mapping[str, Declare]:
    from .tokenize_command import COMMANDS

    return COMMANDS


def _about_models() -> Mapping[str, Declare]:
    from .model_commands import COMMANDS

    return COMMANDS


def _about_folders() -> Mapping[str, Declare]:
    from .folder_commands import COMMANDS

    return COMMANDS


def _about_libraries() -> Mapping[str, Declare]:
    from .compile_command import COMMANDS

    return COMMANDS


COMMANDS = {
    "embed": Command("Turn texts into vectors.", EMBED, _about_texts),
    "similarity": Command("Compare texts by the cosine of their vectors.", SIMILARITY, _about_texts),
    "tokenize": Command("Show the pieces of the vocabulary in texts.", TOKENIZE, _about_pieces),
    "info": Command("Describe a model.", INFO, _about_models),
    "models": Command("List the models that have names.", MODELS, _about_models),
    "verify": Command("Compare a model's vectors with published numbers.", VERIFY, _about_models),
    "warmup": Command("Compile Numba's loops once, for this processor.", WARMUP, _about_models),
    "fetch": Command("Download a model, convert it, and compare it with published numbers.", FETCH, _about_folders),
    "convert": Command("Write a model folder from a checkpoint of torch, TensorFlow or Spark NLP.", CONVERT, _about_folders),
    "quantize": Command("Write the int8 form of a model folder.", QUANTIZE, _about_folders),
    "compile": Command("Compile the loops into shared libraries, which need no Numba when they run.", COMPILE, _about_libraries),
}
