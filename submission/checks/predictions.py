"""Checks of a predictions file, alone or against the input that it answers."""

from __future__ import annotations

from collections.abc import Iterator

from contest.errors import Code
from submission.checks.base import Check, Subject, make_check, place

_PICTURE_CODES = frozenset(code for code in Code if "PICTURE" in code.name)
# What the organisers' reader takes as it comes: the last of two equal keys counts, another type of item is passed over,
# and an id is no file's name to it.
_READ_ALL_THE_SAME = frozenset(
    (Code.DUPLICATE_ID, Code.ITEM_KEY_REPEATED, Code.ITEM_TYPE_UNKNOWN, Code.NOT_FINITE, Code.ID_UNUSABLE)
)


@make_check(
    "the predictions, or an entry of them, are not in the contest's format: the organisers' scripts stop",
    'write {"<sample id>": [{"type": "text", "content": "..."}, ...]} as UTF-8 JSON without a byte order mark',
    looks="predictions",
)
def _predictions_unsound(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code not in (Code.PREDICTION_MISSING, *_PICTURE_CODES, *_READ_ALL_THE_SAME):
            yield place(error)


@make_check(
    "an entry is read, though hardly as it was meant: an id or a key twice, an unknown type, NaN",
    "give each sample one entry, and each item a type that is text or image",
    severity="warning",
    looks="predictions",
)
def _predictions_odd(subject: Subject) -> Iterator[str]:
    yield from (place(error) for error in subject.prediction_errors if error.code in _READ_ALL_THE_SAME)


@make_check(
    "a sample of the input has no prediction, which makes the attempt invalid",
    Code.PREDICTION_MISSING.remedy,
    looks="predictions",
)
def _prediction_missing(subject: Subject) -> Iterator[str]:
    yield from (place(error) for error in subject.prediction_errors if error.code is Code.PREDICTION_MISSING)


def _has_picture(subject: Subject, sample_id: str | None) -> bool:
    """Whether a sample of the input shows a picture: then nobody looks at one in the answer."""
    asked = None if subject.samples is None or sample_id is None else subject.samples.get(sample_id)
    return asked is not None and asked.has_image


@make_check(
    "a picture that a prediction names is missing, damaged, or outside its folder",
    "draw it again; its path is relative to the predictions file",
    looks="predictions",
)
def _picture_broken(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code in _PICTURE_CODES and not _has_picture(subject, error.sample_id):
            yield place(error)


@make_check(
    "an answer to a sample with a picture names one too, which can not be opened: nobody looks at it",
    "leave it out",
    severity="warning",
    looks="predictions",
)
def _picture_surplus(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code in _PICTURE_CODES and _has_picture(subject, error.sample_id):
            yield place(error)


@make_check(
    "a prediction is for no sample of the input: perhaps it answers another input",
    "check that these predictions belong to this input",
    severity="warning",
    looks="predictions",
)
def _prediction_surplus(subject: Subject) -> Iterator[str]:
    count, first = subject.surplus
    yield from (f"sample {key!r}" for key in first)
    if count > len(first):
        yield f"and {count - len(first)} more samples"


@make_check(
    "an answer holds no text: it scores nothing, or what the organisers' scripts read before it",
    "give every sample a text, if only a short one",
    looks="predictions",
)
def _text_missing(subject: Subject) -> Iterator[str]:
    for key, answer in subject.answers.items():
        if not answer.texts and (not answer.images or _has_picture(subject, key)):
            yield f"sample {key!r}"


@make_check(
    "the text of an answer is empty, and it has no picture: it scores nothing",
    "give every sample a text, if only a short one",
    severity="warning",
    looks="predictions",
)
def _text_empty(subject: Subject) -> Iterator[str]:
    for key, answer in subject.answers.items():
        unread = not answer.images or _has_picture(subject, key)
        if answer.texts and not answer.texts[0].strip() and unread:
            yield f"sample {key!r}"


@make_check(
    "an answer is a picture without a text: right where a drawing was asked for, nothing where a question was",
    "put a text beside every picture: nothing says of which task a sample is",
    severity="warning",
    looks="predictions",
)
def _picture_alone(subject: Subject) -> Iterator[str]:
    for key, answer in subject.answers.items():
        if answer.images and not answer.texts and not _has_picture(subject, key):
            yield f"sample {key!r}"


@make_check(
    "a sample without a picture was not answered with one: it may be of the task that asks for a drawing",
    "draw a picture for every sample that has none: nothing says of which task it is",
    severity="warning",
    looks="predictions",
)
def _picture_undrawn(subject: Subject) -> Iterator[str]:
    for key, answer in subject.answers.items():
        asked = None if subject.samples is None else subject.samples.get(key)
        if asked is not None and not asked.has_image and not answer.images:
            yield f"sample {key!r}"


PREDICTION_CHECKS: tuple[Check, ...] = (
    _predictions_unsound,
    _predictions_odd,
    _prediction_missing,
    _picture_broken,
    _picture_surplus,
    _prediction_surplus,
    _text_missing,
    _text_empty,
    _picture_alone,
    _picture_undrawn,
)
