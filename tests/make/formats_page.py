"""Make minibert/FORMATS.md, the page of what is read and what is refused, from the tables of the package.

python -m tests.make.formats_page            # prints whether the page is as the code says; exit code 1 if not
python -m tests.make.formats_page --write    # writes it
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from minibert.bert import config, weights
from minibert.files import access as files
from minibert.files import fields, sources
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


def code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def said(value: object) -> str:
    """A value as JSON writes it."""
    return fields.json.dumps(value, ensure_ascii=False)


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
    ("the modules behind the pooling", f"{sentence_modules.MAX_FEATURES:,} features, {sentence_modules.MAX_NUMBERS:,} weights in all"),
    ("the header of a safetensors file", f"{safetensors.MAX_HEADER_BYTES:,} bytes"),
    ("an index", f"{shards.MAX_SHARDS} shards"),
    ("the pickle of a torch file", f"{torch_pickle.MAX_PICKLE_BYTES:,} bytes, {torch_file.MAX_WRAPPERS} wrappers in each other"),
    (
        "a zip",
        f"{zip_archive.MAX_MEMBERS:,} members, which unpack to {zip_archive.MAX_RATIO} times its bytes and {zip_archive.FREE_BYTES:,} more",
    ),
]


def page() -> str:
    return f"""# What is read, and what is refused

`load` and `quantize` read a model folder. `convert` makes one from a checkpoint. `fetch` brings one from the Hugging
Face hub or a mirror. Whatever a file asks for is done as transformers {named_tokens.TRANSFORMERS} and
sentence-transformers 6.2 do it, or it is refused by name. Nothing is left out in silence.

This page is made from the tables of the code by `tests/make/formats_page.py`, and a test compares them.

## The path

`load(path)` takes, in this order: a folder; the root of a model in the Hugging Face cache (`models--OWNER--NAME`), of
which the snapshot that `refs/main` names is read; the name of a model that `minibert fetch` has brought; the name of a
repository that the Hugging Face cache holds (`HF_HUB_CACHE`, `HF_HOME`), offline and read only. `None` is the model in
the box.

Where something else lies there, the error says what it is and which command helps. Files are known by their first
bytes:

{kinds(sources.BEGINNINGS, is_name=False)}

Folders are known by the names in them, where weights are missing:

{kinds(sources.NAMES, is_name=True)}

## A model folder

{
        table(
            ["files", "what they say"],
            [
                (code(["config.json"]), "the architecture; needed"),
                (code(layout.WEIGHTS_FILES[:2]), "the weights, or the index of their shards; needed, and the first that is there is read"),
                (code(layout.TOKENIZER_FILES), "the tokenizer; `tokenizer.json` or `vocab.txt` is needed"),
                (code(["modules.json", "config_sentence_transformers.json", *layout.TRANSFORMER_FILES]), "pooling, prompts, length"),
            ],
        )
    }

Any other file is ignored. A link that leads out of the folder is refused where files are copied.

### config.json

These fields may be absent, or say one thing. They would change the result.

{
        table(
            ["field", "may say"],
            [(f"`{name}`", " or ".join(f"`{said(value)}`" for value in values)) for name, values in config.IMPLEMENTED.items()],
        )
    }

`hidden_act` is one of {code(config.GELU_FORMS)}. Needed are {code([*config.ARCHITECTURE, "hidden_act"])}.

### Weights

Numbers are {weights.FLOAT_WORDS}, also mixed, and are computed with as float32. Names are those of transformers'
BertModel, with or without the prefix `{weights.PREFIX}`, with `gamma` and `beta` or `weight` and `bias` in the norms,
with or without the pooler.

* Tensors beside the encoder (heads, losses, buffers) are left aside, as transformers does.
* A tensor that is missing is refused. transformers draws random numbers for it.
* An unknown tensor inside {code(weights.PARTS)} is refused, since it belongs to an architecture that computes something
  else. So are adapters, and layers beyond `num_hidden_layers`.
* Another prefix than `{weights.PREFIX}` is refused with the command that takes it off: `minibert convert`.

## The tokenizer

transformers reads a BERT's folder with the class that `tokenizer_class` names, in tokenizer_config.json or else in
config.json.

{
        table(
            ["`tokenizer_class`, with or without Fast", "rules"],
            [
                (code(loading.BERT_CLASSES), "BertTokenizer's"),
                (code(loading.OWN_CLASSES), "those that tokenizer.json states"),
                ("none", "BertTokenizer's, if tokenizer.json cleans and splits as BERT does, or is not there; else its own"),
                ("any other", "refused"),
            ],
        )
    }

A tokenizer.json that lies alone, without config.json and tokenizer_config.json, is read by its own rules, as
`tokenizers` reads it.

**BertTokenizer's rules.** The vocabulary comes from tokenizer.json, or else from vocab.txt, whose lines end at line
feeds alone. How to clean comes from tokenizer_config.json: {code(loading.CLEANING)}. Where that is silent, texts become
lower case, accents go with the case, and Chinese characters are words. What tokenizer.json says of cleaning does not
count.

**Its own rules.** tokenizer.json may clean and split in these ways.

{
        table(
            ["`normalizer`", "beside what BertNormalizer says"],
            [
                (code(names), code(f"{name}: {said(value)}" for name, value in values.items()) if values else "nothing")
                for names, values in pipeline.NORMALIZERS.items()
            ],
        )
    }

{
        table(
            ["`pre_tokenizer`", "splits at whitespace", "makes punctuation words", "parts words from symbols"],
            [(f"`{name}`", *("yes" if flag else "no" for flag in flags)) for name, flags in pipeline.PRE_TOKENIZERS.items()],
        )
    }

A `Sequence` of pre-tokenizers does what any of them does. Punctuation must be `Isolated`. The post-processor must write
`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, B with type 1, with the ids of the vocabulary. The model must be WordPiece.

These fields of tokenizer_config.json may be absent, or say one thing:

{table(["field", "may say"], [(f"`{name}`", f"`{said(value)}`") for name, value in loading.FIXED.items()])}

`never_split`, `do_basic_tokenize`, `add_bos_token` and `add_eos_token` change no ids of a BERT in transformers, and
none here. Truncation and padding in tokenizer.json are leftovers of a call and ignored, unless they are on the left
side.

**Special and added tokens** come from tokenizer_config.json (roles, `{named_tokens.LISTS[0]}`, `{
        named_tokens.LISTS[1]
    }`, roles of a model's own, `added_tokens_decoder`), special_tokens_map.json, added_tokens.json and tokenizer.json.
Where `added_tokens_decoder` is, no other file counts for BertTokenizer. A token of the vocabulary keeps its id. Any
other gets the next one, and a file that claims another id is refused. A token beyond the table of embeddings is an
error when a text has it.

## Modules of sentence-transformers

modules.json lists {code(folder.MODULES)}: Transformer, then Pooling, then any of the others in any order. Other modules
are refused. So is another `model_type` than {code([folder.MODEL_TYPE])} in config_sentence_transformers.json.

{
        table(
            ["module", "read"],
            [
                ("Transformer", f"its folder may have any name; of its settings, {code(folder.TRANSFORMER_FIELDS)} may be there"),
                ("Pooling", f"one or several of {code(folder.FOLDER_POOLINGS)}, side by side; `include_prompt`"),
                ("Dense", f"`in_features`, `out_features`, `bias`, `use_residual`, `activation_function`: {code(numpy_ops.ACTIVATIONS)}"),
                ("LayerNorm", "`dimension`"),
                ("Normalize", "anywhere, also twice"),
                ("Dropout", "nothing: it does nothing outside of training"),
            ],
        )
    }

A folder without modules.json gets mean pooling, as sentence-transformers gives it.

## Checkpoints: `minibert convert`

The first of these that a folder has is read; of a pattern it must have one. A file may also be named itself.

{table(["name", "format"], [(f"`{name}`", kind) for name, kind in checkpoints.WEIGHTS.items()])}

Then `variables/variables.index` (a SavedModel, as on TF Hub), `*.index` (a TensorFlow checkpoint) and `fields/` (a
model of Spark NLP). A zip may hold a model of Spark NLP, a torch file, or a model folder, also inside of one other
folder.

* Any prefix before `embeddings.` and `encoder.` is taken off, as long as the file has one encoder. {
        code(sorted(checkpoint_kinds.WRAPPERS))
    } are taken out wherever they stand in a name.
* A torch file may hold its tensors under {code(torch_file.WRAPPERS)}. Nothing in it is executed.
* modules.json says where the encoder and the other modules lie, in folders of any version from 0.2 on. A Dense of torch
  becomes safetensors.
* Heads of pre-training are kept. Other tensors beside the encoder are left out, and the command lists them.
* Case: where a source of transformers says nothing, texts become lower case, as `load` and transformers do it. A
  TensorFlow checkpoint of Google and a model of Spark NLP that say nothing are cased if the vocabulary has capital
  letters.

## Where the result differs from transformers on purpose

* Where no file names a class and tokenizer.json is another pipeline than BERT's, transformers puts BertTokenizer in its
  place. Here tokenizer.json keeps its own rules: a tokenizer that was trained with them needs them.
* Where a class of BERT is named beside such a tokenizer.json, the folder is refused.
* Weights of float16 or bfloat16 are computed with in float32. sentence-transformers computes in the precision of the
  file.
* A text never sees the padding of another, also where `model_input_names` has no `attention_mask`.
* With `max` pooling and `include_prompt: false`, a text of which nothing is left gets zeros. sentence-transformers
  gives minus infinity.

## Limits

{table(["of", "at most"], LIMITS)}
"""


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit(f"{PAGE.name} is not what the code says: python -m tests.make.formats_page --write")
