"""The tables of the loops, made from a tokenizer's rules: entries of characters, and the trie."""

import sys

import numpy as np

from ...arrays import Int32
from ..added import MAX_IDS, AddedToken, AddedTokens
from ..settings import TokenizerSettings
from ..unicode import CAPITAL_SIGMA, HANGUL_FIRST, HANGUL_LAST, CharacterRanges
from ..wordpiece import Rules
from . import MAX_WORD_CHARS
from .layout import (
    ADDED,
    ALONE,
    BREAK,
    FALLBACK,
    FIRST,
    FOLLOWING,
    NOTHING,
    SEVERAL,
    SORTED,
    SPACE,
    SPACES,
    SYMBOL_BITS,
    WORD,
    ZERO,
    Options,
    Prepared,
    Tables,
)  # fmt: skip

ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
MAX_SIMPLE = 32  # characters of an added token that the loops find: they look as far from each place of a text


def is_simple(token: AddedToken) -> bool:
    """Whether the loops find an added token.

    They find ASCII in one chunk, with punctuation at both ends, whatever stands beside it.
    """
    ends = token.content[0] + token.content[-1]
    looks_around = token.lstrip or token.rstrip or token.single_word
    if len(token.content) > MAX_SIMPLE:
        return False
    return token.content.isascii() and not {" ", "\n"} & {*token.content} and {*ends} <= {*ASCII_PUNCTUATION} and not looks_around


def has_compiled_form(settings: TokenizerSettings) -> bool:
    """Whether the compiled encoder has these rules: BERT's, with words that fit its buffers."""
    looks_after_cleaning = any(token.normalized for token in settings.added_tokens)
    return settings.is_bert and not looks_after_cleaning and settings.max_input_chars_per_word <= MAX_WORD_CHARS


def prepare(rules: Rules) -> Prepared:
    """What a CompiledEncoder of these rules is made of.

    The loops check no index, so nothing that reaches them is read again from the settings.
    """
    added = rules.settings.added_tokens
    simple = [token for token in added if is_simple(token)]
    leaves = bool(left_tokens(rules, False)), bool(left_tokens(rules, True))
    return Prepared(make_tables(rules, simple), _options(rules, ADDED if simple else -1), leaves)


def left_tokens(rules: Rules, split_special_tokens: bool) -> AddedTokens:
    """The added tokens that only the fallback finds.

    They are those that are not simple. With `split_special_tokens`, it is any added token, if some
    of them are not special.
    """
    added = rules.settings.added_tokens
    if split_special_tokens:
        return AddedTokens(() if all(token.special for token in added) else added)
    return AddedTokens(token for token in added if not is_simple(token))


def _options(rules: Rules, added_root: int) -> Options:
    """The options of every call. Raises ValueError for what does not fit into the arrays."""
    special, limit = rules.special_tokens, rules.max_word_chars
    ids = (special.cls_id, special.sep_id, rules.unk_id)
    if not 1 <= limit <= MAX_WORD_CHARS:
        raise ValueError(f"max_input_chars_per_word: expected 1 to {MAX_WORD_CHARS}, found {limit}")
    if not all(0 <= id < MAX_IDS for id in ids):
        raise ValueError(f"expected ids from 0 to 2^31 - 1, found {ids}")
    return Options(SPACES if rules.settings.lowercase else ZERO, *ids, added_root, limit, sys.maxsize)


def make_tables(rules: Rules, added: list[AddedToken]) -> Tables:
    """All tables. `added` are the added tokens that the loops find."""
    punctuation = rules.normalize.original.characters("PUNCTUATION")
    entries = [
        (root, token, id)
        for root, pieces in ((FIRST, rules.first), (FOLLOWING, rules.continuing().ids))
        for token, id in pieces.items()
        if token and (len(token) == 1 or punctuation.isdisjoint(token))  # punctuation is always a token of its own
    ]
    entries += [(ADDED, token.content, token.id) for token in added]
    ends_word = np.zeros(256, np.bool_)
    ends_word[[ord(character) for character in f"{ASCII_PUNCTUATION} \t\n\r"]] = True
    openers = {token.content[0] for token in added}
    mark_ids = np.full(256, -1, np.int32)
    for mark in ASCII_PUNCTUATION:
        if mark not in openers:
            mark_ids[ord(mark)] = rules.first.get(mark, rules.unk_id)
    several = [0]
    pages = _pages(rules, several)
    distinct = {page.tobytes(): index for index, page in reversed([*enumerate(pages)])}
    numbers = {index: number for number, index in enumerate(sorted(distinct.values()))}
    return Tables(
        np.array([numbers[distinct[page.tobytes()]] for page in pages], np.uint16),
        pages[list(numbers)].reshape(-1),
        np.array(several, np.int32),
        *_trie(entries or [(FIRST, "\0", -1)]),
        ends_word,
        mark_ids,
    )


def _pages(rules: Rules, several: list[int]) -> Int32:
    """The entry of every code point, (pages, 256).

    The symbols of a replacement by several go to `several`.
    """
    settings, normalize, original = rules.settings, rules.normalize, rules.normalize.original
    entries = np.full(0x110000, WORD, np.int32)

    def mark(table: CharacterRanges, kind: int) -> None:
        for first, last in table.pairs:
            entries[first : last + 1] = kind

    mark(original.ranges("PUNCTUATION"), ALONE)
    mark(original.ranges("WHITESPACE"), SPACE)
    if settings.strip_accents:
        mark(original.ranges("NONSPACING_MARKS"), BREAK)  # those without a combining class; the others do not end a run
        entries[[ord(character) for character in original.combining_classes if character in original.ranges("NONSPACING_MARKS")]] = NOTHING
    if settings.handle_chinese_chars:
        mark(original.ranges("CHINESE"), ALONE)
    if settings.clean_text:
        mark(original.ranges("REMOVED"), NOTHING)
        mark(original.ranges("CLEANED_TO_SPACE"), SPACE)
    changed = set(map(chr, range(0xD800, 0xE000)))
    if settings.strip_accents:
        changed.update(original.decompositions, original.surviving_marks, map(chr, range(HANGUL_FIRST, HANGUL_LAST + 1)))
    if settings.lowercase:
        changed.update(original.lowercase)
    for character in sorted(changed):  # a set of str has another order in each process
        entries[ord(character)] = _entry(ord(character), normalize[character], rules, several)
    if original.is_google and settings.lowercase:
        entries[ord(CAPITAL_SIGMA)] = FALLBACK
    return entries.reshape(-1, 256)


def _entry(code: int, replacement: str, rules: Rules, several: list[int]) -> int:
    """The entry of a code point that is replaced by a text."""
    original = rules.normalize.original
    symbols, classes = replacement.strip(" "), original.combining_classes
    whitespace, punctuation = original.characters("WHITESPACE"), original.characters("PUNCTUATION")
    if not symbols:
        parts = rules.normalize.parts(chr(code))
        return SPACE if replacement else BREAK if parts and parts[0] not in classes else NOTHING
    if symbols in whitespace:
        return SPACE
    is_sorted = rules.settings.strip_accents and chr(code) in original.surviving_marks
    if len(symbols) == 1 and not is_sorted:
        is_alone = symbols in punctuation or len(replacement) > 1
        return (ord(symbols) - code) << 3 | (ALONE if is_alone else WORD)
    if not (punctuation | whitespace).isdisjoint(symbols) or len(symbols) > len(chr(code).encode()) or len(replacement) > len(symbols):
        return FALLBACK
    index = len(several)
    several += [len(symbols), *(number for symbol in symbols for number in (ord(symbol), classes.get(symbol, 0) if is_sorted else 0))]
    return index << 3 | (SORTED if is_sorted else SEVERAL)


def _trie(entries: list[tuple[int, str, int]]) -> tuple[Int32, Int32, Int32]:
    """(first child, symbol, piece) of each node, from (root, token, id).

    It is made one level at a time, with all children of a node side by side.
    """
    roots, tokens, ids = zip(*entries, strict=True)
    lengths = np.array([len(token) for token in tokens])
    symbols = np.frombuffer("".join(tokens).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    node = np.array(roots, np.int64)
    levels, num_nodes = [np.zeros(3, np.int64)], 3
    longer = np.arange(len(lengths))
    for depth in range(lengths.max()):  # at most settings.MAX_PIECE_CHARS, and MAX_SIMPLE
        longer = longer[lengths[longer] > depth]
        edges, inverse = np.unique(node[longer] << SYMBOL_BITS | symbols[starts[longer] + depth], return_inverse=True)
        node[longer] = num_nodes + inverse
        levels.append(edges)
        num_nodes += len(edges)
    edges = np.concatenate(levels)
    first_child = 3 + np.searchsorted(edges[3:] >> SYMBOL_BITS, np.arange(num_nodes + 1))
    piece_of = np.full(num_nodes, -1, np.int32)
    piece_of[node] = ids
    return first_child.astype(np.int32), (edges & ((1 << SYMBOL_BITS) - 1)).astype(np.int32), piece_of
