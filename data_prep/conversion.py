"""Turns a chunk of a source's records into lines of contest files: what one worker does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contest.errors import Code, ContestError
from data_prep.counts import Counts, Lengths
from data_prep.duplicates import digest
from data_prep.pictures import add_picture
from data_prep.records import (
    ConversionResult,
    ConvertedSample,
    DataSource,
    ImageMode,
    SkippedRecord,
    SkipReason,
    SourceRecord,
)
from data_prep.split import Splitting
from models.bpe import BPE

_quote: Callable[[str], str] = json.encoder.encode_basestring  # a JSON string, its letters as they are
_OUR_DISK = (Code.WRITE_FAILED, Code.DISK_FULL)


@dataclass(slots=True)
class ConvertedChunk:
    """What became of a chunk.

    `entries`: (items, answers, source) as JSON by (task, split); `digests`: of their contents, one after the other.
    """

    entries: dict[tuple[str, str], list[tuple[str, str, str]]] = field(default_factory=dict)
    digests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    problems: list[SkippedRecord] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class Converter:
    """Converts chunks; pickled into the worker processes.

    Args:
        source: the data set.
        splitting: how groups are split.
        images: the folder of each task's pictures, by task.
        image_mode: how pictures are put there.
        bpe: a BPE model that texts are measured with, if one is given.

    """

    source: DataSource
    splitting: Splitting
    images: dict[str, Path]
    image_mode: ImageMode = "link"
    bpe: BPE | None = None

    def convert(self, chunk: Sequence[SourceRecord | SkippedRecord]) -> ConvertedChunk:
        """Convert a chunk; depends on its records and the settings alone, so any process may do it."""
        result = ConvertedChunk()
        made: list[ConvertedSample] = []
        for record in chunk:
            for outcome in (record,) if isinstance(record, SkippedRecord) else self.source.convert(record):
                outcome = self._with_pictures(record, outcome)
                result.counts.read += 1
                if isinstance(outcome, SkippedRecord):
                    result.counts.skipped[outcome.reason.name] += 1
                    result.problems.append(outcome)
                else:
                    result.counts.used += 1
                    made += outcome
        self._add(result, made)
        return result

    def _with_pictures(self, record: SourceRecord | SkippedRecord, outcome: ConversionResult) -> ConversionResult:
        """Add the samples' pictures; if one can not be added, the record is skipped."""
        if isinstance(outcome, SkippedRecord):
            return outcome
        for made in outcome:
            if made.picture is None:
                continue
            try:
                add_picture(made.picture, self.images[made.task], self.image_mode)
            except ContestError as error:
                if error.code in _OUR_DISK:
                    raise
                missing = error.code is Code.PICTURE_MISSING
                reason = SkipReason.PICTURE_MISSING if missing else SkipReason.PICTURE_UNUSABLE
                return SkippedRecord(record.file, record.place, reason, f"{made.picture.path}: {error.message}")
        return outcome

    def _add(self, result: ConvertedChunk, made: Sequence[ConvertedSample]) -> None:
        for sample in made:
            key = (sample.task, self.splitting.side(sample.group))
            # Put together by hand: an encoder would take a third of the whole time.
            items = ", ".join(
                [f'{{"type": "{item.type}", "content": {_quote(item.content)}}}' for item in sample.items]
            )
            answers = ", ".join(map(_quote, sample.answers))
            answer = answers if sample.answer_type == "image" else f"[{answers}]"
            entry = (
                f"[{items}]",
                f'[{{"type": "{sample.answer_type}", "content": {answer}}}]',
                f'{{"group": {_quote(sample.group)}, "kind": {_quote(sample.kind)}}}',
            )
            result.entries.setdefault(key, []).append(entry)
            result.digests[key] = result.digests.get(key, b"") + digest(sample.content)
            result.counts.written[f"{key[0]} {key[1]}"] += 1
            result.counts.kinds[f"{sample.task} {sample.kind}"] += 1
        self._measure(result.counts, made)

    def _measure(self, counts: Counts, made: Sequence[ConvertedSample]) -> None:
        for task in sorted({sample.task for sample in made}):
            samples = [sample for sample in made if sample.task == task]
            lefts = [" ".join(item.content for item in sample.items if item.type == "text") for sample in samples]
            counts.characters.setdefault(task, Lengths()).update(map(len, lefts))
            if self.bpe is None:
                continue
            # In lower case, as the networks read them.
            lowered = [left.lower() for left in lefts]
            rights = [sample.answers[0].lower() for sample in samples if sample.answer_type == "text"]
            counts.left_tokens.setdefault(task, Lengths()).update(map(len, self.bpe.encode_batch(lowered)))
            counts.right_tokens.setdefault(task, Lengths()).update(map(len, self.bpe.encode_batch(rights)))
