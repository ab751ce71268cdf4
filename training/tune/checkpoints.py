"""Checkpoints of a run: written atomically, so that a kill at any moment leaves the last good one intact."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.rudolph import Rudolph

STATE_FILE = "state.pt"


def save_state(
    out: Path, model: Rudolph, optimizer: torch.optim.Optimizer, step: int, fingerprint: Mapping[str, Any]
) -> None:
    """Write weights, optimiser and the number of steps done to `out/state.pt`.

    `fingerprint` is what must be the same for the run to go on. Raises OSError (a full disk, say): the old file stays.
    """
    temporary = out / f"{STATE_FILE}.{os.getpid()}.tmp"
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "fingerprint": dict(fingerprint),
    }
    try:
        torch.save(state, temporary)
        temporary.replace(out / STATE_FILE)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(out: Path, model: Rudolph, optimizer: torch.optim.Optimizer, fingerprint: Mapping[str, Any]) -> int:
    """Restore `out/state.pt` if there is one; returns the number of steps done (0 without a checkpoint).

    Raises ValueError when the checkpoint belongs to another run, naming the settings that differ.
    """
    path = out / STATE_FILE
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    differing = sorted(
        key for key in {*state["fingerprint"], *fingerprint} if state["fingerprint"].get(key) != fingerprint.get(key)
    )
    if differing:
        raise ValueError(f"{path} belongs to another run: {', '.join(differing)} differ; choose another `out` folder")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
