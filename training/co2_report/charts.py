"""The nomination's two plots as PNG: CO2 by epoch, and the loss against the CO2 that it took."""

from __future__ import annotations

from collections.abc import Sequence

from training.co2_report.figures import Point, RunPart
from training.tune.callbacks.plots import marker_of, new_figure, png

SCALES = (1.0, 1e-3, 1e-6, 1e-9)
MASS = ("kg", "g", "mg", "µg")
LABELS_AT_MOST = 24


def unit_of(value: float, names: Sequence[str] = MASS) -> tuple[float, str]:
    """Return (how much of the first unit one of it is, its name): the largest unit that there is at least one of.

    >>> unit_of(0.0125)
    (0.001, 'g')
    """
    units = list(zip(SCALES, names, strict=True))
    return next((found for found in units if value >= found[0]), units[-1])


def co2_by_epoch(parts: Sequence[RunPart]) -> bytes | None:
    """Return bars of each part's CO2; None if none was measured."""
    known = [part for part in parts if part.co2_kg is not None]
    if not known:
        return None
    scale, unit = unit_of(max(part.co2_kg or 0.0 for part in known))
    figure, (axis,) = new_figure(1, width=7.5, height=4)
    places = range(len(known))
    axis.bar(places, [(part.co2_kg or 0.0) / scale for part in known], color="#3a6ea5")
    every = -(-len(known) // LABELS_AT_MOST)
    shown = [place for place in places if place % every == 0]
    axis.set_xticks(shown, [known[place].label for place in shown])
    counted = all(part.label.isdigit() for part in known)
    axis.set(
        title="CO2 by epoch (own reading)",
        xlabel="epoch" if counted else "epoch, with what no epoch has",
        ylabel=f"CO2, {unit}",
    )
    return png(figure)


def loss_against_co2(validation: Sequence[Point], training: Sequence[Point]) -> bytes | None:
    """Return the losses over accumulated CO2; None without any point."""
    points = [*validation, *training]
    if not points:
        return None
    scale, unit = unit_of(max(point.co2_kg for point in points))
    figure, (axis,) = new_figure(1, width=7.5, height=4, whole_steps=False)
    for label, curve in (("training loss", training), ("validation loss", validation)):
        if curve:
            faint = 0.5 if curve is training else 1.0
            marker = marker_of(curve) if curve is training else "o"
            places = [point.co2_kg / scale for point in curve]
            axis.plot(places, [p.loss for p in curve], marker=marker, markersize=4, label=label, alpha=faint)
    axis.set(title="Loss against accumulated CO2 (own reading)", xlabel=f"CO2 so far, {unit}", ylabel="loss, nats")
    axis.legend()
    return png(figure)
