"""Energy of GPUs by a stand-in for NVIDIA's library: which GPUs count, by which of its figures."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from contest.emissions.cuda_driver import cuda_uuids
from contest.emissions.gpu_energy import GpuEnergy


class NVMLError(Exception):
    pass


class Library(SimpleNamespace):
    """Two GPUs: one with an energy counter (in mJ), an older one with its power alone (in mW); a third with neither."""

    NVMLError = NVMLError
    counter = 5_000_000
    driver = True
    use = 0  # percent, of GPU 0

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

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=0 if handle else self.use)

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


def test_an_error_while_it_counts_is_said_and_raises_nothing(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    energy = GpuEnergy("0")
    library.counter += 7_200_000
    energy.sample()

    def lost(handle: int) -> int:
        raise NVMLError("GPU is lost")

    monkeypatch.setattr(library, "nvmlDeviceGetTotalEnergyConsumption", lost, raising=False)
    energy.sample()
    ((_, method, kwh),) = energy.readings()
    assert method == "NVML energy counter, the whole GPU; NVML told nothing more: GPU is lost"
    assert kwh == pytest.approx(0.002)


def test_an_error_while_they_are_counted_is_a_reading(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> int:
        raise NVMLError("unknown error")

    monkeypatch.setattr(library, "nvmlDeviceGetCount", lost, raising=False)
    assert GpuEnergy(None).readings() == [("gpus", "NVML can not count them: unknown error", None)]


@pytest.mark.parametrize(
    ("visible", "used", "devices"),
    [
        (None, (0,), ["gpu 0: K80"]),  # CUDA's first is NVML's second
        (None, (1,), ["gpu 1: A100"]),
        (None, (), []),
        ("1,0", (0,), ["gpu 1: K80"]),
        ("GPU-0", (0,), ["gpu GPU-0: A100"]),
        (None, (5,), ["gpu 5"]),
    ],
)
def test_gpus_are_those_computed_on_in_the_order_of_cuda(
    library: Any, monkeypatch: pytest.MonkeyPatch, visible: str | None, used: tuple[int, ...], devices: list[str]
) -> None:
    orders = {None: ["GPU-1", "GPU-0", "GPU-2"], "1,0": ["GPU-1", "GPU-0"], "GPU-0": ["GPU-0"]}
    monkeypatch.setattr("contest.emissions.gpu_energy.cuda_uuids", lambda: orders[visible])
    assert [device for device, _, _ in GpuEnergy(visible, used).readings()] == devices


def test_the_driver_tells_the_uuids_in_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(into: Any) -> int:
        into._obj.value = 2
        return 0

    def device(into: Any, index: int) -> int:
        into._obj.value = 7 - index
        return 0

    def uuid(raw: Any, of: Any) -> int:
        raw.raw = bytes([of.value]) * 16
        return 0

    driver = SimpleNamespace(
        cuInit=lambda flags: 0, cuDeviceGetCount=count, cuDeviceGet=device, cuDeviceGetUuid_v2=uuid
    )
    monkeypatch.setattr("ctypes.CDLL", lambda name: driver)
    assert cuda_uuids() == [
        "GPU-07070707-0707-0707-0707-070707070707",
        "GPU-06060606-0606-0606-0606-060606060606",
    ]
    driver.cuInit = lambda flags: 100
    assert cuda_uuids() is None


def test_idle_power_is_looked_at_before_there_is_work(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    assert GpuEnergy(None).idle_watts() == {"gpu 0: A100": 100.0, "gpu 1: K80": 100.0}
    assert sum(waits) == pytest.approx(0.5)
    library.use = 7  # another program's work
    assert GpuEnergy("0,1").idle_watts() == {"gpu 1: K80": 100.0}
    waits.clear()
    assert (GpuEnergy("").idle_watts(), waits) == ({}, [])  # without a GPU nobody waits


def test_idle_energy_is_of_the_time_that_was_read(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 46.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    energy = GpuEnergy("0")
    energy.sample()
    assert energy.seconds() == {"gpu 0: A100": 36.0}
