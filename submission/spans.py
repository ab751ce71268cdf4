"""Questions about a passage, and the spans of it that may answer them: runs of its whole words.

SberQuAD's answers are such spans. Each word is one path of BPE pieces, as it is in an answer, and one more without the
punctuation that clings to it, by which only a span's edge is freed. Reads words, never the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias, TypeVar

from models.rudolph.scored_answers import NO_NODE, ScoredAnswer, TokenGraph
from models.rudolph.vocabulary import EOS, Vocabulary
from submission.answer_options import asked_question, joined
from submission.asked_forms import asked_form
from submission.option_patterns import BORDER
from submission.prompts import stems_of

# How much less likely a token, in nats on average, a span may be than what the model says freely.
MARGIN = 1.0
_FEWEST_WORDS = 3  # of a passage: of fewer, an answer is no span but most of it
_SENTENCE = re.compile(r"[^.!?…\n]++(?:[.!?…]++(?!\s)[^.!?…\n]*+)*+[.!?…\n]*+\s*+")
# "Используя текст, ответь на вопрос."
_INSTRUCTION = re.compile(
    r"\W*+(?:[\w-]++,?\s){0,5}?(?:дан[аоы]?\s(?:текст|отрывок)|"
    r"(?:ответь|прочитай|прочти|определи|найди|выпиши|дай|укажи|скажи|проверь|назови|напиши|реши|выбери)(?:те)?\b)",
    re.IGNORECASE,
)
_CORE = re.compile(r"\w(?:.*\w)?", re.DOTALL)


def find_passage(texts: Sequence[str]) -> str | None:
    """Return the passage that a sample's texts ask about, its white space single; None where they have none.

    Neither a letter nor a number is asked for, and passage and question have a word in common. Whether the texts
    offer options is for the caller to know.
    """
    question = asked_question(texts)
    if not question or asked_form(texts) is not None:
        return None
    passages = [_without_instruction(item.rpartition(question)[0] or item) for item in joined(texts).split(BORDER)]
    passage = max((each for each in passages if question not in each), key=len, default="")
    if len(passage.split()) < _FEWEST_WORDS or "=" in passage or not stems_of(passage) & stems_of(question):
        return None
    return passage


def _without_instruction(item: str) -> str:
    """What an item says behind the sentences at its beginning that tell what to do, or ask."""
    start = 0
    while sentence := _SENTENCE.match(item, start):
        if not (_INSTRUCTION.match(sentence[0]) or sentence[0].rstrip().endswith("?")):
            break
        start = sentence.end()
    return item[start:].strip()


def spans_of(texts: Sequence[str], vocabulary: Vocabulary, most_words: int) -> TokenGraph | None:
    """The spans that may answer a sample without options; None where it asks about no passage."""
    passage = find_passage(texts)
    return None if passage is None else span_graph(passage, vocabulary, most_words)


def span_graph(passage: str, vocabulary: Vocabulary, most_words: int) -> TokenGraph | None:
    """All spans of a passage, of at most so many words; None where the vocabulary has none of them.

    A word of which a piece is unknown is in no span.
    """
    pieces = cache(lambda word: _known(vocabulary.pieces(word), vocabulary.config.bpe_vocab))
    nodes: list[tuple[int, tuple[int, int], bool, bool, bool]] = []
    exits: list[int] = []  # the nodes that a word's next one may follow

    def add(ids: Sequence[int], before: Sequence[int], *, starts: bool, ends: bool) -> list[int]:
        """Add a word's path behind some nodes; return its last node."""
        for place, token in enumerate(ids):
            one, other = (*before, NO_NODE, NO_NODE)[:2] if place == 0 else (len(nodes) - 1, NO_NODE)
            nodes.append((token, (one, other), starts and place == 0, ends and place == len(ids) - 1, place == 0))
        return [len(nodes) - 1] if ids else []

    for word in passage.split():
        core = _CORE.search(word)
        left_open, right_open = (core.start() > 0, core.end() < len(word)) if core else (False, False)
        whole = add(pieces(word), exits, starts=core is not None, ends=core is not None)
        bare: list[int] = []
        if core and left_open:
            bare = add(pieces(word[core.start() :]), (), starts=True, ends=True)
        if core and right_open:
            add(pieces(word[: core.end()]), exits, starts=True, ends=True)
        if core and left_open and right_open:
            add(pieces(core[0]), (), starts=True, ends=True)
        exits = whole + bare
    if not any(node[2] for node in nodes):
        return None
    ids, before, starts, ends, begins = zip(*nodes, strict=True)
    return TokenGraph(ids, before, starts, ends, begins, most_words)


def _known(ids: Sequence[int], pieces: int) -> tuple[int, ...]:
    """The ids of a word, or none where one of them is no piece."""
    return tuple(ids) if all(EOS < token < pieces for token in ids) else ()


Asked = TypeVar("Asked")
Ask: TypeAlias = Callable[[Sequence[tuple[Asked, TokenGraph | None]]], list[ScoredAnswer]]


def kept_to_spans(ask: Ask[Asked], asked: Sequence[tuple[Asked, TokenGraph | None]]) -> list[ScoredAnswer]:
    """Answers that keep to the spans of who has some; those that this changed compete with free ones.

    A span stays where it is not much less likely (`MARGIN`), by the mean of its tokens. All are asked in one batch, and
    those that changed once more.
    """
    answers = ask(asked)
    changed = [row for row, each in enumerate(answers) if each.departed]
    free = ask([(asked[row][0], None) for row in changed])
    for row, freely in zip(changed, free, strict=True):
        span = answers[row]
        if not span.ids or span.likelihood.mean < freely.likelihood.mean - MARGIN:
            answers[row] = freely
    return answers
