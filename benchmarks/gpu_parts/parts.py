"""Which parts there are, in the order of what they are worth, and how the time is divided among them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What a part runs on: `cuda` or `cpu`, and whether with networks so small that it only shows that it runs."""

    device: str
    tiny: bool

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU computes."""
        return self.device.startswith("cuda")


@dataclass(frozen=True)
class Part:
    """A part: its name, the module and function that make its rows, and its share of eight minutes in seconds."""

    name: str
    module: str
    function: str
    share: float

    def rows(self, setting: Setting) -> Iterator[dict[str, Any]]:
        """Import what the part needs, and compute its rows one by one."""
        if setting.on_gpu:
            import torch

            from models.gpu_settings import prepare_gpu

            prepare_gpu(torch.device("cuda", 0))
        made: Iterator[dict[str, Any]] = getattr(
            importlib.import_module(f"benchmarks.gpu_parts.{self.module}"), self.function
        )(setting)
        yield from made


PARTS = (
    Part("versions", "kernels", "versions", 20),
    Part("parity", "parity", "parity", 35),
    Part("same_for_any_batch", "parity", "same_for_any_batch", 35),
    Part("synchronisations", "parity", "synchronisations", 15),
    Part("demo", "demo", "demo", 60),
    Part("steps", "inference", "steps", 45),
    Part("end_to_end", "inference", "end_to_end", 75),
    Part("windows", "several_codes", "windows", 45),
    Part("graph", "one_step", "graph", 30),
    Part("training", "training", "training", 45),
    Part("attention", "kernels", "attention", 15),
    Part("training_attention", "training_attention", "training_attention", 20),
    Part("vqgan", "inference", "vqgan", 20),
    Part("prefill", "inference", "prefill", 20),
    Part("compile", "one_step", "compiled", 40),
    Part("profile", "inference", "profile", 20),
)


def seconds_for(part: Part, later: Sequence[Part], left: float) -> float:
    """How long a part may take of the seconds that are left: its share, beside those of all that come later.

    What an earlier part did not take is there for all the others.
    """
    return left * part.share / (part.share + sum(other.share for other in later))
