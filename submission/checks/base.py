"""What a check is, what it looks at, and what it finds. Knows no check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from contest.archives import Listing
from contest.complete import prediction_errors
from contest.errors import ContestError, ContestErrors
from contest.items import Sample
from contest.reading import sift_predictions

Severity = Literal["error", "warning"]
Looks = Literal["archive", "files", "predictions"]

MAX_TEXT_BYTES = 1_000_000  # a larger file is no source and no configuration


@dataclass(frozen=True)
class Subject:
    """What is checked; None is what the thing at hand does not have.

    Attributes:
        listing: the entries of a ZIP archive.
        folder: a submission's files, unpacked or never packed.
        predictions: a predictions file.
        samples: the input that it answers.

    """

    listing: Listing | None = None
    folder: Path | None = None
    predictions: Path | None = None
    samples: dict[str, Sample] | None = None

    def has(self, looks: Looks) -> bool:
        """Whether there is what a check looks at."""
        return {"archive": self.listing, "files": self.folder, "predictions": self.predictions}[looks] is not None

    @cached_property
    def files(self) -> dict[str, Path]:
        """The submission's plain files by name, in the order of their names; links are no plain files."""
        assert self.folder is not None
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        return {path.relative_to(self.folder).as_posix(): path for path in sorted(found)}

    @cached_property
    def answers(self) -> dict[str, Sample]:
        """The sound predictions; none where the file is no JSON object at all."""
        assert self.predictions is not None
        try:
            return sift_predictions(self.predictions).sound
        except ContestErrors:  # told by the check of the file itself
            return {}

    @cached_property
    def prediction_errors(self) -> tuple[ContestError, ...]:
        """All that is wrong with the predictions; without an input none of them can be missing."""
        assert self.predictions is not None
        return prediction_errors(self.predictions, self.answers if self.samples is None else self.samples)

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """The contents of the files that are small enough to be texts."""
        return {name: path.read_bytes() for name, path in self.files.items() if path.stat().st_size <= MAX_TEXT_BYTES}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: the check that found it, and what it is in particular."""

    check: Check
    message: str

    def __str__(self) -> str:
        text = f"{self.check.severity} [{self.check.code}] {self.message}; {self.check.remedy}"
        return " ".join(text.split())  # a file's name may hold line breaks, a finding stays one line


class Check(ABC):
    """One check: a stable code, what it means when it finds something, and what to do then."""

    code: ClassVar[str]
    meaning: ClassVar[str]
    remedy: ClassVar[str]
    severity: ClassVar[Severity] = "error"
    looks: ClassVar[Looks] = "files"

    def find(self, subject: Subject) -> list[Finding]:
        """Return all that this check finds. `subject.has(self.looks)` must be given: what is not there is not sound."""
        if not subject.has(self.looks):
            raise ValueError(f"{self.code} looks at {self.looks}, and there are none")
        return [Finding(self, message) for message in self._find(subject)]

    @abstractmethod
    def _find(self, subject: Subject) -> Iterator[str]:
        """Yield a message for each thing wrong."""


def place(error: ContestError) -> str:
    """Return an error of the contest's files without its code and remedy, which the check has itself."""
    sample = "" if error.sample_id is None else f"sample {error.sample_id!r}: "
    return f"{sample}{error.message}"
