"""`OUTPUT/compute.json`: how a session of a training computes, and what it could not do as it was asked or hoped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from contest.console import say
from contest.writing import write_json
from models.rudolph.step_graphs import StepGraphs
from training.tune.attention_choice import AttentionChoice
from training.tune.memory_estimate import TrainingNeed

FILE = "compute.json"


@dataclass
class ComputeNote:
    """What is written; `memory` is the count for a GPU, None elsewhere, `graphs` what repeats steps at validations."""

    output: Path
    device: torch.device
    attention: AttentionChoice
    memory: TrainingNeed | None
    graphs: StepGraphs
    _told: str = ""

    def write(self) -> None:
        """Write it as it stands now, and say once if no graph could be captured. Raises what `write_json` does."""
        problem = self.graphs.problem
        if problem and not self._told:
            say(f"training tune: no CUDA graphs at validations, steps are launched one by one: {problem}")
        self._told = problem
        memory = self.memory and {**self.memory.always, **self.memory.widest, "together": self.memory.bytes}
        graphs = {"steps": self.graphs.replayed, "problem": problem}
        note = {"device": str(self.device), "attention": asdict(self.attention), "bytes_counted": memory}
        write_json(self.output / FILE, {**note, "cuda_graphs": graphs}, indent=1)
