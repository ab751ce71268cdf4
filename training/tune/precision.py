"""What the network computes in: autocast over float32 weights, and the loss scaling that float16 needs."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision:
    """Autocast to `dtype` on `device`, and loss scaling where that is float16.

    float16 knows no numbers below 6e-8, where many gradients lie: the loss is multiplied by a large number before the
    backward pass, and steps with an overflow are left out (Micikevicius et al., Mixed Precision Training, 2018).
    """

    def __init__(self, dtype: str, device: torch.device) -> None:
        self.dtype = DTYPES[dtype]
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == "float16")

    def autocast(self) -> AbstractContextManager[None]:
        """Context of a forward pass."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @property
    def remedy(self) -> str:
        """What to do about numbers that are not finite."""
        return "lower optim.learning_rate" + ("" if self.dtype == torch.float32 else " or use compute.dtype=float32")

    def backward(self, loss: Tensor) -> None:
        """Run the backward pass of a loss."""
        self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Turn the gradients into those of the loss itself; once a step, before they are read or clipped."""
        self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer, norm: float) -> None:
        """Let the optimiser make its step, unless the gradient's norm over all processes shows that one overflowed.

        Raises `FloatingPointError` when the norm is not finite and no loss scaling is there to be the reason.
        """
        if math.isfinite(norm):
            self.scaler.step(optimizer)
            self.scaler.update()
        elif self.scaler.is_enabled():
            # Not left to the scaler, which sees this process's part of the gradient alone, nor does it count the steps
            # since this overflow anew when it is told a scale.
            self.scaler.update(self.scaler.get_scale() * self.scaler.get_backoff_factor())
            self.scaler.load_state_dict({**self.scaler.state_dict(), "_growth_tracker": 0})
        else:
            raise FloatingPointError(f"the gradient's norm is {norm}; {self.remedy}")
