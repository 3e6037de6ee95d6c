"""What is checked of tables that come from a file, before a loop uses them.

The loops check no index. A file may be damaged, and its author may be hostile. Wrong tables may
give wrong ids, but no address outside an array and no loop without end. That holds if

* every page, every place in `several` and every child in the trie lies within its array;
* no character is replaced by more symbols than it has bytes, since the arrays of a call have a
  place for each byte;
* all ids are ids.

Nothing else in the tables is an address or a count. A symbol is only compared with others.
"""

import numpy as np

from ...arrays import Int32, UInt16
from . import MAX_WORD_CHARS
from .layout import ADDED, SEVERAL, SORTED, Options, Prepared, Tables

MAX_ID = (1 << 31) - 1
NUM_PAGES = 0x110000 >> 8
# Up to which page UTF-8 takes so many bytes. The characters of page 0 have one or two.
STOPS = ((0x10000 >> 8, 3), (0x800 >> 8, 2), (1, 1))


def what_is_wrong(prepared: Prepared) -> str:
    """Why a loop may not use tables from a file; "" if it may."""
    tables, options, _ = prepared
    if not _are_options(options):
        return "options out of range"
    if not _is_trie(tables):
        return "a trie whose children lie outside it"
    if len(tables.ends_word) != 256 or len(tables.mark_ids) != 256 or int(tables.ends_word.view(np.uint8).max()) > 1:
        return "tables of bytes that are none"
    if min(int(tables.piece_of.min()), int(tables.mark_ids.min())) < -1 or int(tables.mark_ids[128:].max()) >= 0:
        return "ids below zero, or of bytes that are no character"
    if not _are_pages(tables):
        return "pages of characters that lie outside their tables"
    return ""


def _are_options(options: Options) -> bool:
    ids = (options.cls_id, options.sep_id, options.unk_id)
    return all(0 <= id <= MAX_ID for id in ids) and 1 <= options.max_word_chars <= MAX_WORD_CHARS and options.added_root in (-1, ADDED)


def _is_trie(tables: Tables) -> bool:
    """Whether the children of each node are nodes.

    A walk ends with its word, so a circle does no harm.
    """
    first_child, num_nodes = tables.first_child, len(tables.symbol_of)
    if not 3 <= num_nodes == len(tables.piece_of) == len(first_child) - 1:
        return False
    ascends = bool((first_child[1:] >= first_child[:-1]).all())
    return ascends and int(first_child[0]) >= 0 and int(first_child[-1]) <= num_nodes


def _are_pages(tables: Tables) -> bool:
    page_of, pages, several = tables.page_of, tables.pages, tables.several
    num_pages, rest = divmod(len(pages), 256)
    if len(page_of) != NUM_PAGES or rest or not num_pages or int(page_of.max()) >= num_pages or int(page_of[0]):
        return False
    kinds = pages.view(np.uint8)[::4] & 7  # of the low bytes, since smaller arrays are faster
    places = np.flatnonzero((kinds == SEVERAL) | (kinds == SORTED))
    entries = pages[places] >> 3
    if not len(entries):
        return True
    if int(entries.min()) < 0 or int(entries.max()) >= len(several):
        return False
    numbers = several[entries]
    return bool((numbers <= _bytes_of(page_of, num_pages)[places >> 8]).all()) and int((entries + 2 * numbers).max()) < len(several)


def _bytes_of(page_of: UInt16, num_pages: int) -> Int32:
    """How many bytes of UTF-8 the shortest character of each page takes.

    Several ranges of characters may share a page. The first one has the shortest.
    """
    sizes = np.full(num_pages, 4, np.int32)
    for stop, size in STOPS:
        sizes[page_of[:stop]] = size
    return sizes
