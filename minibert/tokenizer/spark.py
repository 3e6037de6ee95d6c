"""Tokens as Spark NLP makes them, for those who come from there and want to compare token by token.

Spark NLP's Tokenizer and BertEmbeddings differ from BERT's own tokenizer on purpose or by accident:

* A token is a stretch between ASCII whitespace, without the marks `. , ; : ! ? * - ( ) " '` at its ends: those before it are one token
  together, and so are those behind it ("what?!" is `what` and `?!`).
* Of each token only the first word or punctuation mark reaches the model: `aren't` is read as `aren`, `3.14` as `3`, `#tag` as `#`.
* Quotation marks, dashes and bullets beyond ASCII are letters. A character is punctuation if it is so in ASCII, or if its Unicode name
  has the word PUNCTUATION, which few have.
* Control characters end a token; those of format (zero width joiner, soft hyphen) stay in it. Only the marks U+0300 to U+036F are taken
  off letters.
* A token has the vector of its first piece.

Sources: JohnSnowLabs/spark-nlp, Tokenizer.scala, BasicTokenizer.scala, WordpieceEncoder.scala and BertEmbeddings.scala.
"""

import re
from typing import NamedTuple

from .tokenizer import WordPieceTokenizer
from .unicode import CAPITAL_SIGMA, CharacterRanges, final_sigmas

CONTEXT = ".,;:!?*-()\"'"
WHITESPACE = CharacterRanges("9-d 1c-20 1680 2000-2006 2008-200a 2028-2029 205f 3000")  # Java's, which leaves out no-break spaces
CONTROLS = CharacterRanges("0-8 e-1b 7f-9f fffd")
PUNCTUATION = CharacterRanges(
    "21-2f 3a-40 5b-60 7b-7e 5be 5c0 5c3 5c6 5f3-5f4 61e 830-835 837-83e 85e df4 16eb-16ed 1735-1736 1c3b-1c3f 1c7e-1c7f 1cc0-1cc7 "
    "2055-2056 2058-205a 2e2a-2e2c a4fe-a4ff aa5c-aa5f"
)
CHINESE = CharacterRanges("3400-4dbf 4e00-9fff f900-faff")  # Java's characters have 16 bits, so none beyond them is found
STRIPPED = CharacterRanges("300-36f")
TOKEN = re.compile(r"[^ \t\n\v\f\r]+")  # \S of Java, which knows ASCII alone: other spaces are cut by `first_word`


class SparkToken(NamedTuple):
    """A token of Spark NLP, and the pieces of it that reach the model."""

    start: int
    end: int
    ids: list[int]


def spark_tokens(text: str, tokenizer: WordPieceTokenizer) -> list[SparkToken]:
    """The tokens of one sentence. `tokenizer` has Google's rules (`compat="google"`).

    >>> from minibert.tokenizer import TokenizerSettings
    >>> vocab = {token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "aren", "it", "?"])}
    >>> tokenizer = WordPieceTokenizer(TokenizerSettings(vocab).as_google())
    >>> spark_tokens("Aren't it?!", tokenizer)
    [SparkToken(start=0, end=6, ids=[3]), SparkToken(start=7, end=9, ids=[4]), SparkToken(start=9, end=11, ids=[5])]
    """
    found = []
    for stretch in TOKEN.finditer(text):
        start, end = stretch.span()
        first = end - len(stretch[0].lstrip(CONTEXT))  # of what stands between the marks; `end` where all are marks
        last = max(first, start + len(stretch[0].rstrip(CONTEXT)))
        for begin, stop in ((start, first), (first, last), (last, end)):
            if begin < stop:
                word = first_word(text[begin:stop], tokenizer)
                found.append(SparkToken(begin, stop, [id for id, _, _ in tokenizer.wordpiece(word)] if word else []))
    return found


def first_word(token: str, tokenizer: WordPieceTokenizer) -> str:
    """What of a token the model gets to see: its first word, punctuation mark or Chinese character; "" if it has none."""
    normalize = tokenizer.normalize
    if tokenizer.settings.lowercase:
        if CAPITAL_SIGMA in token:
            token = final_sigmas(token, normalize)
        token = "".join(normalize.original.lowercase.get(character, character) for character in token)
    word = ""
    for character in token:
        if character in WHITESPACE or character in CONTROLS:
            if word:
                break
        elif character in PUNCTUATION or character in CHINESE:
            word = word or character
            break
        else:
            word += character
    decomposed = "".join(map(normalize.original.decompose, word))
    return "".join(character for character in decomposed if character not in STRIPPED)
