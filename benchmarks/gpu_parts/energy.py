"""Energy of one GPU by its own counter, asked of NVIDIA's library itself: no package is needed."""

from __future__ import annotations

import ctypes
from typing import Any

import torch


class Joules:
    """Context: `used` is what the GPU took within, in joules, or None where no counter tells."""

    def __init__(self, device: torch.device) -> None:
        self.used: float | None = None
        self._first: float | None = None
        self._library: Any = None
        if device.type == "cuda":
            self._open(device)

    def _open(self, device: torch.device) -> None:
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        self._handle = ctypes.c_void_p()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
        if not library.nvmlInit_v2() and not library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(self._handle)):
            self._library = library

    def _read(self) -> float | None:
        millijoules = ctypes.c_ulonglong()
        if self._library is None or self._library.nvmlDeviceGetTotalEnergyConsumption(
            self._handle, ctypes.byref(millijoules)
        ):
            return None
        return millijoules.value / 1000

    def __enter__(self) -> Joules:
        self._first = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        last = self._read()
        self.used = None if last is None or self._first is None else last - self._first
