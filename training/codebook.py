"""A codebook kept by moving averages, and its exact translation into the VQGAN's classifier."""

from __future__ import annotations

import torch
from torch import Tensor

from models.vqgan import VQGAN

MIN_COUNT = 1e-3


class MovingAverageCodebook:
    """Vector quantisation whose codes are moving averages of the latents they stand for.

    van den Oord et al., "Neural Discrete Representation Learning", arXiv:1711.00937, appendix A.1.
    """

    def __init__(self, vectors: Tensor, decay: float = 0.97, dead_below: float = 0.15) -> None:
        """`vectors` [n_embed, dim]; a code is dead if its moving count of latents an update is under `dead_below`."""
        self.vectors = vectors.detach().clone().float()
        self._sums = self.vectors.clone()  # [n_embed, dim]
        self._counts = torch.ones(len(vectors))
        self._decay = decay
        self._dead_below = dead_below

    @classmethod
    def from_latents(cls, latents: Tensor, size: int, generator: torch.Generator) -> MovingAverageCodebook:
        """Start at `size` of the latents [m, dim], drawn at random; m must be at least `size`."""
        if len(latents) < size:
            raise ValueError(f"{size} codes need at least as many latents, got {len(latents)}: use larger batches")
        return cls(latents[torch.randperm(len(latents), generator=generator)[:size]])

    def nearest(self, latents: Tensor) -> Tensor:
        """Codes of the nearest vectors: [m, dim] -> int64 [m]."""
        # |z - e|^2 less |z|^2, which is the same for every code
        return (self.vectors.square().sum(1) - 2 * latents @ self.vectors.T).argmin(1)

    def update(self, latents: Tensor, codes: Tensor, generator: torch.Generator | None) -> None:
        """Move towards `latents` [m, dim] coded as `codes` [m]; with a generator, also restart dead codes.

        A dead code restarts on a latent drawn in proportion to its squared error: there the codebook is poorest.
        """
        size = len(self.vectors)
        errors = (latents - self.vectors[codes]).square().sum(1)
        counts = torch.bincount(codes, minlength=size).float()
        sums = torch.zeros_like(self._sums).index_add_(0, codes, latents)
        self._counts.lerp_(counts, 1 - self._decay)
        self._sums.lerp_(sums, 1 - self._decay)
        self.vectors = self._sums / self._counts.clamp_min(MIN_COUNT).unsqueeze(1)
        if generator is None:
            return
        dead = (self._counts < self._dead_below).nonzero().squeeze(1)[: len(latents)]
        if len(dead):
            chosen = torch.multinomial(errors + 1e-6, len(dead), generator=generator)
            self.vectors[dead] = latents[chosen]
            self._sums[dead] = latents[chosen]
            self._counts[dead] = 1.0


@torch.no_grad()
def export_codebook(vectors: Tensor, network: VQGAN) -> None:
    """Write a codebook [n_embed, dim] into `network` so that its most probable code is the nearest vector.

    2 e.z - |e|^2 = |z|^2 - |z - e|^2, so a 1x1 convolution of weight 2e and bias -|e|^2 ranks by distance. Vectors are
    rounded to half precision first: stored so, they and their doubles stay exact (the bias needs single precision).
    """
    rounded = vectors.half().float()
    network.quantize.embed.weight.copy_(rounded)
    network.quantize.proj.weight.copy_(2 * rounded[:, :, None, None])
    assert network.quantize.proj.bias is not None
    network.quantize.proj.bias.copy_(-rounded.square().sum(1))
