"""The page of a training's CO2: one HTML file with both plots in it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pages import page_environment
from training.co2_report.charts import MASS, unit_of
from training.co2_report.figures import Figures

ENERGY = ("kWh", "Wh", "mWh", "µWh")


def page(figures: Figures, by_epoch: bytes | None, against: bytes | None) -> str:
    """Return the HTML; `by_epoch` and `against` are the plots as PNG, None where there is nothing to draw."""
    environment = page_environment(Path(__file__).parent / "templates")
    environment.filters["mass"] = partial(_amount, units=MASS)
    environment.filters["energy"] = partial(_amount, units=ENERGY)
    environment.filters["loss"] = lambda value: "–" if value is None else f"{value:.4f}"
    environment.filters["duration"] = _duration
    return environment.get_template("co2_report.html").render(
        summary=figures.summary,
        figures=figures,
        by_epoch=None if by_epoch is None else _uri(by_epoch),
        against=None if against is None else _uri(against),
    )


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _amount(value: float | None, units: Sequence[str]) -> str:
    if value is None:
        return "not measured"
    scale, unit = unit_of(value, units)
    return f"{value / scale:.3g} {unit}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
