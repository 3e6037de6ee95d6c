"""`verify` must find the variant that made the numbers of a small random model, and no other."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from minibert.folders.bundled import BUNDLED
from minibert.hub.published import CHECKS, Check
from minibert.hub.verify import ENCODINGS, GELUS, POOLINGS, TOKEN, Variant, lines, verify
from tests.support.models import make_config, write_model

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "John loves apples."]
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean of all positions": lambda hidden: hidden.mean(0),
    "mean of words": lambda hidden: hidden[1:-1].mean(0),
    "[CLS]": lambda hidden: hidden[0],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two folders with the same weights and the two forms of GELU."""
    return {
        name: write_model(tmp_path_factory.mktemp("model") / act, make_config(2, 32, 2, hidden_act=act, max_position_embeddings=64))
        for name, act in GELUS.items()
    }


def planted(folder: Path, variant: Variant) -> list[Check]:
    """Return check values, made with `__call__`, which `verify` does not use."""
    model = minibert.load(folder, backend="numpy", tokenizer_compat="google")
    checks = []
    for text in TEXTS:
        ids = model.tokenizer(text).input_ids
        cut = ENCODINGS[variant.encoding]
        output = model([ids[: len(ids) - 1 - cut] + ids[-1:]])
        if variant.pooling == "pooler":
            assert output.pooler_output is not None
            vector = output.pooler_output[0]
        else:
            vector = WAYS[variant.pooling](output.last_hidden_state[0])
        checks.append(Check(text, None, tuple(float(f"{number:.6f}") for number in vector[:3]), "planted"))
    return checks


@pytest.mark.parametrize("variant", [Variant(*each) for each in product(ENCODINGS, POOLINGS, GELUS)], ids=str)
def test_the_variant_of_a_text_vector_is_found(folders: dict[str, Path], variant: Variant) -> None:
    checks = planted(folders[variant.gelu], variant)
    (verdict,) = verify(folders["GELU by erf"], checks)  # the folder's own form of GELU does not count
    assert verdict.best == variant
    assert verdict.is_match
    assert verdict.digits >= 5
    assert [each for each, far in verdict.differences.items() if far <= 10 * verdict.differences[variant] + 1e-5] == [variant]


@pytest.mark.parametrize(("encoding", "gelu"), list(product(ENCODINGS, GELUS)))
def test_the_variant_of_a_token_vector_is_found(folders: dict[str, Path], encoding: str, gelu: str) -> None:
    model = minibert.load(folders[gelu], backend="numpy", tokenizer_compat="google")
    text, words = "nc and nh.", ["nc", "and", "nh"]
    ids = model.tokenizer(text).input_ids
    rows = [model.tokenizer(text).word_ids.index(number) for number in range(3)]
    hidden = model([ids[: len(ids) - 1 - ENCODINGS[encoding]] + ids[-1:]]).last_hidden_state[0]
    checks = [
        Check(text, word, tuple(hidden[row, :2].tolist()), "planted") for word, row in zip(words, rows, strict=True) if row < len(hidden)
    ]
    assert len(checks) >= 2
    (verdict,) = verify(folders[gelu], checks)
    assert (verdict.best, verdict.is_match) == (Variant(encoding, TOKEN, gelu), True)


def test_other_weights_match_no_variant(folders: dict[str, Path]) -> None:
    variant = Variant("all pieces", "mean of all positions", "GELU by tanh")
    checks = planted(folders[variant.gelu], variant)
    wrong = [Check(each.text, None, tuple(number + 0.01 for number in each.values), each.source) for each in checks]
    (verdict,) = verify(folders[variant.gelu], wrong)
    assert not verdict.is_match
    assert "none of them explains" in "\n".join(lines([verdict]))


def test_a_model_without_check_values_is_refused(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for name in (str(folders["GELU by erf"]), BUNDLED):  # the bundled model has the shape of a published model, but other weights
        assert main(["verify", name]) == 2
        assert f"{name}: no numbers of its vectors were published" in capsys.readouterr().err


def test_the_command_prints_the_table_and_refuses_other_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path / "random", make_config(8, 128, 2))
    assert main(["verify", str(folder)]) == 2
    output = capsys.readouterr()
    assert "model card, texts (2 vectors)" in output.out
    assert output.out.count("two pieces cut off, pooler, GELU by erf") == 1
    assert "0 of 1 sources explained" in output.out
    assert "these are other weights" in output.err


def test_one_explained_source_is_enough(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = Variant("all pieces", "[CLS]", "GELU by tanh")
    checks = planted(folders[variant.gelu], variant)
    others = [Check(each.text, None, (9.0, 9.0), "elsewhere") for each in checks]
    monkeypatch.setitem(CHECKS, (2, 32), (*checks, *others))
    assert main(["verify", str(folders[variant.gelu])]) == 0
    assert "1 of 2 sources explained" in capsys.readouterr().out
