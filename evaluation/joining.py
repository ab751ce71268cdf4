"""Joins predictions, ground truth, task ids and input into the cases of each task.

`ids.json` leads: its samples are scored, in its order, each for the task it names. What the other files hold beyond
them is left out with a warning, as the organisers' splitting of the files leaves it out. What they lack:

* A prediction: the case has no answer, which its metric names and scores 0 (`strict`); the attempt is invalid
  (`official`, for there the splitting raises: row 3 of the differences between rules and code).
* A byte order mark before a file's text: the organisers' reader raises (`official`), ours goes on (`strict`).
* An entry that the splitting raises on, for whatever it holds: `evaluation.splitting` (`official`, stage `full`).
* A ground truth: both modes stop, for that is the scorer's own file.
* A sound one: `official` reads of it what the organisers' scripts read, which may be nothing (difference 26), and the
  faults are named; `strict` stops.
* A task id of 6 to 11: theirs raises, ours are the hidden tasks.

The organisers' way to fold pictures into folders by task has further accidents, which are not repeated here: a
folder that exists already, a path without its slash, predictions and references in folders of one name, a picture
without a folder. A prediction's picture that is missing does stop `official`, as it stops theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contest.console import counted, one_line
from contest.errors import Code, ContestError, quote
from contest.ground_truth import GroundTruth
from contest.limits import INPUT_NAME, MAX_ITEMS
from contest.pictures import resolve_picture
from contest.predictions import SURPLUS_NAMED, ParsedPredictions, read_answers
from contest.reading import begins_with_mark, read_ground_truth, read_ground_truth_lenient, read_ids, read_input
from contest.tasks import TASKS, Task, task_by_id
from evaluation.errors import IdsDifferError, NoSamplesError, some
from evaluation.metrics.answers import official_picture, truth_errors
from evaluation.metrics.cases import Case, Mode, Stage, UnsoundAnswer
from evaluation.metrics.errors import TRUTH_DEFECT, AttemptAbortedError
from evaluation.splitting import require_splittable

FAULTS_NAMED = 20  # samples with a malformed ground truth; the rest are counted


@dataclass(frozen=True, slots=True)
class ScoringFiles:
    """What is scored. `input` is the folder with `input.json`, or that file; None where there is none.

    Pictures' paths are relative to the folder of the JSON file that names them.
    """

    predictions: Path
    ground_truth: Path
    ids: Path
    input: Path | None = None

    @property
    def input_json(self) -> Path | None:
        """The input's JSON file."""
        return None if self.input is None else input_json_of(self.input)


def input_json_of(path: Path) -> Path:
    """Return the input's JSON file of its folder, or of its own path."""
    return path / INPUT_NAME if path.is_dir() else path


@dataclass(frozen=True, slots=True)
class Joined:
    """The cases of each task that has some, in task order, each in the order of `ids.json`; and warnings.

    `truth_faults` name the samples whose ground truth is malformed, and was read all the same (`official`).

    `test` is the fingerprint of the test set: its samples, their tasks and their references, in whatever layout.
    """

    cases: Mapping[Task, tuple[Case, ...]]
    warnings: tuple[str, ...]
    test: str
    truth_faults: tuple[str, ...] = ()


def join(files: ScoringFiles, mode: Mode, stage: Stage = "full") -> Joined:
    """Read the files and return the cases.

    Raises ContestFileError for files that can not be read, IdsDifferError where ground truth or input lack a sample,
    NoSamplesError for an `ids.json` without samples, AttemptAbortedError (`official`) for missing predictions and
    pictures, for a byte order mark, and for what the organisers' splitting raises on (`stage` full) or for ids that
    only one file has (`stage` evaluate).
    """
    task_ids = read_ids(files.ids)
    if not task_ids:
        raise NoSamplesError(f"{files.ids} names no sample", "write {sample id: task id, ...}")
    truths = (read_ground_truth_lenient if mode == "official" else read_ground_truth)(files.ground_truth)
    _require_all(task_ids, truths, files.ground_truth)
    input_json = files.input_json
    asked = None if input_json is None else read_input(input_json)
    if asked is not None and input_json is not None:
        _require_all(task_ids, asked, input_json)
    answers = read_answers(files.predictions, task_ids)
    unsound = _unsound(answers)
    marked = [path for path in (files.ids, files.ground_truth, input_json, files.predictions) if path is not None]
    marked = [path for path in marked if begins_with_mark(path)]
    if marked and mode == "official":
        raise AttemptAbortedError(f"{marked[-1]} begins with a byte order mark", defect=1)
    missing = [key for key in task_ids if key not in answers.valid and key not in unsound]
    if missing and mode == "official":
        raise AttemptAbortedError(
            f"the predictions lack {len(missing)} of {counted(len(task_ids), 'sample')}: {some(missing)}",
            sample_id=missing[0],
            defect=3,
        )
    if mode == "official" and stage == "full":
        require_splittable(task_ids, answers, truths)
    if mode == "official" and stage == "evaluate":
        _require_same_ids(task_ids, truths, answers)

    answer_root, truth_root = files.predictions.parent, files.ground_truth.parent
    input_root = None if input_json is None else input_json.parent
    by_task: dict[Task, list[Case]] = {task: [] for task in TASKS}
    for key, task_id in task_ids.items():
        by_task[task_by_id(task_id)].append(
            Case(
                key,
                truths[key],
                answers.valid.get(key),
                None if asked is None else asked[key],
                answer_root,
                input_root,
                truth_root,
                unsound.get(key),
            )
        )
    cases = {task: tuple(found) for task, found in by_task.items() if found}
    if mode == "official":
        _require_pictures(cases, of_all_tasks=stage == "full")
    warnings = _warnings(files, task_ids, truths, answers, marked)
    return Joined(cases, warnings, _fingerprint(task_ids, truths), _truth_faults(files, task_ids, truths))


def _fingerprint(task_ids: Mapping[str, int], truths: Mapping[str, GroundTruth]) -> str:
    """Return a SHA-256 over what stands in the scorer's files, whatever their order and layout."""
    rows = [[key, task_id, _stated(truths[key])] for key, task_id in sorted(task_ids.items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _stated(truth: GroundTruth) -> object:
    if truth.unsound is not None:
        return {"malformed": truth.unsound.value}
    return [[item.type, *item.contents] for item in truth.items]


def _truth_faults(
    files: ScoringFiles, task_ids: Mapping[str, int], truths: Mapping[str, GroundTruth]
) -> tuple[str, ...]:
    faults = {key: truth_errors(truth.unsound) for key in task_ids if (truth := truths[key]).unsound is not None}
    if not faults:
        return ()
    many = counted(len(faults), "sample")
    file = one_line(str(files.ground_truth))
    head = (
        f"{file}: malformed at {many}, read as the organisers' scripts read it (difference {TRUTH_DEFECT}): correct it"
    )
    more = len(faults) - FAULTS_NAMED
    return (
        head,
        *(f"sample {quote(key)}: {one_line(faults[key])}" for key in list(faults)[:FAULTS_NAMED]),
        *([f"and {more} more"] if more > 0 else []),
    )


def _unsound(answers: ParsedPredictions) -> dict[str, UnsoundAnswer]:
    """Return the entries that are no sound list of items, as they stand in the file."""
    errors: dict[str | None, list[ContestError]] = {}
    for error in answers.errors:
        errors.setdefault(error.sample_id, []).append(error)
    return {key: UnsoundAnswer(value, tuple(errors.get(key, ()))) for key, value in answers.invalid.items()}


def _require_all(task_ids: Mapping[str, int], entries: Mapping[str, object], path: Path) -> None:
    lacking = [key for key in task_ids if key not in entries]
    if lacking:
        raise IdsDifferError(
            f"{path} lacks {len(lacking)} of the {len(task_ids)} samples of the ids: {some(lacking)}",
            "give the files of one test set",
        )


def _require_same_ids(
    task_ids: Mapping[str, int], truths: Mapping[str, GroundTruth], answers: ParsedPredictions
) -> None:
    """Raise AttemptAbortedError for ids of one file only: the evaluation compares them, and nothing left them out."""
    surplus = [key for key in truths if key not in task_ids]
    unknown = [key for key in answers.first_surplus if key not in truths]
    if unknown or answers.surplus != len(surplus):
        first = (unknown or surplus or list(answers.first_surplus))[0]
        message = (
            "predictions and ground truth are not of the same samples, and there is no splitting that leaves it out"
        )
        raise AttemptAbortedError(message, sample_id=first, defect=3)


def _require_pictures(cases: Mapping[Task, Iterable[Case]], *, of_all_tasks: bool) -> None:
    """Raise AttemptAbortedError for an answer's picture that is not there: the organisers' splitting can not copy it.

    It copies the first picture of each answer, whatever the task; their evaluation opens those that were drawn.
    """
    for task, found in cases.items():
        if task.kind != "text_to_image" and not of_all_tasks:
            continue
        for case in found:
            content = official_picture(case)
            if content is None:
                continue
            assert case.answer_root is not None
            if not resolve_picture(case.answer_root, content, sample_id=case.id).is_file():
                raise AttemptAbortedError(f"its picture {quote(content)} is not there", sample_id=case.id, defect=1)


def _warnings(
    files: ScoringFiles,
    task_ids: Mapping[str, int],
    truths: Mapping[str, GroundTruth],
    answers: ParsedPredictions,
    marked: Iterable[Path],
) -> tuple[str, ...]:
    found: list[tuple[Path, str]] = []
    surplus = [key for key in truths if key not in task_ids]
    for path, count, first in (
        (files.predictions, answers.surplus, answers.first_surplus),
        (files.ground_truth, len(surplus), surplus),
    ):
        if count:
            named = first[:SURPLUS_NAMED]
            listed = some(named) + (f" and {count - len(named)} more" if count > len(named) else "")
            found.append((path, f"left out {counted(count, 'sample')} that the ids do not name: {listed}"))
    long = [error.sample_id for error in answers.errors if error.code is Code.ITEMS_TOO_MANY]
    if long:
        given = counted(len(long), "answer")
        found.append((files.predictions, f"of {given}, the first {MAX_ITEMS} items are looked at: {some(long)}"))
    if answers.repeated:
        given = counted(len(answers.repeated), "sample")
        found.append((files.predictions, f"{given} answered twice, the last counts: {some(answers.repeated)}"))
    found += [(path, "the organisers' reader refuses its byte order mark") for path in marked]
    return tuple(f"{one_line(str(path))}: {what}" for path, what in found)
