"""How many codes of a picture are guessed and computed in one pass: a fixed number, or the one that proves fastest.

The choice changes how long a picture takes, and not which one it is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import torch

WIDTHS = (1, 2, 4, 8, 16)  # that are tried
# Codes of all rows together that a pass computes for little more than one code of one row, to begin with: a processor
# soon multiplies as fast as it can, a GPU goes on waiting for its memory.
PROCESSOR_CODES, GPU_CODES = 16, 128
TRIAL_PASSES = 4  # that a width is measured by at first
MOST_PASSES = 16  # until the widths are compared again
KEPT_SHARE = 0.8  # of what was measured before, when something new is
REMEMBERED = 32  # measurements, after which other widths than the best are tried anew


def clock_of(device: torch.device) -> Callable[[], float]:
    """What passes are measured by: on a processor this thread's own time, which others that compute do not disturb."""
    return time.thread_time if device.type == "cpu" else time.perf_counter


class WindowWidth:
    """Chooses how many codes a pass computes, by the codes a second that were accepted so far.

    Speeds are remembered by width and by how many rows a batch has, in powers of two. It begins with as many codes as
    `codes_at_first` gives each row. From the best width known, the next wider and the next narrower one are tried,
    until neither is better; each measurement counts by how long it took, and less with every later one, and the others
    are tried anew from time to time, so that a machine that becomes busier can change the choice. Passes, codes and
    near-ties among them are counted for reports.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, codes_at_first: int = PROCESSOR_CODES) -> None:
        """`widths`: ascending, from 1. Of a single one there is nothing to choose."""
        if not widths or min(widths) < 1 or list(widths) != sorted(set(widths)):
            raise ValueError(f"widths must ascend from 1 or more, not {list(widths)}")
        self.widths, self.codes_at_first = tuple(widths), codes_at_first
        self.passes = self.codes = self.near_ties = 0
        # By rows in powers of two: codes and seconds by width.
        self._speeds: dict[int, dict[int, tuple[float, float]]] = {}
        self._measurements: Counter[int] = Counter()

    @classmethod
    def automatic(cls, device: torch.device) -> WindowWidth:
        """All widths, beginning with one that suits the device."""
        return cls(codes_at_first=GPU_CODES if device.type == "cuda" else PROCESSOR_CODES)

    @classmethod
    def chosen(cls, window: int | None, device: torch.device) -> WindowWidth:
        """A single width, or with None all of them."""
        return cls.automatic(device) if window is None else cls((window,))

    @property
    def widest(self) -> int:
        """The widest that is ever chosen."""
        return self.widths[-1]

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.widths) == 1

    def best(self, rows: int) -> int:
        """The fastest width known for so many rows: of a similar number of rows, where none of this was measured."""
        if not self._speeds:
            return max((width for width in self.widths if width * rows <= self.codes_at_first), default=self.widths[0])
        nearest = min(self._speeds, key=lambda known: (abs(known - rows.bit_length()), known))
        speeds = self._speeds[nearest]
        return max(speeds, key=lambda width: speeds[width][0] / speeds[width][1])

    def next(self, rows: int) -> tuple[int, bool]:
        """The width of the next passes over so many rows, and whether it was not measured there before."""
        best, speeds = self.best(rows), self._speeds.get(rows.bit_length(), {})
        place = self.widths.index(best)
        near = (best, *self.widths[place + 1 : place + 2], *self.widths[max(place - 1, 0) : place])
        return next(((width, True) for width in near if width not in speeds), (best, False))

    def one_by_one(self, rows: int) -> bool:
        """Whether so many rows are drawn without windows: where these are slower, or the rows too many to try them."""
        best = self.best(rows)
        return best == 1 and (rows > self.codes_at_first or self.next(rows)[0] == best)

    def count(self, passes: int, codes: int) -> None:
        """Count what was computed: passes of the network over a picture's row, and codes accepted of them."""
        self.passes += passes
        self.codes += codes

    def measured(self, rows: int, width: int, codes: int, seconds: float) -> None:
        """Remember how fast codes of so many rows came at a width."""
        key = rows.bit_length()
        speeds = self._speeds.setdefault(key, {})
        earlier = speeds.get(width, (0.0, 0.0))
        speeds[width] = (KEPT_SHARE * earlier[0] + codes, KEPT_SHARE * earlier[1] + max(seconds, 1e-9))
        self._measurements[key] += 1
        if self._measurements[key] % REMEMBERED == 0:
            best = self.best(rows)
            self._speeds[key] = {best: speeds[best]}
