"""Linear layers whose weights lie in the order in which a processor's matrix kernels read them: for inference on a CPU.

oneDNN arranges a weight in blocks that fit the vector registers. torch's own linear layer keeps the plain order, which
it reads more slowly (or rearranges at every call); at a batch of 8 a packed layer takes 0.4 to 0.6 of its time.
oneDNN's kernel for one or two rows is slower than its kernel for four, where the weight is what takes the time: such
rows are multiplied more than once (of 350M, in float32: a step of one row takes 0.79 of its time, of two 0.68).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

QUICK_ROWS = 4  # that a product takes less time for than for one or two
LARGE_WEIGHT = 2**19  # elements, from which on that is more than the few microseconds of repeating rows


def packable(weight: Tensor) -> bool:
    """Whether oneDNN has kernels for packed weights on this device and in this precision.

    In bfloat16 it has some for processors with AVX-512 or AVX-NE-CONVERT alone, and raises RuntimeError on others.
    """
    return (
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and (weight.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


class PackedLinear(nn.Module):
    """A linear layer with a packed copy of `weight` `[out, in]`, which can neither be trained, sliced nor saved."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        self.bias = bias.detach().contiguous()
        self.is_large = weight.numel() >= LARGE_WEIGHT

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` -> `[..., out]`, in the precision of the weight whatever that of `x` is."""
        return self._product(x, "none", "")

    def gelu(self, x: Tensor) -> Tensor:
        """The tanh form of GELU of what `forward` gives, applied before it is rounded and leaves the registers."""
        return self._product(x, "gelu", "tanh")

    def _product(self, x: Tensor, activation: str, form: str) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if x.dtype != self.bias.dtype:
            x = x.to(self.bias.dtype)
        times = QUICK_ROWS // rows if self.is_large and 0 < 2 * rows <= QUICK_ROWS else 1
        given = x if times == 1 else x.expand(times, *x.shape)
        output: Tensor = torch.ops.mkldnn._linear_pointwise(given, self.packed, self.bias, activation, [], form)
        return output if times == 1 else output[0]


def pack_linears(module: nn.Module, dtype: torch.dtype | None = None) -> int:
    """Replace the linear layers below a module by packed ones, one at a time so that memory does not double.

    `dtype`: what their weights become, beside a rest that keeps its own; left out, they keep theirs too.
    Made for `Rudolph.transformer`; the output table stays plain, as `decoding.output_head` packs the rows it needs.

    Returns how many were replaced: layers that oneDNN has no packed kernels for stay as they are, with the same
    results. Raises ValueError for a module in training mode.
    """
    if module.training:
        raise ValueError("a module in training mode cannot be packed: its weights are still to change; call eval()")
    replaced = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                weight, bias = child.weight.to(dtype=dtype), child.bias.to(dtype=dtype)
                if packable(weight):
                    setattr(parent, name, PackedLinear(weight, bias))
                    replaced += 1
    return replaced
