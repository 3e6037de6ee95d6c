"""What counts as a token: pieces, words, or the tokens of Spark NLP.

Each level reads texts in its own way, and makes the vectors of its tokens from hidden states.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .ops import Float32
from .outputs import TokenEmbeddings
from .packing import cumulate
from .pooling import WordPooling, pool_words
from .tokenizer import PackedEncoding, WordPieceTokenizer
from .tokenizer.spark import spark_tokens


class Reading(NamedTuple):
    """Texts as the model reads them, and how hidden states become the vectors of tokens."""

    encoding: PackedEncoding
    embeddings: Callable[[int, Float32], TokenEmbeddings]  # from the number of a text and its hidden states


def read_pieces(texts: Sequence[str], tokenizer: WordPieceTokenizer, limit: int) -> Reading:
    """Every piece of the vocabulary, [CLS] and [SEP] included."""
    encoding = tokenizer.encode_batch(texts, limit, return_offsets=True)

    def embeddings(index: int, hidden: Float32) -> TokenEmbeddings:
        text = encoding.between(index, index + 1)
        return TokenEmbeddings(tokenizer.tokens_of(text.input_ids.tolist()), _spans(text), hidden)

    return Reading(encoding, embeddings)


def read_words(texts: Sequence[str], tokenizer: WordPieceTokenizer, limit: int, word_pooling: WordPooling) -> Reading:
    """What stands between whitespace. A word without pieces has zeros."""
    encoding = tokenizer.encode_batch(texts, limit, return_offsets=True)

    def embeddings(index: int, hidden: Float32) -> TokenEmbeddings:
        text, offsets = texts[index], encoding.between(index, index + 1).offsets
        spans = tokenizer.words(text)
        vectors = pool_words(hidden[1:-1], offsets[1:-1], spans, word_pooling)  # type: ignore[index]
        return TokenEmbeddings([text[start:end] for start, end in spans], spans, vectors)

    return Reading(encoding, embeddings)


def read_spark(texts: Sequence[str], tokenizer: WordPieceTokenizer, limit: int) -> Reading:
    """The tokens of Spark NLP, each with the row after as many pieces as come before it.

    In a sentence that is too long, the first token whose piece does not fit has the vector of
    [SEP], as in Spark NLP. Spark NLP gives no vector to the tokens behind it, and to tokens without
    pieces. Here they have zeros. `tokenizer` has Google's rules.
    """
    several = [spark_tokens(text, tokenizer) for text in texts]
    capacity = limit - 2  # without [CLS] and [SEP]
    pieces = [[id for token in tokens for id in token.ids] for tokens in several]
    special = tokenizer.special_tokens
    kept = [[special.cls_id, *ids[:capacity], special.sep_id] for ids in pieces]
    encoding = PackedEncoding(
        np.array([id for ids in kept for id in ids], np.int32),
        cumulate([len(ids) for ids in kept]),
        np.array([max(0, len(ids) - capacity) for ids in pieces], np.int32),
    )

    def embeddings(index: int, hidden: Float32) -> TokenEmbeddings:
        text, tokens = texts[index], several[index]
        first = cumulate([len(token.ids) for token in tokens])[:-1]
        has_vector = np.array([bool(token.ids) for token in tokens], bool) & (first <= capacity)
        vectors = np.zeros((len(tokens), hidden.shape[1]), np.float32)
        vectors[has_vector] = hidden[first[has_vector] + 1]
        spans = [(token.start, token.end) for token in tokens]
        return TokenEmbeddings([text[start:end] for start, end in spans], spans, vectors)

    return Reading(encoding, embeddings)


def _spans(text: PackedEncoding) -> list[tuple[int, int]]:
    return [(start, end) for start, end in text.offsets.tolist()]  # type: ignore[union-attr]
