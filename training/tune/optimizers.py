"""The optimiser of a run: AdamW, or the same with 8-bit state; norms and biases are not decayed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from training.tune.errors import SettingsError
from training.tune.settings import OptimSettings


def build_optimizer(model: nn.Module, settings: OptimSettings) -> torch.optim.Optimizer:
    """Return the optimiser of the model's trained parameters.

    Raises `SettingsError` if nothing is trained, or if bitsandbytes, which `adamw8bit` needs, is not there.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise SettingsError("freeze: leaves nothing to train")
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    vectors = [parameter for parameter in trained if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return _maker(settings)(
        [group for group in groups if group["params"]], settings.learning_rate, (settings.beta1, settings.beta2)
    )


def _maker(settings: OptimSettings) -> Any:
    if settings.name == "adamw":  # fused: one pass over weights and states, and no temporaries of the weights' size
        return partial(torch.optim.AdamW, fused=True)
    try:
        import bitsandbytes
    except ImportError as error:
        raise SettingsError(
            f"optim.name: adamw8bit needs bitsandbytes ({error}); pip install -r requirements-tune.txt, or use adamw"
        ) from error
    return bitsandbytes.optim.AdamW8bit


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def named_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """State of the optimiser by the parameters' names, as torch.distributed.checkpoint has it: `state`, `param_groups`.

    Unlike torch's own, it does not depend on the order of the parameters, nor on how they are shared among processes.
    """
    names = _names(model, optimizer)
    state = optimizer.state_dict()
    return {
        "state": {names[index]: of_parameter for index, of_parameter in state["state"].items()},
        "param_groups": [{**g, "params": [names[index] for index in g["params"]]} for g in state["param_groups"]],
    }


def load_named_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give the optimiser a state by names. Raises `ValueError` when it is the state of other parameters."""
    index = {name: place for place, name in _names(model, optimizer).items()}
    if set(index) != {name for group in state["param_groups"] for name in group["params"]}:
        raise ValueError("the optimiser's state is that of other parameters")
    optimizer.load_state_dict(
        {
            "state": {index[name]: of_parameter for name, of_parameter in state["state"].items()},
            "param_groups": [{**g, "params": [index[name] for name in g["params"]]} for g in state["param_groups"]],
        }
    )


def _names(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[int, str]:
    """Place of a parameter in the optimiser -> its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parameters: Iterable[nn.Parameter] = (p for group in optimizer.param_groups for p in group["params"])
    return {place: names[id(parameter)] for place, parameter in enumerate(parameters)}
