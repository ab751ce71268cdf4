"""Which parts there are, in the order of what they are worth, and how many seconds each may take at most."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
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
    """A part: its name, the module and function that make its rows, and its cap in seconds."""

    name: str
    module: str
    function: str
    cap: float

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
    Part("versions", "kernels", "versions", 30),
    Part("parity", "parity", "parity", 60),
    Part("same_for_any_batch", "parity", "same_for_any_batch", 45),
    Part("synchronisations", "parity", "synchronisations", 30),
    Part("attention", "kernels", "attention", 40),
    Part("steps", "inference", "steps", 75),
    Part("end_to_end", "inference", "end_to_end", 150),
    Part("training", "training", "training", 90),
    Part("graph", "inference", "graph", 40),
    Part("vqgan", "inference", "vqgan", 40),
    Part("prefill", "inference", "prefill", 40),
    Part("profile", "inference", "profile", 30),
)
