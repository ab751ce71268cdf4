"""What a run keeps in memory of each sample: little, nothing twice, and no codes that a journal has."""

import gc
import json
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.run_memory import looking, run_at_once, settings_of, write_samples
from contest import spool
from contest.items import Item, Sample
from contest.reading import read_predictions
from submission import picture_files
from submission.deadline import Deadline
from submission.image_encoder import EncoderThread
from submission.journal import Journal, read_journals
from submission.picture_files import PictureFiles
from submission.profiles import TUNED
from submission.recorded_images import RecordedImage, compact_codes

from .conftest import Write

SMALL, LARGE = 400, 900  # samples
PICTURE = 576  # codes of a published picture
CONFIGURATION = {"seed": 0, "weights_sha256": {"a": "1"}}


@pytest.mark.parametrize(
    ("codes", "bytes_a_code"),
    [([], 2), ([0, 8191], 2), ([32767], 2), ([32768, 5], 4)],
)
def test_codes_take_as_few_bytes_as_hold_them(codes: list[int], bytes_a_code: int) -> None:
    kept = compact_codes(torch.tensor(codes, dtype=torch.int64))
    assert (kept.tolist(), kept.element_size()) == (codes, bytes_a_code)


def test_a_record_keeps_nothing_of_its_batch() -> None:
    batch = torch.zeros(64, PICTURE, dtype=torch.int64)
    image = RecordedImage(batch[3], 1)
    assert image.codes.untyped_storage().nbytes() == 2 * PICTURE
    assert not any(isinstance(getattr(image, name), torch.Tensor) for name in image.__slots__)


def test_a_thousand_records_take_little_more_than_their_codes() -> None:
    codes = torch.zeros(PICTURE, dtype=torch.int64)
    tracemalloc.start()  # which sees plain bytes, as records have them
    try:
        kept = [RecordedImage(codes, 10**9 + number) for number in range(1000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2 * PICTURE * len(kept) < taken < (2 * PICTURE + 200) * len(kept)


def test_journals_are_read_line_by_line(tmp_path: Path) -> None:
    pictures = 400
    for process in range(2):
        with Journal(tmp_path, process) as journal:
            journal.resume(CONFIGURATION)
            for number in range(pictures):
                codes = torch.arange(PICTURE) + 1000 * (process + 1)
                journal.add_image(f"{process}-{number}", RecordedImage(codes, number))
    text = sum(path.stat().st_size for path in tmp_path.glob("journal*.jsonl"))
    tracemalloc.start()
    try:
        with Journal(tmp_path) as journal:
            resumed = journal.resume(CONFIGURATION)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(resumed.images) == len(read_journals(tmp_path, CONFIGURATION).images) == 2 * pictures
    assert resumed.images["1-7"].codes.tolist() == list(range(2000, 2000 + PICTURE))
    assert text > 2_700_000 > 1_000_000 > peak - kept  # of lines, and what JSON makes of them


def test_encoded_pictures_are_kept_by_nobody_who_gave_them_away(write_input: Write) -> None:
    networks = SimpleNamespace(device=torch.device("cpu"))
    engine: Any = SimpleNamespace(
        networks=networks, profile=TUNED, encode=lambda ids, pixels: [row.flatten() for row in pixels]
    )
    samples = [Sample(str(number), (Item("image", "images/red.png"),)) for number in range(6)]
    with PictureFiles(write_input({}), 16, 75) as files, ThreadPoolExecutor(1, "encoding") as thread:
        deadline = Deadline(1000.0, time.monotonic())
        options: Any = {"overlap": True, "deadline": deadline, "thread": thread, "shown": False}
        encoder = EncoderThread(samples, files, engine, 2, **options)
        taken = []
        for sample in samples:
            encoded = encoder.results.pop(sample.id).result()
            assert isinstance(encoded, torch.Tensor)
            taken.append(weakref.ref(encoded))
            del encoded
        encoder.end()
        assert [codes() for codes in taken] == [None] * 6


def test_a_journal_is_as_it_was_written(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.resume(CONFIGURATION)
        journal.add_image("x", RecordedImage(torch.tensor([7, 40000]), 9, 2))
    lines = (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[1]) == {"phase": "draw", "id": "x", "codes": [7, 40000], "crc32": 9, "draws": 2}


# Bytes a sample, beside two that are in files: after the phases, and while the last files are written.
HELD, AT_MOST = 75, 85


@pytest.mark.parametrize("pictured", [0.0, 1.0])
def test_a_run_grows_by_little_with_every_sample(
    tmp_path: Path, pictured: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HELD_BYTES", "BLOCK_BYTES"):  # which all spools have, and so few samples would not fill
        monkeypatch.setattr(spool, name, 512)
    monkeypatch.setattr(picture_files, "READ_AHEAD", 8)
    taken: dict[int, dict[str, int]] = {}
    for samples in (2, SMALL, LARGE):  # the first one loads what is loaded once
        source, output = tmp_path / f"{samples}", tmp_path / f"{samples} answered"
        write_samples(source, samples, pictured)
        seen: dict[str, int] = {}

        def look(place: str, seen: dict[str, int] = seen) -> None:
            gc.collect()
            now, most = tracemalloc.get_traced_memory()
            seen[place], seen[f"most before {place}"] = now, most
            tracemalloc.reset_peak()

        tracemalloc.start()
        try:
            with looking(look):
                report = run_at_once(settings_of(source, output))
        finally:
            tracemalloc.stop()
        assert len(read_predictions(output / "predictions.json")) == len(report.answers) == samples
        assert len(report.pictured) == (0 if pictured else samples)
        taken[samples] = seen
    grown = {place: (taken[LARGE][place] - taken[SMALL][place]) / (LARGE - SMALL) for place in taken[LARGE]}
    assert grown["worked"] < HELD
    assert grown["most before end"] < AT_MOST
