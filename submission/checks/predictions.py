"""Checks of a predictions file, alone or against the input that it answers."""

from __future__ import annotations

from collections.abc import Iterator

from contest.errors import Code
from submission.checks.base import Check, Subject, place

_PICTURE_CODES = frozenset(code for code in Code if "PICTURE" in code.name)
# What the organisers' reader takes as it comes: the last of two equal keys counts, another type of item is passed over,
# and an id is no file's name to it.
_READ_ALL_THE_SAME = frozenset(
    (Code.DUPLICATE_ID, Code.ITEM_KEY_REPEATED, Code.ITEM_TYPE_UNKNOWN, Code.NOT_FINITE, Code.ID_UNUSABLE)
)


class _PredictionsCheck(Check):
    looks = "predictions"


class PredictionsUnsound(_PredictionsCheck):
    """The file, or an entry of it, is not in the contest's format."""

    code = "PREDICTIONS_UNSOUND"
    meaning = "the predictions, or an entry of them, are not in the contest's format: the organisers' scripts stop"
    remedy = 'write {"<sample id>": [{"type": "text", "content": "..."}, ...]} as UTF-8 JSON without a byte order mark'

    def _find(self, subject: Subject) -> Iterator[str]:
        for error in subject.prediction_errors:
            if error.code not in (Code.PREDICTION_MISSING, *_PICTURE_CODES, *_READ_ALL_THE_SAME):
                yield place(error)


class PredictionsOdd(_PredictionsCheck):
    """An entry is read by the organisers' scripts, though hardly as it was meant."""

    code = "PREDICTIONS_ODD"
    meaning = "an entry is read, though hardly as it was meant: an id or a key twice, an unknown type, NaN"
    remedy = "give each sample one entry, and each item a type that is text or image"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        yield from (place(error) for error in subject.prediction_errors if error.code in _READ_ALL_THE_SAME)


class PredictionMissing(_PredictionsCheck):
    """A sample of the input has no prediction."""

    code = Code.PREDICTION_MISSING.name
    meaning = "a sample of the input has no prediction, which makes the attempt invalid"
    remedy = Code.PREDICTION_MISSING.remedy

    def _find(self, subject: Subject) -> Iterator[str]:
        yield from (place(error) for error in subject.prediction_errors if error.code is Code.PREDICTION_MISSING)


def _has_picture(subject: Subject, sample_id: str | None) -> bool:
    """Whether a sample of the input shows a picture: then nobody looks at one in the answer."""
    asked = None if subject.samples is None or sample_id is None else subject.samples.get(sample_id)
    return asked is not None and asked.has_image


class PictureBroken(_PredictionsCheck):
    """A picture that a prediction names can not be opened."""

    code = "PICTURE_BROKEN"
    meaning = "a picture that a prediction names is missing, damaged, or outside its folder"
    remedy = "draw it again; its path is relative to the predictions file"

    def _find(self, subject: Subject) -> Iterator[str]:
        for error in subject.prediction_errors:
            if error.code in _PICTURE_CODES and not _has_picture(subject, error.sample_id):
                yield place(error)


class PictureSurplus(_PredictionsCheck):
    """A picture that nobody looks at can not be opened."""

    code = "PICTURE_SURPLUS"
    meaning = "an answer to a sample with a picture names one too, which can not be opened: nobody looks at it"
    remedy = "leave it out"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        for error in subject.prediction_errors:
            if error.code in _PICTURE_CODES and _has_picture(subject, error.sample_id):
                yield place(error)


class PredictionSurplus(_PredictionsCheck):
    """A prediction is for no sample of the input."""

    code = "PREDICTION_SURPLUS"
    meaning = "a prediction is for no sample of the input: perhaps it answers another input"
    remedy = "check that these predictions belong to this input"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        count, first = subject.surplus
        yield from (f"sample {key!r}" for key in first)
        if count > len(first):
            yield f"and {count - len(first)} more samples"


class TextMissing(_PredictionsCheck):
    """An answer holds no text, and no picture either that could be what was asked for."""

    code = "TEXT_MISSING"
    meaning = "an answer holds no text: it scores nothing, or what the organisers' scripts read before it"
    remedy = "give every sample a text, if only a short one"

    def _find(self, subject: Subject) -> Iterator[str]:
        for key, answer in subject.answers.items():
            if not answer.texts and (not answer.images or _has_picture(subject, key)):
                yield f"sample {key!r}"


class TextEmpty(_PredictionsCheck):
    """The text of an answer is empty."""

    code = "TEXT_EMPTY"
    meaning = "the text of an answer is empty, and it has no picture: it scores nothing"
    remedy = "give every sample a text, if only a short one"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        for key, answer in subject.answers.items():
            unread = not answer.images or _has_picture(subject, key)
            if answer.texts and not answer.texts[0].strip() and unread:
                yield f"sample {key!r}"


class PictureAlone(_PredictionsCheck):
    """An answer is a picture without a text."""

    code = "PICTURE_ALONE"
    meaning = "an answer is a picture without a text: right where a drawing was asked for, nothing where a question was"
    remedy = "put a text beside every picture: nothing says of which task a sample is"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        for key, answer in subject.answers.items():
            if answer.images and not answer.texts and not _has_picture(subject, key):
                yield f"sample {key!r}"


class PictureUndrawn(_PredictionsCheck):
    """An answer to a sample without a picture holds none itself."""

    code = "PICTURE_UNDRAWN"
    meaning = "a sample without a picture was not answered with one: it may be of the task that asks for a drawing"
    remedy = "draw a picture for every sample that has none: nothing says of which task it is"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        for key, answer in subject.answers.items():
            asked = None if subject.samples is None else subject.samples.get(key)
            if asked is not None and not asked.has_image and not answer.images:
                yield f"sample {key!r}"


PREDICTION_CHECKS: tuple[Check, ...] = (
    PredictionsUnsound(),
    PredictionsOdd(),
    PredictionMissing(),
    PictureBroken(),
    PictureSurplus(),
    PredictionSurplus(),
    TextMissing(),
    TextEmpty(),
    PictureAlone(),
    PictureUndrawn(),
)
