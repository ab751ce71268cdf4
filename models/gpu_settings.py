"""How torch computes on a GPU: products as exact as their dtype says, and no attention that plans for each shape."""

from __future__ import annotations

import torch


def prepare_gpu(device: torch.device) -> None:
    """Make `device` this process's GPU and set torch's switches for it; of no effect on a CPU.

    By default convolutions in float32 round their factors to TF32's ten bits, and products in float16 may add up in
    float16. cuDNN's attention builds a plan for each new shape, tens of milliseconds each, and answering has a new one
    at every step.
    """
    if device.type != "cuda":
        return
    torch.cuda.set_device(device)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.enable_cudnn_sdp(False)
