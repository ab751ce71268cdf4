"""Which device a program computes on, by the name that its user gives."""

from __future__ import annotations

import torch

from errors import UserError


class DeviceError(UserError):
    """A device that is not there, or that the networks can not compute on."""


def choose_device(name: str, local_process: int = 0) -> torch.device:
    """Return the device; of several processes each gets a GPU of its own, as far as there are any.

    Raises DeviceError if there is none of that name.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: no such device", "use auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"--device {name}: not supported", "use auto, cpu or cuda")
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        gpus = "1 GPU" if count == 1 else f"{count} GPUs"
        raise DeviceError(f"--device {name}: this machine has {gpus}", "use auto or cpu")
    return device if device.index is not None else torch.device("cuda", local_process % count)
