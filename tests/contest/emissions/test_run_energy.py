"""Energy of a run over its sessions: what is subtracted, what stands in, and what is not known. Figures by hand."""

import csv
import json
from pathlib import Path

import pytest

from contest.emissions.files import Publisher
from contest.emissions.rows import COLUMNS, EnergyReading, OddFigureError
from contest.emissions.run_energy import MeterRow, RunEnergy, energy_of, sum_of

CPU = EnergyReading("cpu", "processor time x TDP (100 W over 4 logical processors, as set)", 0.001, 0.0004)
GPU = EnergyReading("gpu 0: H", "NVML energy counter, the whole GPU", 0.005, 0.002, 0.002)
BUSY = EnergyReading("gpu 0: H", "NVML energy counter, the whole GPU", 0.005, 0.002)
SILENT = EnergyReading("gpu 1", "NVML can not tell its energy: not supported", None, None)


@pytest.mark.parametrize(
    ("readings", "problems", "joules", "grams", "method"),
    [
        ((CPU,), (), 3600.0, 0.4, f"cpu: {CPU.method}, of the run's own processes"),
        # 5 - 2 Wh are 10,800 J, and three fifths of 2 g.
        ((GPU,), (), 10_800.0, 1.2, f"gpu 0: H: {GPU.method}, idle of 7.2e+03 J subtracted"),
        ((CPU, GPU), (), 14_400.0, 1.6, None),
        ((BUSY,), (), 18_000.0, 2.0, f"gpu 0: H: {GPU.method}, idle not known and included"),
        # More idle than was used: the clocks of counter and power differ, and nothing is no less than nothing.
        ((EnergyReading("g", "m", 0.001, 0.5, 0.002),), (), 0.0, 0.0, None),
        ((CPU, SILENT), (), 36_000.0, 4.0, f"eco2AI's own total, idle included; gpu 1: {SILENT.method}"),
        ((), (), 36_000.0, 4.0, "eco2AI's own total, idle included"),
        ((CPU,), ("half",), None, None, "not measured: half"),
    ],
)
def test_what_the_work_took(
    readings: tuple[EnergyReading, ...],
    problems: tuple[str, ...],
    joules: float | None,
    grams: float | None,
    method: str | None,
) -> None:
    energy = RunEnergy(0.01, 0.004, readings, problems)
    assert energy.joules == (None if joules is None else pytest.approx(joules))
    assert energy.grams == (None if grams is None else pytest.approx(grams))
    assert method is None or energy.method == method
    value = json.loads(json.dumps(energy.to_json()))
    assert RunEnergy.from_json(value) == energy
    assert (value["joules"], value["co2_g"], value["method"]) == (energy.joules, energy.grams, energy.method)


def test_sessions_and_hosts_add_up() -> None:
    whole = sum_of([RunEnergy(0.01, 0.004, (CPU, GPU)), RunEnergy(0.02, 0.008, (CPU, GPU)), RunEnergy(0.0, 0.0)])
    assert (whole.energy_kwh, whole.co2_kg) == (0.03, 0.012)
    doubled = [(each.device, each.energy_kwh, each.co2_kg, each.idle_kwh) for each in whole.readings]
    assert doubled == [("cpu", 0.002, 0.0008, None), ("gpu 0: H", 0.01, 0.004, 0.004)]
    # Idle power known of one session only is not known of both, and stays in.
    assert sum_of([RunEnergy(1.0, 1.0, (GPU,)), RunEnergy(1.0, 1.0, (BUSY,))]).readings[0].idle_kwh is None


@pytest.mark.parametrize("figures", [(-1.0, 0.0), (0.0, float("nan")), (float("inf"), 0.0)])
def test_impossible_figures_are_refused(figures: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="negative or not finite"):
        RunEnergy(*figures)
    with pytest.raises(OddFigureError):
        RunEnergy.from_json({"energy_kwh": "much", "co2_kg": 1, "readings": [], "problems": []})


def publish(path: Path, row_id: str, idle: dict[str, float]) -> MeterRow:
    """Write a session as the measuring process does."""
    row = dict.fromkeys(COLUMNS, "x") | {"id": row_id, "duration(s)": "9"}
    row |= {"power_consumption(kWh)": "0.01", "CO2_emissions(kg)": "0.004"}
    readings = [(GPU.device, GPU.method, 0.005)]
    Publisher(path, path.with_suffix(".status")).publish(row, str, readings, 400.0, 100.0, [], idle, ended=True)
    return MeterRow(str(path), row_id)


def test_the_meter_s_own_files_are_found_by_session(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    rows = [publish(path, name, {GPU.device: 0.002}) for name in ("one", "two", "another run's")]
    energy = energy_of(rows[:2])
    assert energy is not None
    assert (energy.energy_kwh, energy.joules) == (0.02, pytest.approx(21_600))
    with path.open(newline="") as stream:
        assert len(list(csv.reader(stream))) == 4
    assert energy_of([None, None]) is None


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (None, "1 of 2 sessions ran without --emissions"),
        (("e.csv", "gone"), "e.csv has no row of a session"),
        (("none.csv", "one"), "No such file"),
    ],
)
def test_a_session_without_figures_leaves_the_sum_unknown(
    second: tuple[str, str] | None, problem: str, tmp_path: Path
) -> None:
    first = publish(tmp_path / "e.csv", "one", {})
    energy = energy_of([first, None if second is None else MeterRow(str(tmp_path / second[0]), second[1])])
    assert energy is not None
    assert energy.joules is None
    assert problem in energy.method
