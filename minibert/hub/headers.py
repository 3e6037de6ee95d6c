"""The headers of an answer: which version of a file it is, how long it is, and which part was sent.

A server may send anything here. A value that is not in the expected form counts as absent.
"""

import re
from typing import Any

Headers = dict[str, str]  # by name, in lower case
SHA256 = re.compile(r'"?([0-9a-f]{64})"?')
STRONG_TAG = re.compile(r'"[!#-~]{1,1000}"')  # W/"..." stands for files whose bytes may differ
NUMBER = re.compile(r"[0-9]{1,18}")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
REVISION = re.compile(r"[0-9A-Za-z]{1,64}")


def is_strong(tag: str) -> bool:
    """Return whether all files with this ETag have the same bytes."""
    return STRONG_TAG.fullmatch(tag) is not None


def difference(headers: Headers, have: int, before: dict[str, Any]) -> str:
    """Return why an answer is not the rest of the file that was begun; "" if it is.

    Args:
        have: bytes of the part that is there.
        before: `etag`, `last-modified` and `size` of the answer that began the file.
    """
    place = RANGE.fullmatch(headers.get("content-range", ""))
    if place is None or int(place[1]) != have:
        return f"expected what follows byte {have:,}, was sent {headers.get('content-range', 'something else')}"
    found = {
        "etag": headers.get("etag"),
        "last-modified": headers.get("last-modified"),
        "size": None if place[3] == "*" else int(place[3]),
    }
    # A server must repeat the ETag. The other two fields are compared if both answers have them.
    is_other = have and any(
        found[name] != before.get(name) for name in found if name == "etag" or None not in (found[name], before.get(name))
    )
    return "the file has changed meanwhile" if is_other else ""


def total_size(headers: Headers, have: int, limit: int) -> int | None:
    """Return the size of the whole file; None if the encoding marks its end.

    Raises OSError if nothing marks the end, and ValueError for a size above `limit`.
    """
    place = RANGE.fullmatch(headers.get("content-range", "")) if have else None
    length, linked = headers.get("content-length", ""), headers.get("x-linked-size", "")
    total = have + int(length) if NUMBER.fullmatch(length) else int(linked) if NUMBER.fullmatch(linked) else None
    total = int(place[3]) if place and place[3] != "*" else total
    if total is None and headers.get("transfer-encoding", "").lower() != "chunked":
        raise OSError("expected a length, was sent none; without one, a file that is cut off looks complete")
    if total is not None and total > limit:
        raise ValueError(f"expected at most {limit:,} bytes, the server announces {total:,}")
    return total


def announced_digest(headers: Headers) -> str | None:
    """Return the SHA-256 of the file, which the hub sends as the ETag of a large file."""
    found = SHA256.fullmatch(headers.get("x-linked-etag", headers.get("etag", "")))
    return None if found is None else found[1]


def revision(headers: Headers) -> str | None:
    """Return the revision of the repository."""
    found = headers.get("x-repo-commit", "")
    return found if REVISION.fullmatch(found) else None
