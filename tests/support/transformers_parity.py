"""Compare MiniBert with BertModel of transformers on ids. Only the comparison needs torch."""

import functools
import pydoc_data.topics
from typing import Any

import numpy as np

import minibert
from minibert.tokenizer import TokenizerSettings
from minibert.tokenizer.loading import load_vocab
from tests.support.models import VOCAB


def compare(models: tuple[Any, Any], ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> tuple[float, float]:
    """Two greatest differences between our model and theirs.

    The first is that of the last hidden state and the pooler output. The second is that of the
    inner hidden states and the attentions.
    """
    import torch

    ours, theirs = models
    actual = ours(ids, mask, types, output_hidden_states=True, output_attentions=True)
    with torch.no_grad():
        tensors = (torch.tensor(array, dtype=torch.long) for array in (ids, mask, types))
        expected = theirs(*tensors, output_hidden_states=True, output_attentions=True)
    states = [
        np.abs(one - other.numpy() * mask[:, :, None]).max()
        for one, other in zip(actual.hidden_states, expected.hidden_states, strict=True)
    ]
    visible = mask[:, None, :, None] * mask[:, None, None, :]
    attentions = [np.abs(one - other.numpy() * visible).max() for one, other in zip(actual.attentions, expected.attentions, strict=True)]
    first = mask[:, 0] == 1
    pooled = np.abs(actual.pooler_output[first] - expected.pooler_output.numpy()[first]).max(initial=0)
    return float(max(states[-1], pooled)), float(max(*states[:-1], *attentions))


@functools.cache
def language_reference() -> list[int]:
    """The ids of a long English text that every Python contains."""
    tokenizer = minibert.WordPieceTokenizer(TokenizerSettings(load_vocab(VOCAB)))
    return tokenizer(" ".join(pydoc_data.topics.topics.values())).input_ids[1:-1]


def real_ids(seqlens: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of a text, cut to these lengths: trained weights are made for text.

    Each has [CLS] and [SEP] around it if it is long enough.
    """
    text, start = language_reference(), 97 * sum(seqlens)
    ids = np.zeros((len(seqlens), max(seqlens)), np.int64)
    for row, seq_len in zip(ids, seqlens, strict=True):
        row[:seq_len] = [101, *text[start : start + max(seq_len - 2, 0)], 102][:seq_len]
        start += seq_len
    mask = (np.arange(max(seqlens)) < np.array(seqlens)[:, None]).astype(np.int64)
    return ids, mask, np.zeros_like(ids)
