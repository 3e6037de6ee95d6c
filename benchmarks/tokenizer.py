"""List of str to ids, one thread each: both tokenizers of minibert, nanotoken and `tokenizers`.

The first pass begins without memory. The repeated pass has seen the same texts. English comes from
a file, one text a line. The published figures were measured with 12 MB of WordNet and GCIDE
definitions, documentation, addresses and reviews under free licences. Other scripts are the
translations in Django. Hostile texts are made here.

    pip install nanotoken tokenizers==0.23.3 django
    RAYON_NUM_THREADS=1 python -m benchmarks.tokenizer english.txt
"""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import nanotoken
import tokenizers

from benchmarks.common import median, save
from benchmarks.tokenizer_parity import real_texts, settings_of
from minibert.tokenizer import make_tokenizer
from tests.support.hard_texts import adversarial_texts
from tests.support.originals import hf_tokenizer

ENGLISH_BYTES = 12_000_000
OTHER_BYTES = 1_000_000
SCRIPTS = {
    "Russian": "ru", "Greek": "el", "Arabic": "ar", "Hebrew": "he", "Hindi": "hi", "Tamil": "ta", "Thai": "th", "Georgian": "ka",
    "Armenian": "hy", "Japanese": "ja", "Chinese": "zh_Hans", "Korean": "ko", "Vietnamese": "vi", "Turkish": "tr", "German": "de",
}  # fmt: skip


def repeat(texts: list[str], size: int) -> list[str]:
    """Texts again and again, up to a number of bytes."""
    result, total = [], 0
    while total < size:
        for text in texts:
            result.append(text)
            total += len(text.encode("utf-8", "surrogatepass"))
            if total >= size:
                break
    return result


def hostile() -> dict[str, list[str]]:
    source = random.Random(5)
    everything = [chr(code) for code in range(1, 0x30000) if not 0xD800 <= code < 0xE000]
    return {
        "adversarial texts": list(adversarial_texts(20_000, seed=31)),
        "random characters": ["".join(source.choices(everything, k=40)) for _ in range(6000)],
        "random letters": ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=60)) for _ in range(15_000)],
        "punctuation": ["".join(source.choices("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~", k=60)) for _ in range(15_000)],
        "special tokens": ["[MASK][SEP] [CLS]x[PAD]" * 3] * 15_000,
        "one long word": ["a" * 1_000_000],
        "accents without end": ["e" + "\u0301\u0323" * 250_000],
        "marks to sort": ["\u302e\u0323\u302f" * 100_000],
        "marks to sort, short": ["가\u302e각\u302f\u0301 "] * 50_000,
        "syllables of Hangul": ["".join(source.choices([chr(code) for code in range(0xAC00, 0xD7A4)], k=30)) for _ in range(10_000)],
    }


class Rivals:
    """The tokenizers, made anew for each kind of text, so that none remembers other texts."""

    def __init__(self) -> None:
        settings = settings_of("uncased")
        self.compiled, self.plain = (make_tokenizer(settings, backend=backend) for backend in ("numba", "numpy"))
        self.compiled.encode_batch([])
        self.tokenizers = hf_tokenizer(settings)
        self.nanotoken = nanotoken.Tokenizer(self.tokenizers)

    def calls(self) -> dict[str, Any]:
        return {
            "minibert": self.compiled.encode_batch,
            "minibert, plain Python": self.plain.encode_batch,
            "tokenizers": self.tokenizers.encode_batch_fast,
            "nanotoken": lambda texts: self.nanotoken.encode_batch(texts, parallel=False),
        }


def speeds(texts: list[str], slow: list[str], repeats: int = 5) -> dict[str, dict[str, float]]:
    """MB/s of each rival, first pass and repeated, medians. The slow ones encode fewer texts."""
    seconds: dict[str, dict[str, list[float]]] = {}
    sizes = {id(each): sum(len(text.encode()) for text in each) / 1e6 for each in (texts, slow)}
    for _ in range(repeats):
        rivals = Rivals()
        for number in ("first", "repeated"):
            for name, call in rivals.calls().items():
                mine = texts if name in ("minibert", "nanotoken") else slow
                start = time.perf_counter()
                call(mine)
                speed = sizes[id(mine)] / (time.perf_counter() - start)
                seconds.setdefault(name, {}).setdefault(number, []).append(speed)
    return {name: {number: round(median(values), 2) for number, values in each.items()} for name, each in seconds.items()}


def measure(english: Path) -> list[dict[str, Any]]:
    lines = repeat([line for line in english.read_text(encoding="utf-8").split("\n") if line], ENGLISH_BYTES)
    documents = ["\n".join(lines[start : start + 200]) for start in range(0, len(lines), 200)]
    real = real_texts()
    kinds = {"English, lines": (lines, lines[:20_000]), "English, documents of 200 lines": (documents, documents[:80])}
    kinds |= {name: (repeat(real[code], OTHER_BYTES),) * 2 for name, code in SCRIPTS.items()}
    kinds |= {name: (texts, texts) for name, texts in hostile().items()}
    rows = []
    for name, (texts, slow) in kinds.items():
        row = {"texts": name, "mb_per_s": speeds(texts, slow)}
        expected, actual = Rivals().tokenizers.encode_batch_fast(slow), Rivals().compiled.encode_batch(slow)
        row["ids_equal"] = all(actual[index].tolist() == each.ids for index, each in enumerate(expected))
        rows.append(row)
        print(row, flush=True)
    return rows


if __name__ == "__main__":
    if os.environ.get("RAYON_NUM_THREADS") != "1":
        raise SystemExit("run this with RAYON_NUM_THREADS=1: one thread each")
    save("tokenizer", {"tokenizers": tokenizers.__version__, "rows": measure(Path(sys.argv[1]))})
