"""Our own reading of a run's energy, part by part: sums are totals, and what is not known is not zero."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from contest.emissions.energy_meter import Meter
from contest.emissions.tracking import Emissions, Status, Tracking
from models.rudolph import Config, Rudolph
from tests.training.small_world import TINY
from tests.training.test_callbacks import VALIDATION, run_in
from training.tune.callbacks.co2_log import Co2FileError, Co2Log, Co2Row, read_co2_log
from training.tune.emissions import description, parameter_count
from training.tune.nodes import ProcessPlace
from training.tune.settings import (
    DataSettings,
    EmissionsSettings,
    FreezeSettings,
    LoraSettings,
    TaskSettings,
    TuneSettings,
)

PROCESSORS = os.cpu_count() or 1
KNOWN = Emissions(Status.PARTIAL, coefficient=500.0, cpu_watts=360.0 * PROCESSORS)  # 0.1 Wh a processor second
NOTHING = Emissions(Status.NOT_MEASURED, ("there is no figure yet",))


class Told(Tracking):
    """A measurement that says what it is told to say."""

    def __init__(self, figures: Emissions) -> None:
        super().__init__(None, None, None, row_id="row-1")
        self.figures = figures

    def so_far(self) -> Emissions:
        return self.figures


class Readings:
    """A meter that counts one processor second, and two units of the GPU, at each reading."""

    def __init__(self, gpu: float | None = None) -> None:
        self.count, self.gpu = 0, gpu

    def __call__(self) -> Meter:
        self.count += 1
        if self.gpu is None:
            return Meter(self.count, ())
        return Meter(self.count, (("gpu 0: A100", "NVML energy counter, the whole GPU", self.gpu * self.count),))


def rows_of(path: Path, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(row, column) for column in columns) for row in read_co2_log(path)]


def test_rows_are_differences_with_losses_and_epochs(tmp_path: Path) -> None:
    log = Co2Log(Told(KNOWN), tmp_path / "co2.csv", Readings())
    log.on_start(run_in(tmp_path, steps=12, log_every=4))  # an epoch has ten steps
    for step in range(1, 13):
        log.on_step(step, {"loss": float(step)})
        if step == 8:
            log.on_validation(step, VALIDATION)
    log.on_end()
    log.end()
    log.close()
    assert rows_of(tmp_path / "co2.csv", "part", "step", "epoch", "loss", "validation_loss") == [
        ("preparation", 0, 0, None, None),
        ("training", 4, 1, 2.5, None),
        ("training", 8, 1, 6.5, None),
        ("training", 8, 1, None, 2.0),
        ("training", 10, 1, 9.5, None),
        ("training", 12, 2, 11.5, None),
        ("end", 12, 2, None, None),
    ]
    for row in read_co2_log(tmp_path / "co2.csv"):
        assert (row.stretch, row.device) == ("row-1", "cpu")
        assert row.method.startswith("processor time x TDP (")
        assert row.energy_kwh == pytest.approx(1e-4)
        assert row.co2_kg == pytest.approx(5e-5)


def test_each_device_has_a_row_in_each_session(tmp_path: Path) -> None:
    for _ in range(2):
        log = Co2Log(Told(KNOWN), tmp_path / "co2.csv", Readings(gpu=0.25))
        log.on_start(run_in(tmp_path))
        log.end()
        log.close()
    rows = read_co2_log(tmp_path / "co2.csv")
    assert [row.device for row in rows] == ["cpu", "gpu 0: A100"] * 4
    assert [row.energy_kwh for row in rows if row.device == "cpu"] == pytest.approx([1e-4] * 4)
    assert [row.energy_kwh for row in rows if row.device != "cpu"] == [0.25] * 4


def test_rows_wait_until_the_power_is_known(tmp_path: Path) -> None:
    told = Told(NOTHING)
    log = Co2Log(told, tmp_path / "co2.csv", Readings())
    log.on_start(run_in(tmp_path, log_every=1))
    log.on_step(1, {"loss": 1.0})
    assert not (tmp_path / "co2.csv").exists()
    told.figures = KNOWN
    log.on_step(2, {"loss": 1.0})
    assert rows_of(tmp_path / "co2.csv", "step", "energy_kwh") == [
        (step, pytest.approx(1e-4)) for step in (0, 1, 2)
    ]  # fmt: skip


def test_unmeasured_rows_have_a_reason(tmp_path: Path) -> None:
    log = Co2Log(Told(replace(NOTHING, reasons=("eco2AI is not installed",))), tmp_path / "co2.csv", Readings())
    log.on_start(run_in(tmp_path, log_every=1))
    log.on_step(1, {"loss": 1.0})
    log.end()
    log.close()
    assert rows_of(tmp_path / "co2.csv", "step", "method", "energy_kwh", "co2_kg") == [
        (step, "not measured: eco2AI is not installed", None, None) for step in (0, 1, 1)
    ]


def test_a_gpu_without_a_figure_has_none(tmp_path: Path) -> None:
    unknown = Meter(1.0, (("gpu 0", "NVML can not tell its energy: not supported", None),))
    log = Co2Log(Told(KNOWN), tmp_path / "co2.csv", lambda: unknown)
    log.on_start(run_in(tmp_path))
    _, gpu = read_co2_log(tmp_path / "co2.csv")
    assert (gpu.device, gpu.energy_kwh, gpu.co2_kg) == ("gpu 0", None, None)


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "co2.csv"
    for torn in ("2026-11-21T15:00:00,row-1,trai", "x" * 10_000):
        log = Co2Log(Told(KNOWN), path, Readings())
        log.on_start(run_in(tmp_path))
        before = read_co2_log(path)
        path.write_text(path.read_text() + torn)
        assert read_co2_log(path) == before
    log.end()
    assert [row.part for row in read_co2_log(path)] == ["preparation", "preparation", "end"]


def test_machine_without_steps_has_one_row(tmp_path: Path) -> None:
    log = Co2Log(Told(KNOWN), tmp_path / "co2.node1.csv", Readings())
    log.end()
    log.close()
    (row,) = read_co2_log(tmp_path / "co2.node1.csv")
    assert (row.part, row.step, row.epoch) == ("whole", 0, 0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("step,kg\n1,2\n", "co2.csv: line 1: the columns are not time, stretch"),
        ("{head}\na,b\n", "co2.csv: line 2 has 2 cells, and there are 11 columns"),
        ("{head}\nt,s,training,1,1,nan,,cpu,m,1,1\n", "co2.csv: line 2: loss must be a number, not 'nan'"),
        (
            "{head}\nt,s,training,x,1,,,cpu,m,1,1\n",
            "co2.csv: line 2: step must be a whole number from 0",
        ),
    ],
)
def test_what_is_no_log_is_refused_by_line(text: str, complaint: str, tmp_path: Path) -> None:
    head = ",".join(Co2Row.__dataclass_fields__)
    (tmp_path / "co2.csv").write_text(text.format(head=head))
    with pytest.raises(Co2FileError, match=complaint):
        read_co2_log(tmp_path / "co2.csv")


def settings(**changes: object) -> TuneSettings:
    return replace(
        TuneSettings("w", "o", DataSettings("d"), {"vqa": TaskSettings(), "textqa": TaskSettings()}, steps=7), **changes
    )  # type: ignore[arg-type]


def test_description_names_size_and_marks_the_final_run() -> None:
    count = sum(parameter.numel() for parameter in Rudolph(TINY).parameters())
    size = f"{count} parameters (2 layers, hidden size 32)"
    assert parameter_count(TINY) == count
    assert description(settings(), TINY) == f"RUDOLPH; {size}; 7 steps, tasks: vqa textqa"
    emissions = EmissionsSettings(experiment_description="мой опыт", final=True)
    changed = settings(emissions=emissions, lora=LoraSettings(rank=4), freeze=FreezeSettings(norms=True))
    assert description(changed, TINY) == (
        f"мой опыт; {size}; LoRA of rank 4; frozen: norms; 7 steps, tasks: vqa textqa TargetValue"
    )


def test_the_large_model_is_counted_without_being_made() -> None:
    layers = {"num_layers": 32, "hidden_size": 2560, "num_attention_heads": 32}
    assert 2.6e9 < parameter_count(Config(vocab_size=16384, **layers)) < 2.9e9


@pytest.mark.parametrize(
    ("environment", "place", "file"),
    [
        ({}, ProcessPlace(0, 0, 1), "co2.csv"),
        ({"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8"}, ProcessPlace(0, 1, 8), "co2.csv"),
        (
            {"GROUP_RANK": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "8", "GROUP_WORLD_SIZE": "4"},
            ProcessPlace(2, 0, 8, 4),
            "co2.node2.csv",
        ),
    ],
)
def test_each_machine_measures_itself_once(environment: dict[str, str], place: ProcessPlace, file: str) -> None:
    found = ProcessPlace.of(environment)
    assert found == place
    assert found.named("co2.csv") == file
    assert found.root == (os.getpid() if place.local_world == 1 else os.getppid())
