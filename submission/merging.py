"""What a process of a run knows of the others: their journals while they work, then what they hand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from submission.deadline import COLLECTING_SHARE, Ending, Stopped, Watch
from submission.journal import Follower, Journal, journal_name
from submission.report import Outcome
from submission.sharding import Parts, Shard

LAST_SECONDS = 10.0  # that the others are given when all are told to stop


class Others:
    """The other processes of a run; there may be none.

    Args:
        output: the folder that all of them write into.
        shard: this process.
        journal: its journal, which knows what earlier runs did.
        configuration: that of the run.

    """

    def __init__(self, output: Path, shard: Shard, journal: Journal, configuration: Mapping[str, Any]) -> None:
        self._journal = journal
        self._followers = {number: Follower(output / journal_name(number), configuration) for number in shard.others}

    def known(self) -> tuple[dict[str, str], set[str]]:
        """Answers by sample id, and ids of samples with a picture: from earlier runs, and from the others by now."""
        answers, pictured = dict(self._journal.answers), set(self._journal.drawings)
        for follower in self._followers.values():
            follower.catch_up()
            answers |= follower.records.answers
            pictured |= follower.records.crcs.keys()
        return answers, pictured

    def collect(self, parts: Parts, watch: Watch, refresh: Callable[[], None]) -> tuple[list[Outcome], Ending]:
        """Wait for the others and return their outcomes, and how the waiting ended.

        Of a process that is gone without a word, what it journalled is what it did.
        """
        ending = Ending.FINISHED
        try:
            found = watch.during(COLLECTING_SHARE, lambda: parts.collect(refresh))
        except Stopped as stopped:
            ending = stopped.ending
            found = parts.collect(lambda: None, LAST_SECONDS)
        return self._outcomes(found), ending

    def handed_in(self, parts: Parts) -> list[Outcome]:
        """Outcomes of the others by now, without waiting for any."""
        return self._outcomes(parts.collect(lambda: None, patience=0.0))

    def _outcomes(self, found: Mapping[int, dict[str, Any] | None]) -> list[Outcome]:
        return [
            self._lost(number) if value is None else Outcome.from_json(value) for number, value in sorted(found.items())
        ]

    def _lost(self, number: int) -> Outcome:
        follower = self._followers[number]
        follower.catch_up()
        return Outcome(
            number,
            {"type": "unknown", "name": "unknown"},
            answers=dict(follower.records.answers),
            pictured=set(follower.records.crcs),
            ending=Ending.PROCESS_LOST,
            error=f"process {number} ended without handing in its part",
        )
