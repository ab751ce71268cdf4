"""Means over the steps since a moment; saved with a run, so that they also cover the steps before it was resumed."""

from __future__ import annotations

from collections.abc import Mapping


class RunningMeans:
    """Sums and counts by name, in the order in which the names first came."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Add a value for each name."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def means(self) -> dict[str, float]:
        """Return the mean of each name's values."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def clear(self) -> None:
        """Begin anew."""
        self._sums.clear()

    def state(self) -> dict[str, tuple[float, int]]:
        """Return plain values that `restore` takes."""
        return dict(self._sums)

    def restore(self, state: Mapping[str, tuple[float, int]]) -> None:
        """Go on from a state."""
        self._sums = dict(state)
