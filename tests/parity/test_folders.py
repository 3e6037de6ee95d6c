"""Random folders give the ids and vectors of the originals, or are refused by name.

The originals are transformers and sentence-transformers. One kind of folder differs on purpose:
tokenizer.json is another pipeline than BERT's, and no file names a class. transformers then takes
BertTokenizer instead. Here the file keeps its own rules, which are those of `TokenizersBackend`.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, TokenizersBackend

import minibert
from minibert import WordPieceTokenizer
from tests.parity.random_folders import write_folder
from tests.parity.random_tokenizers import TEXTS, Draw, write, write_tokenizer
from tests.support.tokenizer_folders import CASES

NUM_TOKENIZERS, NUM_FOLDERS = 600, 300
PARTS = 6  # tests, each with as many of them


def keeps_own_rules(folder: Path) -> bool:
    """Whether the folder is of the kind that differs on purpose."""
    folder = folder / "0_Transformer" if (folder / "0_Transformer").exists() else folder
    if not (folder / "tokenizer.json").exists():
        return False
    config, tokenizer_config = (
        json.loads(path.read_text()) if path.exists() else {} for path in map(folder.joinpath, ("config.json", "tokenizer_config.json"))
    )
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    normalizer, splitter = (tokenizer[name] or {} for name in ("normalizer", "pre_tokenizer"))
    steps = {step["type"] for step in normalizer.get("normalizers", [normalizer]) if step}
    cuts = {step["type"] for step in splitter.get("pretokenizers", [splitter])}
    is_bert = "BertNormalizer" in steps and steps <= {"BertNormalizer", "Lowercase"}
    splits_as_bert = cuts in ({"BertPreTokenizer"}, {"WhitespaceSplit", "Punctuation"})
    return not (is_bert and splits_as_bert) and "tokenizer_class" not in config | tokenizer_config


def reader(folder: Path) -> PreTrainedTokenizerBase:
    kind = TokenizersBackend if keeps_own_rules(folder) else AutoTokenizer
    return kind.from_pretrained(folder)


def outcome(read: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, str]:
    """What a program reads, or why it does not."""
    try:
        return read(*arguments, **options), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", CASES)
def test_cases_are_what_transformers_gives(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = case.write(tmp_path / "folder")
    assert WordPieceTokenizer.from_folder(folder)(case.text).input_ids == AutoTokenizer.from_pretrained(folder)(case.text).input_ids


@pytest.mark.parametrize("part", range(PARTS))
def test_ids_of_random_folders(tmp_path: Path, part: int) -> None:
    seen: Counter[str] = Counter()
    for number in range(part, NUM_TOKENIZERS, PARTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_tokenizer(Draw(number), folder)
        write(folder / "config.json", {"model_type": "bert"})
        ours, refusal = outcome(WordPieceTokenizer.from_folder, folder)
        theirs, problem = outcome(reader, folder)
        assert ours or refusal.startswith("ValueError"), f"folder {number}: {refusal}"
        if ours and theirs:
            for text in TEXTS:
                assert ours(text).input_ids == theirs(text).input_ids, f"folder {number}: {text!r}"
        seen["read" if ours and theirs else "refused" if theirs else problem[:40]] += 1
    assert seen["read"] > NUM_TOKENIZERS / PARTS / 3, seen


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore::minibert.TruncationWarning")
def test_vectors_of_random_folders(tmp_path: Path, part: int) -> None:
    seen: Counter[str] = Counter()
    for number in range(part, NUM_FOLDERS, PARTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_folder(Draw(number), folder)
        if keeps_own_rules(folder):
            continue
        ours, refusal = outcome(minibert.load, folder, backend="numpy")
        theirs, problem = outcome(SentenceTransformer, str(folder), device="cpu", model_kwargs={"dtype": "float32"})
        assert ours or refusal.startswith("ValueError"), f"folder {number}: {refusal}"
        if ours and theirs:
            compare(ours, theirs, number)
        seen["read" if ours and theirs else "refused" if theirs else problem[:40]] += 1
    assert seen["read"] > NUM_FOLDERS / PARTS / 4, seen


def compare(ours: minibert.MiniBert, theirs: SentenceTransformer, number: int) -> None:
    """The same vectors, also for pairs and prompts.

    The texts are encoded one by one, since a text has the same vector in every batch here.
    """
    texts: list[Any] = [text for text in TEXTS if max(ours.tokenizer(text).input_ids) < ours.config.vocab_size]
    texts += [(texts[0], texts[1])] if ours.config.type_vocab_size > 1 else []
    prompts: list[dict[str, str]] = [{"prompt": "a b "}, *({"prompt_name": name} for name in theirs.prompts)]
    for options in ({}, *prompts):
        for text in texts:
            expected, _ = outcome(theirs.encode, [text], convert_to_numpy=True, show_progress_bar=False, **options)
            if expected is None or not np.isfinite(expected).all():
                continue  # it encodes nothing without a padding token; and the maximum of no positions is minus infinity
            found = ours.encode([text], **options)
            assert found.shape == expected.shape, f"folder {number}: {text!r} {options}"
            scale = max(1.0, float(np.abs(expected).max()))
            assert np.abs(found - expected).max() <= 2e-5 * scale, f"folder {number}: {text!r} {options}"
