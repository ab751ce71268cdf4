"""Which parameters stay as they are, by the groups of the published trainer."""

from __future__ import annotations

from torch import nn

from training.tune.settings import FreezeSettings


def group_of(name: str) -> str:
    """Group of a parameter, a field of `FreezeSettings`, from its name; the first that fits, in the published order.

    The published trainer looks for `attn`, which is in no parameter's name: there the attention is frozen with the
    rest. Here it is a group of its own, and `rest` is the output layer with its norm.
    """
    if "norm" in name:
        return "norms"
    if "embeddings" in name:
        return "embeddings"
    if ".mlp." in name:
        return "feed_forward"
    if ".attention." in name:
        return "attention"
    return "rest"


def freeze(model: nn.Module, settings: FreezeSettings) -> None:
    """Exclude the parameters of the chosen groups from training."""
    for name, parameter in model.named_parameters():
        if getattr(settings, group_of(name)):
            parameter.requires_grad_(False)
