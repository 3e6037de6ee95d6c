"""The retrieval task: find the passage that a heading, a summary or a sentence was taken from, among seven thousand.

    apt-get update                       # once; needs apt-get, dpkg-deb and npm
    python -m benchmarks.retrieval       # builds it into benchmarks/work/ and says what it is made of

    from benchmarks.retrieval import load_task, recall
    recall(load_task(), lambda texts: model.encode(texts, truncation="silent"))["all"]       # for measuring, never for choosing

Passages are neighbouring paragraphs of one section, of 40 to 400 tokens, half of them above 200; code, tables and near-duplicates are left
out. Each has at most one query, which stands nowhere in it: its section's heading, where the passage is all that stands under it; what a
manual page or GNOME's help says in one line that the page is about; else a sentence at random, cut out of it (a cloze: nobody searches
so, but it asks whether a vector has the topic). Documentation is one technical field and much the same words in every passage of a package;
a novel has no headings that tell.

Queries that the same words would answer are left out, by a rule that asks no model: of a query's rare words (each in fewer than 5 % of the
passages), at least one and at most half stand in the passage. Without it, the average of the teacher's word embeddings finds three
quarters of what the teacher finds, and with it less than two thirds; the limit was set by looking at these two, before there was a student.
At most 200 sentences come from a source.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import VOCAB
from benchmarks.retrieval_sources import PACKAGES, WORK, Section, all_sections
from minibert.tokenizer import TokenizerSettings, WordPieceTokenizer
from minibert.tokenizer.settings import load_vocab
from weights.training.sections import SENTENCE_END

Encode = Callable[[list[str]], np.ndarray]
TASK = WORK / "retrieval.json"
LEAST, MIDDLE, MOST = 40, 200, 400  # tokens: passages have LEAST to MOST, and are long above MIDDLE
LONG_SHARE = 0.8  # of sections, those cut into pieces as long as possible
EACH = 750  # long passages from a source at most, and as many others
SENTENCES = 200  # queries that are sentences, from a source at most
SHINGLE, SHARED = 6, 0.15  # of a passage's six-word runs, the share that earlier passages may have
RARE, ANSWERED = 0.05, 0.5  # a word is rare in fewer than RARE of all passages; of a query's, ANSWERED may be in the passage
TOKENIZER = WordPieceTokenizer(TokenizerSettings(load_vocab(VOCAB)))


class Piece(NamedTuple):
    """Neighbouring blocks of one section that make a passage, and whether they are the whole section."""

    section: Section
    text: str
    is_whole: bool


class Asked(NamedTuple):
    """A passage, and a text that it should be found by."""

    source: str
    kind: str
    query: str
    passage: str


class Task(NamedTuple):
    """Passages, their tokens and sources; queries, their kinds and the passage that each is to find."""

    passages: list[str]
    tokens: list[int]
    sources: list[str]
    queries: list[str]
    kinds: list[str]
    answers: list[int]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def count_tokens(texts: list[str]) -> np.ndarray:
    """Tokens of each text, [CLS] and [SEP] included."""
    return np.diff(TOKENIZER.encode_batch(texts).cu_seqlens)


def cut(section: Section, limit: int) -> list[Piece]:
    """Pieces of at most `limit` tokens: whole blocks as long as they fit, sentences of a block that does not."""
    parts = [part for block in section.blocks for part in ([block] if len(block.split()) < limit // 3 else SENTENCE_END.split(block))]
    pieces, taken, used = [], [], 2
    for part, length in zip(parts, count_tokens(parts) - 2, strict=True):
        if used + length > limit:
            pieces.append(" ".join(taken))
            taken, used = [], 2
        taken.append(part)
        used += length
    pieces.append(" ".join(taken))
    return [Piece(section, text, len(pieces) == 1) for text in pieces]


def distinct(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Without boilerplate and near-duplicates, so that a right answer is the only one."""
    seen: set[tuple[str, ...]] = set()
    for piece in pieces:
        words = words_of(piece.text)
        shingles = {tuple(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}
        if len(shingles & seen) <= SHARED * len(shingles):
            yield piece
        seen |= shingles


def is_title(title: str) -> bool:
    """Words that say something: three or more, and no code."""
    return len(title.split()) > 2 and bool(re.fullmatch(r"[A-Za-z][\w ,'’?&/\-]+", title))


def ask(piece: Piece, random: np.random.Generator) -> Asked | None:
    """A heading or summary where the passage is all that stands under it, else a sentence cut out of it, if there are three."""
    section = piece.section
    if piece.is_whole and section.summary:
        return Asked(section.source, "summary", section.summary, piece.text)
    if piece.is_whole and is_title(section.title):
        return Asked(section.source, "title", section.title, piece.text)
    sentences = SENTENCE_END.split(piece.text)
    fitting = [index for index, sentence in enumerate(sentences) if 8 <= len(sentence.split()) <= 40]
    if len(sentences) < 3 or not fitting:
        return None
    chosen = int(random.choice(fitting))
    return Asked(section.source, "sentence", sentences[chosen], " ".join(sentences[:chosen] + sentences[chosen + 1 :]))


def candidates() -> list[Asked]:
    """A query and a passage for all text that there is."""
    random = np.random.default_rng(0)
    sections = [section for section in all_sections() if section.blocks]
    pieces = [piece for section in sections for piece in cut(section, MOST if random.random() < LONG_SHARE else MIDDLE)]
    lengths = count_tokens([piece.text for piece in pieces])
    fitting = [piece for piece, length in zip(pieces, lengths, strict=True) if LEAST <= length <= MOST]
    return [asked for piece in distinct(fitting) if (asked := ask(piece, random))]


def sample(asked: list[Asked]) -> tuple[list[Asked], list[int]]:
    """As many long passages as others, from each source; and their lengths."""
    random, chosen = np.random.default_rng(1), []
    lengths, sources = count_tokens([each.passage for each in asked]), np.array([each.source for each in asked])
    for source in np.unique(sources):
        for low, high in ((LEAST, MIDDLE), (MIDDLE + 1, MOST)):
            chosen += list(random.permutation(np.flatnonzero((sources == source) & (lengths >= low) & (lengths <= high)))[:EACH])
    return [asked[index] for index in chosen], lengths[chosen].tolist()


def questions(asked: list[Asked]) -> list[int]:
    """Which queries are asked: none twice, none that the same words would answer or that share no rare word, and not too many sentences."""
    passages = [set(words_of(each.passage)) for each in asked]
    frequency = Counter(word for passage in passages for word in passage)
    times = Counter(each.query.lower() for each in asked)
    sentences: Counter[str] = Counter()
    chosen = []
    for index in np.random.default_rng(2).permutation(len(asked)):
        each = asked[index]
        rare = [word for word in words_of(each.query) if frequency[word] < RARE * len(asked)]
        answered = sum(word in passages[index] for word in rare)
        if times[each.query.lower()] > 1 or not 0 < answered <= ANSWERED * len(rare):
            continue
        if each.kind == "sentence":
            if sentences[each.source] == SENTENCES:
                continue
            sentences[each.source] += 1
        chosen.append(int(index))
    return sorted(chosen)


def build() -> Task:
    """The same task from the same packages, always; about a minute."""
    asked, lengths = sample(candidates())
    answers = questions(asked)
    passages, sources = [each.passage for each in asked], [each.source for each in asked]
    return Task(passages, lengths, sources, [asked[i].query for i in answers], [asked[i].kind for i in answers], answers)


def load_task() -> Task:
    """The task from the cache, or built into it."""
    if not TASK.exists():
        WORK.mkdir(exist_ok=True)
        TASK.write_text(json.dumps(build()._asdict(), indent=0) + "\n", encoding="utf-8")
    return Task(**json.loads(TASK.read_text(encoding="utf-8")))


def ranks(task: Task, encode: Encode) -> np.ndarray:
    """How many other passages are as near to each query as the right one or nearer: 0 is best, and the one vector for all gains nothing."""
    passages, queries = encode(task.passages), encode(task.queries)
    passages, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (passages, queries))
    found = []
    for query, answer in zip(queries, task.answers, strict=True):
        cosines = passages @ query
        found.append(int((cosines >= cosines[answer]).sum()) - 1)
    return np.array(found)


def recall(task: Task, encode: Encode, at: int = 10) -> dict[str, float]:
    """Share of the queries whose passage is among the first `at`: of all, for long and other passages, and for each kind and source."""
    hits, answers = ranks(task, encode) < at, np.array(task.answers)
    is_long, kinds, sources = np.array(task.tokens)[answers] > MIDDLE, np.array(task.kinds), np.array(task.sources)[answers]
    groups = {"all": np.ones(len(hits), bool), "long": is_long, "short": ~is_long}
    groups |= {name: names == name for names in (kinds, sources) for name in np.unique(names).tolist()}
    return {name: round(float(hits[group].mean()), 4) for name, group in groups.items()}


def composition(task: Task) -> dict[str, Any]:
    """What goes into the results about the task; the digest tells whether another machine has the same one."""
    tokens, answers = np.array(task.tokens), np.array(task.answers)
    return {
        "sha256": hashlib.sha256(json.dumps(task).encode()).hexdigest(),
        "packages": sorted(path.name for path in PACKAGES.iterdir()),
        "passages": len(tokens),
        "passages_long": int((tokens > MIDDLE).sum()),
        "passages_of": dict(Counter(task.sources)),
        "tokens": {
            "total": int(tokens.sum()),
            "mean": round(float(tokens.mean()), 1),
            "least": int(tokens.min()),
            "most": int(tokens.max()),
        },
        "queries": len(answers),
        "queries_long": int((tokens[answers] > MIDDLE).sum()),
        "queries_of": dict(Counter(f"{task.sources[each]}, {kind}" for each, kind in zip(answers, task.kinds, strict=True))),
    }


if __name__ == "__main__":
    print(json.dumps(composition(load_task()), indent=1))
