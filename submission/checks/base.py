"""What a check is, what it looks at, and what it finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from contest.archives import Listing
from contest.complete import looked_through
from contest.errors import ContestError
from contest.items import Sample
from contest.predictions import ParsedPredictions
from models.weights_folder import Inspection, inspect_folder

Severity = Literal["error", "warning"]
Looks = Literal["archive", "files", "predictions"]

MAX_TEXT_BYTES = 1_000_000  # a larger file is no source and no configuration
MAX_FINDINGS = 1000
"""Of one check: who has so many wants to know of the first, and a hostile archive may have millions."""
WEIGHTS_FOLDER = "weights"


class OutOfTimeError(Exception):
    """The time for all checks together is over."""


class Clock:
    """How long checks may look at what a stranger sent; they ask it in between."""

    def __init__(self, seconds: float = math.inf) -> None:
        self._end = time.monotonic() + seconds

    def tick(self) -> None:
        """Raise OutOfTimeError once the time is over."""
        if time.monotonic() >= self._end:
            raise OutOfTimeError


@dataclass(frozen=True)
class Subject:
    """What is checked; None is what the thing at hand does not have.

    Attributes:
        listing: the entries of a ZIP archive.
        folder: a submission's files, unpacked or never packed.
        packed: instead of a folder, files that lie anywhere, by the names that they will have in an archive.
        weights: the folder with the weights of `packed`.
        predictions: a predictions file.
        samples: the input that it answers.
        clock: how long all checks together may take.

    """

    listing: Listing | None = None
    folder: Path | None = None
    packed: Mapping[str, Path] | None = None
    weights: Path | None = None
    predictions: Path | None = None
    samples: dict[str, Sample] | None = None
    clock: Clock = field(default_factory=Clock)

    def has(self, looks: Looks) -> bool:
        """Whether there is what a check looks at."""
        files = self.folder if self.packed is None else self.packed
        return {"archive": self.listing, "files": files, "predictions": self.predictions}[looks] is not None

    @cached_property
    def files(self) -> dict[str, Path]:
        """The submission's plain files by name, in the order of their names; links are no plain files."""
        if self.packed is not None:
            return dict(sorted(self.packed.items()))
        assert self.folder is not None
        paths = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        return {path.relative_to(self.folder).as_posix(): path for path in sorted(paths)}

    @cached_property
    def _looked_through(self) -> tuple[ParsedPredictions | None, tuple[ContestError, ...]]:
        assert self.predictions is not None
        return looked_through(self.predictions, self.samples)

    @property
    def answers(self) -> dict[str, Sample]:
        """The sound predictions, of the input if there is one; none where the file can not be read at all."""
        found = self._looked_through[0]
        return {} if found is None else found.valid

    @property
    def surplus(self) -> tuple[int, tuple[str, ...]]:
        """Number of predictions for samples that are not of the input, and the ids of the first few."""
        found = self._looked_through[0]
        return (0, ()) if found is None else (found.surplus, found.first_surplus)

    @property
    def prediction_errors(self) -> tuple[ContestError, ...]:
        """All that is wrong with the predictions; without an input none of them can be missing."""
        return self._looked_through[1]

    @cached_property
    def weights_folder(self) -> Path:
        """The folder that a run takes its weights from."""
        if self.weights is not None:
            return self.weights
        assert self.folder is not None
        return self.folder / WEIGHTS_FOLDER

    @cached_property
    def inspection(self) -> Inspection:
        """What a run would make of the weights."""
        return inspect_folder(self.weights_folder)

    def text(self, name: str) -> bytes:
        """The content of a file that is small enough to be a text; nothing for another."""
        path = self.files.get(name)
        return path.read_bytes() if path is not None and path.stat().st_size <= MAX_TEXT_BYTES else b""

    def texts(self, suffix: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files that are small enough to be texts, one after the other."""
        for name in self.files:
            if name.endswith(suffix):
                self.clock.tick()
                yield name, self.text(name)

    def shown(self, message: str) -> str:
        """A message without the path of the folder that is checked, which may be a temporary one."""
        return message if self.folder is None else message.replace(f"{self.folder}/", "")


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing wrong: the check that found it, what it is in particular, and what helps if not what usually does."""

    check: Check
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.check.severity} [{self.check.code}] {self.message}; {self.remedy or self.check.remedy}"
        return " ".join(text.split())  # a file's name may hold line breaks, a finding stays one line


Message = str | tuple[str, str]
"""What is wrong in particular; with a remedy where the check's own does not help."""


@dataclass(frozen=True)
class Check:
    """One check: a stable code, what it means when it finds something, and what to do then.

    Attributes:
        code: its name.
        meaning: what is wrong when it finds something.
        remedy: what usually helps.
        search: yields a message for each thing that is wrong.
        severity: whether what it finds makes the attempt invalid.
        looks: what it looks at.

    """

    code: str
    meaning: str
    remedy: str
    search: Callable[[Subject], Iterable[Message]]
    severity: Severity = "error"
    looks: Looks = "files"

    def find(self, subject: Subject) -> Iterator[CheckFinding]:
        """Yield what this check finds, at most MAX_FINDINGS. `subject.has(self.looks)` must be given.

        Raises OutOfTimeError when the subject's time is over, ValueError where there is nothing to look at: what is
        not there is not sound.
        """
        if not subject.has(self.looks):
            raise ValueError(f"{self.code} looks at {self.looks}, and there are none")
        for message in islice(self.search(subject), MAX_FINDINGS):
            yield CheckFinding(self, *((message,) if isinstance(message, str) else message))


def make_check(
    meaning: str, remedy: str, *, severity: Severity = "error", looks: Looks = "files"
) -> Callable[[Callable[[Subject], Iterable[Message]]], Check]:
    """Make a check of the function that searches for what is wrong; its name is the code."""
    return lambda search: Check(search.__name__.strip("_").upper(), meaning, remedy, search, severity, looks)


def place(error: ContestError) -> str:
    """Return an error of the contest's files without its code and remedy, which the check has itself."""
    sample = "" if error.sample_id is None else f"sample {error.sample_id!r}: "
    return f"{sample}{error.message}"
