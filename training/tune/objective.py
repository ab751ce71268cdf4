"""The loss of a mixed batch in one forward pass: every token weighed, each output head only where it is needed.

Equal to the weighted sum, over tasks, of `Rudolph.loss(mode="corrected")` on that task's rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import PAD
from training.tune.batches import Batch
from training.tune.settings import TaskSettings

SEGMENTS = ("left", "image", "right")


@dataclass(frozen=True)
class Targets:
    """For each position `[batch, n]`: the id to predict, within its own table, and the segment (0, 1, 2; -1: none)."""

    ids: Tensor
    segment: Tensor


def targets_of(config: Config, ids: Tensor, left: Tensor) -> Targets:
    """Say what each position predicts: left text the next left id, the last left position and the image the next image
    code, right text the next right id unless it is padding. `left`: left ids with padding replaced `[batch, L]`."""
    n, length, prefix = ids.shape[1], config.l_text_seq_length, config.prefix_length
    following = torch.cat((left[:, 1:], ids[:, length:], torch.zeros_like(ids[:, :1])), dim=1)  # [batch, n]
    segment = torch.full_like(ids, -1)
    segment[:, : length - 1] = 0
    segment[:, length - 1 : prefix - 1] = 1
    if n > prefix:
        segment[:, prefix : n - 1] = torch.where(ids[:, prefix + 1 :] == PAD, -1, 2)
    return Targets(following, segment)


def token_weights(batch: Batch, targets: Targets, tasks: Mapping[str, TaskSettings]) -> Tensor:
    """Weight of each position's cross-entropy `[batch, n]`.

    task weight x segment weight / sum of the segment weights / number of counted tokens of that segment in that task.
    """
    weights = torch.zeros(targets.segment.shape)
    for index, name in enumerate(batch.names):
        rows = (batch.task == index).nonzero()[:, 0]
        if not len(rows):
            continue
        segment, given = targets.segment[rows], batch.weights[rows[0]]
        total = float(given.sum())
        for which in range(3):
            counted = segment == which
            number = int(counted.sum())
            if number and given[which]:
                share = tasks[name].weight * float(given[which]) / total / number
                weights[rows] += counted * share
    return weights


def objective(
    model: Rudolph, batch: Batch, tasks: Mapping[str, TaskSettings]
) -> tuple[Tensor, dict[str, dict[str, float]]]:
    """Loss of a mixed batch, and for reading the unweighted mean cross-entropy of each task's trained segments."""
    config = model.config
    targets = targets_of(config, batch.ids, model.left_ids(batch.ids[:, : config.l_text_seq_length]))
    weights = token_weights(batch, targets, tasks)
    hidden = model.hidden(batch.ids)  # [batch, n, hidden]
    loss = hidden.new_zeros((), dtype=torch.float32)
    losses = torch.zeros(weights.shape)
    for rows, image in ((model.text_rows, False), (model.image_rows, True)):
        chosen = (weights > 0) & ((targets.segment == 1) == image)
        if not bool(chosen.any()):
            continue
        logits = model.head(hidden[chosen], rows).float()  # [tokens, rows]
        entropy = F.cross_entropy(logits, targets.ids[chosen], reduction="none")
        loss = loss + (entropy * weights[chosen]).sum()
        losses[chosen] = entropy.detach()
    means: dict[str, dict[str, float]] = {}
    for index, name in enumerate(batch.names):
        of_task = (batch.task == index)[:, None] & (weights > 0)
        means[name] = {
            segment: float(losses[of_task & (targets.segment == which)].mean())
            for which, segment in enumerate(SEGMENTS)
            if bool((of_task & (targets.segment == which)).any())
        }
    return loss, means
