"""Draws the report's charts as inline SVG and as places in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluation.results import TaskResult

BINS = 20
FEW = 10  # scores that are drawn one by one
RADIUS = 4
WIDTH, HEIGHT = 320, 120
LEFT, BOTTOM, TOP = 6, 18, 14


@dataclass(frozen=True, slots=True)
class ScoreBar:
    """Places on a scale from 0 to 1, in percent: the score, its interval, the baseline, the bound of eligibility."""

    score: float
    low: float
    high: float
    baseline: float
    threshold: float | None


def score_bar(result: TaskResult) -> ScoreBar:
    """Return where a task's figures stand."""
    low, high = result.interval or (result.score, result.score)
    task = result.task
    threshold = None if task.threshold is None else _percent(task.threshold)
    return ScoreBar(_percent(result.score), _percent(low), _percent(high), _percent(task.baseline), threshold)


def counts(scores: Sequence[float], low: float, high: float) -> list[int]:
    """Return how many scores fall into each of BINS equal parts of [low, high]; `high` itself falls into the last."""
    found = [0] * BINS
    for score in scores:
        found[min(BINS - 1, math.floor((score - low) / (high - low) * BINS))] += 1
    return found


def histogram(scores: Sequence[float], mean: float) -> Markup:
    """Return an SVG of the samples' scores with their mean: from 0 to 1, or wider if a score lies outside.

    Many scores are bars; a few are points, one each.
    """
    low, high = min(0.0, *scores, mean), max(1.0, *scores, mean)
    bars = counts(scores, low, high)
    top = max(bars)
    wide, base = WIDTH - 2 * LEFT, HEIGHT - BOTTOM
    few = len(scores) <= FEW
    noun = "score" if len(scores) == 1 else "scores"
    # The element's texts are numbers of our own making: nothing of a sample gets into it.
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="histogram">'
        f"<title>{len(scores)} {noun} from {min(scores):.3f} to {max(scores):.3f}, mean {mean:.4f}"
        f"{'' if few else f'; the highest bar has {top} samples'}</title>"
    ]
    parts += _points(scores, low, high, base) if few else _bars(bars, low, high, base)
    at = LEFT + wide * (mean - low) / (high - low)
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{base}" y2="{base}"/>')
    parts.append(f'<line class="mean" x1="{at:.2f}" x2="{at:.2f}" y1="{TOP - 4}" y2="{base}"/>')
    for value, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end")):
        place = LEFT + wide * (value - low) / (high - low)
        parts.append(f'<text x="{place:.2f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{value:g}</text>')
    told = "a point a sample" if few else f"highest bar: {top} samples"
    parts.append(f'<text x="{WIDTH - LEFT}" y="10" text-anchor="end">{told}</text></svg>')
    return Markup("".join(parts))


def _bars(bars: Sequence[int], low: float, high: float, base: float) -> list[str]:
    step = (WIDTH - 2 * LEFT) / BINS
    parts = []
    for index, count in enumerate(bars):
        if count:
            height = max(1.5, (base - TOP) * count / max(bars))  # a lone sample stays visible beside thousands
            begin, end = low + (high - low) * index / BINS, low + (high - low) * (index + 1) / BINS
            parts.append(
                f'<rect x="{LEFT + index * step + 0.5:.2f}" y="{base - height:.2f}" width="{step - 1:.2f}" '
                f'height="{height:.2f}"><title>{begin:.2f} to {end:.2f}: {count}</title></rect>'
            )
    return parts


def _points(scores: Sequence[float], low: float, high: float, base: float) -> list[str]:
    """Points at their scores, those that would overlap above each other."""
    wide = WIDTH - 2 * LEFT - 2 * RADIUS
    places: list[float] = []
    parts = []
    for score in sorted(scores):
        x = LEFT + RADIUS + wide * (score - low) / (high - low)
        below = sum(abs(x - other) < 2 * RADIUS for other in places)
        places.append(x)
        y = base - RADIUS - 1 - below * 2 * RADIUS
        parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{RADIUS}"><title>{score:.4f}</title></circle>')
    return parts


def _percent(value: float) -> float:
    return 100 * min(1.0, max(0.0, value))


def interval_line(
    score: float | None, low: float | None, high: float | None, scale: tuple[float, float] = (0.0, 1.0)
) -> Markup:
    """Return an SVG of a score and its interval between the ends of a scale; an empty one without a score."""
    parts = ['<svg viewBox="0 0 120 16" role="img" class="interval-line">']
    if score is None:
        parts.append("<title>no score</title>")
    elif low is None or high is None:
        parts.append(f"<title>{score:.4f}, no interval</title>")
    else:
        parts.append(f"<title>{score:.4f}, 95 % interval {low:.4f} to {high:.4f}</title>")
    parts.append('<line class="axis" x1="4" x2="116" y1="8" y2="8"/>')

    def place(value: float) -> float:
        return 4 + 112 * min(1.0, max(0.0, (value - scale[0]) / (scale[1] - scale[0])))

    if score is not None:
        if low is not None and high is not None:
            parts.append(f'<line class="reach" x1="{place(low):.2f}" x2="{place(high):.2f}" y1="8" y2="8"/>')
        parts.append(f'<circle cx="{place(score):.2f}" cy="8" r="3"/>')
    return Markup("".join([*parts, "</svg>"]))


def history_line(points: Sequence[tuple[float | None, float | None, float | None]]) -> Markup:
    """Return an SVG of scores one after another with their intervals; empty with fewer than two scores.

    Args:
        points: each a score and the ends of its interval, None where there is none; those without a score are left out.

    """
    known = [(score, low, high) for score, low, high in points if score is not None]
    if len(known) < 2:
        return Markup("")
    ends = [end for point in known for end in point if end is not None]
    least, most = min(ends), max(ends)
    step = (WIDTH - 40) / (len(known) - 1)

    def height(value: float) -> float:
        return 90 - 70 * (value - least) / (most - least or 1.0)

    lines, dots, places = [], [], []
    for number, (score, low, high) in enumerate(known):
        x, y = 20 + step * number, height(score)
        places.append(f"{x:.2f},{y:.2f}")
        told = f"{score:.4f}"
        if low is not None and high is not None:
            told += f", 95 % interval {low:.4f} to {high:.4f}"
            ys = f'y1="{height(low):.2f}" y2="{height(high):.2f}"'
            lines.append(f'<line class="reach" x1="{x:.2f}" x2="{x:.2f}" {ys}/>')
        dots.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="4"><title>{told}</title></circle>')
    scores = [score for score, _, _ in known]
    title = f"{len(scores)} scores from {min(scores):.4f} to {max(scores):.4f}, the last {scores[-1]:.4f}"
    chart = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="history"><title>{title}</title>'
    texts = f'<text x="2" y="12">{most:.4f}</text><text x="2" y="112">{least:.4f}</text>'
    return Markup("".join([chart, *lines, f'<polyline points="{" ".join(places)}"/>', *dots, texts, "</svg>"]))
