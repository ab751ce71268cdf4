"""The leaderboard's page of cost: S against joules a sample with the Pareto front, and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup, escape

from evaluation.cost import FIGURES, pareto_front, shown
from evaluation.leaderboard import LeaderboardRun, RankedGroup

COST_PAGE = "cost.html"
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 66, 24, 38, 50
RADIUS = 5
STEPS = (1, 2, 5)  # of a logarithmic axis, in each power of ten
MOST_TICKS = 8
LEAST_DECADES = 0.2  # on either side of a single run: between two and five, the widest gap, are 0.4


@dataclass(frozen=True, slots=True)
class CostRow:
    """A run on the page: its figures as texts by name, and whether it stands on its group's Pareto front.

    `is_on_front` is None for a run without S or without joules, which is not drawn.
    """

    run: LeaderboardRun
    page: str
    figures: dict[str, str]
    is_on_front: bool | None


@dataclass(frozen=True, slots=True)
class CostGroup:
    """Runs that measure the same: only their S may stand in one plot."""

    number: int
    plot: Markup
    rows: tuple[CostRow, ...]

    @property
    def left_out(self) -> int:
        """How many are not drawn."""
        return sum(row.is_on_front is None for row in self.rows)


def has_costs(groups: Sequence[RankedGroup]) -> bool:
    """Whether any run tells anything of its cost: without one there is no page."""
    return any(getattr(run.provenance, name) is not None for group in groups for run in group.runs for name in FIGURES)


def cost_page(groups: Sequence[RankedGroup], pages: dict[int, str], environment: Environment) -> str:
    """Return the page; `pages` are the runs' own by their numbers."""
    found = [_group(number, group.runs, pages) for number, group in enumerate(groups, start=1)]
    return environment.get_template("board_cost.html").render(groups=found, figures=FIGURES)


def _group(number: int, runs: Sequence[LeaderboardRun], pages: dict[int, str]) -> CostGroup:
    placed = [(run, place) for run in runs if (place := _place(run)) is not None]
    front = pareto_front([place for _, place in placed])
    on_front = {run.id: is_on for (run, _), is_on in zip(placed, front, strict=True)}
    rows = tuple(
        CostRow(
            run,
            pages[run.id],
            {name: shown(getattr(run.provenance, name)) for name in FIGURES},
            on_front.get(run.id),
        )
        for run in runs
    )
    return CostGroup(number, cost_plot([(run.id, run.name, *place) for run, place in placed], front), rows)


def _place(run: LeaderboardRun) -> tuple[float, float] | None:
    """Joules a sample and S; None without one of them, or where a logarithmic axis has no place for no joules."""
    joules = run.provenance.joules_per_sample
    return None if run.integral is None or not joules else (joules, run.integral)


def cost_plot(points: Sequence[tuple[int, str, float, float]], front: Sequence[bool]) -> Markup:
    """Return an SVG of runs (number, name, joules, S) on a logarithmic axis of joules; empty without a run.

    Those on the front are full and joined by a line, the others are rings; each has its number beside it.
    """
    if not points:
        return Markup("")
    low, high = _reach([math.log10(joules) for _, _, joules, _ in points], LEAST_DECADES)
    bottom, top = _reach([score for *_, score in points], 0.02)

    def x(joules: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(joules) - low) / (high - low)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (score - bottom) / (top - bottom)

    on = sorted((joules, score) for (_, _, joules, score), is_on in zip(points, front, strict=True) if is_on)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="cost-plot"><title>S against joules a sample: '
        f"{len(points)} runs, {len(on)} on the Pareto front; the table has the same figures</title>"
    ]
    for joules in _ticks(low, high):
        at = f"{x(joules):.2f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{joules:g}</text>')
    for score in (bottom + (top - bottom) * part / 4 for part in range(5)):
        at = f"{y(score):.2f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(score) + 4:.2f}" text-anchor="end">{score:.3f}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">joules a sample</text>')
    parts.append(f'<text x="{LEFT - 6}" y="16" text-anchor="end">S</text>')
    if len(on) > 1:
        line = " ".join(f"{x(joules):.2f},{y(score):.2f}" for joules, score in on)
        parts.append(f'<polyline class="front" points="{line}"/>')
    for (number, name, joules, score), is_on in zip(points, front, strict=True):
        kind = "front" if is_on else "behind"
        parts.append(
            f'<circle class="{kind}" cx="{x(joules):.2f}" cy="{y(score):.2f}" r="{RADIUS}">'
            f"<title>{escape(name)}: S {score:.4f}, {shown(joules)} J</title></circle>"
            f'<text x="{x(joules) + RADIUS + 3:.2f}" y="{y(score) - RADIUS:.2f}">{number}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))


def _reach(values: Sequence[float], least: float) -> tuple[float, float]:
    """Return the ends of an axis: a tenth beyond the values on either side, and never less than `least`."""
    margin = max(least, 0.1 * (max(values) - min(values)))
    return min(values) - margin, max(values) + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two powers of ten, given by their exponents; few enough to be read."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = [step * 10.0**power for power in powers for step in STEPS if low <= math.log10(step) + power <= high]
    if len(found) > MOST_TICKS:
        found = [10.0**power for power in powers if low <= power <= high]
    return found[:: max(1, math.ceil(len(found) / MOST_TICKS))]
