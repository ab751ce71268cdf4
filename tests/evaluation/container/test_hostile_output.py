"""What a submission leaves is taken over, looked at and told without harm: here without a container."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from contest.errors import Code, ContestError
from contest.stop_signals import Stopped
from evaluation.__main__ import main
from evaluation.container import attempts, bundle, runner
from evaluation.container.bundle import plain_log
from evaluation.container.checking import CheckedOutput, check_output
from evaluation.container.errors import AttemptsError
from evaluation.container.judging import ChildFailedError, ChildTimeoutError
from evaluation.container.keeping import Kept, keep_output
from evaluation.container.limits import RunLimits
from evaluation.container.process_engine import ProcessEngine
from evaluation.container.scoring import Scoring
from evaluation.container.stopping import stopped_by_signals
from evaluation.container.verdict import Fault
from evaluation.metrics.errors import AttemptAbortedError
from tests.evaluation.container.fakes import ANSWER, FAKES, Fake, archive, run_fake, said, write_test

GOOD = FAKES[0]


def test_only_plain_files_and_folders_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    (source / "images").chmod(0o3777)
    (source / "images/a").write_bytes(b"a")
    (source / "images/a").chmod(0o6755)
    os.link(source / "images/a", source / "same")
    os.symlink("/etc", source / "link")
    os.mkfifo(source / "pipe")
    assert keep_output(source, tmp_path / "kept", RunLimits()) == Kept(not_plain=("link", "pipe"))
    kept = {str(path.relative_to(tmp_path / "kept")): path.stat() for path in (tmp_path / "kept").rglob("*")}
    assert {name: (oct(status.st_mode & 0o7777), status.st_nlink) for name, status in kept.items()} == {
        "images": ("0o755", 2),
        "images/a": ("0o644", 1),
        "same": ("0o644", 1),
    }


def test_a_thousand_links_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    program = ANSWER + "write(); [os.symlink('/', f'output/{n:04}') for n in range(1500)]"
    verdict = run_fake(Fake("", program, Fault.FORMAT), ProcessEngine(), "fake:1", tmp_path)
    assert len(verdict.problems) == 1001
    assert verdict.problems[-2:] == ("output/0999 is no plain file", "and 500 more that are no plain files")


@pytest.mark.parametrize("limits", [RunLimits(output=25), RunLimits(output_files=2)])
def test_no_more_is_kept_than_the_limits_allow(limits: RunLimits, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for number in range(5):
        (tmp_path / "source" / str(number)).write_bytes(bytes(10))
    assert keep_output(tmp_path / "source", tmp_path / "kept", limits).cut
    assert sorted(os.listdir(tmp_path / "kept")) == ["0", "1"]


def test_a_submission_sees_nothing_of_the_hosts_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"/secret/tools:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", "/secret/tmp")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/secret/lib")
    program = (
        GOOD.program + "\nprint(dict(os.environ), sys.executable, sys.prefix); open(os.environ['HOME'] + '/x', 'w')"
    )
    verdict = run_fake(replace(GOOD, program=program), ProcessEngine(), "fake:1", tmp_path)
    assert (verdict.fault, verdict.status) == (Fault.NONE, 0), (tmp_path / "result/log.txt").read_text()
    log = (tmp_path / "result/bundle/log.txt").read_text()
    for name in ("secret", str(tmp_path), sys.prefix):
        assert name not in log
    assert "'PATH': '.../run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'" in log
    assert "'HOME': '.../run/home'" in log


def test_a_log_that_is_handed_out_is_text() -> None:
    log = "да\r\n\x1b[2J\u202e\x07\tx\n".encode() + b"\xff\x9b"
    assert plain_log(log, 1000) == "да\n\\x1b[2J\\u202e\\x07\tx\n\ufffd\ufffd".encode()
    assert len(plain_log(b"\x1b" * 1000, 100)) <= 150


def full(_path: Path, _data: bytes) -> None:
    raise ContestError(Code.DISK_FULL, "not written")


def run_command(tmp_path: Path, program: str, *more: str) -> int:
    path = archive(tmp_path / "submission.zip", {"run.py": program}, image="fake:1")
    test = tmp_path / "test"
    if not test.exists():
        write_test(test)
    (tmp_path / "limits.json").write_text('{"gpus": 0, "seconds": 100}')
    arguments = ["run-container", path, "--engine", "process", "--input", test, "--output", tmp_path / "result"]
    register = ["--attempts", tmp_path / "attempts.db", "--team", "red", "--limits", tmp_path / "limits.json"]
    return main([str(argument) for argument in (*arguments, *register, *more)])


def test_a_verdict_that_can_not_be_written_is_no_valid_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk fills up between the run and the writing: verdict, exit status and register say the same."""
    monkeypatch.setattr(bundle, "write_bytes", full)
    assert run_command(tmp_path, GOOD.program) == 2
    assert "verdict: host" in capsys.readouterr().out
    for name in ("verdict.txt", "bundle/verdict.txt"):
        assert (tmp_path / "result" / name).read_text().startswith("verdict: host")
    assert [attempt.fault for attempt in attempts.read(tmp_path / "attempts.db")] == ["host"]


def test_an_attempt_that_can_not_be_entered_is_no_valid_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object) -> None:
        raise AttemptsError("the disk is full", "make room")

    monkeypatch.setattr(attempts, "finish", refuse)
    assert run_command(tmp_path, GOOD.program) == 2
    assert "not entered in the register of attempts: the disk is full" in capsys.readouterr().out
    assert (tmp_path / "result/verdict.txt").read_text().startswith("verdict: host")


def test_a_disk_that_fills_at_the_copy_is_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_arguments: object) -> Kept:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "keep_output", no_room)
    verdict = run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path)
    assert verdict.fault is Fault.HOST
    assert "the organisers' disk is full" in said(verdict)


def test_an_attempt_never_stays_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result/earlier").touch()
    assert run_command(tmp_path, GOOD.program) == 2
    assert "not empty" in capsys.readouterr().err
    assert [attempt.fault for attempt in attempts.read(tmp_path / "attempts.db")] == ["dropped"]


def test_a_stranger_can_not_stop_the_clock_of_checking(tmp_path: Path) -> None:
    test = write_test(tmp_path / "test")
    checked = check_output(test / "input.json", tmp_path, 0.001)
    assert checked.problems == (
        "looking through the predictions and their pictures was not done after 0.001 s (limit `checking`)",
    )
    assert (
        check_output(tmp_path / "no.json", tmp_path, 100)
        .problems[0]
        .startswith("looking through the predictions and their pictures broke off: it ended with status 1; ")
    )


# (run.json, the hint that is taken from it)
REPORTS: tuple[tuple[object, str | None], ...] = (
    ({"ended": "finished", "error": "", "missing": {"answers": [], "pictures": []}}, None),
    ({"ended": "failed", "error": "no weights"}, "its run.json says that it failed (no weights)"),
    ({"ended": "failed"}, "its run.json says that it failed"),
    ({"ended": "time limit", "missing": {"answers": ["0", "1"]}}, "its run.json says that every answer is a fallback"),
    ({"ended": "time limit", "missing": {"answers": ["0"]}}, None),
    ({"ended": ["failed"], "error": {}, "missing": []}, None),
    ([], None),
)


@pytest.mark.parametrize(("report", "hint"), REPORTS)
def test_a_run_report_gives_a_hint(report: object, hint: str | None, tmp_path: Path) -> None:
    test = write_test(tmp_path / "test")
    answers = {key: [{"type": "text", "content": "да"}] for key in ("0", "1")}
    (tmp_path / "predictions.json").write_text(json.dumps(answers))
    (tmp_path / "run.json").write_text(json.dumps(report))
    assert check_output(test / "input.json", tmp_path, 100) == CheckedOutput((), hint)


def scoring(test: Path, seconds: float) -> Scoring:
    return Scoring(test / "ground_truth.json", test / "ids.json", test, "official", None, None, "ruclip", seconds)


def test_scoring_has_a_clock_and_its_own_process(tmp_path: Path) -> None:
    test = write_test(tmp_path / "test")
    (tmp_path / "predictions.json").write_text(json.dumps({key: [{"type": "text", "content": "да"}] for key in "01"}))
    result = scoring(test, 500)(tmp_path / "predictions.json")
    assert set(result.tasks["textqa"].samples) == {"0", "1"}
    with pytest.raises(ChildTimeoutError):
        scoring(test, 0.001)(tmp_path / "predictions.json")
    (tmp_path / "predictions.json").write_text('{"0": [{"type": "text", "content": "да"}]}')
    with pytest.raises(AttemptAbortedError) as raised:
        scoring(test, 500)(tmp_path / "predictions.json")
    assert raised.value.sample_id == "1"


@pytest.mark.parametrize(
    "error", [ChildTimeoutError("not done after 1 s"), ChildFailedError("signal 9 ended it", "its words")]
)
def test_scoring_that_ends_without_a_score_is_the_hosts(error: Exception, tmp_path: Path) -> None:
    def fail(_predictions: Path) -> None:
        raise error

    verdict = run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path, fail)  # type: ignore[arg-type]
    assert verdict.fault is Fault.HOST
    assert str(error) in said(verdict)


def test_a_first_signal_stops_and_the_rest_wait() -> None:
    earlier = signal.getsignal(signal.SIGTERM)

    def end_twice(number: int) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with pytest.raises(Stopped) as raised, stopped_by_signals():
            end_twice(number)
        assert raised.value.status == 128 + number
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_ignored_signals() -> None:
    for number, stops in ((signal.SIGHUP, False), (signal.SIGINT, True)):
        earlier = signal.signal(number, signal.SIG_IGN)
        try:
            with stopped_by_signals():
                os.kill(os.getpid(), number)
            stopped = False
        except Stopped:
            stopped = True
        finally:
            signal.signal(number, earlier)
        assert stopped is stops


def test_a_submission_that_changes_nothing_after_its_end(tmp_path: Path) -> None:
    """What it left running in a session of its own is gone before its output is looked at."""
    late = "import time\ntime.sleep(2)\nopen('output/predictions.json', 'w').write('changed')"
    program = (
        ANSWER
        + f"write(); import subprocess; subprocess.Popen([sys.executable, '-c', {late!r}], start_new_session=True)"
    )
    assert run_fake(Fake("", program, Fault.NONE), ProcessEngine(), "fake:1", tmp_path).fault is Fault.NONE
