"""Checks of a predictions file, alone or against the input that it answers."""

from __future__ import annotations

from collections.abc import Iterator

from contest.errors import Code
from submission.checks.base import Check, Subject, place

_PICTURE_CODES = frozenset(code for code in Code if "PICTURE" in code.name)


class _PredictionsCheck(Check):
    looks = "predictions"


class PredictionsUnsound(_PredictionsCheck):
    """The file, or an entry of it, is not in the contest's format."""

    code = "PREDICTIONS_UNSOUND"
    meaning = "the predictions, or an entry of them, are not in the contest's format"
    remedy = 'write {"<sample id>": [{"type": "text", "content": "..."}, ...]} as UTF-8 JSON'

    def _find(self, subject: Subject) -> Iterator[str]:
        for error in subject.prediction_errors:
            if error.code is not Code.PREDICTION_MISSING and error.code not in _PICTURE_CODES:
                yield place(error)


class PredictionMissing(_PredictionsCheck):
    """A sample of the input has no prediction."""

    code = Code.PREDICTION_MISSING.name
    meaning = "a sample of the input has no prediction, which makes the attempt invalid"
    remedy = Code.PREDICTION_MISSING.remedy

    def _find(self, subject: Subject) -> Iterator[str]:
        yield from (place(error) for error in subject.prediction_errors if error.code is Code.PREDICTION_MISSING)


class PictureBroken(_PredictionsCheck):
    """A picture that a prediction names can not be opened."""

    code = "PICTURE_BROKEN"
    meaning = "a picture that a prediction names is missing, damaged, or outside its folder"
    remedy = "draw it again; its path is relative to the predictions file"

    def _find(self, subject: Subject) -> Iterator[str]:
        yield from (place(error) for error in subject.prediction_errors if error.code in _PICTURE_CODES)


class PredictionSurplus(_PredictionsCheck):
    """A prediction is for no sample of the input."""

    code = "PREDICTION_SURPLUS"
    meaning = "a prediction is for no sample of the input: perhaps it answers another input"
    remedy = "check that these predictions belong to this input"
    severity = "warning"

    def _find(self, subject: Subject) -> Iterator[str]:
        if subject.samples is not None:
            yield from (f"sample {key!r}" for key in subject.answers if key not in subject.samples)


class TextMissing(_PredictionsCheck):
    """An answer holds no text."""

    code = "TEXT_MISSING"
    meaning = "an answer holds no text: it scores nothing, and may stop the organisers' scripts"
    remedy = "give every sample a text, if only a short one"

    def _find(self, subject: Subject) -> Iterator[str]:
        for key, answer in subject.answers.items():
            if not any(text.strip() for text in answer.texts):
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
    PredictionMissing(),
    PictureBroken(),
    PredictionSurplus(),
    TextMissing(),
    PictureUndrawn(),
)
