"""Tokens -> readable text, in the order in which the decoder of Hugging Face `tokenizers` works.

It puts a space before every token that does not continue a word. Then it closes some of these gaps,
token by token.
"""

from collections.abc import Sequence

GAPS = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't")]
GAPS += [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")]


def joined(tokens: Sequence[str], prefix: str, closes_gaps: bool) -> str:
    """The text of some tokens.

    >>> joined(["play", "##ing", "chess", "!"], prefix="##", closes_gaps=True)
    'playing chess!'

    Args:
        prefix: how a token begins that continues a word.
        closes_gaps: whether to close the gaps before punctuation and in contractions.
    """
    spaced = (token.removeprefix(prefix) if token.startswith(prefix) else " " + token for token in tokens[1:])
    return "".join(map(_close_gaps if closes_gaps else str, [*tokens[:1], *spaced]))


def _close_gaps(token: str) -> str:
    for gap, closed in GAPS:
        token = token.replace(gap, closed)
    return token
