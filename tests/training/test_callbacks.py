"""What a run writes down: rows, lines, answers to read; and that nothing of it can stop the training."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from training.tune.callbacks.answers import Answers, answers_text
from training.tune.callbacks.callback import Callback, Callbacks, TrainingRun
from training.tune.callbacks.csv_log import CsvLog, LogFileError, LogRow, read_log
from training.tune.callbacks.epochs import epoch_of, samples_of_step, steps_of_epoch
from training.tune.callbacks.log import Log, Sink, validation_values
from training.tune.callbacks.safe_callbacks import CallbackError
from training.tune.callbacks.terminal import Terminal
from training.tune.data.examples import Example
from training.tune.settings import DataSettings, TaskSettings
from training.tune.validation import Answered, TaskValidation, Validation

VALIDATION = Validation(
    tasks={
        "vqa": TaskValidation(
            loss=1.5,
            segments={"right": 1.5},
            exact_match=0.5,
            score=0.625,
            answers=(
                Answered(Example("7", "Сколько кошек?", ("три", "3"), None), "две", 0.25),
                Answered(Example("8", "Где кот?", ("на окне",), None), "", 1.0),
            ),
        ),
        "generation": TaskValidation(loss=0.5, segments={"image": 0.5}),
    },
    loss=2.0,
    score=0.625,
)


def run_in(output: Path, resumed_step: int = 0, steps: int = 100, log_every: int = 25) -> TrainingRun:
    return TrainingRun(output, resumed_step, steps, epoch_steps=10, log_every=log_every)


class Rows(Sink):
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, float]] = {}

    def open(self, run: TrainingRun) -> None:
        self.rows = {}

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.setdefault(step, {}).update(values)


def test_rows_hold_means_and_speed(tmp_path: Path) -> None:
    times = iter([0.0, *(1.0, 1.0, 2.0, 2.0), 60.0, *(61.0, 61.0), 90.0, *(92.0, 92.0)])
    rows = Rows()
    log = Log([rows], lambda: next(times))
    log.on_start(run_in(tmp_path, log_every=2))
    values = {"loss": 3.0, "rate": 0.1, "gradient_norm": 2.0, "samples": 8, "tokens": 400, "vqa.right": 5.0}
    log.on_step(1, values)  # 1 s
    log.on_step(2, values | {"loss": 1.0, "vqa.right": 2.0})  # 1 s
    log.on_validation(2, VALIDATION)  # 58 s, which are no step's
    log.on_step(3, values | {"vqa.right": 1.0})  # 1 s
    log.on_checkpoint(3, tmp_path)  # 29 s
    log.on_step(4, values | {"generation.image": 0.5})  # 2 s
    first, second = rows.rows[2], rows.rows[4]
    assert (first["loss"], first["rate"], first["gradient_norm"]) == (1.0, 0.1, 2.0)
    assert first["vqa.right"] == 3.5
    assert (second["vqa.right"], second["generation.image"]) == (3.0, 0.5)
    assert (first["samples_per_second"], first["tokens_per_second"]) == (8.0, 400.0)
    assert second["samples_per_second"] == pytest.approx(16 / 3)
    assert first["peak_rss_gib"] > 0.01
    assert "samples" not in first
    assert first["validation.vqa.score"] == 0.625


def test_the_last_step_has_a_row_wherever_it_falls(tmp_path: Path) -> None:
    rows = Rows()
    log = Log([rows])
    log.on_start(run_in(tmp_path, steps=3, log_every=2))
    for step in (1, 2, 3):
        log.on_step(step, {"loss": float(step)})
    assert sorted(rows.rows) == [2, 3]


def test_figures_of_a_validation_by_name() -> None:
    assert validation_values(VALIDATION) == {
        "validation.loss": 2.0,
        "validation.score": 0.625,
        "validation.vqa.loss": 1.5,
        "validation.vqa.score": 0.625,
        "validation.vqa.exact_match": 0.5,
        "validation.generation.loss": 0.5,  # it has no text answer: no score, and no zero either
    }


def test_resumed_log_has_every_step_once(tmp_path: Path) -> None:
    log = CsvLog()
    log.open(run_in(tmp_path))
    for step in (1, 2, 3):
        log.write(step, {"loss": step / 3, "rate": 1e-5, "odd": math.nan})
    path = tmp_path / "log.csv"
    path.write_text(path.read_text() + "4,lo")  # killed while it wrote
    assert [row.step for row in read_log(path)] == [1, 1, 2, 2, 3, 3]
    log.open(run_in(tmp_path, resumed_step=2))
    log.write(3, {"loss": 0.25})
    assert path.read_text().splitlines()[0] == "step,name,value"
    expected = [
        *(LogRow(1, "loss", 1 / 3), LogRow(1, "rate", 1e-5)),
        *(LogRow(2, "loss", 2 / 3), LogRow(2, "rate", 1e-5)),
        LogRow(3, "loss", 0.25),
    ]
    assert read_log(path) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "log.csv: line 1: the columns are not step, name, value"),
        ("", "log.csv: the file is empty; move it away"),
        ("step,name,value\n1,loss,0.5\nx,loss,0.5\n", "line 3 is not a step, a name and a value; move the file away"),
        ("step,name,value\n1,loss\n", "line 2 is not a step, a name and a value"),
    ],
)
def test_what_is_no_log_is_refused_by_line(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(LogFileError, match=complaint):
        CsvLog().open(run_in(tmp_path))
    assert (tmp_path / "log.csv").read_text() == text


def test_a_line_tells_when_it_will_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    terminal = Terminal(lambda: now)
    terminal.open(run_in(tmp_path, resumed_step=40))
    now = 30.0
    terminal.write(50, {"loss": 1.23456, "samples_per_second": 12.0})
    terminal.write(100, {"loss": 1.0})
    terminal.close()
    first, last = capsys.readouterr().out.splitlines()
    # 10 steps took 30 s, 50 are left.
    assert first.startswith("step 50/100  loss 1.235  samples/s 12  ends in 0:02:30, ")
    assert last == "step 100/100  loss 1"


def test_answers_to_read(tmp_path: Path) -> None:
    text = answers_text(50, VALIDATION, 1, "strict")
    assert text.splitlines() == [
        "step 50, loss 2.0000, scores in mode strict",
        "",
        "=== vqa  loss 1.5000  exact match 0.500  METEOR with numbers 0.625  of 2",
        "",
        "[7]  score 0.250",
        "  question   Сколько кошек?",
        "  reference  три",
        "  reference  3",
        "  answer     две",
        "",
        "=== generation  loss 0.5000",
    ]
    callback = Answers(2, "strict")
    callback.on_start(run_in(tmp_path))
    callback.on_validation(50, VALIDATION)
    written = (tmp_path / "validation" / "0000050.txt").read_text()
    assert "  answer     (nothing)" in written


def test_answers_that_nobody_wants_are_not_written(tmp_path: Path) -> None:
    callback = Answers(0, "official")
    callback.on_start(run_in(tmp_path))
    callback.on_validation(50, VALIDATION)
    assert list(tmp_path.iterdir()) == []


class Failing(Callback):
    """A callback that fails at the moments given."""

    def __init__(self, *moments: str, error: Exception | None = None) -> None:
        self.moments, self.error, self.called = moments, error or OSError(28, "No space left on device"), []

    def _at(self, moment: str) -> None:
        self.called.append(moment)
        if moment in self.moments:
            raise self.error

    def on_start(self, run: TrainingRun) -> None:
        self._at("start")

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        self._at("step")

    def on_validation(self, step: int, validation: Validation) -> None:
        self._at("validated")

    def on_checkpoint(self, step: int, path: Path) -> None:
        self._at("saved")

    def on_end(self) -> None:
        self._at("finish")


def tell_all(callback: Callbacks, run: TrainingRun) -> Iterator[None]:
    callback.on_start(run)
    callback.on_step(1, {"loss": 1.0})
    callback.on_step(2, {"loss": 1.0})
    yield
    callback.on_end()


def test_failing_callback_is_named_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_steps = Failing("step", error=CallbackError("the plots can not be drawn"))
    at_start, healthy = Failing("start"), Failing()
    moments = tell_all(Callbacks([at_start, at_steps, healthy]), run_in(tmp_path))
    next(moments)
    told_once = capsys.readouterr().err.splitlines()
    assert told_once == [
        "training tune: Failing: No space left on device; the training goes on",
        "training tune: Failing: the plots can not be drawn; the training goes on",
    ]
    next(moments, None)
    assert at_start.called == ["start"]
    assert at_steps.called == healthy.called == ["start", "step", "step", "finish"]
    assert capsys.readouterr().err.splitlines() == [
        "training tune: Failing failed once: No space left on device",
        "training tune: Failing failed 2 times: the plots can not be drawn",
    ]


class Broken(Rows):
    """A sink that can not be opened, and must not be used then."""

    def open(self, run: TrainingRun) -> None:
        raise PermissionError(13, "Permission denied")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        raise AssertionError("it was never opened")


def test_one_log_that_can_not_be_opened_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows()
    log = Log([Broken(), rows])
    log.on_start(run_in(tmp_path, log_every=1))
    log.on_step(1, {"loss": 1.0})
    log.on_end()
    assert rows.rows[1]["loss"] == 1.0
    assert "training tune: Broken: Permission denied; the training goes on" in capsys.readouterr().err


def test_a_mistake_of_the_program_is_not_forgiven(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Callbacks([Failing("start", error=KeyError("x"))]).on_start(run_in(tmp_path))


MIXTURE = {"textqa": TaskSettings(samples=4, share=3.0), "vqa": TaskSettings(samples=2, share=1.0)}


@pytest.mark.parametrize(
    ("settings", "drawn", "steps"),
    [
        ({}, {"textqa": 4, "vqa": 2}, 250),
        ({"sampling": "balanced"}, {"textqa": 3, "vqa": 3}, 334),
        ({"sampling": "balanced", "batch": 8}, {"textqa": 4, "vqa": 4}, 250),
        ({"sampling": "weights", "batch": 8}, {"textqa": 6, "vqa": 2}, 167),
    ],
)
def test_epoch_is_a_pass_over_the_longest_task(settings: dict, drawn: dict[str, float], steps: int) -> None:
    data = DataSettings("data", **settings)
    assert samples_of_step(data, MIXTURE) == drawn
    assert steps_of_epoch({"textqa": 1000, "vqa": 300}, data, MIXTURE) == steps


def test_epochs_are_counted_from_one() -> None:
    assert [epoch_of(step, 3) for step in (1, 3, 4, 6, 7)] == [1, 1, 2, 2, 3]
