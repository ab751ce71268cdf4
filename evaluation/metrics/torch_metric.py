"""Makes a torchmetrics.Metric of a task's metric. Scoring needs none, and so does not wait for torch to load."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric

from evaluation.metrics.base import ScoredSample, TaskMetric
from evaluation.metrics.cases import Case


class TorchMetric(Metric):
    """A task's score as torchmetrics has it: `update`, `forward`, `compute`, `reset`, and gathering over processes.

    Args:
        metric: scores the samples; it is not changed.
        kwargs: those of torchmetrics.Metric.

    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    samples: list[ScoredSample]

    def __init__(self, metric: TaskMetric, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # In a tuple, as torch would otherwise take the networks' weights for this module's own.
        self._metrics = (metric,)
        self.add_state("samples", default=[], dist_reduce_fx=None)

    def scorer(self) -> TaskMetric:
        """Return the task's metric with the samples so far, for all else that it tells of them."""
        metric = copy.copy(self._metrics[0])
        metric.samples = list(self.samples)
        return metric

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases; `indices` are their places in the ground truth."""
        metric = self.scorer()
        metric.update(cases, indices)
        self.samples = metric.samples

    def compute(self) -> Tensor:
        """Return the task's score as a float64 scalar. Raises NothingToScoreError without samples."""
        return torch.tensor(self.scorer().result().score, dtype=torch.float64, device=self.device)

    def _sync_dist(self, dist_sync_fn: object = None, process_group: Any = None) -> None:
        """Gather the samples of all processes as objects: texts do not travel as tensors."""
        gathered: list[Any] = [None] * dist.get_world_size(process_group)
        dist.all_gather_object(gathered, self.samples, group=process_group)
        self.samples = list(chain.from_iterable(gathered))
