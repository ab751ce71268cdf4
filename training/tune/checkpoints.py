"""Checkpoints of a run: whole folders, written atomically; the last ones and the best one are kept.

`checkpoints/step_00000250/` holds `config.json` and `pytorch_model.bin`, a RUDOLPH in the published form that inference
reads as it is; `trainer.state`, what else the run needs to go on; and `checkpoint.json`, what it is. `checkpoints/best`
is a link to the best one. Batches and dropout are functions of seed and step, so no random state needs to be kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from errors import UserError, reason_of
from models.rudolph import Config
from models.weights import read_state_dict, save_state_dict
from training.tune.settings_keys import flat, present_form

FOLDER = "checkpoints"
WEIGHTS, STATE, NOTE, BEST = "pytorch_model.bin", "trainer.state", "checkpoint.json", "best"


class CheckpointError(UserError):
    """A checkpoint cannot be gone on from; the message says which, why, and what to do."""


@dataclass(frozen=True)
class CheckpointNote:
    """What a checkpoint is: the steps done, and how good it is by which measure (None: not measured)."""

    step: int
    measure: str
    value: float | None

    @property
    def rank(self) -> float:
        """The larger the better: a loss is good when it is low, a score when it is high."""
        assert self.value is not None
        return -self.value if self.measure == "loss" else self.value


def read_notes(out: Path) -> dict[Path, CheckpointNote]:
    """All complete checkpoints of a run, the oldest first. Raises `CheckpointError` for a damaged note."""
    notes = {}
    for path in sorted((out / FOLDER).glob("step_*")):
        try:
            notes[path] = CheckpointNote(**json.loads((path / NOTE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"not a whole checkpoint ({NOTE} can not be read)", "remove it to go on without it", where=str(path)
            ) from error
    return notes


def save_checkpoint(
    out: Path,
    note: CheckpointNote,
    config: Config,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep_last: int,
) -> Path:
    """Write the checkpoint of a step, then remove those that are neither among the last ones nor the best.

    `weights`: a state dict with the published names; `state`: plain values and tensors. Raises OSError, naming
    the checkpoint (a full disk, say): what was there before stays.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(".unfinished_*"):  # of a run that was killed
        shutil.rmtree(unfinished)
    temporary, final = folder / f".unfinished_{note.step:08d}", folder / f"step_{note.step:08d}"
    try:
        temporary.mkdir()
        config.save(temporary / "config.json")
        save_state_dict(weights, temporary / WEIGHTS)
        _save_state(state, temporary / STATE)
        (temporary / NOTE).write_text(json.dumps(asdict(note)) + "\n", encoding="utf-8")
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        _to_disk(folder)
    except OSError as error:
        raise OSError(f"{final}: can not be written ({reason_of(error)})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _rotate(out, note.measure, keep_last)
    return final


def _save_state(state: Mapping[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
    except RuntimeError as error:  # what torch makes of a full disk
        raise OSError(str(error)) from error


def _to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rotate(out: Path, measure: str, keep_last: int) -> None:
    notes = read_notes(out)
    measured = [path for path, note in notes.items() if note.measure == measure and note.value is not None]
    kept = set(list(notes)[-keep_last:])
    if not measured:
        (out / FOLDER / BEST).unlink(missing_ok=True)  # the best by another measure
    else:
        best = max(measured, key=lambda path: notes[path].rank)  # the earliest of equally good ones
        kept.add(best)
        link = out / FOLDER / f".{BEST}"
        link.unlink(missing_ok=True)
        link.symlink_to(best.name)
        link.replace(out / FOLDER / BEST)
    for path in notes:
        if path not in kept:
            # Renamed first: a folder that is half removed must not be taken for a checkpoint.
            removed = path.with_name(f".unfinished_{path.name}")
            path.rename(removed)
            shutil.rmtree(removed)


def last_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint of a run, if it has any. Raises `CheckpointError` for a damaged note."""
    return next(reversed(read_notes(out)), None)


def read_checkpoint(path: Path, fingerprint: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the weights and the state of a checkpoint.

    `fingerprint` is what must be the same for the run to go on: nested settings. One that was written when settings
    were one flat list is read too. Raises `CheckpointError` when it is not, naming the
    settings that differ, or for a damaged file; `WeightsFormatError` for damaged weights.
    """
    try:
        state = torch.load(path / STATE, map_location="cpu", weights_only=True)
        of_run = flat(present_form(state["fingerprint"]))
    except Exception as error:  # torch raises whatever a damaged file makes it raise
        raise CheckpointError(
            "damaged or not whole", f"remove {path} to go on from an older one", where=str(path / STATE)
        ) from error
    wanted = flat(fingerprint)
    differing = sorted(key for key in {*of_run, *wanted} if of_run.get(key) != wanted.get(key))
    if differing:
        raise CheckpointError(
            f"{path} belongs to another run: {', '.join(differing)} {'differs' if len(differing) == 1 else 'differ'}",
            "choose another `output` folder",
        )
    return read_state_dict(path / WEIGHTS), state
