"""The loop of the small trainings that have one loss: an update a step by a schedule, and a report now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.recipes import DecayedRecipe, Recipe


def decayed_adamw(network: nn.Module, recipe: DecayedRecipe) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices alone."""
    plain = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    matrices = [parameter for parameter in network.parameters() if parameter.dim() >= 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


def train_steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    loss_of_step: Callable[[], Tensor],
    measured: Callable[[], str],
    report: Callable[[str], None],
    after_step: Callable[[], object],
) -> None:
    """Train in place, and leave the network ready for inference.

    Args:
        network: what is trained.
        optimizer: of its parameters.
        recipe: how many steps, at which rates, and how often is reported.
        loss_of_step: draws a batch and returns its loss.
        measured: what a report names beside the mean loss, of the network in inference.
        report: takes a line.
        after_step: called after each update.

    """
    losses, began = list[float](), time.perf_counter()
    network.train()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        loss = loss_of_step()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        after_step()
        if (step + 1) % recipe.report_every == 0 or step + 1 == recipe.steps:
            network.eval()
            values = measured()
            network.train()
            mean = sum(losses) / len(losses)
            report(f"step {step + 1}  {time.perf_counter() - began:.0f} s  loss {mean:.4f}  {values}")
            losses.clear()
    network.eval()
