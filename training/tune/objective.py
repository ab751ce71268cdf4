"""The loss of a mixed batch in one forward pass: every token weighed, each output head only where it is needed.

Equal to the weighted sum, over tasks, of `Rudolph.loss` on that task's rows alone, in both of its modes; also where the
batch is run in several parts, or by several processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import PAD
from training.tune.chunked_entropy import chunked_entropy
from training.tune.data.batches import Batch
from training.tune.settings import TaskSettings

SEGMENTS = ("left", "image", "right")
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Targets:
    """For each position `[batch, n]`: the id to predict, within its own table, and the segment (0, 1, 2; -1: none)."""

    ids: Tensor
    segment: Tensor


@dataclass(frozen=True)
class Totals:
    """What the weight of a token depends on, of the whole batch of a step, over all its parts and processes.

    `counts` `[tasks, 3]`: trained tokens of each segment. `weights` `[tasks, 3]`: segment weights. `passes`
    `[parts, 2]`: whether any process has, in that part, rows of which only the left text is trained, and other rows.
    All lie on the CPU.
    """

    counts: Tensor
    weights: Tensor
    passes: Tensor


def targets_of(config: Config, ids: Tensor, left: Tensor, loss: str = "corrected") -> Targets:
    """Say what each position predicts: left text the next left id, the last left position and the image the next image
    code, right text the next right id unless it is padding. `left`: left ids with padding replaced `[batch, L]`.

    With the `published` loss the last left position predicts the first image code among the text ids.
    """
    n, length, prefix = ids.shape[1], config.l_text_seq_length, config.prefix_length
    following = torch.cat((left[:, 1:], ids[:, length:], torch.zeros_like(ids[:, :1])), dim=1)  # [batch, n]
    segment = torch.full_like(ids, -1)
    image = length if loss == "published" else length - 1
    segment[:, :image] = 0
    segment[:, image : prefix - 1] = 1
    if n > prefix:
        segment[:, prefix : n - 1] = torch.where(ids[:, prefix + 1 :] == PAD, -1, 2)
    return Targets(following, segment)


def _trains_left_only(batch: Batch) -> Tensor:
    return (batch.weights[:, 1:] == 0).all(1)  # [batch]


def _in_segments(targets: Targets, values: Tensor) -> Tensor:
    """For each position the value of its segment, 0 where it has none: values `[batch, 3]` -> `[batch, n]`."""
    return values.gather(1, targets.segment.clamp_min(0)) * (targets.segment >= 0)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Put a tensor of the CPU on a device without waiting for what that is doing: from pinned memory a GPU need not."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)


def totals_of(model: Rudolph, parts: list[Batch], loss: str = "corrected") -> Totals:
    """Totals of this process's batch, given in its parts."""
    tasks = len(parts[0].names)
    counts = torch.zeros(tasks * 3)
    weights = torch.zeros(tasks, 3)
    passes = torch.zeros(len(parts), 2, dtype=torch.bool)
    for index, part in enumerate(parts):
        left = model.left_ids(part.ids[:, : model.config.l_text_seq_length])
        targets = targets_of(model.config, part.ids, left, loss)
        counted = _in_segments(targets, part.weights) > 0
        counts += (part.task[:, None] * 3 + targets.segment)[counted].bincount(minlength=tasks * 3)
        weights.scatter_reduce_(0, part.task[:, None].expand(-1, 3), part.weights, "amax")
        left_only = _trains_left_only(part)
        passes[index] = torch.stack((left_only.any(), (~left_only).any()))
    return Totals(counts.view(tasks, 3), weights, passes)


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Cut a batch into so many parts of nearly equal numbers of rows, in order; late ones may have none."""
    pieces = zip(*(tensor.tensor_split(parts) for tensor in (batch.ids, batch.weights, batch.task)), strict=True)
    return [replace(batch, ids=ids, weights=weights, task=task) for ids, weights, task in pieces]


class Objective(nn.Module):
    """The network and its loss as one module: what shares the work among processes sees one forward pass."""

    def __init__(self, model: Rudolph, tasks: Mapping[str, TaskSettings], loss: str = "corrected") -> None:
        super().__init__()
        self.model = model
        self.tasks = tasks
        self.loss = loss

    def forward(self, batch: Batch, totals: Totals, part: int = 0) -> tuple[Tensor, Tensor]:
        """Loss of part `part` of a step's batch: the parts' losses, over all processes, sum up to the step's.

        Returns it with the sums of the cross-entropies of the trained tokens `[tasks, 3]`. The weight of a token is
        task weight x segment weight / sum of the task's segment weights / number of such tokens in the whole batch.
        `batch` and `totals` lie on the CPU, where it is decided what to compute; only what that takes goes to the
        network's device, which nothing here waits for.
        """
        config, device = self.model.config, self.model.text_embeddings.weight.device
        left = self.model.left_ids(batch.ids[:, : config.l_text_seq_length])
        targets = targets_of(config, batch.ids, left, self.loss)
        task_weights = torch.tensor([self.tasks[name].weight for name in batch.names])
        share = task_weights / totals.weights.sum(1).clamp_min(TINY)  # [tasks]
        of_row = batch.weights * share[batch.task, None] / totals.counts[batch.task].clamp_min(1)  # [batch, 3]
        weights = _in_segments(targets, of_row)  # [batch, n]
        counted = _in_segments(targets, batch.weights) > 0
        # Rows of which only the left text is trained need no more than it, as attention is causal.
        short = _trains_left_only(batch)
        loss = torch.zeros((), device=device)
        chosen: list[tuple[Tensor, Tensor]] = []  # of each pass: hidden states, and their places in the batch
        longest = 0
        for rows, wanted, length in (
            (short, bool(totals.passes[part, 0]), config.l_text_seq_length),
            (~short, bool(totals.passes[part, 1]), batch.ids.shape[1]),
        ):
            if not wanted:
                continue
            longest = length
            if not bool(rows.any()):  # another process has such rows, and both must make the same passes
                nothing = torch.zeros(1, length, dtype=torch.int64, device=device)
                loss = loss + self.model.hidden(nothing).sum() * 0.0
                continue
            hidden = self.model.hidden(_sent(batch.ids[rows, :length], device))  # [rows, length, hidden]
            trained = counted[rows, :length].flatten().nonzero()[:, 0]
            if not len(trained):
                loss = loss + hidden[:0].sum()  # 0, but with gradients: of zeros, as other processes may have more
                continue
            places = torch.arange(counted.numel()).view_as(counted)[rows, :length].flatten()[trained]
            chosen.append((hidden.flatten(0, 1).index_select(0, _sent(trained, device)), places))
        loss = loss + self._untouched(longest, bool(chosen))
        sums = torch.zeros(len(batch.names) * 3, device=device)
        if not chosen:
            return loss, sums.view(-1, 3)
        states, places = (torch.cat(parts) for parts in zip(*chosen, strict=True))
        segment = targets.segment.flatten()[places]
        # By the segments' weights: tokens of a task with weight 0 have their entropies told all the same.
        order = (segment == 1).to(torch.int8).argsort(stable=True)  # text, then image
        states, places, segment = states.index_select(0, _sent(order, device)), places[order], segment[order]
        text = int((segment != 1).sum())
        norm, linear = self.model.to_logits
        assert isinstance(linear, nn.Linear)
        own, entropies = chunked_entropy(
            norm(states).float(),
            linear.weight,
            linear.bias,
            _sent(targets.ids.flatten()[places], device),
            _sent(weights.flatten()[places], device),
            tables=((self.model.text_rows, slice(0, text)), (self.model.image_rows, slice(text, len(places)))),
        )
        task = batch.task[:, None].expand_as(counted).flatten()[places]
        sums.index_add_(0, _sent(task * 3 + segment, device), entropies)
        return loss + own, sums.view(-1, 3)

    def _untouched(self, longest: int, scored: bool) -> Tensor:
        """0, depending on every parameter outside the layers that sequences of `longest` tokens, of which some are
        `scored`, do not: it still gets a gradient, of zeros, so that it is the same with any number of processes, which
        add up their gradients one by one. Only those, as each one costs a pass over its table."""
        touched: list[nn.Module] = [self.model.transformer.layers, *self.model.embedding_tables(longest)]
        touched += [self.model.transformer.final_layernorm] if longest else []
        touched += [self.model.to_logits] if scored else []
        known = {id(parameter) for module in touched for parameter in module.parameters()}
        others = [p for p in self.model.parameters() if id(p) not in known and p.requires_grad]
        device = self.model.text_embeddings.weight.device
        return torch.stack([torch.zeros((), device=device), *(p.flatten()[:0].sum() for p in others)]).sum()


def means_of(batch: Batch, totals: Totals, sums: Tensor) -> dict[str, dict[str, float]]:
    """Mean cross-entropy of each task's trained segments, from the sums over all parts and processes `[tasks, 3]`."""
    means = (sums / totals.counts.clamp_min(1)).tolist()
    counted = (totals.counts > 0).tolist()
    return {
        name: {segment: means[index][k] for k, segment in enumerate(SEGMENTS) if counted[index][k]}
        for index, name in enumerate(batch.names)
    }
