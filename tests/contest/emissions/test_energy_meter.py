"""What was used up to this very moment, read by the run itself."""

import os
import sys
import time

import pytest

from contest.emissions.energy_meter import EnergyMeter
from contest.emissions.processor_time import cpu_kwh, tree_seconds
from contest.emissions.tracking import Tracking
from tests.contest.emissions.test_gpu_energy import Library


def work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def started() -> Tracking:
    seconds = tree_seconds(os.getpid(), without=())
    return Tracking(None, None, None, root=os.getpid(), seconds=seconds)


def test_processor_time_counts_from_the_start_of_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(driver=False)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    work(0.1)
    meter = EnergyMeter(started())
    first = meter.read()
    work(0.2)
    second = meter.read()
    assert first.cpu_seconds < 0.1
    assert 0.15 <= second.cpu_seconds - first.cpu_seconds < 1
    assert second.gpus == ()  # no driver: no GPU, and no zero either


def test_gpus_are_read_by_their_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    meter = EnergyMeter(started())
    library.counter += 3_600_000  # mJ
    counted, unknown = meter.read().gpus
    assert counted == ("gpu 0: A100", "NVML energy counter, the whole GPU", pytest.approx(0.001))
    assert unknown[2] is None
    assert "can not tell its energy" in unknown[1]


def test_a_process_that_ended_keeps_its_last_figure() -> None:
    meter = EnergyMeter(Tracking(None, None, None, root=2**22 + 1))  # above the largest process id
    assert meter.read().cpu_seconds == 0.0


def test_the_formula() -> None:
    # An hour of all logical processors at 100 W is 0.1 kWh.
    assert cpu_kwh(3600 * (os.cpu_count() or 1), 100) == pytest.approx(0.1)
