"""Checks of the weights that a submission takes along: there, safe to read, fitting each other, and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.weights import INDEX_SUFFIX, WEIGHTS_SUFFIXES, WeightsFormatError, read_state_dict
from models.weights_folder import BPE_FILE, CONFIG_FILE, NETWORKS, not_finite_tensors
from submission.checks.base import WEIGHTS_FOLDER, Subject, make_check

_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill")
_ANY_WEIGHTS = "<a weights file>"


def _missing(folder: Path) -> list[str]:
    needed = [BPE_FILE, *(f"{part}/{CONFIG_FILE}" for part in NETWORKS)]
    missing = [name for name in needed if not (folder / name).is_file()]
    for part in NETWORKS:
        if not any(path.name.endswith((*WEIGHTS_SUFFIXES, INDEX_SUFFIX)) for path in (folder / part).glob("*")):
            missing.append(f"{part}/{_ANY_WEIGHTS}")
    return missing


def _unsafe(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each file that can not be read safely, why, and what helps where that is known."""
    for name, path in subject.files.items():
        subject.clock.tick()
        if name.endswith(_PICKLE_SUFFIXES):
            yield name, "a pickle, which can run any code when it is read", ""
        elif path.suffix in WEIGHTS_SUFFIXES:
            try:
                read_state_dict(path)
            except WeightsFormatError as error:
                yield name, error.problem, error.remedy


@make_check(
    "`weights/` lacks the tokenizer, a configuration or a weights file",
    "`pack --weights DIR` takes all that a run needs",
)
def _weights_missing(subject: Subject) -> Iterator[str]:
    yield from (f"{WEIGHTS_FOLDER}/{name} is not there" for name in _missing(subject.weights_folder))


@make_check(
    "a weights file is damaged, or holds pickled objects that could run code when it is read",
    "store the tensors alone, as .safetensors",
)
def _weights_unsafe(subject: Subject) -> Iterator[tuple[str, str]]:
    yield from ((f"{name}: {problem}", remedy) for name, problem, remedy in _unsafe(subject))


@make_check(
    "the networks can not be loaded: configuration, weights and tokenizer do not fit each other",
    "take all parts from the same training",
)
def _weights_unusable(subject: Subject) -> Iterator[tuple[str, str]]:
    # What the checks before have said is not said again.
    named = {name.partition("/")[0] for name in _missing(subject.weights_folder)}
    named |= {name.split("/")[1] for name, *_ in _unsafe(subject) if name.startswith(f"{WEIGHTS_FOLDER}/")}
    for problem in subject.inspection.problems:
        if problem.part not in named:
            yield subject.shown(problem.reason), problem.remedy


@make_check(
    "a tensor of the weights holds NaN or Infinity: what is computed with it is undefined",
    "take an earlier checkpoint of the training",
)
def _weights_not_finite(subject: Subject) -> Iterator[str]:
    networks = tuple(subject.inspection.values)
    for tensor in not_finite_tensors(subject.weights_folder, networks, subject.clock.tick):
        yield subject.shown(tensor)
