"""Energy of GPUs by a stand-in for NVIDIA's library: which GPUs count, by which of its figures."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from contest.emissions.gpu_energy import GpuEnergy


class NVMLError(Exception):
    pass


class Library(SimpleNamespace):
    """Two GPUs: one with an energy counter (in mJ), an older one with its power alone (in mW); a third with neither."""

    NVMLError = NVMLError
    counter = 5_000_000
    driver = True

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise NVMLError("no driver")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index > 2:
            raise NVMLError("invalid argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:  # noqa: N802
        if not name.startswith("GPU-"):
            raise NVMLError("not found")
        return int(name.removeprefix("GPU-"))

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return ("A100", "K80", "vGPU")[handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if handle:
            raise NVMLError("not supported")
        return self.counter

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if handle == 2:
            raise NVMLError("not supported")
        return 100_000


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Library()
    monkeypatch.setitem(sys.modules, "pynvml", found)
    return found


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, ["gpu 0: A100", "gpu 1: K80", "gpu 2"]),
        ("0", ["gpu 0: A100"]),
        ("1, 0", ["gpu 1: K80", "gpu 0: A100"]),
        ("GPU-1", ["gpu GPU-1: K80"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["gpu 0: A100"]),
        ("7", ["gpu 7"]),
        ("MIG-12", ["gpu MIG-12"]),
    ],
)
def test_the_gpus_that_the_process_may_use(library: Any, visible: str | None, devices: list[str]) -> None:
    assert [device for device, _, _ in GpuEnergy(visible).readings()] == devices


def test_a_counter_is_read_from_the_start_on(library: Any) -> None:
    energy = GpuEnergy("0")
    library.counter += 7_200_000  # mJ: 7.2 kJ
    energy.sample()
    ((device, method, kwh),) = energy.readings()
    assert (device, method) == ("gpu 0: A100", "NVML energy counter, the whole GPU")
    assert kwh == pytest.approx(0.002)


def test_without_a_counter_power_is_summed_over_time(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 46.0, 82.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    energy = GpuEnergy("1")
    energy.sample()
    energy.sample()
    ((_, method, kwh),) = energy.readings()
    assert method == "NVML power x time, the whole GPU"
    assert kwh == pytest.approx(100 * 72 / 3.6e6)


def test_a_gpu_that_tells_nothing_is_named(library: Any) -> None:
    assert GpuEnergy("2").readings() == [("gpu 2", "NVML can not tell its energy: not supported", None)]


def test_without_a_driver_there_is_no_gpu(library: Any) -> None:
    library.driver = False
    assert GpuEnergy(None).readings() == []
