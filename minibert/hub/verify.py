"""Are these the published weights? Their vectors beside the numbers that were printed of them, under every way they may have been made.

What a card prints depends on more than weights: Spark NLP 2.6.3 cut the last two pieces off (issue 1162), a text's vector may be a
mean of all positions or of words, [CLS], or the pooler's, and GELU has two forms. So every combination is computed, by the NumPy numpy_ops,
and the one that explains the numbers is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from ..bert.config import load_config
from ..encoder import forward
from ..folders.save import open_weights
from ..folders.settings import load_folder
from ..ops import Encoder, Float32
from ..ops.numpy_encoder import NumpyEncoder
from ..packing import pack
from ..pooling import pool
from ..tokenizer import WordPieceTokenizer, load_settings
from ..tokenizer.spark import spark_tokens
from .catalog import CHECKS, Check, find

ENCODINGS = {"all pieces": 0, "two pieces cut off": 2}
POOLINGS = {"mean of all positions": "mean", "mean of words": "mean_words", "[CLS]": "cls", "pooler": "pooler"}
GELUS = {"GELU by tanh": "gelu_new", "GELU by erf": "gelu"}
TOKEN = "first piece"  # the only way to a token's vector
# Published numbers agree to 5e-7 between versions of TensorFlow, and some have four digits only; the two forms of GELU are 1e-3 apart
TOLERANCE = 2e-4


@dataclass(frozen=True)
class Variant:
    """A way to make a vector of a text."""

    encoding: str
    pooling: str
    gelu: str

    def __str__(self) -> str:
        return f"{self.encoding}, {self.pooling}, {self.gelu}"


@dataclass(frozen=True)
class Verdict:
    """How far the printed numbers of one source are from each variant: the greatest difference of all its checks.

    Those of tokens and those of whole texts are judged apart, since they are made differently.
    """

    source: str
    of: str  # "tokens" or "texts"
    num_checks: int
    differences: dict[Variant, float]

    @property
    def best(self) -> Variant:
        return min(self.differences, key=self.differences.__getitem__)

    @property
    def is_match(self) -> bool:
        return self.differences[self.best] <= TOLERANCE

    @property
    def digits(self) -> int:
        """Decimal places to which all numbers agree with the best variant."""
        return int(-np.log10(max(2 * self.differences[self.best], 1e-9)))


def verify(folder: Path, checks: Sequence[Check]) -> list[Verdict]:
    """A verdict for each source of published numbers.

    Raises ValueError if there are none.
    """
    if not checks:
        raise ValueError(f"{folder}: no numbers to compare with")
    settings = load_folder(folder)
    with open_weights(settings.weights) as weights:
        configs = {gelu: replace(weights.config, hidden_act=name) for gelu, name in GELUS.items()}
        encoders = {gelu: NumpyEncoder(replace(weights, config=config)) for gelu, config in configs.items()}
    tokenizer = WordPieceTokenizer(load_settings(settings.weights).as_google())
    found = []
    for source, of in dict.fromkeys((check.source, "texts" if check.token is None else "tokens") for check in checks):
        chosen = [check for check in checks if check.source == source and (check.token is None) == (of == "texts")]
        poolings = [name for name in POOLINGS if next(iter(encoders.values())).has_pooler or name != "pooler"] if of == "texts" else [TOKEN]
        differences = {
            variant: max(difference(check, variant, tokenizer, encoders[variant.gelu]) for check in chosen)
            for variant in (Variant(*each) for each in product(ENCODINGS, poolings, GELUS))
        }
        found.append(Verdict(source, of, len(chosen), differences))
    return found


def checks_of(name: str, folder: Path) -> tuple[Check, ...]:
    """What was published of a model, by its name; of a folder without one, what was published of the miniature that has its shape.

    Raises ValueError if nothing was.
    """
    model = find(name)
    config = load_config(load_folder(folder).weights / "config.json")
    checks = model.checks if model else CHECKS.get((config.num_hidden_layers, config.hidden_size), ())
    if not checks:
        published = ", ".join(f"L-{layers}_H-{hidden}" for layers, hidden in CHECKS)
        raise ValueError(f"{name}: no numbers of its vectors were published; there are some of {published}")
    return checks


def difference(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> float:
    """The greatest difference of a check's numbers from a variant's; infinite where the variant has no vector."""
    vector = text_vector(check, variant, tokenizer, encoder) if check.token is None else token_vector(check, variant, tokenizer, encoder)
    if vector is None:
        return float("inf")
    return float(np.abs(vector[: len(check.values)] - np.array(check.values)).max())


def text_vector(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32:
    ids = tokenizer(check.text).input_ids[1:-1]
    hidden = hidden_states(ids, variant, tokenizer, encoder)
    pooling = POOLINGS[variant.pooling]
    vector = pool(hidden, np.array([0, len(hidden)], np.int64), pooling)  # type: ignore[arg-type]
    vector = encoder.pooler(vector) if pooling == "pooler" else vector
    first: Float32 = vector[0]
    return first


def token_vector(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32 | None:
    """The row that Spark NLP gives a token: where its first piece would stand if none were cut off."""
    tokens = spark_tokens(check.text, tokenizer)
    ids = [id for token in tokens for id in token.ids]
    hidden = hidden_states(ids, variant, tokenizer, encoder)
    number = next(index for index, token in enumerate(tokens) if check.text[token.start : token.end] == check.token)
    row = 1 + sum(len(token.ids) for token in tokens[:number])
    return hidden[row] if row < len(hidden) else None


def hidden_states(ids: list[int], variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32:
    """Of the last layer, [CLS] and [SEP] included."""
    kept = ids[: max(0, len(ids) - ENCODINGS[variant.encoding])]
    batch = pack([[tokenizer.special_tokens.cls_id, *kept, tokenizer.special_tokens.sep_id]])
    (hidden,) = forward(encoder, batch, [encoder.config.num_hidden_layers])
    return hidden


def lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """For people: every variant with its difference, the one that explains the numbers marked."""
    for verdict in verdicts:
        yield f"{verdict.source}, {verdict.of} ({verdict.num_checks} vectors)"
        for variant, far in sorted(verdict.differences.items(), key=lambda item: item[1]):
            mark = "" if far > TOLERANCE else f"  <- {verdict.digits} digits" if variant == verdict.best else "  <- explains them too"
            yield f"  {far:10.2e}  {variant}{mark}"
        if not verdict.is_match:
            yield "  none of them explains the published numbers"
