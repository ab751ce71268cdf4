"""From the facts of a run to a verdict: a table, and what a person reads."""

import json
from pathlib import Path

import pytest

from evaluation.container.job import Ended
from evaluation.container.limits import RunLimits
from evaluation.container.supervision import Stop
from evaluation.container.verdict import Fault, Verdict, judge, write_verdict

BROKEN = ("[NOT_JSON] output/predictions.json",)
EXITED, TIME, OUTPUT = Stop.EXITED, Stop.TIME, Stop.OUTPUT

# (how it ended, whether it wrote too much, what is wrong with its predictions, the verdict)
CASES: tuple[tuple[Ended, bool, tuple[str, ...], Fault], ...] = (
    (Ended(EXITED, 0, 1.0), False, (), Fault.NONE),
    (Ended(EXITED, 1, 1.0), False, (), Fault.NONE),
    (Ended(EXITED, 143, 1.0), False, (), Fault.NONE),
    (Ended(EXITED, 0, 1.0), False, BROKEN, Fault.FORMAT),
    (Ended(EXITED, 1, 1.0), False, BROKEN, Fault.CRASH),
    (Ended(EXITED, 137, 1.0), False, BROKEN, Fault.CRASH),
    (Ended(EXITED, 127, 1.0), False, BROKEN, Fault.CRASH),
    (Ended(EXITED, 137, 1.0, out_of_memory=True), False, BROKEN, Fault.MEMORY),
    (Ended(EXITED, 137, 1.0, out_of_memory=True), False, (), Fault.MEMORY),
    (Ended(EXITED, 0, 1.0, out_of_memory=True), False, (), Fault.NONE),  # a child was killed, the rest went on
    (Ended(EXITED, 0, 1.0, out_of_memory=True), False, BROKEN, Fault.FORMAT),
    (Ended(Stop.DISK, 137, 9.0), False, (), Fault.HOST),
    (Ended(Stop.DISK, 0, 9.0), False, BROKEN, Fault.HOST),
    (Ended(TIME, 137, 9.0), False, (), Fault.TIME),
    (Ended(TIME, 137, 9.0), False, BROKEN, Fault.TIME),
    (Ended(TIME, None, 9.0), True, BROKEN, Fault.TIME),
    (Ended(OUTPUT, 137, 9.0), True, BROKEN, Fault.OUTPUT),
    (Ended(EXITED, 0, 9.0), True, (), Fault.OUTPUT),
    (Ended(EXITED, None, 1.0, host_problem="no such runtime"), False, BROKEN, Fault.HOST),
    (Ended(TIME, None, 1.0, host_problem="the engine is gone"), False, (), Fault.HOST),
)


@pytest.mark.parametrize(("ended", "too_much", "problems", "fault"), CASES)
def test_who_is_at_fault(ended: Ended, too_much: bool, problems: tuple[str, ...], fault: Fault) -> None:
    assert judge(ended, RunLimits(), wrote_too_much=too_much, problems=problems).fault is fault


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (1, "ended with status 1"),
        (127, "ended with status 127: its entrypoint, or a program that it starts, is not there"),
        (128, "ended with status 128"),
        (129, "was ended by signal 1"),
        (137, "was ended by signal 9"),
        (192, "was ended by signal 64"),
        (193, "ended with status 193"),
        (254, "ended with status 254"),
        (255, "ended with status 255"),
    ],
)
def test_a_status_in_words(status: int, words: str) -> None:
    finding = judge(Ended(EXITED, status, 1.0), RunLimits(), wrote_too_much=False, problems=BROKEN)
    assert finding.remarks == (f"the submission {words}",)


# (status, what its run report hints at, a word of the warning; none for an attempt that does not count)
WARNINGS: tuple[tuple[int, str | None, tuple[str, ...], str], ...] = (
    (0, None, (), ""),
    (2, None, (), "it ended with status 2. Are its predictions fallbacks"),
    (0, "its run.json says that it failed", (), "itself: its run.json says that it failed."),
    (2, "its run.json says that it failed", (), "it ended with status 2 and its run.json says that it failed."),
    (2, "its run.json says that it failed", BROKEN, ""),
)


@pytest.mark.parametrize(("status", "hint", "problems", "says"), WARNINGS)
def test_a_counting_attempt_with_a_failure_is_warned_of(
    status: int, hint: str | None, problems: tuple[str, ...], says: str
) -> None:
    finding = judge(Ended(EXITED, status, 1.0), RunLimits(), wrote_too_much=False, problems=problems, hint=hint)
    assert len(finding.warnings) == bool(says)
    assert says in "".join(finding.warnings)
    lines = Verdict(finding.fault, warnings=finding.warnings).to_text().splitlines()
    assert lines[2].startswith("WARNING: the attempt counts, but") is bool(says)


def test_only_a_valid_attempt_counts() -> None:
    assert [fault for fault in Fault if Verdict(fault).counts] == [Fault.NONE]


def test_a_verdict_is_read_by_people_and_programs(tmp_path: Path) -> None:
    verdict = Verdict(
        Fault.CRASH,
        ("[NOT_JSON] output/predictions.json",),
        ("the submission ended with status 1",),
        seconds=12.34,
        status=1,
        engine="docker",
        limits_kept="all",
        image="a:1",
        image_id="sha256:0",
    )
    write_verdict(tmp_path, verdict)
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert (told["fault"], told["counts"], told["status"], told["limits"]["seconds"]) == ("crash", False, 1, 18_000)
    assert (tmp_path / "verdict.txt").read_text().splitlines() == [
        "verdict: crash (the submission ended without sound predictions and with an error)",
        "counts as an attempt: no",
        "what helps: read the end of the log",
        "  problem: [NOT_JSON] output/predictions.json",
        "  remark: the submission ended with status 1",
        "ran for 12.3 s of 18000 s, exit status 1",
        "engine: docker; limits kept: all",
        "image: a:1 (sha256:0); archive: sha256 ",
    ]


def test_scores_stand_in_the_text_of_a_valid_verdict() -> None:
    verdict = Verdict(Fault.NONE, integral=0.5, scores={"textqa": 0.25, "vqa": 0.75}, comparable=False)
    lines = [line.split() for line in verdict.to_text().splitlines()]
    assert ["textqa", "0.2500"] in lines
    assert ["S", "0.5000"] in lines
    assert "not comparable" in verdict.to_text()


def test_a_long_list_of_problems_is_cut() -> None:
    text = Verdict(Fault.FORMAT, tuple(f"problem {number}" for number in range(25))).to_text()
    assert "problem 19" in text
    assert "problem 20" not in text
    assert "... and 5 more problems" in text
