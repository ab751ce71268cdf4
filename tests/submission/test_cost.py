"""What a run cost: sums over sessions, processes and hosts, through kills; figures by hand, then through real runs."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from contest.emissions.rows import read_rows
from contest.emissions.run_energy import MeterRow, RunEnergy
from submission.cost import cost_of, merged_cost
from submission.journal import Journal
from submission.sessions import PhaseCost, Session, SessionLog, read_sessions
from tests.submission.conftest import Start, Write
from tests.submission.test_resume import KILL, SAMPLES
from tests.submission.test_sharding import torchrun


def session(process: int, began: float, seconds: float, **phases: PhaseCost) -> Session:
    return Session(process, None, f"{process} {began}", began, seconds, phases)


ANSWERED, DRAWN = PhaseCost(10, 4.0, 50), PhaseCost(5, 8.0, 320)


@pytest.mark.parametrize(
    ("sessions", "seconds", "answers", "pictures"),
    [
        ([], 0.0, (0, 0.0, 0), (0, 0.0, 0)),
        ([session(0, 100, 20, answer=ANSWERED, draw=DRAWN)], 20.0, (10, 4.0, 50), (5, 8.0, 320)),
        # A restart an hour later: the hour between is nobody's.
        (
            [session(0, 100, 20, answer=ANSWERED), session(0, 3700, 10, answer=ANSWERED, draw=DRAWN)],
            30.0,
            (20, 8.0, 100),
            (5, 8.0, 320),
        ),
        # Two processes at once, the second 5 s later: 25 s, in which 40 s of processes fit.
        (
            [session(0, 100, 20, answer=ANSWERED), session(1, 105, 20, answer=ANSWERED)],
            25.0,
            (20, 8.0 * 25 / 40, 100),
            (0, 0.0, 0),
        ),
        # Answers wait for the codes of their pictures.
        ([session(0, 0, 9, encode=PhaseCost(0, 2.0, 0), answer=ANSWERED)], 9.0, (10, 6.0, 50), (0, 0.0, 0)),
        # Choosing among several and writing anew take time and tokens, and give no other picture.
        (
            [session(0, 0, 30, draw=DRAWN, improve=PhaseCost(5, 9.0, 960), restore=PhaseCost(2, 1.0, 0))],
            30.0,
            (0, 0.0, 0),
            (5, 18.0, 1280),
        ),
    ],
)
def test_sums_over_sessions(
    sessions: list[Session], seconds: float, answers: tuple[int, float, int], pictures: tuple[int, float, int]
) -> None:
    cost = cost_of(20, sessions)
    assert cost is not None
    assert (cost["samples"], cost["sessions"], cost["seconds"]) == (20, len(sessions), pytest.approx(seconds))
    assert tuple(cost["answers"].values()) == pytest.approx(answers)
    assert tuple(cost["pictures"].values()) == pytest.approx(pictures)
    assert cost["energy"] is None


def test_work_of_before_there_were_records_leaves_the_cost_unknown(submit: Start, write_input: Write) -> None:
    source = write_input({"0": SAMPLES["0"]})
    first = submit(source)
    assert first.report["cost"]["sessions"] == 1
    (first.output / "sessions.jsonl").unlink()
    for _ in range(2):
        assert submit(source).report["cost"] is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"process": 0, "id"',  # cut off by a kill
        b"[]",
        b'{"process": 0, "meter": null, "id": "x", "began": 1, "seconds": NaN, "phases": {}, "follows_unknown": false}',
        b'{"process": 0, "meter": null, "id": "x", "began": 1, "seconds": 1, "phases": {"answer": {"done": -1}}, '
        b'"follows_unknown": false}',
    ],
)
def test_a_record_that_is_none_is_passed_over(line: bytes, tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.resume({})
    (tmp_path / "sessions.jsonl").write_bytes(line + b"\n")
    assert read_sessions(tmp_path, {}) == []


def share(samples: int, seconds: float, answers: tuple[int, float], energy: RunEnergy | None = None) -> dict[str, Any]:
    """Of the tokens each answer has two; nothing is drawn."""
    count, spent = answers
    return {
        "samples": samples,
        "sessions": 1,
        "seconds": seconds,
        "answers": {"count": count, "seconds": spent, "tokens": 2 * count},
        "pictures": {"count": 0, "seconds": 0.0, "tokens": 0},
        "energy": None if energy is None else energy.to_json(),
    }


def test_hosts_work_at_once() -> None:
    measured = RunEnergy(0.5, 0.25)
    cost = merged_cost([share(10, 9.0, (10, 5.0), measured), share(12, 7.0, (12, 2.0), measured)])
    assert cost is not None
    assert (cost["samples"], cost["sessions"], cost["seconds"]) == (22, 2, 9.0)
    answers = cost["answers"]
    assert (answers["count"] / answers["seconds"], answers["tokens"]) == (pytest.approx(2 + 6), 44)
    assert cost["pictures"] == {"count": 0, "seconds": 0.0, "tokens": 0}
    assert cost["energy"]["energy_kwh"] == 1.0
    partly = merged_cost([share(1, 1.0, (1, 1.0), measured), share(1, 1.0, (1, 1.0))])
    assert partly is not None
    assert partly["energy"]["joules"] is None
    assert partly["energy"]["method"] == "not measured: 1 of 2 shares ran without --emissions"
    assert merged_cost([share(1, 1.0, (1, 1.0)), None]) is None


def test_the_last_whole_record_of_each_session_counts(tmp_path: Path) -> None:
    configuration = {"seed": 0}
    with Journal(tmp_path) as journal:
        journal.resume(configuration)
        for number in range(2):
            begun = Session(0, MeterRow("e.csv", str(number)), began=1000.0 + 60 * number)
            log = SessionLog(tmp_path, begun, started=time.monotonic())
            log.write()  # not begun: whose file this is, is not known yet
            log.begin(anew=number == 0, goes_on=number > 0)
            for _ in range(3):
                log.session.spend("answer", PhaseCost(1, 0.5, 7))
                log.write()
    found = read_sessions(tmp_path, configuration)
    assert [(each.meter, each.phases) for each in found] == [
        (MeterRow("e.csv", str(number)), {"answer": PhaseCost(3, 1.5, 21)}) for number in range(2)
    ]
    assert read_sessions(tmp_path, {"seed": 1}) == []  # another run's


def test_a_log_that_can_not_be_written_stops_nothing(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SessionLog) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SessionLog, "write", full)
    run = submit(write_input({"0": SAMPLES["0"]}))
    assert run.status == 1
    assert [problem["instead"] for problem in run.report["problems"]][:1] == [
        "the run goes on; what it costs from here on is lost if it is killed"
    ]
    assert run.report["cost"]["answers"]["count"] == 1


def test_a_killed_run_s_cost_is_kept_and_added(start: Start, submit: Start, write_input: Write, tmp_path: Path) -> None:
    source, meter = write_input(SAMPLES), ("--emissions", str(tmp_path / "e.csv"))
    killed = start(source, "--batch-size", "1", *meter, sabotage=KILL.format(after=4))
    assert killed.status == -9
    resumed = submit(source, "--batch-size", "1", *meter)
    whole = submit(source, "--batch-size", "1", output="whole")
    assert (resumed.status, whole.status) == (0, 0)
    cost, alone = resumed.report["cost"], whole.report["cost"]
    assert (cost["samples"], cost["sessions"], alone["sessions"]) == (5, 2, 1)
    # What was killed in the middle of its record was answered twice, and its tokens were sampled twice.
    assert cost["answers"]["count"] in (5, 6)
    assert cost["pictures"]["count"] == alone["pictures"]["count"] == 3
    assert cost["answers"]["tokens"] >= alone["answers"]["tokens"]
    a_picture = next(len(record["codes"]) for record in whole.journal[1:] if record["phase"] == "draw")
    assert cost["pictures"]["tokens"] == alone["pictures"]["tokens"] == 3 * a_picture
    assert cost["seconds"] > resumed.report["seconds"]
    rows = read_rows(tmp_path / "e.csv")
    assert len(rows) == 2
    assert cost["energy"]["energy_kwh"] == pytest.approx(sum(row.energy_kwh for row in rows))
    assert cost["energy"]["joules"] > 0
    assert cost["energy"]["method"].startswith("cpu: processor time x TDP (")
    assert alone["energy"] is None


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
def test_answers_cost_the_waiting_for_their_pictures(submit: Start, write_input: Write, profile: str) -> None:
    run = submit(write_input({"1": SAMPLES["1"]}), "--profile", profile)
    phases = json.loads((run.output / "sessions.jsonl").read_text().splitlines()[-1])["phases"]
    assert phases["answer"]["seconds"] > 0
    spent = phases["answer"]["seconds"] + phases["encode"]["seconds"]
    assert run.report["cost"]["answers"]["seconds"] == pytest.approx(spent)


@pytest.mark.slow
def test_torchrun_measures_all_its_processes(weights: Path, tmp_path: Path) -> None:
    run = torchrun(2, weights, tmp_path / "several", "--emissions", str(tmp_path / "e.csv"))
    assert run.status == 0, run.stderr
    cost = run.report["cost"]
    assert (cost["sessions"], cost["samples"]) == (2, len(run.predictions))
    assert cost["answers"]["count"] == len(run.predictions)
    assert cost["pictures"]["count"] == len(run.pictures)
    sessions = [json.loads(path.read_text().splitlines()[-1]) for path in run.output.glob("sessions*.jsonl")]
    assert cost["seconds"] < sum(each["seconds"] for each in sessions)
    assert cost["energy"]["joules"] > 0
    assert len(read_rows(tmp_path / "e.csv")) == 1
