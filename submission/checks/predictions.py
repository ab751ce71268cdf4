"""Checks of a predictions file, alone or against the input that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from contest.errors import Code
from contest.items import Sample
from submission.checks.base import Subject, make_check, place

_error = partial(make_check, looks="predictions")
_warning = partial(make_check, looks="predictions", severity="warning")

_PICTURE_CODES = frozenset(code for code in Code if "PICTURE" in code.name)
# What the organisers' reader takes as it comes: the last of two equal keys counts, another type of item is passed over,
# and an id is no file's name to it.
_READ_ALL_THE_SAME = frozenset(
    (Code.DUPLICATE_ID, Code.ITEM_KEY_REPEATED, Code.ITEM_TYPE_UNKNOWN, Code.NOT_FINITE, Code.ID_UNUSABLE)
)


@_error(
    "the predictions, or an entry of them, are not in the contest's format: the organisers' scripts stop",
    'write {"<sample id>": [{"type": "text", "content": "..."}, ...]} as UTF-8 JSON without a byte order mark',
)
def _predictions_unsound(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code not in (Code.PREDICTION_MISSING, *_PICTURE_CODES, *_READ_ALL_THE_SAME):
            yield place(error)


@_warning(
    "an entry is read, though hardly as it was meant: an id or a key twice, an unknown type, NaN",
    "give each sample one entry, and each item a type that is text or image",
)
def _predictions_odd(subject: Subject) -> Iterator[str]:
    yield from (place(error) for error in subject.prediction_errors if error.code in _READ_ALL_THE_SAME)


@_error("a sample of the input has no prediction, which makes the attempt invalid", Code.PREDICTION_MISSING.remedy)
def _prediction_missing(subject: Subject) -> Iterator[str]:
    yield from (place(error) for error in subject.prediction_errors if error.code is Code.PREDICTION_MISSING)


def _has_picture(subject: Subject, sample_id: str | None) -> bool:
    """Whether a sample of the input shows a picture: then nobody looks at one in the answer."""
    asked = None if subject.samples is None or sample_id is None else subject.samples.get(sample_id)
    return asked is not None and asked.has_image


@_error(
    "a picture that a prediction names is missing, damaged, or outside its folder",
    "draw it again; its path is relative to the predictions file",
)
def _picture_broken(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code in _PICTURE_CODES and not _has_picture(subject, error.sample_id):
            yield place(error)


@_warning(
    "an answer to a sample with a picture names one too, which can not be opened: nobody looks at it", "leave it out"
)
def _picture_surplus(subject: Subject) -> Iterator[str]:
    for error in subject.prediction_errors:
        if error.code in _PICTURE_CODES and _has_picture(subject, error.sample_id):
            yield place(error)


@_warning(
    "a prediction is for no sample of the input: perhaps it answers another input",
    "check that these predictions belong to this input",
)
def _prediction_surplus(subject: Subject) -> Iterator[str]:
    count, first = subject.surplus
    yield from (f"sample {key!r}" for key in first)
    if count > len(first):
        yield f"and {count - len(first)} more samples"


def _answers(subject: Subject, is_wrong: Callable[[Sample, bool], bool]) -> Iterator[str]:
    """Name the answers that are wrong, asked of each with whether its sample of the input shows a picture."""
    for key, answer in subject.answers.items():
        if is_wrong(answer, _has_picture(subject, key)):
            yield f"sample {key!r}"


@_error(
    "an answer holds no text: it scores nothing, or what the organisers' scripts read before it",
    "give every sample a text, if only a short one",
)
def _text_missing(subject: Subject) -> Iterator[str]:
    return _answers(subject, lambda answer, seen: not answer.texts and (not answer.images or seen))


@_warning(
    "the text of an answer is empty, and it has no picture: it scores nothing",
    "give every sample a text, if only a short one",
)
def _text_empty(subject: Subject) -> Iterator[str]:
    def is_empty(answer: Sample, seen: bool) -> bool:
        return bool(answer.texts) and not answer.texts[0].strip() and (not answer.images or seen)

    return _answers(subject, is_empty)


@_warning(
    "an answer is a picture without a text: right where a drawing was asked for, nothing where a question was",
    "put a text beside every picture: nothing says of which task a sample is",
)
def _picture_alone(subject: Subject) -> Iterator[str]:
    return _answers(subject, lambda answer, seen: bool(answer.images) and not answer.texts and not seen)


@_warning(
    "a sample without a picture was not answered with one: it may be of the task that asks for a drawing",
    "draw a picture for every sample that has none: nothing says of which task it is",
)
def _picture_undrawn(subject: Subject) -> Iterator[str]:
    if subject.samples is None:
        return iter(())
    return _answers(subject, lambda answer, seen: not seen and not answer.images)
