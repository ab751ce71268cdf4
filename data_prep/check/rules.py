"""The rules of a task folder and what breaks them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, unique

from contest.ground_truth import GroundTruth
from contest.items import Sample
from data_prep.cleaning import clean, find_span

_OPTION = re.compile(r"(?:^|;\s*|\s)([a-h])\)\s*(.*?)\s*(?=;\s*[a-h]\)|$)")
_OPTIONS_START = re.compile(r"(?:^|[\s:])a\)\s.*;\s*b\)\s")
FREE_ANSWER = "free answer"
YES_NO = {"да", "нет"}


@unique
class Rule(Enum):
    """What is asked of a folder; its value is (meaning, whether breaking it is an error rather than a warning)."""

    FORMAT = ("the files keep to the contest's format", True)
    PAIRS = ("every sample has its answer and every answer its sample", True)
    EMPTY = ("no text and no answer is empty", True)
    PICTURE = ("every picture opens", True)
    PASSAGE = ("an answer occurs in its passage", True)
    OPTIONS = ("the options are lettered, different, and the answers name one of them", True)
    GROUP_LEAK = ("no document or picture stands in both training and validation, in all folders together", True)
    PICTURE_LEAK = ("no picture's bytes stand in both training and validation, in all folders together", True)
    TEXT_LEAK = ("no sample stands in both training and validation", True)
    NEAR_LEAK = ("no validation text is nearly a training text", False)
    REPEATED = ("no sample stands twice", False)
    LONG = ("every left text fits", False)

    def __init__(self, meaning: str, is_error: bool) -> None:
        self.meaning, self.is_error = meaning, is_error


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken: by which folder and split, which sample, and how."""

    rule: Rule
    place: str
    sample_id: str
    detail: str

    def __str__(self) -> str:
        sample = f", sample {self.sample_id}" if self.sample_id else ""
        return " ".join(f"[{self.rule.name}] {self.place}{sample}: {self.detail}".split())


@dataclass(frozen=True, slots=True)
class Lettered:
    """Options as they stand in a text: values by marker, in order."""

    markers: tuple[str, ...]
    values: tuple[str, ...]


def options_in(texts: Sequence[str]) -> Lettered | None:
    """The options of a sample: from the last text that has "a) ...; b) ..."; None if there are none."""
    for text in reversed(texts):
        start = _OPTIONS_START.search(text)
        if start is not None:
            found = _OPTION.findall(text[start.start() :].strip())
            return Lettered(tuple(marker for marker, _ in found), tuple(value for _, value in found))
    return None


def without_options(text: str) -> str:
    """A text up to its lettered options, which other samples of the same question may offer otherwise."""
    start = _OPTIONS_START.search(text)
    return text if start is None else text[: start.start()]


def sample_findings(task: str, place: str, sample: Sample, truth: GroundTruth, kind: str = "") -> Iterator[Violation]:
    """Yield what a sample and its answer break of the rules that need no other sample and no picture.

    An answer of the kind "free answer" need not be a span of its passage.
    """

    def finding(rule: Rule, detail: str) -> Violation:
        return Violation(rule, place, sample.id, detail)

    for index, text in enumerate(sample.texts):
        if not text.strip():
            yield finding(Rule.EMPTY, f"text item {index} is empty")
    for index, content in enumerate((*truth.texts, *truth.images)):
        if not content.strip():
            yield finding(Rule.EMPTY, f"reference {index} is empty")
    if not truth.texts:
        return
    options = options_in(sample.texts)
    if options is not None:
        if (problem := _options_problem(options, truth.texts)) is not None:
            yield finding(Rule.OPTIONS, problem)
    elif task == "textqa" and kind != FREE_ANSWER and not set(map(str.lower, truth.texts)) <= YES_NO:
        passage = clean(" ".join(sample.texts))
        if not any(find_span(passage, clean(text)) for text in truth.texts):
            yield finding(Rule.PASSAGE, f"none of its {len(truth.texts)} references occurs, such as {truth.texts[0]!r}")


def _options_problem(options: Lettered, references: Sequence[str]) -> str | None:
    expected = "abcdefgh"[: len(options.markers)]
    if "".join(options.markers) != expected:
        return f"the markers are {', '.join(options.markers)}"
    if len(set(options.values)) != len(options.values):
        return f"two options are equal: {'; '.join(options.values)}"
    named = []
    for marker, value in zip(options.markers, options.values, strict=True):
        accepted = {marker, f"{marker})", value, f"{marker} {value}", f"{marker}) {value}"}
        if accepted.intersection(references):
            named.append(marker)
            if not set(references) <= accepted:
                odd = sorted(set(references) - accepted)[0]
                return f"the answer {odd!r} is not that of option {marker}"
    if not named:
        return f"the answer {references[0]!r} is none of the options"
    return None
