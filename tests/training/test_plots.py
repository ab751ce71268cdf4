"""Plots of a run from its log: which files, what is in them, and what a log without figures gives."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.test_callbacks import VALIDATION, run_in
from training.__main__ import main as training
from training.co2_report.charts import loss_against_co2
from training.co2_report.figures import Point
from training.tune.callbacks.callback import Callbacks
from training.tune.callbacks.csv_log import LogRow
from training.tune.callbacks.plots import Plots, curves_of, draw_plots, marker_of

HEAD = "step,name,value\n"


@pytest.fixture
def logged(watched: Path, tmp_path: Path) -> Path:
    """A folder with the log of a real run."""
    shutil.copy(watched / "log.csv", tmp_path)
    return tmp_path


def keep(folder: Path, wanted: Callable[[str, str], bool]) -> None:
    """Keep the rows of a log that are wanted, by step and name."""
    path = folder / "log.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(row for row in rows if wanted(*row.split(",")[:2]))]) + "\n")


def pixels(path: Path) -> np.ndarray:
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("L"))


def test_the_command_draws_what_the_log_has(logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training(["plots", str(tmp_path)]) == 0
    names = ["loss.png", "validation.png", "learning_rate.png"]
    paths = [tmp_path / "plots" / name for name in names]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert sorted((tmp_path / "plots").iterdir()) == sorted(paths)  # no temporary file is left
    for path in paths:
        drawn = pixels(path)
        assert min(drawn.shape) > 300
        assert (drawn < 128).sum() > 500  # axes, curves and words


def test_a_figure_that_is_not_there_has_no_plot(logged: Path) -> None:
    keep(logged, lambda _, name: name == "rate")
    assert [path.name for path in draw_plots(logged)] == ["learning_rate.png"]


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (None, "No such file"),
        ("a,b\n", "line 1: the columns are not"),
        (HEAD, "the log has no values yet"),
        ("version https://git-lfs.github.com/spec/v1\n", "log.csv: a Git LFS pointer stands in for the file"),
    ],
)
def test_without_a_log_there_is_a_message(
    log: str | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if log is not None:
        (tmp_path / "log.csv").write_text(log)
    assert training(["plots", str(tmp_path)]) == 2
    assert complaint in capsys.readouterr().err


def test_curves_follow_the_steps_without_what_is_not_finite() -> None:
    rows = [LogRow(2, "loss", 1.0), LogRow(1, "loss", 2.0), LogRow(3, "loss", float("inf"))]
    assert curves_of(rows) == {"loss": ([1, 2], [2.0, 1.0])}


def test_unwritable_plots_stop_no_training(logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plots").write_text("a file where the folder should be")
    callback = Callbacks([Plots()])
    callback.on_start(run_in(tmp_path))
    callback.on_validation(5, VALIDATION)
    assert "training tune: Plots: " in (told := capsys.readouterr().err)
    assert "plots" in told
    assert "the training goes on" in told


def test_a_run_that_broke_off_is_drawn_at_the_end(logged: Path, tmp_path: Path) -> None:
    callback = Plots()
    callback.on_start(run_in(tmp_path))
    callback.on_step(1, {})
    callback.on_end()
    assert (tmp_path / "plots" / "loss.png").is_file()


def coloured(path: Path) -> int:
    """How many pixels are neither grey nor black nor white: those of curves, and of their samples in the legend."""
    with Image.open(path) as picture:
        channels = np.asarray(picture.convert("RGB")).astype(int)
    return int((channels.max(2) - channels.min(2) > 60).sum())


def test_a_run_of_one_step_is_seen(logged: Path) -> None:
    """A line through one point has no length; nor is there any of two values that are not finite."""
    keep(logged, lambda step, name: (step, name) == ("1", "rate"))
    with (logged / "log.csv").open("a") as stream:
        stream.write("1,textqa.right,nan\n2,textqa.right,inf\n")
    (path,) = draw_plots(logged)
    assert path.name == "learning_rate.png"
    assert 5 < coloured(path) < 200


@pytest.mark.parametrize(("number", "marker"), [(1, "o"), (30, "o"), (31, None)])
def test_points_of_short_curves_are_marked(number: int, marker: str | None) -> None:
    assert marker_of(range(number)) == marker


def test_losses_of_a_short_run_are_seen_against_its_co2() -> None:
    one = loss_against_co2([Point(4, 5e-6, 1.5)], [])
    assert one is not None
    with Image.open(io.BytesIO(one)) as picture:
        channels = np.asarray(picture.convert("RGB")).astype(int)
    below_legend = channels[len(channels) // 3 :]
    assert (below_legend.max(2) - below_legend.min(2) > 60).any()
