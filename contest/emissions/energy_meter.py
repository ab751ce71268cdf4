"""Our own reading of a measurement at this very moment: for the energy of an epoch.

The process that measures reads once a period; what is asked for here is read when it is asked for, by this process,
with the same formulas (`contest.emissions.processor_time`, `contest.emissions.gpu_energy`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from contest.emissions.gpu_energy import GpuEnergy
from contest.emissions.processor_time import tree_seconds
from contest.emissions.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Meter:
    """What was used since the measurement began: processor seconds, and (device, method, kWh or None) for each GPU."""

    cpu_seconds: float
    gpus: tuple[tuple[str, str, float | None], ...]


class EnergyMeter:
    """Reads what a measurement's processes have used; the GPUs' counters start at its construction."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._gpus = GpuEnergy(os.environ.get("CUDA_VISIBLE_DEVICES"), tracking.gpus)
        self._seconds = 0.0

    def read(self) -> Meter:
        """Return the figures up to now; they never fall."""
        tracking = self._tracking
        measurer = () if tracking.measurer is None else (tracking.measurer,)
        with suppress(ProcessLookupError):  # the measured process ended: its last known figure stays
            self._seconds = max(self._seconds, tree_seconds(tracking.root, without=measurer) - tracking.seconds)
        self._gpus.sample()
        return Meter(self._seconds, tuple(self._gpus.readings()))
