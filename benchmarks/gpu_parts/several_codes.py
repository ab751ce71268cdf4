"""Several codes of a picture a pass: what the bundled network draws so, and what a pass of the 2.7B costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks import windows as ways
from benchmarks.gpu_parts.inference import bench_of, network
from benchmarks.gpu_parts.parts import Setting


def windows(setting: Setting) -> Iterator[dict[str, Any]]:
    """Whole pictures by window (auto among them) beside one by one, then passes beside a step, each by batch."""
    device, clock = torch.device(setting.device), clock_of(setting)
    batches, widths, repeats = ((1, 2), (2,), 1) if setting.tiny else ((1, 16, 64), (1, 2, 4, 8), 3)
    has_weights = (ways.WEIGHTS / "rudolph").is_dir()
    if not has_weights:
        yield {"whole pictures are left out": f"there are no weights in {ways.WEIGHTS}"}
    for batch in batches if has_weights else ():
        yield from ways.pictures([batch], widths, ["tuned"], repeats, clock, device)
    model = network(setting, bench_of(setting))
    for batch in batches:  # one at a time, so that what does not fit loses the larger ones alone
        yield from ways.passes(model, [batch], widths, ways.SAMPLINGS["published"], 2 * repeats, clock)


def clock_of(setting: Setting) -> Callable[[], float]:
    """Seconds on the wall; of a GPU when it has done all it was given."""

    def clock() -> float:
        if setting.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    return clock
