"""Whatever a submission does, it gets the right verdict: here without a container, in tests/container with one."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.container.container_engine import ContainerEngine
from evaluation.container.errors import HostError, ImageTooLargeError
from evaluation.container.job import Ended, Job
from evaluation.container.limits import RunLimits
from evaluation.container.process_engine import ProcessEngine
from evaluation.container.runner import Request, archive_sha256, run_archive
from evaluation.container.supervision import BoundedLog, Stop
from evaluation.container.verdict import Fault
from evaluation.joining import ScoringFiles
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.results import Result, read_result
from evaluation.scoring import score_run
from tests.evaluation.container.fakes import (
    ANSWER,
    BAD_ARCHIVES,
    FAKES,
    LIMITS,
    SECRET,
    Fake,
    archive,
    run_fake,
    said,
    write_test,
)
from tests.evaluation.fakes import equality_of

GOOD = FAKES[0]


@pytest.fixture(autouse=True)
def _secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBC2_SECRET", "of the organisers")


@pytest.fixture(autouse=True)
def _remove_what_pytest_can_not(tmp_path: Path) -> Iterator[None]:
    """Folders nested beyond Python's recursion would stop a later run of pytest, which clears away old ones."""
    yield
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def score(test: Path) -> Callable[[Path], Result]:
    return lambda predictions: score_run(
        ScoringFiles(predictions, test / "ground_truth.json", test / "ids.json", test), equality_of()
    )


@pytest.mark.parametrize("fake", FAKES, ids=[fake.what for fake in FAKES])
def test_each_submission_gets_its_verdict(fake: Fake, tmp_path: Path) -> None:
    verdict = run_fake(fake, ProcessEngine(), "fake:1", tmp_path)
    assert verdict.fault is fake.fault, said(verdict)
    assert fake.says in said(verdict) + (tmp_path / "result/log.txt").read_text()
    assert verdict.counts is (fake.fault is Fault.NONE)
    assert json.loads((tmp_path / "result/verdict.json").read_text())["counts"] is verdict.counts
    assert (tmp_path / "result/log.txt").stat().st_size <= 20_100
    assert not (tmp_path / "result/run").exists()


@pytest.mark.parametrize(("what", "make", "says"), BAD_ARCHIVES, ids=[row[0] for row in BAD_ARCHIVES])
def test_a_bad_archive_is_not_started(what: str, make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    path.write_bytes(make())
    request = Request(path, write_test(tmp_path / "test"), tmp_path / "result", ProcessEngine(), RunLimits())
    verdict = run_archive(request, archive_sha256(path))
    assert (verdict.fault, verdict.seconds, verdict.counts) == (Fault.FORMAT, None, False)
    assert says in said(verdict)
    assert str(tmp_path) not in (tmp_path / "result/bundle/verdict.json").read_text()
    assert not (tmp_path / "run.py").exists()


def test_a_good_run_is_scored_and_its_bundle_holds_no_reference(tmp_path: Path) -> None:
    verdict = run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path, score(tmp_path / "test"))
    assert verdict.fault is Fault.NONE
    assert verdict.scores == {"textqa": 0.0}  # the first reference is the secret one
    assert read_result(tmp_path / "result/scores.json").tasks["textqa"].samples == {"0": 0.0, "1": 0.0}
    bundle = tmp_path / "result/bundle"
    assert sorted(path.name for path in bundle.iterdir()) == ["log.txt", "verdict.json", "verdict.txt"]
    for path in bundle.iterdir():
        content = path.read_text("utf-8")
        assert SECRET not in content
        assert json.dumps(SECRET)[1:-1] not in content


def test_what_stops_a_metric_makes_the_attempt_invalid(tmp_path: Path) -> None:
    def stop(predictions: Path) -> Result:
        raise AttemptAbortedError("a picture is missing", sample_id="0", defect=1)

    verdict = run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path, stop)
    assert (verdict.fault, verdict.counts) == (Fault.FORMAT, False)
    assert "a metric stopped: sample '0': a picture is missing" in said(verdict)


def test_a_mistake_of_the_scorer_is_the_hosts(tmp_path: Path) -> None:
    def fail(predictions: Path) -> Result:
        raise KeyError(SECRET)

    verdict = run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path, fail)
    assert verdict.fault is Fault.HOST
    assert SECRET in (tmp_path / "result/host_error.txt").read_text("utf-8")
    assert SECRET not in (tmp_path / "result/bundle/verdict.json").read_text("utf-8")
    assert (tmp_path / "result/output/predictions.json").is_file()


def test_a_log_for_participants_is_short_and_plain(tmp_path: Path) -> None:
    program = GOOD.program + "\nprint('\\x1b[2J' + os.getcwd() + 'y' * 10**6)"
    fake = replace(GOOD, program=program, limits={"log": 10**7})
    run_fake(fake, ProcessEngine(), "fake:1", tmp_path)
    log = (tmp_path / "result/bundle/log.txt").read_text()
    assert len(log) <= 64_100
    assert "bytes left out" in log
    assert "\x1b" not in log
    assert str(tmp_path) not in log


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result/earlier").write_text("kept")
    with pytest.raises(HostError, match="not empty"):
        run_fake(GOOD, ProcessEngine(), "fake:1", tmp_path)
    assert [path.name for path in (tmp_path / "result").iterdir()] == ["earlier"]


def test_an_engine_that_is_not_installed_is_the_hosts_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    verdict = run_fake(GOOD, ContainerEngine("docker"), "fake:1", tmp_path)
    assert (verdict.fault, verdict.counts) == (Fault.HOST, False)
    assert "docker is not installed" in said(verdict)


class BrokenEngine:
    """An engine on which a submission is not to blame, or is: by what it raises."""

    name, keeps = "broken", "nothing"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def image_id(self, job: Job) -> str:
        raise self.error

    def run(self, job: Job, log: BoundedLog) -> Ended:
        return Ended(Stop.EXITED, 0, 0.0)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (HostError("it is broken", "mend it"), Fault.HOST),
        (OSError(28, "No space left on device"), Fault.HOST),
        (ImageTooLargeError("the image has 26 GB"), Fault.FORMAT),
    ],
)
def test_what_an_engine_can_not_do(error: Exception, fault: Fault, tmp_path: Path) -> None:
    assert run_fake(GOOD, BrokenEngine(error), "fake:1", tmp_path).fault is fault


def test_a_picture_that_the_input_lacks_is_the_hosts_fault(tmp_path: Path) -> None:
    path = archive(tmp_path / "submission.zip", {"run.py": GOOD.program}, image="fake:1")
    test = write_test(tmp_path / "test")
    (test / "images/asked.png").unlink()
    limits = RunLimits(**LIMITS)  # type: ignore[arg-type]
    verdict = run_archive(Request(path, test, tmp_path / "result", ProcessEngine(), limits), "0" * 64)
    assert verdict.fault is Fault.HOST
    assert "images/asked.png" in said(verdict)


def test_the_originals_of_the_input_stay_as_they_are(tmp_path: Path) -> None:
    program = GOOD.program + "\nopen('../input/images/asked.png', 'w').write('gone'); os.remove('../input/input.json')"
    run_fake(replace(GOOD, program=program), ProcessEngine(), "fake:1", tmp_path)
    assert (tmp_path / "test/images/asked.png").stat().st_size > 60
    assert (tmp_path / "test/input.json").is_file()
    assert os.environ["FBC2_SECRET"] == "of the organisers"


def test_a_link_in_place_of_the_output_is_not_followed(tmp_path: Path) -> None:
    """In a container the output is a mount and stays; a plain process can put a link to the host's files there."""
    (tmp_path / "many").mkdir()
    for number in range(100):
        (tmp_path / "many" / str(number)).touch()
    link = f"os.rename('output', 'elsewhere'); os.symlink({str(tmp_path / 'many')!r}, 'output'); time.sleep(1)"
    fake = Fake("", f"{ANSWER}write(); {link}", Fault.FORMAT, limits={"output_files": 50})
    verdict = run_fake(fake, ProcessEngine(), "fake:1", tmp_path)
    assert (verdict.fault, verdict.problems) == (Fault.FORMAT, ("the folder output was replaced",))
    assert len(list((tmp_path / "many").iterdir())) == 100


def test_folders_without_end_beside_the_output_cost_no_verdict(tmp_path: Path) -> None:
    deep = "[(os.mkdir('deeper'), os.chdir('deeper')) for _ in range(3000)]"
    fake = Fake("", f"{ANSWER}write(); {deep}", Fault.NONE)
    assert run_fake(fake, ProcessEngine(), "fake:1", tmp_path).fault is Fault.NONE
    assert sorted(path.name for path in (tmp_path / "result").iterdir()) == [
        "bundle", "log.txt", "output", "verdict.json", "verdict.txt",
    ]  # fmt: skip
