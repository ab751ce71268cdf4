"""What a record says of the CO2 of its training, also where not all could be measured."""

from argparse import Namespace
from pathlib import Path

import pytest

from contest.emissions.rows import EnergyReading
from contest.emissions.tracking import Emissions, Status, Tracking
from training.measuring import co2_measured, emissions_record

CPU = EnergyReading("cpu", "processor time x 10 W", 0.5, 0.2)
GPU = EnergyReading("cuda:0", "no counter", None, None)


def record_of(outcome: Emissions | None) -> dict[str, object]:
    record = emissions_record(Tracking(None, None, None, outcome=outcome), "RU")
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("readings", "own"),
    [((CPU,), (0.2, 0.5)), ((CPU, CPU), (0.4, 1.0)), ((CPU, GPU), (None, None)), ((), (None, None))],
)
def test_our_own_figures_are_those_of_all_devices_or_none(
    readings: tuple[EnergyReading, ...], own: tuple[float | None, float | None]
) -> None:
    record = record_of(Emissions(Status.PARTIAL, ("no GPU",), energy_kwh=2.0, co2_kg=1.0, readings=readings))
    assert (record["own_co2_kg"], record["own_energy_kwh"]) == own
    assert (record["co2_kg"], record["energy_kwh"], record["status"]) == (1.0, 2.0, "partial")
    assert record["problems"] == ["no GPU"]


def test_a_training_that_did_not_end_has_no_figure() -> None:
    record = record_of(None)
    assert (record["status"], record["co2_kg"], record["own_co2_kg"]) == ("not measured", None, None)
    assert record["problems"] == ["the training did not end"]


def test_nothing_is_measured_where_nothing_shall_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with co2_measured(Namespace(output=tmp_path, emissions=Path("none")), "network", 1, 1) as tracking:
        assert tracking is None
    assert emissions_record(None, "RU") is None
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
