"""How a sample of each task is worded: which items, in which order, with which instruction.

Each function draws from a generator that its caller seeds with the record, and returns items (and, with options, the
acceptable answers). What the contest leaves open (apart, merged or absent; which item first) is drawn here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from contest.items import Item
from data_prep.answer_forms import lettered_options
from data_prep.instructions import instructed, text_item
from data_prep.records import SourcePicture

QUESTION_FIRST_SHARE = 0.2
JOINED_SHARE = 0.15  # passage and question, or problem and question, in one item
_MARKER = re.compile(r"(?:^|[;\s])[a-hа-з]\)", re.IGNORECASE)

Options = tuple[str, tuple[str, str, str]]


def rng_of(seed: int, *identity: str) -> random.Random:
    """The generator of one record: its draws depend on the seed and the record's identity, on nothing else."""
    return random.Random("|".join((str(seed), *identity)))


def options_of(rng: random.Random, right: str, wrong: Sequence[str]) -> Options | None:
    """An options text and its acceptable answers; None where a value would be taken for several options.

    Raises ValueError if two options are equal.
    """
    values = [right, *wrong]
    if any(";" in value or _MARKER.search(value) for value in values):
        return None
    return lettered_options(rng, right, wrong)


def passage_question(rng: random.Random, passage: str, question: str, options: str | None = None) -> tuple[Item, ...]:
    """TextQA: passage and question in either order or in one item, then the options if there are any."""
    if rng.random() < QUESTION_FIRST_SHARE:
        texts = [question, passage]
    elif rng.random() < JOINED_SHARE:
        texts = [f"{passage} {question}"]
    else:
        texts = [passage, question]
    bank = "textqa"
    if options is not None:
        texts.append(options)
        bank = "textqa options"
    return instructed(rng, bank, [text_item(text) for text in texts])


def passage_claim(rng: random.Random, passage: str, question: str, answer: str) -> tuple[Item, ...]:
    """A variant of TextQA in the manner of a hidden task: is this the answer, yes or no?"""
    claim = claim_of(rng, question, answer)
    return instructed(rng, "yes or no", [text_item(passage), text_item(claim)])


def claim_of(rng: random.Random, question: str, answer: str) -> str:
    """A question whether an answer is right."""
    form = CLAIMS[int(rng.random() * len(CLAIMS))]
    return form.format(question=question.rstrip(), answer=answer.rstrip(" ."))


CLAIMS = (
    "Верно ли, что на вопрос «{question}» правильный ответ: {answer}?",
    "{question} Верно ли, что ответ: {answer}?",
    "Правда ли, что ответ на вопрос «{question}»: {answer}?",
)
YES, NO = ("да",), ("нет",)


def problem_options(rng: random.Random, stated: str, asked: str, options: str) -> tuple[Item, ...]:
    """MathQA: the equation and the question as two items or one, then the options."""
    texts = [f"{stated}. {asked}"] if rng.random() < 0.5 else [stated, asked]
    return instructed(rng, "mathqa", [text_item(text) for text in (*texts, options)])


def question_options(rng: random.Random, asked: str, options: str) -> tuple[Item, ...]:
    """MathQA: a question that says everything, then the options."""
    return instructed(rng, "mathqa", [text_item(asked), text_item(options)])


def drawing(rng: random.Random, caption: str) -> tuple[Item, ...]:
    """ImageGeneration: a caption to draw."""
    return instructed(rng, "generation", [text_item(caption)])


def bare_picture(rng: random.Random, bank: str, picture: SourcePicture) -> tuple[Item, ...]:
    """ImageCaptioning and text recognition: an instruction and the picture, in either order."""
    return instructed(rng, bank, [Item("image", picture.content)])


def picture_question(
    rng: random.Random, picture: SourcePicture, question: str, options: str | None = None
) -> tuple[Item, ...]:
    """VisualQA: the question (and its options), the picture before, between or after the texts."""
    texts = [text_item(text) for text in (question, options) if text is not None]
    worded = instructed(rng, "vqa", texts)
    place = rng.randint(0, len(worded))
    return (*worded[:place], Item("image", picture.content), *worded[place:])
