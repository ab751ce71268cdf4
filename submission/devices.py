"""Which device a run computes on, and whether it still works. Knows nothing of networks."""

from __future__ import annotations

import torch


def choose_device(name: str, local_process: int = 0) -> torch.device:
    """Return the device; of several processes each gets a GPU of its own, as far as there are any.

    Raises ValueError if there is none of that name.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device {name}: no such device; use auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device {name}: not supported; use auto, cpu or cuda")
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise ValueError(f"--device {name}: {count} GPUs found; use auto or cpu")
    return device if device.index is not None else torch.device("cuda", local_process % count)


def is_lost(device: torch.device) -> bool:
    """Whether a GPU will do nothing more for this process, as after a failed assertion on it: asked by a small sum."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
        return int(torch.ones(2, device=device).sum()) != 2
    except torch.OutOfMemoryError:
        return False
    except RuntimeError:  # whatever it is now, it is the error before, reported again
        return True
