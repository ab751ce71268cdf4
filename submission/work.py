"""The phases of a run over all its samples, and what is known between them. Knows no networks, writes no answers file.

Every sample gets an answer, and every one without a picture gets a picture, whatever fails: what took their place is
named as a problem. What has a problem is not journalled, so that a restart tries it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from contest.errors import ContestError
from contest.items import Item, Sample
from contest.limits import IMAGES_DIR, picture_content, picture_name
from contest.pictures import open_picture, resolve_picture
from contest.writing import write_bytes
from models.vqgan.preprocessing import to_pixels
from submission.batches import Failure, batch_size, in_batches
from submission.journal import Journal
from submission.phases import Drawing, Engine, Query, answer_bytes, draw_bytes, picture_bytes
from submission.pictures import is_black, neutral_picture, to_jpeg
from submission.progress import progress
from submission.report import PhaseReport, Problem, Report, failed_ids

PICTURE_READERS = 3  # the organisers' container has three processors

Result = TypeVar("Result")


@dataclass
class Work:
    """The samples of a run and what is done of them.

    Attributes:
        samples: all that are to be answered, in the order of `predictions.json`.
        root: the folder that paths of input pictures are relative to.
        output: the folder whose `images/` gets the pictures drawn.
        fixed_batch_size: of every phase; None chooses one by the free memory.
        codes: of input pictures, int64 `[I]` by sample id.
        absent: ids of samples whose picture counts as none.
        answers: texts by sample id.
        pictured: ids of samples that have a picture in `output`.

    """

    samples: Sequence[Sample]
    root: Path
    output: Path
    engine: Engine
    journal: Journal
    report: Report
    fixed_batch_size: int | None = None
    codes: dict[str, Tensor] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)
    pictured: set[str] = field(default_factory=set)

    def do_all(self) -> None:
        """Run all phases, each over what the journal does not have yet."""
        self.answers.update(self.journal.answers)
        self.restore()
        self.encode()
        if self.engine.profile.answer_on_drawing:
            self.draw()
            self.answer()
        else:
            self.answer()
            self.draw()
        self.report.counts = {
            "samples": len(self.samples),
            "text_only": sum(not sample.has_image for sample in self.samples),
            "pictures": len(self.pictured),
            "failed": len(failed_ids(self.report.problems)),
        }

    def predictions(self) -> list[Sample]:
        """The answers: [text, image] for a sample with a picture drawn for it, otherwise [text]."""
        found = []
        for sample in self.samples:
            items = [Item("text", self.answers[sample.id])]
            if sample.id in self.pictured:
                items.append(Item("image", picture_content(sample.id)))
            found.append(Sample(sample.id, tuple(items)))
        return found

    def restore(self) -> None:
        """Find the pictures that the journal tells of; render anew those whose files are gone."""
        drawn = [sample for sample in self.samples if sample.id in self.journal.drawings]
        self.pictured.update(sample.id for sample in drawn if self._picture_path(sample).is_file())
        lost = [sample for sample in drawn if sample.id not in self.pictured]

        def work(batch: Sequence[Sample]) -> list[NDArray[np.uint8]]:
            return self.engine.render([self.journal.drawings[sample.id] for sample in batch])

        if lost:  # what fails here is drawn again
            self._phase("restore", lost, picture_bytes(self.engine.networks), work, self._write_picture)

    def encode(self) -> None:
        """Input pictures to codes, for the samples that are still to be answered."""
        waiting = [sample for sample in self.samples if sample.has_image and sample.id not in self.answers]

        def keep(sample: Sample, found: Tensor | ContestError | None) -> None:
            if isinstance(found, ContestError):
                self._problem(sample, "picture", str(found), "answered from its text alone")
            elif found is None:
                self.absent.add(sample.id)
            else:
                self.codes[sample.id] = found

        for failure in self._phase("encode", waiting, picture_bytes(self.engine.networks), self._encode_batch, keep):
            self._problem(failure.entry, "encode", failure.error, "answered from its text alone", failure.trace)

    def answer(self) -> None:
        """Texts for all samples."""
        troubled = failed_ids(self.report.problems)
        waiting = [sample for sample in self.samples if sample.id not in self.answers]

        def work(batch: Sequence[Sample]) -> list[str]:
            return self.engine.answer([self._query(sample) for sample in batch])

        def keep(sample: Sample, text: str) -> None:
            self.answers[sample.id] = text
            if sample.id not in troubled:
                self.journal.add_answer(sample.id, text)

        need = answer_bytes(self.engine.config, self.engine.networks.dtype)
        for failure in self._phase("answer", waiting, need, work, keep):
            sample, text = failure.entry, self.engine.profile.empty_answer
            self.answers[sample.id] = text
            self._problem(sample, "answer", failure.error, f"answered {text!r}", failure.trace)

    def draw(self) -> None:
        """Pictures for all samples that came without one."""
        waiting = [sample for sample in self.samples if self._wants_picture(sample)]

        def work(batch: Sequence[Sample]) -> list[Drawing]:
            return self.engine.draw([Query(sample.id, sample.texts) for sample in batch])

        def keep(sample: Sample, drawing: Drawing) -> None:
            self._write_picture(sample, drawing.rgb)
            self.journal.add_drawing(sample.id, drawing.codes)

        networks = self.engine.networks
        need = max(draw_bytes(self.engine.config, networks.dtype), picture_bytes(networks))
        for failure in self._phase("draw", waiting, need, work, keep):
            self._write_picture(failure.entry, neutral_picture(networks.side))
            self._problem(failure.entry, "draw", failure.error, "a plain grey picture is written", failure.trace)

    def _wants_picture(self, sample: Sample) -> bool:
        had_none = not sample.has_image or sample.id in self.absent or sample.id in self.journal.drawings
        return had_none and sample.id not in self.pictured

    def _query(self, sample: Sample) -> Query:
        codes = self.codes.get(sample.id)
        if codes is None and self.engine.profile.answer_on_drawing:
            codes = self.journal.drawings.get(sample.id)
        return Query(sample.id, sample.texts, codes)

    def _encode_batch(self, batch: Sequence[Sample]) -> list[Tensor | ContestError | None]:
        """Codes `[I]` of each sample's picture; or why it can not be read; or None if it counts as no picture."""
        with ThreadPoolExecutor(PICTURE_READERS) as pool:
            read = list(pool.map(self._read_picture, batch))
        results: list[Tensor | ContestError | None] = [None] * len(batch)
        seen: dict[int, Tensor] = {}
        for index, found in enumerate(read):
            if isinstance(found, ContestError):
                results[index] = found
            elif not (self.engine.profile.black_is_absent and is_black(found)):
                seen[index] = found
        codes = self.engine.encode([batch[index].id for index in seen], list(seen.values()))
        for index, row in zip(seen, codes, strict=True):
            results[index] = row
        return results

    def _read_picture(self, sample: Sample) -> Tensor | ContestError:
        """Pixels `[3, side, side]` of a sample's picture, the last one if it has several; or why there are none."""
        item = max(index for index, entry in enumerate(sample.items) if entry.type == "image")
        try:
            content = sample.items[item].content
            path = resolve_picture(self.root, content, follow_links=True, sample_id=sample.id, item=item)
            picture = open_picture(path, sample_id=sample.id, item=item)
        except ContestError as error:
            return error
        return to_pixels(picture, self.engine.networks.side)

    def _picture_path(self, sample: Sample) -> Path:
        return self.output / IMAGES_DIR / picture_name(sample.id)

    def _write_picture(self, sample: Sample, rgb: NDArray[np.uint8]) -> None:
        write_bytes(self._picture_path(sample), to_jpeg(rgb, self.engine.profile.jpeg_quality))
        self.pictured.add(sample.id)

    def _problem(self, sample: Sample, phase: str, error: str, instead: str, trace: str = "") -> None:
        self.report.problems.append(Problem(sample.id, phase, error, instead, trace))

    def _phase(
        self,
        name: str,
        waiting: Sequence[Sample],
        bytes_per_sample: int,
        work: Callable[[Sequence[Sample]], Sequence[Result]],
        keep: Callable[[Sample, Result], None],
    ) -> list[Failure[Sample]]:
        """Run one phase over the waiting samples and report on it; returns the samples that failed."""
        size = self.fixed_batch_size or batch_size(bytes_per_sample, self.engine.networks.device)
        started, steps_before = time.monotonic(), self.engine.steps
        with progress(name, len(waiting)) as advance:

            def keep_and_count(sample: Sample, result: Result) -> None:
                keep(sample, result)
                advance()

            processed = in_batches(waiting, size, work, keep_and_count)
        self.journal.sync()
        self.report.phases[name] = PhaseReport(
            samples=len(waiting),
            failed=len(processed.failures),
            seconds=time.monotonic() - started,
            steps=self.engine.steps - steps_before,
            batch_size=size,
            last_batch_size=processed.last_size,
        )
        return processed.failures
