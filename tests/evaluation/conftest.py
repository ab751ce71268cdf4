"""Files of emissions as the product writes them."""

import csv
import json
from pathlib import Path

import pytest

from contest.emissions.tracking import Status, track

# Of each row what depends on the machine and the moment, made the same everywhere; all else is as it was written.
FIGURES = (
    {
        "start_time": "2022-11-01 10:00:00",
        "duration(s)": "7300.5",
        "power_consumption(kWh)": "12.5",
        "CO2_emissions(kg)": "4.34",
        "CPU_name": "Xeon/1 device(s)",
        "GPU_name": "A100 1 device(s)",
    },
    {
        "start_time": "2022-11-02 10:00:00",
        "duration(s)": "90.5",
        "power_consumption(kWh)": "1.5",
        "CO2_emissions(kg)": "0.52",
        "CPU_name": "Xeon/1 device(s)",
        "GPU_name": " 0 device(s)",
    },
)


@pytest.fixture(scope="session")
def emissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training in two stretches, as `contest.emissions.tracking.track` wrote it; the second is the one that counts.

    Beside it lie our own readings, those of the second stretch as where a GPU does not tell its energy.
    """
    path = tmp_path_factory.mktemp("emissions") / "training.csv"
    for number, final in ((1, False), (2, True)):
        stage = f"2.7B, stage {number}"
        with track("FBC2 training", stage, path, "RU", final=final, tdp_watts=61, patience=120) as tracking:
            pass
        assert tracking.outcome is not None
        assert tracking.outcome.status is Status.MEASURED
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert reader.fieldnames is not None
    assert all(figures.keys() <= row.keys() for figures, row in zip(FIGURES, rows, strict=True))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, reader.fieldnames, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **figures} for figures, row in zip(FIGURES, rows, strict=True))
    beside = path.with_name(f"{path.name}.readings.json")
    first, second = json.loads(beside.read_text("utf-8"))
    [cpu] = [reading for reading in second["readings"] if reading["device"] == "cpu"]
    cpu = {**cpu, "energy_kwh": 0.25, "co2_kg": 0.087}
    gpu = {**cpu, "device": "gpu 0", "method": "NVML can not tell its energy", "energy_kwh": None, "co2_kg": None}
    beside.write_text(json.dumps([first, {**second, "readings": [cpu, gpu]}]), "utf-8")
    return path
