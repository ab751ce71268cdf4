"""Checks of the weights that a submission takes along: there, safe to read, and fitting their configurations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from models.weights import WEIGHTS_SUFFIXES, WeightsFormatError, read_state_dict
from submission.checks.base import Check, Subject
from submission.loading import BPE_FILE, RUDOLPH_FOLDER, VQGAN_FOLDER, load_networks

WEIGHTS_FOLDER = "weights"
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill")


def _missing(folder: Path) -> list[str]:
    needed = [BPE_FILE, f"{RUDOLPH_FOLDER}/config.json", f"{VQGAN_FOLDER}/config.json"]
    missing = [name for name in needed if not (folder / name).is_file()]
    for part in (RUDOLPH_FOLDER, VQGAN_FOLDER):
        if not any(path.suffix in WEIGHTS_SUFFIXES for path in (folder / part).glob("*")):
            missing.append(f"{part}/<a weights file>")
    return missing


def _unsafe(subject: Subject) -> Iterator[str]:
    for name, path in subject.files.items():
        if name.endswith(_PICKLE_SUFFIXES):
            yield f"{name} is a pickle, which can run any code when it is read"
        elif path.suffix in WEIGHTS_SUFFIXES:
            try:
                read_state_dict(path)
            except WeightsFormatError as error:
                yield f"{name}: {error.problem}"


class WeightsMissing(Check):
    """A part of the weights is not there."""

    code = "WEIGHTS_MISSING"
    meaning = "`weights/` lacks the tokenizer, a configuration or a weights file"
    remedy = "`pack --weights DIR` takes all that a run needs"

    def _find(self, subject: Subject) -> Iterator[str]:
        assert subject.folder is not None
        yield from (f"{WEIGHTS_FOLDER}/{name} is not there" for name in _missing(subject.folder / WEIGHTS_FOLDER))


class WeightsUnsafe(Check):
    """A weights file is damaged, or could run code."""

    code = "WEIGHTS_UNSAFE"
    meaning = "a weights file is damaged, or holds pickled objects that could run code when it is read"
    remedy = "store the tensors alone, as .safetensors"

    def _find(self, subject: Subject) -> Iterator[str]:
        yield from _unsafe(subject)


class WeightsUnusable(Check):
    """The networks can not be made from the weights."""

    code = "WEIGHTS_UNUSABLE"
    meaning = "the networks can not be loaded: configuration, weights and tokenizer do not fit each other"
    remedy = "take all parts from the same training"

    def _find(self, subject: Subject) -> Iterator[str]:
        assert subject.folder is not None
        folder = subject.folder / WEIGHTS_FOLDER
        if _missing(folder) or any(_unsafe(subject)):
            return  # said by the checks before
        try:
            # In half precision, so that large weights need no more memory than a run does.
            load_networks(folder, torch.device("cpu"), torch.float16)
        except (ValueError, OSError) as error:
            yield str(error).replace(f"{subject.folder}/", "")


WEIGHTS_CHECKS: tuple[Check, ...] = (WeightsMissing(), WeightsUnsafe(), WeightsUnusable())
