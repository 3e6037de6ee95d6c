"""What counts as a token: pieces, words, or the tokens of Spark NLP. Each has its way to read a text, and its choice of hidden states."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np

from .ops import Float32
from .outputs import TokenEmbeddings
from .pooling import WordPooling, pool_words
from .tokenizer import WordPieceTokenizer
from .tokenizer.spark import spark_tokens

TokenLevel = Literal["piece", "word", "spark"]
LEVELS: tuple[TokenLevel, ...] = get_args(TokenLevel)
SPARK_LENGTH = 128  # tokens of a sentence in Spark NLP, unless it is told otherwise


class Reading(NamedTuple):
    """A text as the model reads it, and how hidden states become its tokens' vectors."""

    input_ids: list[int]
    num_truncated: int
    embeddings: Callable[[Float32], TokenEmbeddings]


def read_pieces(text: str, tokenizer: WordPieceTokenizer, limit: int) -> Reading:
    """Every piece of the vocabulary, [CLS] and [SEP] included."""
    encoding = tokenizer(text, max_length=limit)
    return Reading(encoding.input_ids, encoding.num_truncated, lambda hidden: TokenEmbeddings(encoding.tokens, encoding.offsets, hidden))


def read_words(text: str, tokenizer: WordPieceTokenizer, limit: int, word_pooling: WordPooling) -> Reading:
    """Stretches between whitespace; zeros for one of which the model saw nothing."""
    encoding = tokenizer(text, max_length=limit)
    spans = tokenizer.words(text)

    def embeddings(hidden: Float32) -> TokenEmbeddings:
        vectors = pool_words(hidden[1:-1], encoding.offsets[1:-1], spans, word_pooling)
        return TokenEmbeddings([text[start:end] for start, end in spans], spans, vectors)

    return Reading(encoding.input_ids, encoding.num_truncated, embeddings)


def read_spark(text: str, tokenizer: WordPieceTokenizer, limit: int) -> Reading:
    """Tokens of Spark NLP, each with the row after as many pieces as come before it.

    So of a sentence that is too long, the first token whose piece does not fit has the vector of [SEP], as it has there; those behind it,
    and those without pieces, to which Spark NLP gives nothing, have zeros. `tokenizer` has Google's rules.
    """
    tokens = spark_tokens(text, tokenizer)
    pieces = [id for token in tokens for id in token.ids]
    room = limit - 2
    first = np.cumsum([0, *(len(token.ids) for token in tokens)])[:-1]
    has_vector = np.array([bool(token.ids) for token in tokens], bool) & (first <= room)
    ids = [tokenizer.frame.cls_id, *pieces[:room], tokenizer.frame.sep_id]

    def embeddings(hidden: Float32) -> TokenEmbeddings:
        vectors = np.zeros((len(tokens), hidden.shape[1]), np.float32)
        vectors[has_vector] = hidden[first[has_vector] + 1]
        spans = [(token.start, token.end) for token in tokens]
        return TokenEmbeddings([text[start:end] for start, end in spans], spans, vectors)

    return Reading(ids, max(0, len(pieces) - room), embeddings)
