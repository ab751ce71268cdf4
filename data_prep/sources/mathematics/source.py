"""DeepMind Mathematics. In: its text files, or its own generator. Out: MathQA samples in Russian with four options.

A file alternates lines of questions and answers; `generate_to_file` of the package writes them as
`<train-easy|...>/algebra__linear_1d.txt` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from data_prep.duplicates import digest
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourceError, SourceRecord
from data_prep.sources.mathematics.generating import generate
from data_prep.sources.mathematics.problems import understand
from data_prep.sources.mathematics.wording import word
from data_prep.sources.reading import FieldError, describe, lines
from data_prep.tasks import rng_of

MODULES = (
    "algebra__linear_1d",
    "algebra__linear_2d",
    "comparison__pair",
    "comparison__kth_biggest",
    "comparison__closest",
    "comparison__sort",
)
_QUESTION = re.compile(rb"[A-Z][a-z]+ ")


@dataclass(frozen=True)
class Mathematics:
    """The data set.

    Args:
        files: text files, or folders that have files of the contest's modules somewhere below them.
        generated: how many problems of each module to have the package generate instead.
        seed: of the wording, and of the generator.
        variants: share of the single equations that become a story.
        most_digits: problems with a longer number are left out.

    """

    files: Sequence[Path] = ()
    generated: int = 0
    seed: int = 0
    variants: float = 0.0
    most_digits: int = 6

    name: ClassVar[str] = "mathematics"
    tasks: ClassVar[tuple[str, ...]] = ("mathqa",)
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def settings(self) -> dict[str, object]:
        """What the output depends on."""
        return {
            "files": describe(self._all_files()),
            "generated": self.generated,
            "seed": self.seed,
            "variants": self.variants,
            "most_digits": self.most_digits,
        }

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream questions with their answers."""
        if self.generated:
            yield from generate(MODULES, self.generated, self.seed)
        for file in self._all_files():
            yield from _pairs(file)

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make a sample of a problem."""
        try:
            question, answer = (_ascii(line) for line in record.value)
            task = understand(question, answer, self.most_digits)
        except FieldError as error:
            yield error.at(record)
            return
        worded = word(rng_of(self.seed, self.name, question), task, self.variants)
        # Equal problems have one group, so that none is trained on and validated with.
        group = f"problem:{digest(question).hex()}"
        yield (ConvertedSample("mathqa", group, worded.kind, worded.items, worded.answers, question),)

    def _all_files(self) -> list[Path]:
        found: list[Path] = []
        for path in self.files:
            if not path.is_dir():
                found.append(path)
                continue
            below = sorted(filter(_is_read, path.rglob("*.txt")))
            if not below:
                raise SourceError(path, "", f"has no file such as {MODULES[0]}.txt below it")
            found += below
        return found


def passed_over(folder: Path) -> list[Path]:
    """Files below a folder that are of no module of the contest, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and not _is_read(file))


def _is_read(file: Path) -> bool:
    return file.suffix == ".txt" and file.stem in MODULES


def _pairs(file: Path) -> Iterator[SourceRecord | SkippedRecord]:
    """Pair a file's lines; after a line that is missing, the pairs that follow are sound again."""
    waiting: SourceRecord | None = None
    for line in lines(file):
        is_question = _QUESTION.match(line.value) is not None
        if waiting is not None and not is_question:
            yield waiting._replace(value=(waiting.value, line.value))
        elif waiting is not None:
            yield waiting.skipped(SkipReason.FIELD_MISSING, "the question has no answer line")
        elif not is_question:
            yield line.skipped(SkipReason.FIELD_MISSING, "the answer has no question line")
        waiting = line if is_question else None
    if waiting is not None:
        yield waiting.skipped(SkipReason.FIELD_MISSING, "the question has no answer line")


def _ascii(line: bytes) -> str:
    try:
        return line.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"byte {error.start} is not ASCII") from error
