"""The eight files of a run of 2021: `prediction_NAME.json` and `true_NAME.json`, each in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from errors import UserError, reason_of
from evaluation.json_values import WrongValueError, read_json

# The README of 2021 writes Cyrillic letters in C2C here and there, and OD for zsOD.
SPELLINGS = {"C2C": ("C2C", "С2С"), "HTR": ("HTR",), "zsOD": ("zsOD", "OD"), "VQA": ("VQA",)}
SUBTASKS = tuple(SPELLINGS)


class ChallengeFileError(UserError):
    """A file of the run is missing or is no JSON."""


def find_file(folder: Path, kind: str, subtask: str) -> Path | None:
    """Return the file `KIND_SUBTASK.json` in a folder, by any of its spellings; None if there is none."""
    paths = (folder / f"{kind}_{spelling}.json" for spelling in SPELLINGS[subtask])
    return next((path for path in paths if path.is_file()), None)


def read_file(path: Path) -> Any:
    """Return what a file holds. Raises ChallengeFileError."""
    try:
        return read_json(path)
    except OSError as error:
        raise ChallengeFileError(f"can not be read: {reason_of(error)}", "check the path", where=str(path)) from error
    except WrongValueError as error:
        remedy = error.remedy or "write a JSON object of ids"
        raise ChallengeFileError(error.message, remedy, where=str(path)) from error


def subtasks_of(truth: Path) -> tuple[str, ...]:
    """Return the subtasks that a folder holds the truth of. Raises ChallengeFileError if there is none."""
    found = tuple(subtask for subtask in SUBTASKS if find_file(truth, "true", subtask))
    if not found:
        names = ", ".join(f"true_{subtask}.json" for subtask in SUBTASKS)
        raise ChallengeFileError(f"none of {names} is there", "name the folder of the truth", where=str(truth))
    return found
