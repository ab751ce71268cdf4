"""What the memory plan says of every published size: weights, a sample's bytes, how many fit. Nothing is measured.

    python benchmarks/planned_memory.py    # the table of the README, in Markdown

Half precision on a GPU, nothing else on the card: from its size go 0.6 GB for CUDA, the weights and the VQGAN; of the
rest a tenth is kept back, and, where that leaves half or more, the weights again: what overflows is computed in
bfloat16. A batch holds 256 samples at most. On a CPU the weights are float32, twice as large.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from models.rudolph import SIZES
from models.rudolph.memory_plan import GPU, answering, drawing, plan, weight_bytes
from submission.planning import rescue_bytes

CARDS = (8, 24, 80)  # GiB
CUDA, VQGAN = 600_000_000, 280_000_000  # bytes; VQGAN: of the published dimensions, in float32
MANY = 10**9  # samples, so that no batch is small because there are few


def rows() -> Iterator[tuple[str, ...]]:
    """One row a size; sizes of the same dimensions share one."""
    names: dict[str, list[str]] = {}
    for name, config in SIZES.items():
        names.setdefault(repr(config), []).append(name)
    for same in names.values():
        config, dtype = SIZES[same[0]], torch.float16
        weights = weight_bytes(config, dtype)
        needs = [answering(config, dtype, MANY), drawing(config, dtype, MANY)]
        batches = []
        for card in CARDS:
            free = card * 2**30 - CUDA - VQGAN - weights
            planned = plan(free, needs, GPU, weights=rescue_bytes(config, dtype, int(free * GPU.share)))
            fits = all(phase.fits for phase in planned.phases)
            batches.append(" / ".join(str(phase.batch) for phase in planned.phases) if fits else "does not fit")
        sizes = (f"{weights / 1e9:.2f}", *(f"{need.bytes(1) / 1e6:.0f}" for need in needs))
        layout = f"{config.l_text_seq_length} + {config.image_tokens_per_dim}² + {config.r_text_seq_length}"
        yield (", ".join(same), f"{config.num_layers} x {config.hidden_size}", layout, *sizes, *batches)


def main() -> None:
    """Print the table."""
    cards = (f"{card} GiB" for card in CARDS)
    head = ("size", "layers x hidden", "left + image + right", "weights, GB", "answering, MB", "drawing, MB", *cards)
    for row in (head, ("---",) * len(head), *rows()):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
