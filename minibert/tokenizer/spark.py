"""Tokens as Spark NLP makes them, for a comparison token by token.

Spark NLP's Tokenizer and BertEmbeddings differ from BERT's own tokenizer:

* A token is a chunk between ASCII whitespace, without the marks `. , ; : ! ? * - ( ) " '` at its
  ends. The marks before it are one token together, and so are the marks behind it ("what?!" is
  `what` and `?!`).
* Only the first word or punctuation mark of a token reaches the model: `aren't` is read as `aren`,
  `3.14` as `3`, `#tag` as `#`.
* Quotation marks, dashes and bullets beyond ASCII are letters. A character is punctuation if it is
  punctuation in ASCII, or if its Unicode name has the word PUNCTUATION, which few names have.
* Control characters end a token. Format characters (zero width joiner, soft hyphen) stay in it.
  Only the marks U+0300 to U+036F are taken off letters.
* A token has the vector of its first piece.

Sources: JohnSnowLabs/spark-nlp, Tokenizer.scala, BasicTokenizer.scala, WordpieceEncoder.scala and
BertEmbeddings.scala.
"""

import re
from typing import NamedTuple

from .tokenizer import WordPieceTokenizer
from .unicode import CAPITAL_SIGMA, CharacterRanges, final_sigmas

CONTEXT = ".,;:!?*-()\"'"
WHITESPACE = CharacterRanges("9-d 1c-20 1680 2000-2006 2008-200a 2028-2029 205f 3000")  # Java's, without no-break spaces
CONTROLS = CharacterRanges("0-8 e-1b 7f-9f fffd")
PUNCTUATION = CharacterRanges(
    "21-2f 3a-40 5b-60 7b-7e 5be 5c0 5c3 5c6 5f3-5f4 61e 830-835 837-83e 85e df4 16eb-16ed 1735-1736 1c3b-1c3f 1c7e-1c7f 1cc0-1cc7 "
    "2055-2056 2058-205a 2e2a-2e2c a4fe-a4ff aa5c-aa5f"
)
CHINESE = CharacterRanges("3400-4dbf 4e00-9fff f900-faff")  # Java's characters have 16 bits, so none beyond them is found
STRIPPED = CharacterRanges("300-36f")
TOKEN = re.compile(r"[^ \t\n\v\f\r]+")  # \S of Java, which is ASCII alone: `first_word` cuts at other spaces


class SparkToken(NamedTuple):
    """A token of Spark NLP, and those of its pieces that reach the model."""

    start: int
    end: int
    ids: list[int]


def spark_tokens(text: str, tokenizer: WordPieceTokenizer) -> list[SparkToken]:
    """The tokens of one sentence. `tokenizer` has Google's rules (`compat="google"`).

    >>> from minibert.tokenizer import TokenizerSettings
    >>> tokens = ["[UNK]", "[CLS]", "[SEP]", "aren", "it", "?"]
    >>> vocab = {token: id for id, token in enumerate(tokens)}
    >>> tokenizer = WordPieceTokenizer(TokenizerSettings(vocab).as_google())
    >>> [tuple(token) for token in spark_tokens("Aren't it?!", tokenizer)]
    [(0, 6, [3]), (7, 9, [4]), (9, 11, [5])]
    """
    found = []
    for chunk in TOKEN.finditer(text):
        start, end = chunk.span()
        first = end - len(chunk[0].lstrip(CONTEXT))  # where the marks before it end; `end` where all are marks
        last = max(first, start + len(chunk[0].rstrip(CONTEXT)))
        for begin, stop in ((start, first), (first, last), (last, end)):
            if begin < stop:
                word = first_word(text[begin:stop], tokenizer)
                found.append(SparkToken(begin, stop, [id for id, _, _ in tokenizer.wordpiece(word)] if word else []))
    return found


def first_word(token: str, tokenizer: WordPieceTokenizer) -> str:
    """What the model reads of a token: its first word, mark or Chinese character, or nothing
    ("").
    """
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
