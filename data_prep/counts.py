"""What a conversion counted: records, samples, reasons, lengths. Adds up, and survives a restart."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, fields
from itertools import accumulate
from typing import Any

from data_prep.records import SkipReason


class Lengths(Counter[int]):
    """A histogram of lengths. Percentiles are of the nearest rank."""

    def above(self, limit: int) -> int:
        """How many exceed the limit."""
        return sum(count for length, count in self.items() if length > limit)

    def summary(self) -> dict[str, float]:
        """Count, mean, median, 95th and 99th percentile and maximum; empty without lengths."""
        total = self.total()
        if not total:
            return {}
        mean = sum(length * count for length, count in self.items()) / total
        ranks = {"median": 0.5, "p95": 0.95, "p99": 0.99}
        lengths = sorted(self)
        seen = list(accumulate(self[length] for length in lengths))
        percentiles = {name: lengths[bisect_left(seen, share * total)] for name, share in ranks.items()}
        return {"count": total, "mean": round(mean, 2), **percentiles, "max": lengths[-1]}


@dataclass(slots=True)
class Counts:
    """Counts of a conversion, or of a part of it.

    `read`: questions, pairs or pictures that the source offered; each was used or skipped, so
    `read == used + sum(skipped.values())`. `written`: samples by "<task> <split>"; a used one gives one or more.
    `kinds`: samples by "<task> <kind>". Lengths are of left texts in characters and, where a BPE was given, of left
    texts and first answers in tokens, by task.
    """

    read: int = 0
    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    characters: dict[str, Lengths] = field(default_factory=dict)
    left_tokens: dict[str, Lengths] = field(default_factory=dict)
    right_tokens: dict[str, Lengths] = field(default_factory=dict)

    @property
    def faults(self) -> int:
        """Records skipped because they are broken, not because a rule leaves them out."""
        return sum(count for name, count in self.skipped.items() if SkipReason[name].is_fault)

    def add(self, other: Counts) -> None:
        """Take another part's counts in."""
        self.read += other.read
        self.used += other.used
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in _LENGTHS:
            mine, theirs = getattr(self, name), getattr(other, name)
            for task, lengths in theirs.items():
                mine.setdefault(task, Lengths()).update(lengths)

    def to_json(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Counts:
        """The counts that `to_json` gave."""
        lengths = {
            name: {
                task: Lengths({int(length): count for length, count in counts.items()})
                for task, counts in saved[name].items()
            }
            for name in _LENGTHS
        }
        return cls(**{**saved, **{name: Counter(saved[name]) for name in _COUNTERS}, **lengths})


_COUNTERS = ("skipped", "written", "kinds")
_LENGTHS = ("characters", "left_tokens", "right_tokens")
