"""`OUTPUT/plots`: the log's losses, validation scores and learning rate as PNG files. Reads nothing but `log.csv`."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contest.writing import write_bytes
from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.callbacks.csv_log import LOG_FILE, LogFileError, LogRow, read_log
from training.tune.callbacks.safe_callbacks import CallbackError
from training.tune.validation import Validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "plots"
COLUMNS = 3
SEGMENTS = ("left", "image", "right")
POINTS_UP_TO = 30  # values of a curve up to which each is marked: a line through one or two is not seen
LOG_SCALE_FROM = 20.0  # ratio of the largest to the smallest value from which an axis is logarithmic

Curve = tuple[list[int], list[float]]


class Plots(Callback):
    """Draws the plots anew at each validation and at the end."""

    def on_start(self, run: TrainingRun) -> None:
        """Remember where to draw."""
        self._output, self._behind = run.output, False

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Only validations are drawn."""
        self._behind = True

    def on_validation(self, step: int, validation: Validation) -> None:
        """Draw. Raises `CallbackError` for whatever kept it from that, OSError and ContestError for the disk."""
        self._draw()

    def on_end(self) -> None:
        """Draw what has come since the last validation: a run that broke off has some."""
        if self._behind:
            self._draw()

    def _draw(self) -> None:
        self._behind = False
        try:
            draw_plots(self._output)
        except (LogFileError, ValueError, RuntimeError, ImportError) as error:  # another program's log; matplotlib
            raise CallbackError(f"the plots can not be drawn: {error}") from error


def draw_plots(output: Path) -> list[Path]:
    """Draw all that `log.csv` has figures for into `plots`; return the files, each written whole or not at all.

    Raises `LogFileError` for a file that is no log, OSError (no file), ContestError (not written).
    """
    curves = curves_of(read_log(output / LOG_FILE))
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "loss.png": _losses(curves),
        "validation.png": _scores(curves),
        "learning_rate.png": _rate(curves),
    }
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            write_bytes(folder / name, png(figure))
            paths.append(folder / name)
    return paths


def curves_of(rows: Sequence[LogRow]) -> dict[str, Curve]:
    """Return (steps, values) by name, in order of the steps; what is not finite is left out."""
    curves: dict[str, Curve] = {}
    for row in sorted(rows, key=lambda row: row.step):
        if math.isfinite(row.value):
            steps, values = curves.setdefault(row.name, ([], []))
            steps.append(row.step)
            values.append(row.value)
    return curves


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def marker_of(places: Sequence[object]) -> str | None:
    """Return how the points of a curve are marked: a short one's as dots, a long one's not at all."""
    return "o" if len(places) <= POINTS_UP_TO else None


def new_figure(
    panels: int, *, width: float = 4.6, height: float = 3.2, whole_steps: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, at most three in a row; drawn by Agg, with no window and no global state.

    `whole_steps`: whether the horizontal axis counts in whole numbers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(COLUMNS, panels)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.margins(x=0.02)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=whole_steps, min_n_ticks=1))
    for axis in axes[panels:]:
        axis.remove()
    return figure, axes[:panels]


def _losses(curves: Mapping[str, Curve]) -> Figure | None:
    """A panel for the whole loss, and one a task: its segments in training, and its loss at validation."""
    tasks = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in curves if name.rsplit(".", 1)[-1] in SEGMENTS))
    panels = {"all tasks": {"loss": "training", "validation.loss": "validation"}}
    for task in tasks:
        panels[task] = {f"{task}.{segment}": f"training, {segment}" for segment in SEGMENTS}
        panels[task][f"validation.{task}.loss"] = "validation, weighted"
    drawn = {title: names for title, names in panels.items() if any(name in curves for name in names)}
    if not drawn:
        return None
    figure, axes = new_figure(len(drawn))
    for axis, (title, names) in zip(axes, drawn.items(), strict=True):
        _lines(axis, {label: curves[name] for name, label in names.items() if name in curves})
        axis.set(title=title, xlabel="step", ylabel="cross-entropy, nats")
    return figure


def _scores(curves: Mapping[str, Curve]) -> Figure | None:
    panels = {}
    for title, kind in (("the contest's text metrics", "score"), ("exact match", "exact_match")):
        names = [name for name in curves if name.startswith("validation.") and name.endswith(f".{kind}")]
        # validation.<task>.<kind>; `validation.score` alone is the mean over tasks.
        found = {
            name.removeprefix("validation.").removesuffix(kind).removesuffix(".") or "mean": curves[name]
            for name in names
        }
        if found:
            panels[title] = found
    if not panels:
        return None
    figure, axes = new_figure(len(panels))
    for axis, (title, found) in zip(axes, panels.items(), strict=True):
        _lines(axis, found, marker="o")
        axis.set(title=title, xlabel="step", ylabel="score", ylim=(-0.02, 1.02), yscale="linear")
    return figure


def _rate(curves: Mapping[str, Curve]) -> Figure | None:
    if "rate" not in curves:
        return None
    figure, (axis,) = new_figure(1)
    steps, values = curves["rate"]
    axis.plot(steps, values, marker=marker_of(steps), markersize=3)
    axis.set(title="learning rate", xlabel="step", ylabel="rate", ylim=(0, None))
    return figure


def _lines(axis: Axes, curves: Mapping[str, Curve], marker: str | None = None) -> None:
    for label, (steps, values) in curves.items():
        at_validation = label.startswith("validation")
        style = "--" if at_validation else "-"
        axis.plot(
            steps, values, style, label=label, marker="o" if at_validation else marker or marker_of(steps), markersize=3
        )
    values = [value for _, found in curves.values() for value in found]
    if min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM:
        axis.set_yscale("log")
    axis.legend(fontsize="small")
