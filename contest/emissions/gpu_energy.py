"""Energy of the GPUs that this process may use, from NVIDIA's own counters."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from contest.emissions.cuda_driver import cuda_uuids

KWH = 3.6e6  # joules
LOOKS, SECONDS_BETWEEN_LOOKS = 6, 0.1


class GpuEnergy:
    """Counts from its construction on. `visible` is the value of CUDA_VISIBLE_DEVICES, or None if it is not set.

    `used` are the numbers by CUDA of the GPUs that are computed on; None counts all visible ones. They are asked for by
    their UUIDs. A GPU with an energy counter (Volta and later) is read by it; an older one by its power, at each
    `sample`. A GPU that stops to tell keeps what it told before, and says so; nothing is raised.
    """

    def __init__(self, visible: str | None, used: Sequence[int] | None = None) -> None:
        self._gpus: list[_Gpu] = []
        self._problems: list[tuple[str, str, None]] = []
        try:
            import pynvml
        except ImportError:
            return  # eco2AI brings it along: without it there is no eco2AI either, which is what the run is told
        self._nvml: Any = pynvml
        if used is not None and not used:
            return
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return  # no NVIDIA driver: no GPU
        try:
            names = [str(i) for i in range(pynvml.nvmlDeviceGetCount())] if visible is None else _split(visible)
        except pynvml.NVMLError as error:
            self._problems.append(("gpus", f"NVML can not count them: {error}", None))
            return
        uuids = cuda_uuids()
        if uuids is None or len(uuids) != len(names):  # a driver that does not say: NVML's own order
            uuids = names
        for number in range(len(names)) if used is None else used:
            # A number says which GPU of CUDA's order; what is a name already stays one.
            name = names[number] if number < len(names) else str(number)
            try:
                self._gpus.append(
                    _Gpu(pynvml, name, uuids[number] if name.isdecimal() and number < len(uuids) else name)
                )
            except pynvml.NVMLError as error:
                self._problems.append((f"gpu {name}", f"NVML can not tell its energy: {error}", None))

    def sample(self) -> None:
        """Look at the power of GPUs that have no counter."""
        for gpu in self._gpus:
            gpu.sample()

    def idle_watts(self) -> dict[str, float]:
        """Look at the power of each GPU for half a second, before it has work; return it by device.

        Left out is a GPU that is busy by then (with another program), and one that does not tell.
        """
        looks: list[dict[str, float | None]] = []
        for look in range(LOOKS if self._gpus else 0):
            if look:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            looks.append({gpu.device: gpu.idle_power() for gpu in self._gpus})
        powers = {gpu.device: [look[gpu.device] for look in looks] for gpu in self._gpus}
        return {
            device: math.fsum(power for power in found if power is not None) / len(found)
            for device, found in powers.items()
            if None not in found
        }

    def seconds(self) -> dict[str, float]:
        """Return by device the seconds from the construction to the last sample that it answered."""
        return {gpu.device: gpu.seconds for gpu in self._gpus}

    def readings(self) -> list[tuple[str, str, float | None]]:
        """Return (device, method, kWh or None) for each GPU."""
        return [*(gpu.reading() for gpu in self._gpus), *self._problems]


class _Gpu:
    def __init__(self, nvml: Any, name: str, asked: str) -> None:
        self._nvml = nvml
        by_uuid = not asked.isdecimal()
        self._handle = nvml.nvmlDeviceGetHandleByUUID(asked) if by_uuid else nvml.nvmlDeviceGetHandleByIndex(int(asked))
        self._silent = ""
        title = nvml.nvmlDeviceGetName(self._handle)
        self.device = f"gpu {name}: {title.decode() if isinstance(title, bytes) else title}"
        self._began = self._at = time.monotonic()
        self._joules = 0.0
        try:
            self._first: float | None = nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1000  # mJ
        except nvml.NVMLError:
            self._first = None
            nvml.nvmlDeviceGetPowerUsage(self._handle)  # raises if there is no power to be read either

    def sample(self) -> None:
        try:
            self._sample()
        except self._nvml.NVMLError as error:  # a GPU that fell off the bus must not end what is measured
            self._silent = f"; NVML told nothing more: {error}"
        else:
            self._silent = ""

    def _sample(self) -> None:
        now = time.monotonic()
        if self._first is not None:
            self._joules = self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1000 - self._first
        else:
            self._joules += self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1000 * (now - self._at)  # mW
        self._at = now

    @property
    def seconds(self) -> float:
        return self._at - self._began

    def idle_power(self) -> float | None:
        """Its power in watts, None where it is at work or does not tell."""
        try:
            if self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu:
                return None
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000  # mW
        except self._nvml.NVMLError:
            return None

    def reading(self) -> tuple[str, str, float]:
        method = "NVML power x time" if self._first is None else "NVML energy counter"
        return self.device, f"{method}, the whole GPU{self._silent}", self._joules / KWH


def _split(visible: str) -> list[str]:
    """CUDA takes the names up to the first that is none."""
    names: list[str] = []
    for name in visible.split(","):
        if not name.strip() or name.strip() == "-1":
            break
        names.append(name.strip())
    return names
