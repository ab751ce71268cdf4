"""Yes-or-no questions about a statement, answered by whether a passage lets the model end the statement as it ends.

The model learnt to tell passages again in its left text. So it is made to say the statement: of all endings of so many
words that the passage has, and the statement's own, the likeliest is the statement's, or it is not. What the model says
of "да" and "нет" themselves tells nothing (`benchmarks/answers.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.rudolph import Rudolph
from models.rudolph.likelihood import left_log_likelihoods
from models.rudolph.vocabulary import SPECIAL_TOKENS, Vocabulary
from submission.answer_options import joined
from submission.option_patterns import BORDER
from submission.prompts import fit

WORDS_OF_AN_ENDING = 2
_MOST_WORDS = 40  # of a statement
_STATED = re.compile(
    r"\b(?:верно|правда|правильно|истинно)(?:\sли)?,?\sчто\s(?P<statement>[^?\x1e\n]{1,400}+)\?", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.!?…;\x1e\n]++")
_EDGES = ' ,.:;!?…—–-"«»()'


@dataclass(frozen=True)
class Statement:
    """A statement that a sample asks about, without its last words; those; and the texts that it is to follow from.

    None of them is empty.
    """

    passage: str
    head: str
    ending: str


def find_statement(texts: Sequence[str]) -> Statement | None:
    """Return what "Верно ли, что ..?" asks about behind a passage; None where the texts ask otherwise, or have none.

    A statement that denies something is none, nor is one whose last words are no words.
    """
    whole = joined(texts)
    found = list(_STATED.finditer(whole))
    if not found:
        return None
    words = found[-1]["statement"].split()
    passage = " ".join(part.strip() for part in whole[: found[-1].start()].split(BORDER)).strip()
    if not passage or not WORDS_OF_AN_ENDING < len(words) <= _MOST_WORDS or not _row(words[-WORDS_OF_AN_ENDING:]):
        return None
    if "не" in map(str.lower, words):  # the ending that the passage has is then the one that makes it false
        return None
    return Statement(passage, " ".join(words[:-WORDS_OF_AN_ENDING]), " ".join(words[-WORDS_OF_AN_ENDING:]))


def endings_of(passage: str, ending: str) -> list[str]:
    """All endings to choose from, in lower case: the statement's own, then all of as many words in the passage."""
    rows = [_row(ending.split())]
    for sentence in _SENTENCE.findall(passage):
        words = sentence.split()
        rows += [
            _row(words[start : start + WORDS_OF_AN_ENDING]) for start in range(len(words) - WORDS_OF_AN_ENDING + 1)
        ]
    return list(dict.fromkeys(row for row in rows if row))


def _row(words: Sequence[str]) -> str:
    return " ".join(words).lower().strip(_EDGES)


def follows(model: Rudolph, vocabulary: Vocabulary, statement: Statement) -> bool | None:
    """Whether no ending is likelier than the statement's own; None where there is nothing to compare it with.

    Raises `NonFiniteLogitsError` (row 0) for an overflow.
    """
    room = vocabulary.left_capacity
    said = f"{statement.head} {statement.ending}."
    passage, kept = fit([statement.passage, said], room, lambda text: len(vocabulary.tokenizer.encode(text.lower())))
    if kept != said:
        return None  # the statement alone is too long
    prompt = [*vocabulary.beginning(SPECIAL_TOKENS[0]), *vocabulary.pieces(f"{passage} {statement.head}")]
    candidates = [tuple(vocabulary.pieces(f"{ending}.")) for ending in endings_of(passage, statement.ending)]
    fitting = vocabulary.config.l_text_seq_length - len(prompt)
    candidates = [ids for ids in dict.fromkeys(candidates) if len(ids) <= fitting]
    if len(candidates) < 2:
        return None
    scores = [each.total for each in left_log_likelihoods(model, prompt, candidates)]
    return scores[0] >= max(scores[1:])
