"""What the loops compute: written by one Python, compared by another one on another system.

The models are written too, because another library of C may draw other random numbers.

python -m tests.platforms.results write FOLDER BACKEND
python -m tests.platforms.results compare FOLDER TIER     # the library of this tier
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minibert
from minibert.runtime import library
from minibert.tokenizer import load_settings, make_tokenizer
from tests.support.golden_cases import Case
from tests.support.hard_texts import TEXTS
from tests.support.models import make_config, write_model

CASES = {
    "L2_H128": Case(make_config(2, 128, 2), ((1, 1), (3, 2), (4, 20), (2, 65), (1, 512)), None),
    # odd sizes that no register divides
    "L2_H15": Case(
        make_config(2, 15, 3, intermediate_size=37, layer_norm_eps=1e-3, hidden_act="gelu_pytorch_tanh"), ((1, 1), (3, 5), (2, 9)), None
    ),
    "L1_H24": Case(make_config(1, 24, 1, intermediate_size=20, hidden_act="gelu_new"), ((2, 6), (3, 11)), None),
}
NUM_THREADS = 2  # a call of the largest rectangle pays two threads


class Result(NamedTuple):
    """An array, and which computation it comes from."""

    name: str
    array: np.ndarray


def write(folder: Path, backend: str) -> None:
    for name, case in CASES.items():
        write_model(folder / name, case.config)
    np.savez(folder / "results.npz", **dict(every_result(folder, backend)))  # type: ignore[arg-type]


def compare(folder: Path, tier: str) -> None:
    """Raise unless this process has the library of the tier, and it gives the bits of the file."""
    found = library.find()
    assert found.library is not None, found.reason
    assert found.library.tier == tier, f"expected the tier {tier}, found {found.library.tier}"
    with np.load(folder / "results.npz") as file:
        expected = dict(file)
    actual = dict(every_result(folder, "library"))
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        assert array.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(bits(array), bits(expected[name]), err_msg=name)
    print(f"{found.library.path}: {len(actual)} arrays with the same bits, {sum(array.size for array in actual.values()):,} numbers")


def every_result(folder: Path, backend: str) -> Iterator[Result]:
    for name, case in CASES.items():
        for precision in ("float32", "int8"):
            model = minibert.load(folder / name, backend=backend, precision=precision, num_threads=NUM_THREADS)
            for result in (*of_model(model, case), *of_texts(model)):
                yield Result(f"{name}/{precision}/{result.name}", result.array)
    yield from of_tokenizer(folder / "L1_H24", backend)


def of_model(model: minibert.MiniBert, case: Case) -> Iterator[Result]:
    """Everything that a model returns, for some rectangles."""
    for (num_sequences, seq_len), (ids, mask, types) in zip(case.shapes, case.rectangles(), strict=True):
        output = model(ids, mask, types, output_hidden_states=True, output_attentions=True)
        assert output.hidden_states is not None
        assert output.attentions is not None
        assert output.pooler_output is not None
        name = f"{num_sequences}x{seq_len}"
        yield Result(f"{name}/hidden", np.stack(output.hidden_states))
        yield Result(f"{name}/attentions", np.stack(output.attentions))
        yield Result(f"{name}/pooler", output.pooler_output)


def of_texts(model: minibert.MiniBert) -> Iterator[Result]:
    """Vectors of texts by the short path, for a few texts at a time, and by the usual one."""
    options = {"max_length": min(64, model.max_length), "truncation": "silent", "normalize_embeddings": True}
    model.tokenizer.encode_batch(["some words about planes " * 500])  # so many that the compiled tokenizer is made
    for pooling in ("mean", "cls"):
        yield Result(f"{pooling}/short", np.stack([model.encode(text, pooling=pooling, **options) for text in TEXTS]))
        yield Result(f"{pooling}/usual", model.encode(TEXTS, pooling=pooling, **options))


def of_tokenizer(folder: Path, backend: str) -> Iterator[Result]:
    """Ids and places of tokens, for texts on which tokenizers disagree."""
    for compat in minibert.tokenizer.COMPATS:
        settings = load_settings(folder)
        tokenizer = make_tokenizer(settings.as_google() if compat == "google" else settings, backend)
        encoding = tokenizer.encode_batch(TEXTS, return_offsets=True)
        for field in ("input_ids", "cu_seqlens", "num_truncated", "offsets", "word_ids"):
            yield Result(f"{compat}/{field}", np.asarray(getattr(encoding, field)))


def bits(array: np.ndarray) -> np.ndarray:
    """The bits of floats as whole numbers: 0.0 and -0.0 differ."""
    return array.view(np.uint32) if array.dtype == np.float32 else array


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("write", "compare"):
        raise SystemExit(__doc__)
    {"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
