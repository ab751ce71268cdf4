"""How a training's attention is computed: chosen once, tried before the first step, and told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from contest.console import say
from models.rudolph import Rudolph
from models.rudolph.attention_trial import problem_of
from models.rudolph.piecewise_attention import PiecewiseAttention
from training.tune.precision import DTYPES
from training.tune.settings import ComputeSettings

# Tokens of a whole sequence from which `auto` takes pieces: the 1.3B and the 2.7B. Of a 350M's step attention is hardly
# a tenth, and a dozen launches in place of one cost more than half of that.
PAYS_FROM = 1024


@dataclass(frozen=True)
class AttentionChoice:
    """Which way it is computed (on a CPU always by blocks), and why it is not by pieces where these were wanted."""

    way: Literal["blocks", "dense", "pieces"]
    problem: str = ""


def choose_attention(model: Rudolph, compute: ComputeSettings, device: torch.device) -> AttentionChoice:
    """Choose, and have the model compute so. Pieces that fail their trial are said to, and not taken."""
    if device.type == "cpu":
        if compute.attention != "auto" and compute.device == "auto":
            say(f"training tune: compute.attention: {compute.attention} has no effect, as no GPU was found")
        return AttentionChoice("blocks")
    config = model.config
    wanted = compute.attention == "pieces" or (compute.attention == "auto" and config.total_seq_length >= PAYS_FROM)
    if not wanted:
        return AttentionChoice("dense")
    pieces = PiecewiseAttention(config)
    problem = problem_of(pieces, device, DTYPES[compute.dtype], dropout=config.attention_dropout_prob > 0)
    if problem:
        say(f"training tune: attention by pieces is not right on {device}, its dense form is taken: {problem}")
        return AttentionChoice("dense", problem)
    model.transformer.piecewise = pieces
    return AttentionChoice("pieces")
