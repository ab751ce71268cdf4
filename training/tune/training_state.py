"""What changes during a run, as one thing that can be saved and restored: weights, optimiser, loss scaling, means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.rudolph import Rudolph
from training.tune.attention_choice import choose_attention
from training.tune.checkpoints import CheckpointError, read_checkpoint
from training.tune.distributed import (
    Processes,
    gather_optimizer,
    gather_weights,
    is_sharded,
    scatter_optimizer,
    scatter_weights,
    share,
    whole_state,
)
from training.tune.errors import SettingsError
from training.tune.lora import adapters_of, add_adapters, merged
from training.tune.objective import Objective
from training.tune.optimizers import build_optimizer
from training.tune.precision import Precision
from training.tune.running_means import RunningMeans
from training.tune.settings import TuneSettings


class TrainState:
    """A network in training, shared among the processes; `shared` is what the forward pass goes through.

    `means`: what the log has added up since its last row; `losses`: of the steps since a checkpoint was due.
    Raises `SettingsError` for an optimiser that can not do with shared weights, or settings that train nothing.
    """

    def __init__(self, model: Rudolph, settings: TuneSettings, processes: Processes) -> None:
        self.steps, self.seed, self.loss = settings.steps, settings.seed, settings.loss.kind
        self.optim, self.compute, self.lora = settings.optim, settings.compute, settings.lora
        if processes.world > 1 and self.compute.parallel != "ddp" and self.optim.name == "adamw8bit":
            problem = "optim.name: adamw8bit keeps no state of sharded weights"
            raise SettingsError(problem, "use compute.parallel: ddp, or adamw")
        self.model = model.to(processes.device)
        self.processes = processes
        self.attention = choose_attention(model, self.compute, processes.device)
        self.shared = share(Objective(model, settings.tasks, self.loss), self.compute, processes)
        self.optimizer = build_optimizer(model, self.optim)
        self.precision = Precision(self.compute.dtype, processes.device)
        self.means = RunningMeans()
        self.losses: list[float] = []

    def weights(self) -> dict[str, Tensor]:
        """Whole weights with their published names, adapters added in; meant for the first process, called by all."""
        weights = gather_weights(self.model)
        return merged(weights, self.lora) if self.lora.rank and weights else weights

    def whole(self) -> Rudolph | None:
        """Return the network with whole weights in float32, which runs in one process alone; None on all but the first.

        All processes must call. Where weights are sharded it is a copy, so that what it computes does not depend on
        how the training shares them, nor on what it computes in.
        """
        if not is_sharded(self.model):
            return self.model if self.processes.is_first else None
        weights = whole_state(self.model, self.processes)
        if not self.processes.is_first:
            return None
        with torch.device("meta"):
            copy = Rudolph(self.model.config)
            if self.lora.rank:
                add_adapters(copy, self.lora)
        copy.load_state_dict(weights, assign=True)
        return copy

    def state(self, step: int, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        """What else the run needs to go on behind `step`; meant for the first process, called by all."""
        return {
            "step": step,
            "fingerprint": dict(fingerprint),
            "optimizer": gather_optimizer(self.model, self.optimizer),
            "scaler": self.precision.scaler.state_dict(),
            "means": self.means.state(),
            "losses": list(self.losses),
            "adapters": adapters_of(gather_weights(self.model)) if self.lora.rank else {},
        }

    def restore(self, checkpoint: Path, fingerprint: Mapping[str, Any]) -> int:
        """Go back to a checkpoint, which the first process reads; return its step.

        Raises `CheckpointError` and `WeightsFormatError`; see `read_checkpoint`.
        """
        weights: dict[str, Tensor] = {}
        state: dict[str, Any] = {}
        if self.processes.is_first:
            weights, state = read_checkpoint(checkpoint, fingerprint)
        if self.lora.rank:  # the weights beside the adapters are those that the run began with
            scatter_weights(self.model, state.get("adapters", {}), self.processes, strict=False)
            _require_same(weights, gather_weights(self.model), checkpoint)
        else:
            scatter_weights(self.model, weights, self.processes)
        scatter_optimizer(self.model, self.optimizer, state.get("optimizer", {}), self.processes)
        # The first process has them; older checkpoints have none.
        self.means.restore(state.get("means", {}))
        self.losses = list(state.get("losses", []))
        step, scaler = self.processes.from_first((state.get("step"), state.get("scaler")))
        self.precision.scaler.load_state_dict(scaler)
        return int(step)


def _require_same(saved: Mapping[str, Tensor], started: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Raise `CheckpointError` if adapters would stand beside other weights than before: those without any tell."""
    changed = [name for name, tensor in saved.items() if name in started and not tensor.equal(started[name])]
    if changed:
        raise CheckpointError(
            f"its adapters belong to other weights than those that this run starts from ({changed[0]} differs)",
            "set `weights` or `model.start` to what they were, or choose another `output` folder",
            where=str(checkpoint),
        )
