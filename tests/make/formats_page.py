"""Make minibert/FORMATS.md, the page of supported formats, from the tables of the package.

python -m tests.make.formats_page            # exit code 1 if the page is not as the code says
python -m tests.make.formats_page --write    # writes it
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import markdown as results
from minibert import arrays
from minibert.bert import config, tensors
from minibert.files import access as files
from minibert.files import sources
from minibert.folders import layout, sentence_modules
from minibert.folders import settings as folder
from minibert.formats import safetensors, shards, torch_file, torch_pickle, zip_archive
from minibert.importers import checkpoint_kinds, checkpoints
from minibert.ops import numpy_ops
from minibert.tokenizer import loading, named_tokens, pipeline, settings

PAGE = Path(__file__).parents[2] / "minibert" / "FORMATS.md"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def wrapped(text: str) -> str:
    """Wrap the paragraphs and lists of a page at 100 columns."""
    return "\n\n".join(_wrapped_block(block) for block in text.strip().split("\n\n")) + "\n"


def _wrapped_block(block: str) -> str:
    if block.startswith(("|", "#")):
        return block
    items = block.split("\n* ") if block.startswith("* ") else [block]
    indent = "  " if block.startswith("* ") else ""
    lines = (("* " if number else "") + " ".join(item.split()) for number, item in enumerate(items))
    held = (re.sub("`[^`]+`", lambda code: code[0].replace(" ", "\0"), line) for line in lines)  # code stays on one line
    filled = (textwrap.fill(line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) for line in held)
    return "\n".join(filled).replace("\0", " ")


def code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def said(value: object) -> str:
    """Return a value in JSON."""
    return json.dumps(value, ensure_ascii=False)


def kinds(rows: Iterable[sources.Kind], is_name: bool) -> str:
    places = {"folder": "FOLDER", "file": "FILE"}
    cells = ((code(row.seen.split()) if is_name else row.what, row.what, row.advice.format(**places)) for row in rows)
    return table(["found", "it is", "do"], cells) if is_name else table(["it is", "do"], [cell[1:] for cell in cells])


LIMITS = [
    ("a JSON file", f"{files.MAX_JSON_BYTES:,} bytes"),
    (
        "a vocabulary",
        f"{files.MAX_VOCABULARY_BYTES:,} bytes, {settings.MAX_ENTRIES:,} entries, {settings.MAX_VOCABULARY_CHARS:,} characters",
    ),
    ("a piece of the vocabulary that can match", f"{settings.MAX_PIECE_CHARS} characters"),
    ("all added tokens", f"{settings.MAX_ADDED_CHARS:,} characters, {named_tokens.MAX_NAMED:,} tokens in one place of a file"),
    ("a number in config.json", f"{config.MAX_NUMBER:,}"),
    ("a prompt", f"{folder.MAX_PROMPT_CHARS:,} characters"),
    ("modules.json", f"{layout.MAX_MODULES} modules, paths of {layout.MAX_PATH_LENGTH} characters"),
    ("the modules after the pooling", f"{sentence_modules.MAX_FEATURES:,} features, {sentence_modules.MAX_NUMBERS:,} weights in all"),
    ("the header of a safetensors file", f"{safetensors.MAX_HEADER_BYTES:,} bytes"),
    ("an index", f"{shards.MAX_SHARDS} shards"),
    ("the pickle of a torch file", f"{torch_pickle.MAX_PICKLE_BYTES:,} bytes, {torch_file.MAX_WRAPPERS} wrappers in each other"),
    (
        "a zip",
        f"{zip_archive.MAX_MEMBERS:,} members, which unpack to {zip_archive.MAX_RATIO} times its bytes and {zip_archive.FREE_BYTES:,} more",
    ),
]


def page() -> str:
    """Return the whole page."""
    chapters = (paths, model_folder, tokenizer, tokenizer_pipeline, modules, checkpoints_chapter, differences, limits)
    introduction = f"""# What is read, and what is refused

`load` and `quantize` read a model folder. `convert` makes one from a checkpoint. `fetch` downloads one from the Hugging
Face hub or a mirror. Files have the meaning that transformers {named_tokens.TRANSFORMERS} and sentence-transformers 6.2 give
them. The [parity of vectors](../benchmarks/README.md#parity) was
measured with transformers {measured_version()}. A file that asks for something else is refused by name. Nothing is left out in silence.

`tests/make/formats_page.py` makes this page from the tables of the code, and a test compares the two.
"""
    return wrapped(introduction + "".join(chapter() for chapter in chapters))


def measured_version() -> str:
    """Return the version of transformers with which benchmarks/parity.py compared the vectors."""
    return str(results.load("parity")["machine"]["versions"]["transformers"])


def paths() -> str:
    return f"""
## The path

`load(path)` looks for these, in this order:

* a folder. Of the folder of a model in the Hugging Face cache (`models--OWNER--NAME`), it reads the snapshot that
  `refs/main` names.
* the name of a model that `minibert fetch` has fetched.
* the name of a repository in the Hugging Face cache (`HF_HUB_CACHE`, `HF_HOME`), which is only read, without a network.

`None` is the bundled model.

If something else lies there, the error says what it is, and which command helps. Files are recognised by their first
bytes:

{kinds(sources.BEGINNINGS, is_name=False)}

Folders without weights are recognised by the names in them:

{kinds(sources.NAMES, is_name=True)}
"""


def model_folder() -> str:
    files_table = [
        (code(["config.json"]), "the architecture; needed"),
        (code(layout.WEIGHTS_FILES[:2]), "the weights, or the index of their shards; needed; the first one that is there is read"),
        (code(layout.TOKENIZER_FILES), "the tokenizer; `tokenizer.json` or `vocab.txt` is needed"),
        (code(["modules.json", "config_sentence_transformers.json", *layout.TRANSFORMER_FILES]), "pooling, prompts, length"),
    ]
    fields_table = [(f"`{name}`", " or ".join(f"`{said(value)}`" for value in values)) for name, values in config.IMPLEMENTED.items()]
    return f"""
## A model folder

{table(["files", "what they say"], files_table)}

Any other file is ignored. Where files are copied, a link to a file outside of the folder is refused.

### config.json

These fields may be absent, or have one of these values. Any other value would change the result.

{table(["field", "may say"], fields_table)}

`hidden_act` is one of {code(config.GELU_FORMS)}. These fields are needed: {code([*config.ARCHITECTURE, "hidden_act"])}.

### Weights

Numbers are {arrays.FLOAT_WORDS}, also mixed. Arithmetic on all of them is in float32. Names are those of
transformers' BertModel, with or without the prefix `{tensors.PREFIX}`. The norms have `gamma` and `beta` or `weight` and
`bias`. The pooler may be absent.

* Tensors beside the encoder (heads, losses, buffers) are left out, as in transformers.
* A missing tensor is refused. transformers draws random numbers for it.
* An unknown tensor inside {code(tensors.SECTIONS)} is refused, because it belongs to an architecture that computes
  something else. So are adapters, and layers beyond `num_hidden_layers`.
* A prefix other than `{tensors.PREFIX}` is refused. The error names the command that removes it: `minibert convert`.
"""


def tokenizer() -> str:
    rules = [
        (code(loading.BERT_CLASSES), "BertTokenizer's"),
        (code(loading.OWN_CLASSES), "those that tokenizer.json states"),
        ("none", "BertTokenizer's, if tokenizer.json cleans and splits as BERT does, or is absent; else its own"),
        ("any other", "refused"),
    ]
    return f"""
## The tokenizer

transformers reads a BERT's folder with the class that `tokenizer_class` names, in tokenizer_config.json or else in
config.json.

{table(["`tokenizer_class`, with or without Fast", "rules"], rules)}

A tokenizer.json without config.json and tokenizer_config.json is read by its own rules, as `tokenizers` reads it.

**BertTokenizer's rules.** The vocabulary comes from tokenizer.json, or else from vocab.txt, whose lines end at line
feeds only. The cleaning comes from tokenizer_config.json: {code(loading.CLEANING)}. Without these fields, texts become
lower case, accents are removed with the case, and Chinese characters are words. The cleaning in tokenizer.json does
not count.
"""


def tokenizer_pipeline() -> str:
    normalizers = [
        (code(names), code(f"{name}: {said(value)}" for name, value in values.items()) if values else "nothing")
        for names, values in pipeline.NORMALIZERS.items()
    ]
    splits = [(f"`{name}`", *("yes" if flag else "no" for flag in flags)) for name, flags in pipeline.PRE_TOKENIZERS.items()]
    fixed = [(f"`{name}`", f"`{said(value)}`") for name, value in loading.FIXED.items()]
    return f"""
**Its own rules.** tokenizer.json may clean and split in these ways.

{table(["`normalizer`", "beside what BertNormalizer says"], normalizers)}

{table(["`pre_tokenizer`", "splits at whitespace", "makes punctuation words", "parts words from symbols"], splits)}

A `Sequence` of pre-tokenizers does what any of them does. Punctuation must be `Isolated`. The post-processor must write
`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, B with type 1, with the ids of the vocabulary. The model must be WordPiece.

These fields of tokenizer_config.json may be absent, or have this value:

{table(["field", "may say"], fixed)}

In transformers, `never_split`, `do_basic_tokenize`, `add_bos_token` and `add_eos_token` change no ids of a BERT. They
change none here. Truncation and padding in tokenizer.json are settings of an earlier call. They are ignored, unless
they are on the left side.

**Special and added tokens** come from these files: tokenizer_config.json (roles, `{named_tokens.LISTS[0]}`,
`{named_tokens.LISTS[1]}`, roles of a model's own, `added_tokens_decoder`), special_tokens_map.json, added_tokens.json and
tokenizer.json. If `added_tokens_decoder` is there, BertTokenizer reads none of the others. A token of the vocabulary
keeps its id. Any other token gets the next id, and a file that claims another one is refused. A token beyond the table
of embeddings is an error when a text has it.
"""


def modules() -> str:
    rows = [
        ("Transformer", f"its folder may have any name; of its settings, {code(folder.TRANSFORMER_FIELDS)} may be there"),
        ("Pooling", f"one or several of {code(folder.FOLDER_POOLINGS)}, side by side; `include_prompt`"),
        ("Dense", f"`in_features`, `out_features`, `bias`, `use_residual`, `activation_function`: {code(numpy_ops.ACTIVATIONS)}"),
        ("LayerNorm", "`dimension`"),
        ("Normalize", "anywhere, also twice"),
        ("Dropout", "nothing: it does nothing outside of training"),
    ]
    return f"""
## Modules of sentence-transformers

modules.json lists {code(folder.MODULES)}: Transformer, then Pooling, then any of the others in any order. Other modules
are refused. In config_sentence_transformers.json, a `model_type` other than {code([folder.MODEL_TYPE])} is refused too.

{table(["module", "read"], rows)}

A folder without modules.json gets mean pooling, as in sentence-transformers.
"""


def checkpoints_chapter() -> str:
    names = [(f"`{name}`", kind) for name, kind in checkpoints.WEIGHTS.items()]
    return f"""
## Checkpoints: `minibert convert`

The first of these names in a folder is read. A pattern must match one file. A file can also be given itself.

{table(["name", "format"], names)}

Then come `variables/variables.index` (a SavedModel, as on TF Hub), `*.index` (a TensorFlow checkpoint) and `fields/` (a
model of Spark NLP). A zip may hold a model of Spark NLP, a torch file, or a model folder, also in one other folder.

* Any prefix of `embeddings.` and `encoder.` is removed, if the file has only one encoder.
  {code(sorted(checkpoint_kinds.WRAPPERS))} are removed at any place of a name.
* A torch file may hold its tensors under {code(torch_file.WRAPPERS)}. Nothing in it is executed.
* modules.json tells where the encoder and the other modules lie, in folders of any version from 0.2 on. A Dense of torch
  becomes safetensors.
* Heads of pre-training are kept. Other tensors beside the encoder are left out, and the command lists them.
* Case: if a source of transformers does not tell it, texts become lower case, as in `load` and transformers. A TensorFlow
  checkpoint of Google or a model of Spark NLP that does not tell it is cased if the vocabulary has capital letters.
"""


def differences() -> str:
    return """
## Differences from transformers on purpose

* If no file names a class, and tokenizer.json has another pipeline than BERT's, transformers uses BertTokenizer. Here
  tokenizer.json keeps its own rules, because a tokenizer that was trained with them needs them.
* If a class of BERT is named beside such a tokenizer.json, the folder is refused.
* Arithmetic on weights of float16 or bfloat16 is in float32. sentence-transformers computes in the precision of the
  file.
* A text is never influenced by the padding of another one, even if `model_input_names` has no `attention_mask`.
* With `max` pooling and `include_prompt: false`, a text without any token left gets zeros. sentence-transformers gives
  minus infinity.
"""


def limits() -> str:
    return f"""
## Limits

{table(["of", "at most"], LIMITS)}
"""


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit(f"{PAGE.name} is not what the code says: python -m tests.make.formats_page --write")
