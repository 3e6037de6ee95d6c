"""The tokenizer beside both originals: every code point, 200,000 adversarial texts, real texts.

Real texts are the translations in Django, in a hundred languages. There are also a million random
strings, for which nothing must be raised, and the time of texts of doubled length. The tests run a
share of this. The whole takes about 40 minutes on CPython 3.11.

    pip install tokenizers==0.23.3 django && pip install --no-deps bert-tensorflow==1.0.4
    python3.11 -m benchmarks.tokenizer_parity
"""

import ast
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.common import VOCAB, save
from minibert.tokenizer import AddedToken, TokenizerSettings, make_tokenizer
from minibert.tokenizer.loading import load_vocab
from tests.support.hard_texts import COMPATS, SETTINGS, adversarial_texts, character_settings, code_points
from tests.support.originals import google_tokenizer, hf_tokenizer

STRATEGIES = ("longest_first", "only_first", "only_second")


def real_texts() -> dict[str, list[str]]:
    """Language -> sentences and phrases."""
    spec = find_spec("django")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install django: its translations are the real texts")
    found: dict[str, list[str]] = {}
    for path in sorted(Path(spec.origin).parent.rglob("locale/*/LC_MESSAGES/*.po")):
        entries = re.findall(r'^msgstr(?:\[\d\])? ((?:".*"\n?)+)', path.read_text(encoding="utf-8"), re.M)
        texts = ("".join(ast.literal_eval(line) for line in entry.splitlines()) for entry in entries[1:])
        found.setdefault(path.parts[-3], []).extend(filter(None, texts))
    return found


def settings_of(name: str) -> TokenizerSettings:
    """One of the settings with BERT's vocabulary."""
    vocab = load_vocab(VOCAB)
    settings = replace(character_settings(name), vocab=vocab)
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return settings if settings.compat == "google" else replace(settings, added_tokens=tuple(AddedToken(t, vocab[t]) for t in special))


class Trio:
    """The originals, the readable tokenizer and the compiled tokenizer."""

    def __init__(self, settings: TokenizerSettings) -> None:
        self.is_google = settings.compat == "google"
        self.hf, self.google = hf_tokenizer(settings), google_tokenizer(settings)
        self.plain, self.fast = (make_tokenizer(settings, backend=backend) for backend in ("numpy", "numba"))

    def expected(self, texts: Sequence[str]) -> list[Any]:
        if self.is_google:
            return [self.google.ids(text) for text in texts]
        return [(each.ids, each.offsets, each.word_ids) for each in self.hf.encode_batch(list(texts))]

    def mismatches(self, texts: Sequence[str], with_plain: bool = True) -> int:
        """Texts for which the readable or the compiled tokenizer differs from the original."""
        expected = self.expected(texts)
        return sum(
            any(actual != theirs for actual in each)
            for theirs, *each in zip(
                expected, self.packed(texts), self.packed_ids(texts), *([self.each(texts)] if with_plain else []), strict=True
            )
        )

    def each(self, texts: Sequence[str]) -> list[Any]:
        encodings = [self.plain(text) for text in texts]
        return [e.input_ids if self.is_google else (e.input_ids, e.offsets, e.word_ids) for e in encodings]

    def packed(self, texts: Sequence[str]) -> Iterator[Any]:
        """The compiled tokenizer, with offsets."""
        batch = self.fast.encode_batch(texts, return_offsets=True)
        for index in range(len(texts)):
            one = batch.between(index, index + 1)
            assert one.offsets is not None
            assert one.word_ids is not None
            spans, words = (
                [(start, end) for start, end in one.offsets.tolist()],
                [None if word < 0 else word for word in one.word_ids.tolist()],
            )
            yield one.input_ids.tolist() if self.is_google else (one.input_ids.tolist(), spans, words)

    def packed_ids(self, texts: Sequence[str]) -> Iterator[Any]:
        """The compiled tokenizer without offsets runs other code. `packed` gives the rest."""
        batch = self.fast.encode_batch(texts)
        for index, full in enumerate(self.packed(texts)):
            yield batch[index].tolist() if self.is_google else (batch[index].tolist(), *full[1:])


def batches(texts: Iterable[str], size: int = 2000) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def every_code_point() -> dict[str, Any]:
    counts = {}
    for name in (*SETTINGS, *COMPATS["google"]):
        trio = Trio(character_settings(name))
        # Google's tokenizer is slow, so planes of private and unassigned characters are left out.
        last = 0x110000 if not trio.is_google else 0x40000
        counts[name] = {
            "code_points": last - 0x800,
            "mismatches": sum(trio.mismatches(code_points(first, first + 0x1000), with_plain=False) for first in range(0, last, 0x1000)),
        }
        print("every code point", name, counts[name], flush=True)
    return counts


def many(kind: str, texts: Sequence[str]) -> dict[str, Any]:
    names = [*SETTINGS, *COMPATS["google"]]
    trios = {name: Trio(settings_of(name)) for name in names}
    hf = google = wrong_hf = wrong_google = 0
    for number, batch in enumerate(batches(texts)):
        name = [*SETTINGS][number % len(SETTINGS)] if kind == "adversarial" else ("uncased", "cased")[number % 2]
        hf, wrong_hf = hf + len(batch), wrong_hf + trios[name].mismatches(batch)
        name = [*COMPATS["google"]][number % 2]
        google, wrong_google = google + len(batch), wrong_google + trios[name].mismatches(batch)
    result = {"kind": kind, "texts": hf, "mismatches_hf": wrong_hf, "texts_google": google, "mismatches_google": wrong_google}
    print(result, flush=True)
    return result


def truncations(texts: Sequence[str]) -> dict[str, Any]:
    """Pairs at every length and in every strategy, with stride and overflow."""
    trio, wrong, number = Trio(settings_of("uncased")), 0, 0
    for text, text_pair in zip(texts[::2], texts[1::2], strict=True):
        for max_length in range(4, 30):
            for truncation in STRATEGIES:
                number, options = number + 1, {"max_length": max_length, "stride": number % 3 % (max_length - 2)}
                trio.hf.enable_truncation(strategy=truncation, **options)
                try:
                    theirs = trio.hf.encode(text, text_pair)
                except BaseException:  # a panic of Rust is no Exception
                    theirs = None
                try:
                    ours = trio.plain(text, text_pair, truncation=truncation, return_overflowing_tokens=True, **options)
                except ValueError:
                    ours = None
                if theirs is None or ours is None:
                    wrong += theirs is not ours
                    continue
                pairs = zip([ours, *ours.overflowing], [theirs, *theirs.overflowing], strict=False)
                same = all(
                    (a.input_ids, a.token_type_ids, a.offsets, a.word_ids) == (b.ids, b.type_ids, b.offsets, b.word_ids) for a, b in pairs
                )
                wrong += not (same and len(ours.overflowing) == len(theirs.overflowing))
    result = {"pairs_at_lengths_and_strategies": number, "mismatches": wrong}
    print(result, flush=True)
    return result


def random_strings(number: int) -> dict[str, Any]:
    """Compare both tokenizers on bytes decoded in three ways, with lone surrogates.

    An error ends the program: no text may raise one.
    """
    source = random.Random(0)
    plain, fast = (make_tokenizer(settings_of("uncased"), backend=backend) for backend in ("numpy", "numba"))
    wrong = 0
    for _ in range(number // 5000):
        texts = []
        for index in range(5000):
            data = source.randbytes(source.randrange(60))
            texts.append(
                data.decode("utf-8", "surrogateescape")
                if index % 3 == 0
                else data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")
                if index % 3 == 1
                else data.decode("latin-1")
            )
        ours, theirs = fast.encode_batch(texts), plain.encode_batch(texts)
        wrong += int((ours.cu_seqlens != theirs.cu_seqlens).any() or (ours.input_ids != theirs.input_ids).any())
    result = {"strings": number, "batches_that_differ": wrong}
    print(result, flush=True)
    return result


def doubling() -> list[dict[str, Any]]:
    """Seconds for a text and for one twice as long, the least of five.

    Each of these kinds of text could make a tokenizer take quadratic time.
    """
    rows = []
    kinds = {
        "one word": "a",
        "accents": "a\u0301",
        "marks to sort": "\u302e\u0323",
        "punctuation": ".",
        "Chinese": "漢",
        "Σ": "Σ'",
        "[MASK]": "[MASK]",
    }
    for name, unit in kinds.items():
        for compat, backend in (("hf", "numpy"), ("hf", "numba"), ("google", "numpy"), ("google", "numba")):
            settings = settings_of("uncased" if compat == "hf" else "google uncased")
            seconds = []
            for length in (400_000, 800_000):
                text, times = unit * (length // len(unit)), []
                for _ in range(5):
                    tokenizer = make_tokenizer(settings, backend=backend)
                    tokenizer.encode_batch(["a"])
                    start = time.perf_counter()
                    tokenizer.encode_batch([text])
                    times.append(time.perf_counter() - start)
                seconds.append(min(times))
            rows.append({"text": name, "compat": compat, "backend": backend, "ratio": round(seconds[1] / seconds[0], 2)})
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    real = real_texts()
    sentences = [text for texts in real.values() for text in texts]
    random.Random(1).shuffle(sentences)
    save(
        "tokenizer_parity",
        {
            "languages": len(real),
            "many": [many("adversarial", list(adversarial_texts(200_000, seed=21))), many("real, many languages", sentences[:60_000])],
            "truncations": truncations(list(adversarial_texts(400, seed=22))),
            "random_strings": random_strings(1_000_000),
            "doubling": doubling(),
            "code_points": every_code_point(),
        },
    )
