"""Make the golden files: results of transformers and tokenizers, for tests that run without them.

No other script of the core suite imports torch. The weights come from tests/support/models.py, so
the files contain results only. Large results are sampled: an error in any term changes every value.
The files also record the versions.

    pip install torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3
    pip install --no-deps bert-tensorflow==1.0.4
    python3.11 -m tests.make.golden
"""

import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer

from tests.support.golden_cases import CASES, Case, sample
from tests.support.hard_texts import COMPATS, TEXTS, character_settings, code_point_ranges, code_points, digest, tokenizer_folders
from tests.support.models import write_model
from tests.support.originals import google_tokenizer, hf_tokenizer

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = {
    "python": platform.python_version(),
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "tokenizers": tokenizers.__version__,
}


def encoder_results(case: Case) -> dict[str, np.ndarray]:
    """Hidden states, attentions and pooler output of transformers, eager attention, float32."""
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), case.config)
        model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    results: dict[str, np.ndarray] = {}
    for number, rectangle in enumerate(case.rectangles()):
        ids, mask, types = (torch.tensor(array, dtype=torch.long) for array in rectangle)
        with torch.no_grad():
            output = model(ids, mask, types, output_hidden_states=True, output_attentions=True)
        hidden = np.stack([state.numpy() for state in output.hidden_states])
        attentions = np.stack([probs.numpy() for probs in output.attentions])
        results[f"{number}/hidden_states"] = sample(hidden * mask.numpy()[None, :, :, None], case.sampled)
        visible = mask.numpy()[None, :, None, :, None] * mask.numpy()[None, :, None, None, :]
        results[f"{number}/attentions"] = sample(attentions * visible, case.sampled)
        results[f"{number}/pooler_output"] = sample(output.pooler_output.numpy() * mask.numpy()[:, :1], case.sampled)
    return results


def tokenizer_results() -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in tokenizer_folders(Path(folder)).items():
            original = Tokenizer.from_file(str(path / "tokenizer.json"))
            encodings = [original.encode(text) for text in TEXTS]
            results[name] = [
                {"ids": e.ids, "offsets": e.offsets, "word_ids": e.word_ids, "decoded": original.decode(e.ids)} for e in encodings
            ]
    return results


def code_point_digests() -> dict[str, dict[str, str]]:
    """For each setting and range of code points, a digest of what the original gives.

    It covers the ids, and for Hugging Face also offsets and words.
    """
    digests: dict[str, dict[str, str]] = {}
    for compat, names in COMPATS.items():
        for name in names:
            settings = character_settings(name)
            google, hf = google_tokenizer(settings), hf_tokenizer(settings)
            for first, last in code_point_ranges():
                texts = code_points(first, last)
                encodings = hf.encode_batch(texts) if compat == "hf" else []
                results = [(e.ids, e.offsets, e.word_ids) for e in encodings] or [google.ids(text) for text in texts]
                digests.setdefault(name, {})[f"{first:x}"] = digest(results)
    return digests


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    digests = {"versions": VERSIONS, "digests": code_point_digests()}
    (GOLDEN / "code_points.json").write_text(json.dumps(digests, indent=0) + "\n")
    for name, case in CASES.items():
        np.savez_compressed(GOLDEN / f"{name}.npz", versions=json.dumps(VERSIONS), **encoder_results(case))
    content = {"versions": VERSIONS, "texts": TEXTS, "results": tokenizer_results()}
    (GOLDEN / "tokenizer.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
