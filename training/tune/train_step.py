"""One step of a training: forward and backward passes over the parts of a batch, clipping, the optimiser's step."""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor

from training.tune.data.batches import Batch
from training.tune.distributed import adds_up_later, clip_gradients
from training.tune.objective import Totals, means_of, split_batch, totals_of
from training.tune.optimizers import set_rate
from training.tune.schedule import learning_rate
from training.tune.training_state import TrainState

ODD = 1_000_003  # seeds of steps: far apart for neighbouring seeds of runs
FAR = 2**40  # and of processes


def train_step(state: TrainState, step: int, batch: Batch) -> dict[str, float]:
    """Make a step (0-based) with this process's rows of its batch; return what `Callback.on_step` is given of it.

    The same step, from the same state, is the same to the last digit. Raises `FloatingPointError` on every process when
    the loss or the gradient is not finite; the weights are then those before the step.
    """
    processes = state.processes
    rate = learning_rate(step, state.steps, state.optim)
    set_rate(state.optimizer, rate)
    # Dropout must draw the same numbers whether or not the run was interrupted.
    torch.manual_seed(state.seed * ODD + step + processes.rank * FAR)
    parts = split_batch(batch, state.compute.accumulate)
    totals = _totals(state, parts)
    state.optimizer.zero_grad(set_to_none=True)
    loss, sums = _passes(state, parts, totals)
    counts = torch.tensor([batch.ids.shape[0], batch.ids.numel()], device=loss.device)
    summed = processes.sum(torch.cat((loss[None].double(), sums.flatten().double(), counts)))
    total = float(summed[0])
    if not math.isfinite(total):
        raise FloatingPointError(f"the loss is {total}; {state.precision.remedy}")
    state.precision.unscale(state.optimizer)
    norm = clip_gradients(state.model, state.optim.clip)
    state.precision.step(state.optimizer, norm)
    values = {"loss": total, "rate": rate, "gradient_norm": norm}
    values |= {"samples": float(summed[-2]), "tokens": float(summed[-1])}
    means = means_of(batch, totals, summed[1:-2].view(-1, 3))
    for task, segments in means.items():
        values |= {f"{task}.{segment}": value for segment, value in segments.items()}
    return values


def _totals(state: TrainState, parts: list[Batch]) -> Totals:
    own, processes = totals_of(state.model, parts, state.loss), state.processes
    if processes.world == 1:
        return own
    counts = processes.sum(own.counts)
    largest = processes.max(torch.cat((own.weights.flatten(), own.passes.flatten().float())))
    weights, passes = largest[: own.weights.numel()], largest[own.weights.numel() :]
    return Totals(counts, weights.view_as(own.weights), passes.view_as(own.passes) > 0)


def _passes(state: TrainState, parts: list[Batch], totals: Totals) -> tuple[Tensor, Tensor]:
    """Run all parts forward and backward: this process's share of the loss, and of the sums `[tasks, 3]`."""
    device = state.processes.device
    loss, sums = torch.zeros((), device=device), torch.zeros(totals.counts.shape, device=device)
    # Parts without rows on any process make no pass: there would be nothing to run backwards.
    made = totals.passes.any(1).nonzero()[:, 0].tolist()
    for index in made:
        # The processes' gradients are averaged, but their losses are parts of one sum.
        with adds_up_later(state.shared) if index != made[-1] else nullcontext():
            with state.precision.autocast():
                own, own_sums = state.shared(parts[index], totals, index)
            state.precision.backward(own * state.processes.world)
        loss, sums = loss + own.detach(), sums + own_sums
    return loss, sums
