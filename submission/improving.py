"""What is done for samples that have their answer and their picture: the ways to better them, and which comes next.

Every way has its turns. Which one is next, the run itself tells: the one of which most samples got something better a
second so far. What comes of a sample depends on neither the order nor the clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from contest.items import Sample
from contest.selection import Selection, where
from submission.batches import Failure
from submission.captioning import more_captions
from submission.captions import MOST_CAPTIONS, CaptionChoice, DrawnCaptions, asks_for_caption, rounds_of_captions
from submission.crops import best_readings
from submission.engine import Engine, FirstAsking, GeneratedImage, Query
from submission.planning import rounds
from submission.recorded_images import RecordedImage
from submission.run_state import RunState
from submission.settings import MAX_IMAGES, RunSettings
from submission.tables import known_to


@dataclass(frozen=True)
class Turn:
    """Work of one way on some samples.

    Attributes:
        phase: the name of the way.
        samples: those it is for.
        compute: gives a batch's results; may be interrupted.
        record: takes a sample's result, or why there is none; returns whether the sample has got something better.
        spare: whether it is done only in time that the budget gives: its end is not the run's.

    """

    phase: str
    samples: Sequence[Sample]
    compute: Callable[[Sequence[Sample]], Sequence[Any]]
    record: Callable[[Sample, Any], bool]
    spare: bool = False


class Way(Protocol):
    """One way to better what samples have."""

    def turn(self) -> Turn | None:
        """Return what is to do next; None where nothing is left."""
        ...


@dataclass
class AskAgain:
    """Ask samples again whose first answer said so; what they answered first, `first` tells by sample id."""

    samples: Sequence[Sample]
    state: RunState
    engine: Engine
    query: Callable[[Sample], Query]
    first: Mapping[str, FirstAsking]

    def turn(self) -> Turn | None:
        """All samples that are to be asked again."""
        waiting = known_to(self.state.first_answers, self.samples)
        return (
            Turn("ask again", waiting, self._compute, partial(record_text, self.state, "ask again"))
            if waiting
            else None
        )

    def _compute(self, batch: Sequence[Sample]) -> list[str]:
        return self.engine.ask_again([self.query(sample) for sample in batch], [self.first.get(s.id) for s in batch])


@dataclass
class ReadCrops:
    """Read the text in pictures again that are not square, in what their centre squares leave out.

    `squares` reads those of some samples. Nothing of the first reading is kept: a restarted run has none of it.
    """

    samples: Sequence[Sample]
    state: RunState
    engine: Engine
    query: Callable[[Sample], Query]
    squares: Callable[[Sequence[Sample]], Sequence[Sequence[Tensor]]]

    def turn(self) -> Turn | None:
        """All samples that are to be read again."""
        waiting = known_to(self.state.first_answers, self.samples)
        return (
            Turn("read crops", waiting, self._compute, partial(record_text, self.state, "read crops"))
            if waiting
            else None
        )

    def _compute(self, batch: Sequence[Sample]) -> list[str]:
        return best_readings(self.engine, [self.query(sample) for sample in batch], self.squares(batch))


def record_text(state: RunState, phase: str, sample: Sample, text: str | Failure) -> bool:
    """Record the last answer of a sample that had a first one, or why there is none; return whether it is another."""
    if isinstance(text, Failure):
        state.keep_first_answer(sample)
        state.record_failure(sample, phase, text, "its first answer stays")
        return False
    changed = text != state.answers[sample.id]
    state.record_final_answer(sample, text)
    return changed


@dataclass
class DrawAgain:
    """More pictures for samples that have one; the best of all stays. Shorter texts come first.

    Only a drawing task's pictures count, and nothing says which samples are of one; but its texts are captions, and a
    question with its passage is longer.

    `failed` are the ids of samples that can not be drawn for, `written` of how many pictures the last one is the best
    that was given to `write`, by sample id: it was lost where the state does not know it when the turn is over.
    """

    settings: RunSettings
    state: RunState
    engine: Engine
    write: Callable[[Sample, GeneratedImage, int], None]
    failed: set[str] = field(default_factory=set)
    written: dict[str, int] = field(default_factory=dict)

    def turn(self) -> Turn | None:
        """The samples that have had the fewest pictures so far, up to the end of their round."""
        settings, images = self.settings, self.state.images
        stops = {*rounds(settings.num_images), *(rounds(MAX_IMAGES) if settings.time_budget > 0 else ())}
        if not stops:
            return None
        drawn = where(
            self.state.samples,
            lambda s: s.id in self.state.pictured and not s.has_image and not self._is_given_up(s),
        )
        lengths = array("q", (sum(map(len, sample.texts)) for sample in drawn))
        drawn = Selection.of(drawn, np.argsort(lengths, kind="stable").tolist())
        for stop in sorted(stops):  # what is asked for ends a round: the budget's end must not cost it
            for start in sorted({images[sample.id].num_images for sample in drawn} & set(range(stop))):
                waiting = _drawn_so_often(drawn, lambda sample: images[sample.id].num_images, start)
                return self._turn(waiting, range(start, stop))
        return None

    def _is_given_up(self, sample: Sample) -> bool:
        is_lost = self.written.get(sample.id, 0) > self.state.images[sample.id].num_images
        return is_lost or sample.id in self.failed

    def _turn(self, waiting: Sequence[Sample], numbers: range) -> Turn:
        def choose(batch: Sequence[Sample]) -> list[tuple[GeneratedImage, bool]]:
            queries = [Query(sample.id, sample.texts) for sample in batch]
            return self.engine.best_of_n(queries, [self.state.images[sample.id].codes for sample in batch], numbers)

        def record(sample: Sample, chosen: tuple[GeneratedImage, bool] | Failure) -> bool:
            if isinstance(chosen, Failure):
                self.failed.add(sample.id)
                self.state.record_failure(sample, "improve", chosen, "its first picture stays")
                return False
            image, is_new = chosen
            if is_new:
                self.write(sample, image, numbers.stop)
                self.written[sample.id] = numbers.stop
            else:
                before = self.state.images[sample.id]
                self.state.record_image(sample, RecordedImage(before.codes, before.crc, numbers.stop))
            return is_new

        return Turn("improve", waiting, choose, record, spare=numbers.stop > self.settings.num_images)


def _drawn_so_often(samples: Sequence[Sample], draws: Callable[[Sample], int], times: int) -> Selection[Sample]:
    return where(samples, lambda sample: draws(sample) == times)


def more_captions_wanted(state: RunState, choice: CaptionChoice | None, *, spare: bool) -> Selection[Sample]:
    """Samples with a picture whose caption may be drawn more often; with `spare` as often as any."""
    if choice is None:
        return Selection.of(state.samples, ())
    most = 1 + (MOST_CAPTIONS if spare else choice.num_samples)
    return where(state.samples, lambda s: s.has_image and state.draws.get(s.id, 1) < most and asks_for_caption(s.texts))


@dataclass
class CaptionAgain:
    """More captions for samples that ask for one, have an answer, and whose picture is seen; the best of all stays.

    `seen` are the ids of samples whose picture is, `failed` those of samples for which no more can be drawn.
    """

    settings: RunSettings
    state: RunState
    engine: Engine
    query: Callable[[Sample], Query]
    seen: Collection[str]
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        state = self.state
        unanswered = {problem.sample_id for problem in state.problems if problem.phase == "answer"}
        wanted = more_captions_wanted(state, self.engine.profile.captions, spare=True)
        self._samples = where(wanted, lambda s: s.id in state.answers and s.id not in unanswered and s.id in self.seen)

    def turn(self) -> Turn | None:
        """The samples that have had the fewest captions so far, up to the end of their round."""
        choice, draws = self.engine.profile.captions, self.state.draws
        if choice is None:
            return None
        going_on = where(self._samples, lambda sample: sample.id not in self.failed)
        asked = rounds_of_captions(choice.num_samples)
        bought = rounds_of_captions(MOST_CAPTIONS) if self.settings.time_budget > 0 else ()
        for stop in sorted({*asked, *bought}):
            for start in sorted({draws.get(sample.id, 1) for sample in going_on} & set(range(stop))):
                waiting = _drawn_so_often(going_on, lambda sample: draws.get(sample.id, 1), start)
                compute = partial(self._compute, choice=choice, numbers=range(start, stop))
                return Turn("captions", waiting, compute, self._record, spare=stop > asked[-1])
        return None

    def _compute(self, batch: Sequence[Sample], choice: CaptionChoice, numbers: range) -> list[DrawnCaptions]:
        queries, so_far = [self.query(sample) for sample in batch], [self._so_far(sample) for sample in batch]
        return more_captions(self.engine, choice, queries, so_far, numbers)

    def _so_far(self, sample: Sample) -> DrawnCaptions:
        answer, said = self.state.answers[sample.id], self.state.said.get(sample.id)
        if said is None:
            return DrawnCaptions.first(answer, self.engine.profile.empty_answer)
        return DrawnCaptions(answer, said)

    def _record(self, sample: Sample, drawn: DrawnCaptions | Failure) -> bool:
        if isinstance(drawn, Failure):
            self.failed.add(sample.id)
            self.state.record_failure(sample, "captions", drawn, "its best caption so far stays")
            return False
        changed = drawn.best != self.state.answers[sample.id]
        self.state.record_best_answer(sample, drawn.best, drawn.said)
        return changed


@dataclass
class Payoff:
    """How often ways bettered a sample, and the seconds that this took."""

    better: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, phase: str, better: int, seconds: float) -> None:
        """Count what came of a turn, or of a part of it."""
        self.better[phase] = self.better.get(phase, 0) + better
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def rate(self, phase: str) -> float:
        """Samples bettered a second; of what was never tried, infinite."""
        if phase not in self.seconds:
            return float("inf")
        return self.better[phase] / max(self.seconds[phase], 1e-9)

    def next_turn(self, turns: Sequence[Turn], trial: Callable[[str], int]) -> Turn:
        """Of at least one turn of ways the one to take: no spare one while others are left, then by the rate.

        Where several ways compete, one that was never tried gets a batch of `trial` samples first. Of equal rates the
        first wins.
        """
        due = [turn for turn in turns if not turn.spare] or turns
        best = max(due, key=lambda turn: self.rate(turn.phase))
        if len(due) > 1 and best.phase not in self.seconds:
            return replace(best, samples=best.samples[: trial(best.phase)])
        return best
