"""`submission merge`: the shares of a run, put together into what one run over all samples leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from contest.items import Sample
from contest.limits import IMAGES_DIR, INPUT_NAME, PREDICTIONS_NAME, picture_name
from contest.reading import read_input_lenient, read_predictions
from contest.shares import ShareError, ShareRecord, read_shares, take_file
from contest.writing import samples_to_json, write_json
from models.weights import file_sha256
from submission.cost import merged_cost, read_cost
from submission.journal import Journal, JournalRecords, draws_of, read_journals
from submission.report import RUN_REPORT_NAME, RankResult, RunSummary
from submission.run import without_items
from submission.sessions import sessions_name
from submission.share_pictures import require_same_pictures
from submission.shares import CODE_ROOM, of_share

OF_SHARES_ALONE = ("draws", "time_budget", "torch")  # agreed, and no part of a journal's configuration


def merge(source: Path, output: Path) -> RunSummary:
    """Write `predictions.json`, `images/`, `run.json` and the journal of all shares below `output` into it.

    The files are those that one run writes: answers in the order of the input, pictures byte by byte. What the shares
    hold is only read, so that a merge that was killed is done again.

    Raises ShareError for shares that do not belong together, or to this input or its pictures, ContestFileError for
    predictions that can not be read, JournalInUseError, ContestError or OSError where the output can not be written.
    """
    input_file = source / INPUT_NAME if source.is_dir() else source
    records = read_shares(output, CODE_ROOM)
    agreed = records[0].agreed
    if agreed["input_sha256"] != file_sha256(input_file):
        raise ShareError(f"the shares in {output} are of another input than {input_file}", "give the --input they had")
    parsed = read_input_lenient(input_file)
    samples = [*parsed.valid.values(), *without_items(parsed.valid, parsed.errors)]
    for record in records:
        own, _ = of_share(record.share, samples, ())
        require_same_pictures(record, own, input_file.parent)
    answers = {record.share: _answers(record, samples) for record in records}
    merged = {key: answer for part in answers.values() for key, answer in part.items()}
    configuration = {name: value for name, value in agreed.items() if name not in OF_SHARES_ALONE}
    (output / IMAGES_DIR).mkdir(exist_ok=True)
    with Journal(output) as journal:
        known = journal.resume(configuration)
        for record in records:
            _take_pictures(record, answers[record.share].values(), output)
            _take_journal(journal, known, read_journals(record.folder, configuration))
        journal.sync()
        # An earlier run's sessions would be taken for what this journal cost; without them a later run knows no cost.
        (output / sessions_name(0)).unlink(missing_ok=True)
        write_json(output / PREDICTIONS_NAME, samples_to_json(merged[sample.id] for sample in samples))
        report = RunSummary(configuration, samples, _results(records))
        report.cost = merged_cost([_cost(record) for record in records])
        write_json(output / RUN_REPORT_NAME, {**report.to_json(), "shares": _shares_to_json(records)}, indent=1)
    return report


def _answers(record: ShareRecord, samples: list[Sample]) -> dict[str, Sample]:
    answers = read_predictions(record.folder / PREDICTIONS_NAME)
    own, _ = of_share(record.share, samples, ())
    if list(answers) != [sample.id for sample in own]:
        problem = f"{PREDICTIONS_NAME} is not of the samples of {record.share}"
        raise ShareError(problem, "do this share again", where=str(record.folder))
    return answers


def _take_pictures(record: ShareRecord, answers: Iterable[Sample], output: Path) -> None:
    for answer in answers:
        if answer.has_image:
            name = picture_name(answer.id)
            take_file(record.folder / IMAGES_DIR / name, output / IMAGES_DIR / name)


def _take_journal(journal: Journal, known: JournalRecords, records: JournalRecords) -> None:
    for sample_id, text in records.answers.items():
        cut, again, said = (
            records.cuts.get(sample_id, ""),
            sample_id in records.first_answers,
            records.said.get(sample_id),
        )
        before = (known.answers.get(sample_id), known.cuts.get(sample_id, ""), sample_id in known.first_answers)
        is_known = (*before, known.said.get(sample_id)) == (text, cut, again, said)
        if not is_known and draws_of(said) >= known.draws(sample_id):
            journal.add_answer(sample_id, text, cut, again=again, said=said)
    for sample_id, image in records.images.items():
        earlier = known.images.get(sample_id)
        if earlier is None or earlier.crc != image.crc:
            journal.add_image(sample_id, image)


def _results(records: list[ShareRecord]) -> list[RankResult]:
    """What all processes of all shares did, numbered through."""
    processes: list[Mapping[str, Any]] = [process for record in records for process in record.result["processes"]]
    return [replace(RankResult.from_json(process), process=number) for number, process in enumerate(processes)]


def _cost(record: ShareRecord) -> dict[str, Any] | None:
    """What `run.json` of a share says of its cost; None where it is gone or not to be read: the others go together."""
    try:
        return read_cost(record.folder)
    except (OSError, ValueError):
        return None


def _shares_to_json(records: list[ShareRecord]) -> list[dict[str, Any]]:
    """By share its devices and batch sizes: where these differ, sums are rounded in another order."""
    return [
        {
            "share": f"{record.share.number}/{record.share.count}",
            "devices": [process["device"] for process in record.result["processes"]],
            "batch_sizes": [
                {name: phase["batch_size"] for name, phase in process["phases"].items()}
                for process in record.result["processes"]
            ],
        }
        for record in records
    ]
