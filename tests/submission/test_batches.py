"""Batches: what memory does not bear is halved, what fails is tried alone, and batches never change an answer."""

import errno
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import submission.engine as engine_module
from contest.errors import Code, ContestError
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.free_memory import is_out_of_memory
from models.weights import save_state_dict
from submission.batches import BatchSize, Failure, process_batches
from submission.deadline import RunStatus, RunStopped
from submission.rescue import UndefinedLogitsError
from tests.submission.conftest import GOLDEN, Start, Write, look_the_same, text

TEXTS = {str(number): [text(f"нарисуй {number} домов")] for number in range(5)}


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 40), size=st.integers(1, 50), bearable=st.integers(1, 50), bad=st.sets(st.integers(0, 39)))
def test_every_entry_is_kept_once_or_has_failed(count: int, size: int, bearable: int, bad: set[int]) -> None:
    kept: dict[int, int] = {}

    def work(batch: Sequence[int]) -> list[int]:
        if len(batch) > bearable:
            raise torch.OutOfMemoryError("too much")
        if bad & set(batch):
            raise ArithmeticError("bad entry")
        return [entry * 2 for entry in batch]

    failed: list[int] = []
    for batch in process_batches(range(count), BatchSize(size), work):
        for entry, result in batch:
            assert entry not in kept
            if isinstance(result, Failure):
                assert result.error == "bad entry"
                failed.append(entry)
            else:
                kept[entry] = result
    assert kept == {entry: entry * 2 for entry in range(count) if entry not in bad}
    assert failed == [entry for entry in range(count) if entry in bad]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UndefinedLogitsError("the weights are at fault"), "the weights are at fault"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "out/images"), "out/images: Not a directory"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ContestError(Code.PICTURE_EMPTY), str(ContestError(Code.PICTURE_EMPTY))),
        (KeyError("x"), "unexpected KeyError: 'x'"),  # nobody's words: the name says more
        (RuntimeError(), "unexpected RuntimeError"),
    ],
)
def test_why_an_entry_failed(error: Exception, told: str) -> None:
    def work(batch: Sequence[int]) -> list[int]:
        raise error

    [[(entry, failure)]] = process_batches([0], BatchSize(1), work)
    assert isinstance(failure, Failure)
    assert entry == 0
    assert failure.error == told
    assert type(error).__name__ in failure.trace


def test_out_of_memory_halves_the_batch() -> None:
    tried: list[int] = []

    def work(batch: Sequence[int]) -> list[int]:
        tried.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("too much")
        return list(batch)

    size = BatchSize(8)
    assert list(process_batches(range(7), size, work)) == [[(entry, entry)] for entry in range(7)]
    assert tried == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert (size.first, size.now) == (8, 1)


def test_nothing_is_tried_on_a_lost_device() -> None:
    tried: list[list[int]] = []

    def work(batch: Sequence[int]) -> list[int]:
        tried.append(list(batch))
        if 2 in batch:
            raise RuntimeError("assert triggered")
        return list(batch)

    batches = process_batches(range(8), BatchSize(2), work, is_lost=lambda: True)
    assert next(batches) == [(0, 0), (1, 1)]
    [(entry, failure)] = next(batches)
    assert isinstance(failure, Failure)
    assert (entry, failure.error) == (2, "assert triggered")
    with pytest.raises(RunStopped, match="device lost"):
        next(batches)
    assert tried == [[0, 1], [2, 3]]


def test_what_stops_the_work_leaves_the_rest() -> None:
    def work(batch: Sequence[int]) -> list[int]:
        if batch[0] >= 4:
            raise RunStopped(RunStatus.TIME_LIMIT)
        return list(batch)

    batches = process_batches(range(8), BatchSize(2), work)
    assert [next(batches), next(batches)] == [[(0, 0), (1, 1)], [(2, 2), (3, 3)]]
    with pytest.raises(RunStopped, match="time limit"):
        next(batches)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("posix_memalign failed:Cannot allocate memory (12)"), True),  # of NNPACK
        (RuntimeError("shape mismatch"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_is_out_of_memory(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


def test_answers_and_pictures_do_not_depend_on_the_batch(submit: Start) -> None:
    runs = [
        submit(GOLDEN / "e2e", "--profile", "baseline", "--batch-size", size, output=size) for size in ("1", "3", "8")
    ]
    journals = [sorted(run.journal[1:], key=lambda record: (record["phase"], record["id"])) for run in runs]
    for record in itertools.chain(*journals):
        record.pop("crc32", None)  # of a JPEG, in which a pixel may be rounded otherwise
    assert runs[0].predictions == runs[1].predictions == runs[2].predictions
    assert journals[0] == journals[1] == journals[2]
    assert runs[1].report["phases"]["answer"]["batch_size"] == 3


def test_another_seed_gives_other_answers(submit: Start) -> None:
    first, second = (
        submit(GOLDEN / "e2e", "--profile", "baseline", "--seed", seed, output=seed).predictions for seed in ("0", "1")
    )
    assert first != second


@pytest.mark.parametrize("phase", ["answer", "generate_image"])
def test_a_run_survives_a_shortage_of_memory(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    source = write_input(TEXTS)
    plenty = submit(source, output="plenty")
    compute = getattr(engine_module, phase)

    def short(model: Any, left: torch.Tensor, *rest: Any, **options: Any) -> Any:
        if len(left) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(model, left, *rest, **options)

    monkeypatch.setattr(engine_module, phase, short)
    run = submit(source)
    assert (run.status, run.predictions) == (0, plenty.predictions)
    name = "answer" if phase == "answer" else "draw"
    assert run.report["phases"][name]["last_batch_size"] == 2


def test_what_fails_alone_too_is_named_and_replaced(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(TEXTS)
    sound = submit(source, output="sound")
    draw, answer = engine_module.Engine.generate, engine_module.Engine.answer

    def fail(what: str, which: str, compute: Any) -> Any:
        def failing(engine: engine_module.Engine, queries: Sequence[engine_module.Query]) -> Any:
            if any(query.id == which for query in queries):
                raise RuntimeError(what)
            return compute(engine, queries)

        return failing

    monkeypatch.setattr(engine_module.Engine, "generate", fail("no paint", "1", draw))
    monkeypatch.setattr(engine_module.Engine, "answer", fail("no words", "2", answer))
    run = submit(source)
    assert run.status == 1
    assert run.predictions["2"][0]["content"] == "пустая строка"
    assert {name: items for name, items in run.predictions.items() if name != "2"} == {
        name: items for name, items in sound.predictions.items() if name != "2"
    }
    assert run.pictures == sound.pictures
    problems = {(p["sample_id"], p["phase"], p["error"]) for p in run.report["problems"]}
    assert problems == {("1", "draw", "no paint"), ("2", "answer", "no words")}
    assert all("Traceback" in problem["trace"] for problem in run.report["problems"])
    assert "sample '1': no paint; a plain grey picture is written" in run.stderr

    monkeypatch.undo()
    again = submit(source)  # what failed was not journalled
    assert (again.status, again.predictions) == (0, sound.predictions)
    picture = "images/image_1.jpg"
    assert look_the_same(again.output / picture, sound.output / picture)


def test_overflowing_rows_run_in_bfloat16(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = engine_module.generate_image

    def overflowing(model: Any, left: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        if model.text_embeddings.weight.dtype == torch.float16 and len(left) > 3:
            raise NonFiniteLogitsError([1, 3], 7, torch.float16)
        return compute(model, left, *rest, **options)

    monkeypatch.setattr(engine_module, "generate_image", overflowing)
    run = submit(write_input(TEXTS), "--dtype", "float16")
    assert run.status == 0, run.stderr
    assert (run.report["rescued_in_bfloat16"], run.report["logits_not_finite"]) == (2, 7)
    assert len(run.pictures) == 5


def test_overflow_answers_as_bfloat16_does(submit: Start, write_input: Write, weights: Path, tmp_path: Path) -> None:
    overflowing = tmp_path / "overflowing"
    shutil.copytree(weights, overflowing)
    file = overflowing / "rudolph" / "pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    first_code = len(state["text_embeddings.weight"])
    state["to_logits.0.weight"][0], state["to_logits.0.bias"][0] = 0.0, 1000.0  # the first of what the head reads
    state["to_logits.1.weight"][[10, 20, 30, first_code + 5, first_code + 6], 0] = 100.0  # 100,000 exceeds 65,504
    save_state_dict(state, file)
    source, options = write_input(TEXTS), ("--weights", str(overflowing))
    run = submit(source, *options, "--dtype", "float16")
    assert run.status == 0, run.stderr
    # Five answers of ten tokens with three such logits each, five pictures of 36 codes with two.
    assert (run.report["rescued_in_bfloat16"], run.report["logits_not_finite"]) == (10, 5 * 10 * 3 + 5 * 36 * 2)
    assert (
        "warning: 510 logits not finite in float16; what they were for (10 of the answers and pictures)" in run.stderr
    )
    plain = submit(source, *options, "--dtype", "bfloat16", output="bfloat16")
    assert (plain.report["rescued_in_bfloat16"], plain.report["logits_not_finite"]) == (0, 0)
    assert "warning" not in plain.stderr
    assert run.predictions == plain.predictions
    codes = [{r["id"]: r["codes"] for r in each.journal[1:] if r["phase"] == "draw"} for each in (run, plain)]
    assert codes[0] == codes[1]
