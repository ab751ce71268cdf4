"""Torch's fused attention kernels, called so that they give the logarithm of each query's sum, and take another one's.

`forward` gives the output and that logarithm; `backward` takes those of *all* keys that a query sees, and gives the
gradients of the keys at hand: the kernels recompute each weight as exp(score - logarithm), and need nothing else of the
other keys (Dao et al., FlashAttention, 2022; Liu et al., Ring Attention, 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

aten = torch.ops.aten
Gradients: TypeAlias = tuple[Tensor, Tensor, Tensor]
LOGARITHMS_TOGETHER = 32  # the memory-efficient kernel wants so many, or a multiple


@dataclass(frozen=True)
class Scores:
    """Which scores are made: query, key, value `[batch, heads, n, head_dim]`; all, the causal ones (from the top left
    corner), or with `bias` `[queries, keys]` added; weights are dropped with probability `dropout`."""

    query: Tensor
    key: Tensor
    value: Tensor
    bias: Tensor | None
    causal: bool
    dropout: float

    @property
    def expanded_bias(self) -> Tensor | None:
        """The bias as the kernels want it: `[batch, heads, queries, keys]`, of which nothing is copied."""
        if self.bias is None:
            return None
        return self.bias.expand(*self.query.shape[:2], -1, -1)


class Kernel(Protocol):
    """A kernel: state is what `backward` needs to drop the same weights."""

    def forward(self, scores: Scores) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        """Output as the query, logarithms of sums float32 `[batch, heads, queries]`, and the state."""
        ...

    def backward(
        self, slope: Tensor, scores: Scores, output: Tensor, logarithms: Tensor, state: tuple[Any, ...]
    ) -> Gradients:
        """Gradients of query, key and value from that of the output; output and logarithms are those of all keys."""
        ...


class Flash:
    """Flash attention on a GPU: half precision, no bias; causal only where there are as many queries as keys."""

    def forward(self, scores: Scores) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        """See `Kernel`."""
        given = scores.query, scores.key, scores.value
        output, logarithms, *state, _ = aten._scaled_dot_product_flash_attention(*given, scores.dropout, scores.causal)
        return output, logarithms, tuple(state)

    def backward(
        self, slope: Tensor, scores: Scores, output: Tensor, logarithms: Tensor, state: tuple[Any, ...]
    ) -> Gradients:
        """See `Kernel`."""
        *lengths, seed, offset = state
        given = slope, scores.query, scores.key, scores.value, output, logarithms.contiguous(), *lengths
        found: Gradients = aten._scaled_dot_product_flash_attention_backward(
            *given, scores.dropout, scores.causal, seed, offset
        )
        return found


class Efficient:
    """Memory-efficient attention on a GPU: every precision, and a bias."""

    def forward(self, scores: Scores) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        """See `Kernel`."""
        output, logarithms, *state = aten._scaled_dot_product_efficient_attention(
            scores.query, scores.key, scores.value, scores.expanded_bias, True, scores.dropout, scores.causal
        )
        return output, logarithms[..., : scores.query.shape[2]], tuple(state)

    def backward(
        self, slope: Tensor, scores: Scores, output: Tensor, logarithms: Tensor, state: tuple[Any, ...]
    ) -> Gradients:
        """See `Kernel`."""
        missing = -logarithms.shape[2] % LOGARITHMS_TOGETHER
        padded = F.pad(logarithms, (0, missing), value=torch.inf)  # exp(score - inf) is 0
        given = slope, scores.query, scores.key, scores.value, scores.expanded_bias, output, padded.contiguous(), *state
        to_query, to_key, to_value, _ = aten._scaled_dot_product_efficient_attention_backward(
            *given, scores.dropout, [True, True, True, False], scores.causal
        )
        return to_query, to_key, to_value


class OnProcessor:
    """Torch's kernel for processors, which drops no weights: what shows without a GPU that pieces give the whole."""

    def forward(self, scores: Scores) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        """See `Kernel`. Raises ValueError for a dropout."""
        if scores.dropout:
            raise ValueError("a processor's attention kernel drops no weights")
        given = scores.query, scores.key, scores.value, 0.0, scores.causal
        output, logarithms = aten._scaled_dot_product_flash_attention_for_cpu(*given, attn_mask=scores.expanded_bias)
        return output, logarithms, ()

    def backward(
        self, slope: Tensor, scores: Scores, output: Tensor, logarithms: Tensor, state: tuple[Any, ...]
    ) -> Gradients:
        """See `Kernel`."""
        kept = logarithms.transpose(1, 2).contiguous().transpose(1, 2)  # as the kernel lays them out
        given = slope, scores.query, scores.key, scores.value, output, kept, 0.0, scores.causal
        found: Gradients = aten._scaled_dot_product_flash_attention_for_cpu_backward(
            *given, attn_mask=scores.expanded_bias
        )
        return found


@dataclass(frozen=True)
class Kernels:
    """The kernels of pieces without a bias, and of those with one."""

    plain: Kernel
    masked: Kernel

    def of(self, bias: Tensor | None) -> Kernel:
        """Which one a piece takes."""
        return self.plain if bias is None else self.masked


def kernels_for(device: torch.device, dtype: torch.dtype) -> Kernels:
    """The kernels of a device; flash where it takes the precision (from NVIDIA's Ampere on)."""
    if device.type == "cpu":
        return Kernels(OnProcessor(), OnProcessor())
    half = dtype in (torch.float16, torch.bfloat16)
    flash = half and (device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0))
    return Kernels(Flash() if flash else Efficient(), Efficient())
