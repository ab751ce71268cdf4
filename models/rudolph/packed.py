"""Linear layers whose weights lie in the order in which a processor's matrix kernels read them: for inference on a CPU.

oneDNN arranges a weight in blocks that fit the vector registers. torch's own linear layer keeps the plain order, which
it reads more slowly (or rearranges at every call); at a batch of 8 a packed layer takes 0.4 to 0.6 of its time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# With a large weight, which comes from memory, oneDNN multiplies one to three rows more slowly than four: a step of one
# picture of the 350M took a quarter longer. So there are never fewer.
FEWEST_ROWS, LARGE = 4, 2**18


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

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` -> `[..., out]`, in the precision of the weight whatever that of `x` is."""
        return self._product(x, "none", "")

    def gelu(self, x: Tensor) -> Tensor:
        """The tanh form of GELU of what `forward` gives, applied before it is rounded and leaves the registers."""
        return self._product(x, "gelu", "tanh")

    def _product(self, x: Tensor, then: str, algorithm: str) -> Tensor:
        x = x.to(self.bias.dtype)
        rows = x.numel() // x.shape[-1]
        lacking = FEWEST_ROWS - rows if self.packed.numel() >= LARGE else 0
        if lacking <= 0:
            output: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, then, [], algorithm)
            return output
        more = F.pad(x.reshape(rows, x.shape[-1]), (0, 0, 0, lacking))  # [FEWEST_ROWS, in]
        output = torch.ops.mkldnn._linear_pointwise(more, self.packed, self.bias, then, [], algorithm)
        return output[:rows].view(*x.shape[:-1], len(self.bias))


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
