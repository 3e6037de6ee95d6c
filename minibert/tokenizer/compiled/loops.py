"""The loop over texts, and the loop over the chunks of one text.

All texts lie one after another in one array of UTF-8 bytes. There are three ways through it, each
for what the way before it leaves.

1. A chunk that was seen before is looked up instead of taken apart (chunks.py, known.py).
2. A chunk is taken apart by words.py: ASCII words and punctuation marks are looked up.
3. Other words go through the trie of the vocabulary (trie.py).

The first two ways remember ids and no places. Where offsets are wanted, everything goes the third
way.

Three kinds of text are left to the readable encoder, the fallback:

* texts with a Σ under Google's rules, where its lower case depends on its neighbours;
* where offsets are wanted, texts with marks that survive accent stripping and have to be sorted;
* texts with added tokens that the trie cannot find (batch.py).

Nothing is allocated here and nothing is raised. Helpers on the common path are inlined: a call
copies every field of every array, some 180 words, which takes 40 ns. Only `learn` and
`added_token`, which are rare, are called. benchmarks/tokenizer.py measures all this.
"""

import numpy as np

from ...runtime.jit import jit, pasted
from ...runtime.unpack import Record, unpack
from .chunks import find_edges, look_ahead
from .known import learn, recall
from .layout import AHEAD, ZERO, Integer, Work
from .words import token


@jit
def encode(record: Record) -> Integer:
    """Encode the texts of a Work. Returns the number of tokens."""
    work = unpack(record, Work)
    data, ends, options, output, scratch = work.data, work.ends, work.options, work.output, work.scratch
    has_offsets = output.offsets.shape[0] > 0
    edges = find_edges(data, scratch.edges)
    scratch.edges[edges] = data.shape[0]
    scratch.ahead[0], scratch.ahead[1] = -AHEAD, edges
    edge, n, begin = 0, 0, 0
    output.cu_seqlens[0] = 0
    for text in range(ends.shape[0]):
        end = ends[text]
        if has_offsets:
            output.offsets[n, 0], output.offsets[n, 1], output.word_ids[n] = 0, 0, -1
        output.input_ids[n] = options.cls_id
        first = n + 1
        edge, n, needs_fallback = _text(work, begin, end, edge, first)
        found = 0 if needs_fallback else n - first
        kept = min(found, options.max_pieces)
        output.needs_fallback[text] = needs_fallback
        output.num_truncated[text] = found - kept
        n = first + kept
        if has_offsets:
            output.offsets[n, 0], output.offsets[n, 1], output.word_ids[n] = 0, 0, -1
        output.input_ids[n] = options.sep_id
        n += 1
        output.cu_seqlens[text + 1] = n
        begin = end + 1
    return n


@pasted
def _text(work: Work, begin: Integer, end: Integer, edge: Integer, n: Integer) -> tuple[Integer, Integer, bool]:
    """Write all tokens of one text, chunk by chunk.

    Returns the index of the first edge behind the text, the next token's place, and whether the
    text needs the fallback.
    """
    chunks, output, scratch = work.memory.chunks, work.output, work.scratch
    has_offsets = output.offsets.shape[0] > 0
    continuations, number, needs_fallback = 0, 0, False
    while scratch.edges[edge] < end:
        index = (edge >> 1) - scratch.ahead[0]
        if index >= AHEAD:
            look_ahead(work, edge)
            scratch.ahead[0] += index
            index = 0
        at, stop = np.int64(scratch.edges[edge]), np.int64(scratch.edges[edge + 1])
        edge += 2
        if needs_fallback:
            continue
        key, more, slot = scratch.keys[index, 0], scratch.keys[index, 1], scratch.keys[index, 2]
        is_short = more != ZERO and not has_offsets
        if is_short:
            found, slot = recall(key, more, slot, n, chunks, output)
            if found >= 0:
                n = found
                continue
        first = n
        while at < stop and not needs_fallback:
            before = n
            at, continuations, n, needs_fallback = token(work, at, begin, stop, continuations, number, n)
            number += n - before > 0
        if is_short and not needs_fallback:
            learn(key, more, slot, first, n, chunks, output)
    return edge, n, needs_fallback
