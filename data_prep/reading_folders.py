"""Finds task folders and streams their samples beside their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest.errors import ContestFileError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.streaming import stream_ground_truth, stream_input
from data_prep.json_stream import members
from data_prep.records import SourceError
from data_prep.split import SPLITS, Split

PARTS = ("", "_answer", "_source")
BESIDE = ("card.json", "skipped.jsonl", "check.json")  # what this room itself writes about a folder
DATA_ENDINGS = (".json", ".jsonl", ".ndjson", ".parquet", ".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class TaskFolder:
    """A folder with the contest files of one task."""

    path: Path
    task: str

    def file(self, split: Split, part: str = "") -> Path:
        """The file of a split's samples, or its `_answer` or `_source` part."""
        return self.path / f"{self.task}_{split}{part}.json"


@dataclass(frozen=True, slots=True)
class Pair:
    """A sample with its answer and, where the folder tells, its document or picture and its kind."""

    sample: Sample
    truth: GroundTruth
    group: str = ""
    kind: str = ""


def find_folders(directory: Path) -> list[TaskFolder]:
    """The task folders at and below a directory, sorted. Raises SourceError if there are none."""
    found = set()
    for split in SPLITS:
        for answers in directory.rglob(f"*_{split}_answer.json"):
            task = answers.name.removesuffix(f"_{split}_answer.json")
            hidden = any(part.startswith(".") for part in answers.relative_to(directory).parts)
            if not hidden and answers.with_name(f"{task}_{split}.json").exists():
                found.add(TaskFolder(answers.parent, task))
    if not found:
        raise SourceError(directory, "", "has no task folder: <task>_train.json beside <task>_train_answer.json")
    return sorted(found, key=lambda folder: (str(folder.path), folder.task))


def passed_over(directory: Path, folders: Iterable[TaskFolder]) -> list[Path]:
    """Files of data at and below a directory that are no part of its task folders, sorted."""
    known = {folder.file(split, part) for folder in folders for split in SPLITS for part in PARTS}
    return sorted(
        path
        for path in directory.rglob("*")
        if path.suffix.lower() in DATA_ENDINGS
        and path not in known
        and path.name not in BESIDE
        and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    )


def pairs(
    folder: TaskFolder, split: Split, faulty: Callable[[str], None], alone: Callable[[str, str], None]
) -> Iterator[Pair]:
    """Yield a split's samples with their answers, in the order of the samples' file as long as both files share it.

    Args:
        folder: the folder.
        split: which of its splits.
        faulty: is told every fault of the files' format.
        alone: is told the id of every sample without an answer, and what is missing.

    """
    samples = _sound(stream_input(folder.file(split)), faulty)
    truths = _sound(stream_ground_truth(folder.file(split, "_answer")), faulty)
    sources = _sources(folder.file(split, "_source"), faulty)
    early_samples: dict[str, Sample] = {}
    early_truths: dict[str, GroundTruth] = {}
    known: dict[str, dict[str, Any]] = {}
    ended = False
    while not ended:
        sample, truth, source = next(samples, None), next(truths, None), next(sources, None)
        ended = sample is None and truth is None
        if source is not None:
            known[source[0]] = source[1]
        if sample is not None:
            early_samples[sample.id] = sample
        if truth is not None:
            early_truths[truth.id] = truth
        for sample_id in {item.id for item in (sample, truth) if item is not None}:
            if sample_id in early_samples and sample_id in early_truths:
                about = known.pop(sample_id, {})
                yield Pair(
                    early_samples.pop(sample_id),
                    early_truths.pop(sample_id),
                    str(about.get("group", "")),
                    str(about.get("kind", "")),
                )
    for sample_id in early_samples:
        alone(sample_id, "has no answer")
    for sample_id in early_truths:
        alone(sample_id, "is an answer without its sample")


def sound_pairs(folder: TaskFolder, split: Split) -> Iterator[Pair]:
    """Yield a split's samples with their answers. Raises SourceError at the first fault."""

    def refuse(fault: str) -> None:
        raise refused(folder, split, fault)

    return pairs(folder, split, refuse, lambda sample_id, fault: refuse(f"sample {sample_id} {fault}"))


def refused(folder: TaskFolder, split: Split, fault: str) -> SourceError:
    """The error of a folder with a fault."""
    return SourceError(folder.file(split), "", f"{fault} (python -m data_prep check names every fault)")


def _sound(stream: Iterator[Any], faulty: Callable[[str], None]) -> Iterator[Any]:
    """What a stream yields; what is wrong with the rest is told."""
    try:
        yield from stream
    except ContestFileError as errors:
        for error in errors.errors:
            faulty(str(error))


def _sources(file: Path, faulty: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not file.exists():
        return
    try:
        for member in members(file):
            if isinstance(member.value, dict):
                yield member.key, member.value
            else:
                faulty(f"{file}, sample {member.key}: {json.dumps(member.value)} where an object should be")
    except SourceError as error:
        faulty(str(error))
