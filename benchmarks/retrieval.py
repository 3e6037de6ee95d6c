"""The retrieval task: find the passage that a heading, a summary or a sentence was taken from.

    apt-get update                       # once; needs apt-get, dpkg-deb and npm
    python -m benchmarks.retrieval       # builds the task in benchmarks/work/ and describes it

    from benchmarks.retrieval import load_task, recall
    recall(load_task(), lambda texts: model.encode(texts, truncation="silent"))["all"]

The task is for measuring, never for choosing a model.

There are seven thousand passages. They are neighbouring paragraphs of one section, of 40 to 400
tokens, half of them above 200. Code, tables and near-duplicates are left out.

A passage has at most one query, and the query is no part of the passage. It is one of three kinds:

* the heading of the section, if the passage is the whole section;
* the line in which a manual page or GNOME's help says what the page is about;
* a sentence at random, which is cut out of the passage (a cloze). Such a query is not how people
  search, but it shows whether a vector holds the topic.

Documentation is one technical field, and the passages of a package have much the same words. The
headings of the novel say little about its chapters.

Queries that the same words would answer are left out, by a rule without a model. The rule counts a
query's rare words, each in fewer than 5 % of the passages. At least one of them and at most half
of them occur in the passage. Without the rule, the average of the teacher's word embeddings finds
three quarters of what the teacher finds. With it, the average finds less than two thirds. The limit
was set by these two figures, before there was a student. At most 200 sentences come from a source.
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
from minibert.tokenizer.loading import load_vocab
from weights.training.sections import SENTENCE_END

Encode = Callable[[list[str]], np.ndarray]
TASK = WORK / "retrieval.json"
LEAST, MIDDLE, MOST = 40, 200, 400  # tokens: passages have LEAST to MOST, long ones over MIDDLE
LONG_SHARE = 0.8  # of the sections: they are cut into parts as long as possible
EACH = 750  # long passages from a source at most, and as many short ones
SENTENCES = 200  # queries that are sentences, from a source at most
SHINGLE, SHARED = 6, 0.15  # the share of a passage's six-word runs that earlier ones may have
# A word is rare if fewer than RARE of all passages have it. The passage may have ANSWERED of them.
RARE, ANSWERED = 0.05, 0.5
TOKENIZER = WordPieceTokenizer(TokenizerSettings(load_vocab(VOCAB)))


class Part(NamedTuple):
    """Neighbouring blocks of one section that make a passage."""

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
    """Passages with tokens and sources. Queries with kinds and the numbers of their passages."""

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


def cut(section: Section, limit: int) -> list[Part]:
    """Parts of at most `limit` tokens, made of whole blocks. A long block is cut into sentences."""
    blocks = [each for block in section.blocks for each in ([block] if len(block.split()) < limit // 3 else SENTENCE_END.split(block))]
    texts, taken, used = [], [], 2
    for block, length in zip(blocks, count_tokens(blocks) - 2, strict=True):
        if used + length > limit:
            texts.append(" ".join(taken))
            taken, used = [], 2
        taken.append(block)
        used += length
    texts.append(" ".join(taken))
    return [Part(section, text, len(texts) == 1) for text in texts]


def distinct(parts: Iterable[Part]) -> Iterator[Part]:
    """Leave out boilerplate and near-duplicates, so that there is only one right answer."""
    seen: set[tuple[str, ...]] = set()
    for part in parts:
        words = words_of(part.text)
        shingles = {tuple(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}
        if len(shingles & seen) <= SHARED * len(shingles):
            yield part
        seen |= shingles


def is_title(title: str) -> bool:
    """Whether a heading has three words or more, and no code."""
    return len(title.split()) > 2 and bool(re.fullmatch(r"[A-Za-z][\w ,'’?&/\-]+", title))


def ask(part: Part, random: np.random.Generator) -> Asked | None:
    """A passage and its query.

    The query is the summary or heading if the passage is the whole section. Else it is a sentence,
    cut out of a passage of three sentences or more.
    """
    section = part.section
    if part.is_whole and section.summary:
        return Asked(section.source, "summary", section.summary, part.text)
    if part.is_whole and is_title(section.title):
        return Asked(section.source, "title", section.title, part.text)
    sentences = SENTENCE_END.split(part.text)
    fitting = [index for index, sentence in enumerate(sentences) if 8 <= len(sentence.split()) <= 40]
    if len(sentences) < 3 or not fitting:
        return None
    chosen = int(random.choice(fitting))
    return Asked(section.source, "sentence", sentences[chosen], " ".join(sentences[:chosen] + sentences[chosen + 1 :]))


def candidates() -> list[Asked]:
    """The queries and passages of all sections."""
    random = np.random.default_rng(0)
    sections = [section for section in all_sections() if section.blocks]
    parts = [part for section in sections for part in cut(section, MOST if random.random() < LONG_SHARE else MIDDLE)]
    lengths = count_tokens([part.text for part in parts])
    fitting = [part for part, length in zip(parts, lengths, strict=True) if LEAST <= length <= MOST]
    return [asked for part in distinct(fitting) if (asked := ask(part, random))]


def sample(asked: list[Asked]) -> tuple[list[Asked], list[int]]:
    """As many long passages as short ones from each source, and their lengths."""
    random, chosen = np.random.default_rng(1), []
    lengths, sources = count_tokens([each.passage for each in asked]), np.array([each.source for each in asked])
    for source in np.unique(sources):
        for low, high in ((LEAST, MIDDLE), (MIDDLE + 1, MOST)):
            chosen += list(random.permutation(np.flatnonzero((sources == source) & (lengths >= low) & (lengths <= high)))[:EACH])
    return [asked[index] for index in chosen], lengths[chosen].tolist()


def questions(asked: list[Asked]) -> list[int]:
    """The numbers of the queries that are asked.

    Left out are queries that occur twice, that the same words would answer, or that share no rare
    word. So are sentences of a source that has enough of them.
    """
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
    """Build the task: the same one from the same packages. About a minute."""
    asked, lengths = sample(candidates())
    answers = questions(asked)
    passages, sources = [each.passage for each in asked], [each.source for each in asked]
    return Task(passages, lengths, sources, [asked[i].query for i in answers], [asked[i].kind for i in answers], answers)


def load_task() -> Task:
    """The task from the cache. It is built if it is not there."""
    if not TASK.exists():
        WORK.mkdir(exist_ok=True)
        TASK.write_text(json.dumps(build()._asdict(), indent=0) + "\n", encoding="utf-8")
    return Task(**json.loads(TASK.read_text(encoding="utf-8")))


def ranks(task: Task, encode: Encode) -> np.ndarray:
    """How many other passages are at least as near to each query as the right one. 0 is best.

    A model with one vector for all texts gains nothing.
    """
    passages, queries = encode(task.passages), encode(task.queries)
    passages, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (passages, queries))
    found = []
    for query, answer in zip(queries, task.answers, strict=True):
        cosines = passages @ query
        found.append(int((cosines >= cosines[answer]).sum()) - 1)
    return np.array(found)


def recall(task: Task, encode: Encode, at: int = 10) -> dict[str, float]:
    """The share of the queries that find their passage among the first `at`.

    It is computed for all queries, for long and short passages, and for each kind and source.
    """
    hits, answers = ranks(task, encode) < at, np.array(task.answers)
    is_long, kinds, sources = np.array(task.tokens)[answers] > MIDDLE, np.array(task.kinds), np.array(task.sources)[answers]
    groups = {"all": np.ones(len(hits), bool), "long": is_long, "short": ~is_long}
    groups |= {name: names == name for names in (kinds, sources) for name in np.unique(names).tolist()}
    return {name: round(float(hits[group].mean()), 4) for name, group in groups.items()}


def composition(task: Task) -> dict[str, Any]:
    """What the results say about the task.

    The digest shows whether another machine has the same task.
    """
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
