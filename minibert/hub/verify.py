"""Comparison of a model's vectors with its check values: are these the published weights?

Printed vectors depend on more than the weights. Spark NLP 2.6.3 cut the last two tokens of a text
off (issue 1162). The vector of a text may be a mean of all positions or of words, that of [CLS], or
the pooler's. GELU has two forms. So every combination is computed, with NumPy, and the one that
explains the printed numbers is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from ..bert.config import load_config
from ..encoder import forward
from ..folders.read import open_weights
from ..folders.settings import load_folder
from ..ops import Encoder, Float32
from ..ops.numpy_encoder import NumpyEncoder
from ..packing import pack
from ..pooling import Pooling, pool
from ..tokenizer import WordPieceTokenizer, load_settings
from ..tokenizer.spark import spark_tokens
from .catalog import find
from .published import CHECKS, Check, checks_of_model

ENCODINGS = {"all pieces": 0, "two pieces cut off": 2}
POOLINGS: dict[str, Pooling] = {"mean of all positions": "mean", "mean of words": "mean_words", "[CLS]": "cls", "pooler": "pooler"}
GELUS = {"GELU by tanh": "gelu_new", "GELU by erf": "gelu"}
TOKEN = "first piece"  # the vector of a token is that of its first piece
# Published numbers agree to 5e-7 between versions of TensorFlow, but some have four digits only.
# The two forms of GELU are 1e-3 apart.
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
    """How far the printed numbers of one source are from the numbers of each variant.

    Vectors of tokens and vectors of texts have verdicts of their own, because they are made in
    different ways.

    Attributes:
        of: "tokens" or "texts".
        differences: variant -> the greatest difference of all checks.
    """

    source: str
    of: str
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
        """The decimal places to which all numbers agree with the best variant."""
        return int(-np.log10(max(2 * self.differences[self.best], 1e-9)))


def verify(folder: Path, checks: Sequence[Check]) -> list[Verdict]:
    """Return a verdict for each source of check values. Raises ValueError without any."""
    if not checks:
        raise ValueError(f"{folder}: expected check values, found none; name a model that has some (`minibert models`)")
    settings = load_folder(folder)
    with open_weights(settings.weights) as weights:
        configs = {gelu: weights.config._replace(hidden_act=name) for gelu, name in GELUS.items()}
        encoders = {gelu: NumpyEncoder(weights._replace(config=config)) for gelu, config in configs.items()}
    tokenizer = WordPieceTokenizer(load_settings(settings.weights).as_google())
    groups: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.source, "texts" if check.token is None else "tokens"), []).append(check)
    return [_verdict(source, of, group, tokenizer, encoders) for (source, of), group in groups.items()]


def _verdict(source: str, of: str, checks: list[Check], tokenizer: WordPieceTokenizer, encoders: dict[str, NumpyEncoder]) -> Verdict:
    """Return how far the checks of one source are from each variant."""
    has_pooler = all(encoder.has_pooler for encoder in encoders.values())
    poolings = [name for name in POOLINGS if has_pooler or name != "pooler"] if of == "texts" else [TOKEN]
    variants = [Variant(*each) for each in product(ENCODINGS, poolings, GELUS)]
    distances = {each: max(difference(check, each, tokenizer, encoders[each.gelu]) for check in checks) for each in variants}
    return Verdict(source, of, len(checks), distances)


def checks_of(name: str, folder: Path) -> tuple[Check, ...]:
    """Return the check values of a model by its name.

    A folder without a name gets those of the miniature with its shape.
    Raises ValueError if there are none.
    """
    model = find(name)
    config = load_config(Path(load_folder(folder).weights, "config.json"))
    checks = checks_of_model(model) if model else CHECKS.get((config.num_hidden_layers, config.hidden_size), ())
    if not checks:
        published = ", ".join(f"small_bert_L{layers}_{hidden}" for layers, hidden in CHECKS)
        raise ValueError(f"{name}: no numbers of its vectors were published; name a model that has some: {published}")
    return checks


def difference(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> float:
    """Return the greatest difference of a check's numbers from a variant's.

    It is infinite if the variant cut the token off.
    """
    vector = text_vector(check, variant, tokenizer, encoder) if check.token is None else token_vector(check, variant, tokenizer, encoder)
    if vector is None:
        return float("inf")
    return float(np.abs(vector[: len(check.values)] - np.array(check.values)).max())


def text_vector(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32:
    """Return the vector that a variant gives the whole text."""
    ids = tokenizer(check.text).input_ids[1:-1]
    hidden = hidden_states(ids, variant, tokenizer, encoder)
    pooling = POOLINGS[variant.pooling]
    vector = pool(hidden, np.array([0, len(hidden)], np.int64), pooling)
    vector = encoder.pooler(vector) if pooling == "pooler" else vector
    first: Float32 = vector[0]
    return first


def token_vector(check: Check, variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32 | None:
    """Return the vector that Spark NLP gives a token; None if its row was cut off.

    Its row is counted as if no token were cut off.
    """
    tokens = spark_tokens(check.text, tokenizer)
    ids = [id for token in tokens for id in token.ids]
    hidden = hidden_states(ids, variant, tokenizer, encoder)
    number = next(index for index, token in enumerate(tokens) if check.text[token.start : token.end] == check.token)
    row = 1 + sum(len(token.ids) for token in tokens[:number])
    return hidden[row] if row < len(hidden) else None


def hidden_states(ids: list[int], variant: Variant, tokenizer: WordPieceTokenizer, encoder: Encoder) -> Float32:
    """Return the hidden states of the last layer, with those of the special tokens."""
    kept = ids[: max(0, len(ids) - ENCODINGS[variant.encoding])]
    batch = pack([[tokenizer.special_tokens.cls_id, *kept, tokenizer.special_tokens.sep_id]])
    (hidden,) = forward(encoder, batch, [encoder.config.num_hidden_layers])
    return hidden


def lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Return a table for people: the variants by their difference, the best one marked."""
    for verdict in verdicts:
        yield f"{verdict.source}, {verdict.of} ({verdict.num_checks} vectors)"
        for variant, distance in sorted(verdict.differences.items(), key=lambda item: item[1]):
            mark = "" if distance > TOLERANCE else f"  <- {verdict.digits} digits" if variant == verdict.best else "  <- explains them too"
            yield f"  {distance:10.2e}  {variant}{mark}"
        if not verdict.is_match:
            yield "  none of them explains the published numbers"
