"""What a process of a run knows of the others: their journals while they work, then the results they hand in.

They share nothing but the output folder: no process waits for another one but the first, at its end, and that one never
for a process that is gone.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections import ChainMap
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from contest.errors import ContestError
from contest.writing import write_json
from submission.deadline import RunStatus
from submission.journal import JournalFollower, JournalRecords, journal_name, records_for
from submission.report import RankResult
from submission.run_state import RunState
from submission.sharding import Shard, process_stat
from submission.tables import SampleIds, Union

STARTING_SECONDS = 120.0  # that the first process waits, after its own work, for one that did not even begin
LAST_SECONDS = 10.0  # that the others are given when all are asked to stop
SECONDS_BETWEEN_LOOKS = 0.2
RESULTS_DIR = ".processes"


class PeerProcesses:
    """The other processes of a run, of which there may be none. Each result is a file of its own in the output folder.

    Args:
        output: the folder that all of them write into.
        shard: this process.
        configuration: that of the run; it may be completed later on.
        ids: of the run's samples, for tables; None as for `records_for`.

    Attributes:
        earlier: what earlier runs of this configuration did.
        handed_in: what each of them handed in, as far as it was waited for; None for one that is gone without.

    """

    def __init__(
        self, output: Path, shard: Shard, configuration: Mapping[str, Any], ids: SampleIds | None = None
    ) -> None:
        self.folder = output / RESULTS_DIR
        self.shard = shard
        self.ids = ids
        self.earlier = records_for(ids)
        self.handed_in: dict[int, RankResult | None] = {}
        self._followers = {
            number: JournalFollower(output / journal_name(number), configuration, ids) for number in shard.others
        }

    def begin(self) -> None:
        """Say that this process is at work. Raises ContestError or OSError if that can not be written."""
        self.folder.mkdir(exist_ok=True)
        self._write(None)

    def known(self, state: RunState) -> tuple[Mapping[str, str], Set[str]]:
        """Answers by sample id, and ids of samples with a picture: those of a state, and the others' by now."""
        known = self._journalled()
        pictured = Union(state.pictured, state.images.keys(), known.images.keys())
        return ChainMap(state.answers, known.answers), pictured

    def hand_in(self, result: RankResult) -> bool:
        """Hand in what this process did; return False if the first one has ended without waiting for it.

        Raises ContestError if it can not be written.
        """
        try:
            self._write(result)
        except ContestError:
            if self.folder.is_dir():
                raise
            return False
        return True

    @property
    def result_was_taken(self) -> bool:
        """Whether what this process handed in does not lie there any more: the first one took it, and ended."""
        return self._read(self.shard.number) is None

    @property
    def first_is_at_work(self) -> bool:
        """Whether the first process waits for what the others hand in. Otherwise it is gone, or has not yet begun."""
        part = self._read(0)
        return part is not None and is_alive(part["pid"])

    @property
    def are_done(self) -> bool:
        """Whether nobody else writes here any more; a first process that has not begun may do so yet."""
        parts = {number: self._read(number) for number in self.shard.others}
        if 0 in parts and parts[0] is None:
            return False
        return not any(part and part["outcome"] is None and is_alive(part["pid"]) for part in parts.values())

    def poll(self, waited: float, patience: float = math.inf) -> bool:
        """Look once at those that have not handed in, for whom one has `waited` seconds; return whether all have.

        Who is gone without handing in counts as having done so, and after `patience` seconds everybody does.
        """
        for number in set(self.shard.others) - set(self.handed_in):
            part = self._read(number)
            if part is None:  # not begun
                gone = waited > min(patience, STARTING_SECONDS)
            else:
                gone = waited > patience or not is_alive(part["pid"])
                part = self._read(number)  # it may have handed in between the two looks
            result = None if part is None or part["outcome"] is None else RankResult.from_json(part["outcome"])
            if gone or result is not None:
                self.handed_in[number] = result
        return len(self.handed_in) == len(self.shard.others)

    def results(self) -> list[RankResult]:
        """What those did that are not waited for any more: of one that is gone without a word, what it journalled."""
        return [self._lost(number) if result is None else result for number, result in sorted(self.handed_in.items())]

    def clear(self) -> None:
        """Remove what was handed in, in this run or in one that was killed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _journalled(self) -> JournalRecords:
        """What earlier runs and, by now, the others journalled."""
        if not self._followers:
            return self.earlier
        known = records_for(self.ids)
        known.merge(self.earlier)
        for follower in self._followers.values():
            follower.catch_up()
            known.merge(follower.records)
        return known

    def _lost(self, number: int) -> RankResult:
        known = self._journalled()  # another run's processes may have gone on with what this one's journal has
        own = self._followers[number].records
        return RankResult(
            number,
            {"type": "unknown", "name": "unknown"},
            answers={key: known.answers[key] for key in own.answers},
            draws={key: known.draws(key) for key in own.answers if key in known.said},
            pictured=set(own.images),
            status=RunStatus.PROCESS_LOST,
            error=f"process {number} ended without handing in its part",
        )

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _write(self, result: RankResult | None) -> None:
        outcome = None if result is None else result.to_json()
        write_json(self._path(self.shard.number), {"launch": self.shard.launch, "pid": os.getpid(), "outcome": outcome})

    def _read(self, number: int) -> dict[str, Any] | None:
        """Return what a process left; None if there is nothing of this launch."""
        try:
            part: dict[str, Any] = json.loads(self._path(number).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return part if part["launch"] == self.shard.launch else None


def pause() -> None:
    """Wait until the next look."""
    time.sleep(SECONDS_BETWEEN_LOOKS)


def is_alive(pid: int) -> bool:
    """Whether a process is there and was not killed."""
    try:
        return process_stat(pid)[0] != "Z"  # killed, but nobody has asked for its exit status
    except (FileNotFoundError, ProcessLookupError):
        return False
