"""A bar of a network's passes, shown in a terminal only: what takes long is one pass after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from tqdm import tqdm

from contest.console import no_bar, say
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import SparseDecoder


@contextmanager
def passes_shown(
    network: SparseDecoder, label: str, total: int | None, graphs: StepGraphs | None = None
) -> Iterator[None]:
    """Show how many passes of the network's layers are done, of `total` if that is known; also those by `graphs`, of
    which it is said behind them if none can be captured: once, not behind later passes too."""
    known = "" if graphs is None else graphs.problem
    with tqdm(total=total, desc=label, unit="pass", disable=no_bar(), leave=False) as bar:

        def count(module: nn.Module, given: object, found: object) -> None:
            bar.update()

        handle = network.transformer.register_forward_hook(count)
        if graphs is not None:
            graphs.on_replay = bar.update
        try:
            yield
        finally:
            handle.remove()
            if graphs is not None:
                graphs.on_replay = None
    if graphs is not None and graphs.problem and not known:
        say(f"no CUDA graphs could be made, steps were launched one by one: {graphs.problem}")


def drawing_passes(
    network: SparseDecoder, drafts: int, batch: int, *, guided: bool = False, window: int | None = 1
) -> int | None:
    """Return how many passes drawing and ranking so many pictures take: one a code, and one a picture to rank.

    In windows of several codes nobody knows that before: None.
    """
    if window != 1:
        return None
    together = max(1, batch // 2) if guided else batch
    return -(-drafts // together) * network.config.image_seq_length + -(-drafts // batch)
