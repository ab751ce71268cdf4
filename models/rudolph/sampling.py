"""Samples a token from logits: temperature, top-k, top-p, inverse CDF.

The random numbers of a sample depend on the seed, its id and the step alone, so that neither the size nor the order of
a batch changes what is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST_UNIFORM = 1.0 - 2.0**-24  # largest float32 below 1
# How far other shapes of the same products moved a cumulative probability, and a difference of two logits, at most, in
# epsilons of the precision: 256 draws of the bundled model in float32, float16 and bfloat16, one by one and in windows.
NEAR_MASS, NEAR_LOGITS = 32, 160
# Where a processor computes, NumPy sorts rows of so many logits, of which a certain share is asked for.
FEWEST_SORTED, SHARE_SORTED = 512, 1 / 16


@dataclass(frozen=True)
class Sampling:
    """How to draw: temperature, then the `top_k` likeliest (0: all), then the nucleus of mass `top_p` (1: all).

    `top_k=1` is greedy. Raises ValueError naming the field.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0.0:
            raise ValueError(f"temperature must be positive, not {self.temperature}; for greedy drawing use top_k=1")
        if self.top_k < 0:
            raise ValueError(f"top_k must not be negative (0 keeps every token), not {self.top_k}")
        if not 0.0 <= self.top_p <= 1.0:
            raise ValueError(f"top_p must lie in [0, 1], not {self.top_p}")


def filtered_probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities `[..., n]`, float32, that the filters leave of logits `[..., n]`.

    Top-k keeps every token tied with the k-th. Top-p then keeps the shortest prefix of the sorted tokens whose mass
    exceeds p, the crossing token included (Holtzman et al., The Curious Case of Neural Text Degeneration, 2020); of
    equally probable tokens, lower ids come first.
    """
    scores = logits.float() / sampling.temperature
    n = scores.shape[-1]
    k = sampling.top_k if 0 < sampling.top_k < n else n
    by_numpy = _sorts_by_numpy(scores, k)
    if k < n:
        if by_numpy:
            least = torch.from_numpy(np.partition(scores.detach().numpy(), n - k)[..., [n - k]])
        else:
            likeliest, ids = scores.topk(k, dim=-1)
            least = likeliest[..., -1:]
        scores = scores.masked_fill_(scores < least, float("-inf"))
    probabilities = scores.softmax(-1)
    if sampling.top_p == 1.0:
        return probabilities
    if by_numpy:
        ordered = torch.from_numpy(np.sort(probabilities.detach().numpy())[..., n - k :]).flip(-1)
    elif k < n:
        ordered = probabilities.gather(-1, ids)
    else:
        ordered = probabilities.sort(dim=-1, descending=True).values
    mass = ordered.cumsum(-1)
    in_nucleus = F.pad(mass[..., :-1], (1, 0)) <= sampling.top_p
    crossing = ordered.masked_fill(~in_nucleus, 1.0).amin(-1, keepdim=True)  # the least probability that is kept
    # Tokens of that probability are counted among all, in the order of their ids: some may lie beyond the k likeliest.
    above = mass.masked_fill(ordered <= crossing, 0.0).amax(-1, keepdim=True)
    tied = probabilities == crossing
    masses = F.pad(probabilities * tied, (1, 0))
    masses[..., :1] = above
    mass_before = masses.cumsum(-1)[..., :-1]
    kept = probabilities * ((probabilities > crossing) | (tied & (mass_before <= sampling.top_p)))
    return kept / kept.sum(-1, keepdim=True)


def _sorts_by_numpy(scores: Tensor, k: int) -> bool:
    """Whether NumPy finds the k likeliest: it sorts numbers by vector instructions, torch pairs of numbers and ids
    without, which takes a processor two to seven times as long (but where k are few). A device has its own kernels."""
    n = scores.shape[-1]
    return scores.device.type == "cpu" and n >= FEWEST_SORTED and k > SHARE_SORTED * n


def sample_token(logits: Tensor, sampling: Sampling, uniforms: Tensor) -> Tensor:
    """Draw one index a row by inverse CDF: logits `[batch, n]`, uniforms `[batch]` in [0, 1) -> int64 `[batch]`.

    The CDF runs in the order of the ids, not of the probabilities: rounding then moves a draw only at the edges of its
    interval. In float64 a running sum over a vocabulary cannot step into a filtered token. Never synchronises.
    """
    if sampling.top_k == 1:
        return logits.argmax(-1)
    cumulative, points = _inverse_cdf(logits, sampling, uniforms)
    return _indices(cumulative, points).squeeze(-1)


def sample_token_and_tie(
    logits: Tensor, sampling: Sampling, uniforms: Tensor, precision: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """What `sample_token` draws, and whether rounding could have drawn another: int64 and bool `[batch]`.

    A near-tie: the random number lies within `NEAR_MASS` epsilons of `precision` from an edge of the token's interval;
    in greedy drawing, the second likeliest within `NEAR_LOGITS` epsilons of the first. `precision` is the lowest that
    the logits were computed in; left out, their own. Never synchronises.
    """
    epsilon = torch.finfo(precision or logits.dtype).eps
    if sampling.top_k == 1:
        first, second = logits.float().topk(2, dim=-1).values.unbind(-1)
        return logits.argmax(-1), first - second <= NEAR_LOGITS * epsilon
    cumulative, points = _inverse_cdf(logits, sampling, uniforms)
    near = torch.linspace(-NEAR_MASS * epsilon, NEAR_MASS * epsilon, 3, dtype=points.dtype, device=points.device)
    last = cumulative[:, -1:] * LARGEST_UNIFORM
    below, drawn, above = _indices(cumulative, (points + near).clamp(min=0.0).minimum(last)).unbind(-1)
    return drawn, below != above


def _inverse_cdf(logits: Tensor, sampling: Sampling, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Running sums `[batch, n]` of the probabilities, and each row's point `[batch, 1]` among them; both float64."""
    cumulative = filtered_probabilities(logits, sampling).cumsum(-1, dtype=torch.float64)
    return cumulative, uniforms.double().clamp(0.0, LARGEST_UNIFORM)[:, None] * cumulative[:, -1:]


def _indices(cumulative: Tensor, points: Tensor) -> Tensor:
    return torch.searchsorted(cumulative, points, right=True).clamp(max=cumulative.shape[-1] - 1)


def count_not_finite(logits: Tensor) -> Tensor:
    """How many logits of each row are infinite or undefined: `[..., n]` -> int64 `[...]`. Never synchronises.

    An overflow in a layer shows here, as norms make a row with an infinity undefined; but for one in attention's
    output, which the published clamp makes finite.
    """
    return (logits - logits != 0).sum(-1)  # a finite number less itself is 0, any other is undefined


def uniforms(seed: int, sample_ids: Sequence[str], stream: str, steps: int) -> Tensor:
    """Random numbers in [0, 1) for each sample and step: float32 `[batch, steps]`, on the CPU.

    A row depends on (seed, stream, sample id) alone, and fewer steps are a prefix of more. `stream` keeps independent
    uses apart, such as text and image. Counter-based: Philox (Salmon et al., 2011) under a key made with SHA-256.
    """
    numbers = np.empty((len(sample_ids), steps), dtype=np.float32)
    for row, sample_id in zip(numbers, sample_ids, strict=True):
        digest = hashlib.sha256("\0".join((str(seed), stream, sample_id)).encode()).digest()
        key = np.frombuffer(digest[:16], dtype="<u8")
        row[:] = np.random.Generator(np.random.Philox(key=key)).random(steps, dtype=np.float32)
    return torch.from_numpy(numbers)
