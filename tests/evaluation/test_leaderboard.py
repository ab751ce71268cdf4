"""Runs in a file: what is kept, who is ranked with whom, and several writers at once."""

import csv
import io
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from contest.tasks import TASKS
from evaluation import sqlite_file
from evaluation.cost import FIGURES
from evaluation.errors import LeaderboardError
from evaluation.leaderboard import Provenance, add, grouped, leaderboard_table, read, to_csv, to_json
from evaluation.table import width
from tests.evaluation.fakes import result_of, whole_result

ORIGIN = Provenance("abc123", "5e1f", "tuned", 7, "a GPU", 12.5, 0.034)


def add_many(path: Path, writer: int, count: int) -> None:
    for number in range(count):
        add(path, f"{writer}-{number}", whole_result(0.5), Provenance())


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    number = add(path, "first", whole_result(0.25), ORIGIN)
    [run] = read(path)
    assert (run.id, run.name, run.mode, run.integral, run.provenance) == (number, "first", "official", 0.25, ORIGIN)
    assert list(run.scores) == [task.key for task in TASKS]
    assert (run.scores["vqa"].score, run.scores["vqa"].n, run.scores["vqa"].signature) == (0.25, 2, "equality|v:1")


def test_several_processes_lose_no_run(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"  # made by whoever comes first
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_many, args=(path, writer, 15)) for writer in range(4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    assert [process.exitcode for process in writers] == [0] * 4
    runs = read(path)
    assert {run.name for run in runs} == {f"{writer}-{number}" for writer in range(4) for number in range(15)}
    assert all(len(run.scores) == 12 for run in runs)
    assert len({run.id for run in runs}) == 60


def test_a_run_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "sound", whole_result(0.5), Provenance())
    broken = result_of({"vqa": [1.0]})
    monkeypatch.setattr(type(broken.tasks["vqa"]), "n", property(lambda self: None))
    with pytest.raises(LeaderboardError, match="NOT NULL"):
        add(path, "broken", broken, Provenance())
    assert [run.name for run in read(path)] == ["sound"]


def test_only_what_measures_the_same_is_ranked_together(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    for name, result in {
        "good": whole_result(0.5),
        "better": whole_result(0.6),
        "as good": whole_result(0.5),
        "worst": whole_result(0.1),
        "other metric": whole_result(0.9, signature="equality|v:2"),
        "other test": whole_result(0.9, test="u"),
        "part": result_of({"vqa": [1.0]}),
    }.items():
        add(path, name, result, Provenance())
    ranked = [
        [(rank, run.name) for rank, run in zip(group.ranks, group.runs, strict=True)] for group in grouped(read(path))
    ]
    assert ranked == [
        [(1, "better"), (2, "good"), (2, "as good"), (4, "worst")],
        [(1, "other metric")],
        [(1, "other test")],
        [(None, "part")],
    ]


def test_ranks_by_a_task(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "whole", whole_result(0.5), Provenance())
    add(path, "part", result_of({"vqa": [1.0]}), Provenance())
    add(path, "without", result_of({"textqa": [1.0]}), Provenance())
    [group] = grouped(read(path), "vqa")
    assert [(rank, run.name) for rank, run in zip(group.ranks, group.runs, strict=True)] == [(1, "part"), (2, "whole")]


def test_the_table_has_the_published_baseline(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "first", whole_result(0.5), ORIGIN)
    add(path, "substitute", whole_result(0.6, signature="equality|v:2"), Provenance())
    table = leaderboard_table(read(path))
    first, second = table.split("group 2: ")
    assert first.splitlines()[3].split()[:4] == ["1", "-", "first", "0.5000"]
    assert all(word in first for word in ("abc123", "tuned", "a GPU", "12.5", "0.034"))
    for block in (first, second):
        assert any(line.split()[:5] == ["-", "-", "published", "baseline", "0.24"] for line in block.splitlines())
    assert "equality|v:1" not in table
    assert "--verbose shows what each measures" in table
    assert "  textqa=equality|v:1" in leaderboard_table(read(path), verbose=True).splitlines()
    assert leaderboard_table(()) == "the leaderboard is empty"


def test_no_line_of_the_table_is_wider_than_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    long = Provenance("c" * 64, "5e1f" * 16, "p" * 90, 2**63 - 1, "硬件" * 60, 1e300, 1e-300, 1 / 3, 1 / 7, 2**63 - 1)
    add(path, "имя " * 60, whole_result(1 / 3), long)
    add(path, "\x1b[2J\n\u202e" * 9, whole_result(1 / 3), Provenance())
    lines = leaderboard_table(read(path)).splitlines()
    assert max(map(width, lines)) <= 100
    assert any("…" in line for line in lines)
    assert not any("\x1b" in line or "\u202e" in line for line in lines)
    for key in ("textqa", "hidden6", "weights", "own_co2_kg"):
        assert sum(key in line.split() for line in lines) == 1
    for name in ("commit_id", "seed"):  # of runs that say nothing about it, no column is shown
        assert name not in leaderboard_table(read(path)[1:])


def test_a_spreadsheet_takes_no_name_for_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "=1+1", whole_result(0.5), Provenance(profile="@SUM(A1)", hardware="-2+3", seconds=7.5))
    _, run = csv.DictReader(io.StringIO(to_csv(read(path))))
    assert (run["name"], run["profile"], run["hardware"]) == ("'=1+1", "'@SUM(A1)", "'-2+3")
    assert run["seconds"] == "7.5"


@pytest.mark.parametrize(
    ("name", "provenance", "message"),
    [
        ("\udcff", Provenance(), r"the run's name is no UTF-8: \udcff; give it in UTF-8"),
        ("x", Provenance(profile="\ud800"), r"the run's profile is no UTF-8: \ud800; give it in UTF-8"),
        ("x", Provenance(seed=10**20), "seed of run 'x' has more than 64 bits; give the real one, or nothing"),
        (
            "x",
            Provenance(parameters=10**20),
            "parameters of run 'x' has more than 64 bits; give the real one, or nothing",
        ),
    ],
)
def test_what_a_leaderboard_can_not_hold_is_refused(
    name: str, provenance: Provenance, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LeaderboardError) as raised:
        add(tmp_path / "board.sqlite", name, whole_result(0.5), provenance)
    assert str(raised.value) == message
    assert not (tmp_path / "board.sqlite").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE runs SET integral = 1e308", "run 1 has the integral score 1e+308, outside [0, 1]"),
        ("UPDATE scores SET task = 'poetry' WHERE task = 'vqa'", "run 1 has a score for 'poetry', which is no task"),
        ("UPDATE scores SET score = 9e999 WHERE task = 'vqa'", "run 1: the score of vqa is not a finite number"),
    ],
)
def test_rows_that_nobody_here_wrote_are_refused(statement: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "x", whole_result(0.5), Provenance())
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    with pytest.raises(LeaderboardError) as raised:
        read(path)
    assert message in str(raised.value)


def test_the_exports_hold_every_run_and_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "first", whole_result(0.5), ORIGIN)
    add(path, "part", result_of({"vqa": [1.0]}), Provenance())
    exported = to_json(read(path))
    assert exported["baseline"]["tasks"]["vqa"] == 0.34
    assert [(run["name"], run["group"], run["rank"]) for run in exported["runs"]] == [
        ("first", 1, 1),
        ("part", 2, None),
    ]
    assert exported["runs"][0]["provenance"]["commit_id"] == "abc123"
    baseline, first, part = csv.DictReader(io.StringIO(to_csv(read(path))))
    assert (baseline["name"], baseline["integral"], baseline["hidden6"]) == ("published baseline", "0.24", "0.11")
    assert (first["rank"], first["seed"], first["textqa"]) == ("1", "7", "0.5")
    assert (part["rank"], part["integral"], part["textqa"], part["vqa"]) == ("", "", "", "1.0")
    assert part["signatures"] == "vqa=equality|v:1"


# What each version of the file had not yet.
OF_VERSION_2 = ("energy_kwh", "own_co2_kg", "parameters")
OF_VERSION_3 = ("team", *FIGURES, "energy_method")


@pytest.mark.parametrize(("version", "lacking"), [(1, (*OF_VERSION_2, *OF_VERSION_3)), (2, OF_VERSION_3)])
def test_a_file_of_an_earlier_version_is_brought_up_to_date(
    tmp_path: Path, version: int, lacking: tuple[str, ...]
) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "old", whole_result(0.5), ORIGIN)
    with sqlite3.connect(path) as connection:  # as that version left it
        for column in lacking:
            connection.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        connection.execute(f"PRAGMA user_version = {version}")
    newer = replace(ORIGIN, energy_kwh=2.0, own_co2_kg=0.5, parameters=3, team="ours")
    add(path, "new", whole_result(0.5), newer)
    old, new = read(path)
    assert (old.provenance, old.team) == (ORIGIN, "old")
    assert (new.provenance, new.team) == (newer, "ours")


def test_files_that_are_no_leaderboard(tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="does not exist"):
        read(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(LeaderboardError, match="not a database"):
        read(tmp_path / "text.sqlite")
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE runs (id)")
    with pytest.raises(LeaderboardError, match="another program"):
        add(tmp_path / "other.sqlite", "x", whole_result(0.5), Provenance())
    with pytest.raises(LeaderboardError, match="unable to open"):
        add(tmp_path / "no folder" / "x.sqlite", "x", whole_result(0.5), Provenance())


@pytest.mark.parametrize("figure", ["seconds", "co2_kg", "energy_kwh", "own_co2_kg"])
@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")])
def test_figures_that_can_not_be_are_refused(figure: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match=f"{figure} of run 'x' is "):
        add(tmp_path / "board.sqlite", "x", whole_result(0.5), replace(Provenance(), **{figure: value}))
    assert not (tmp_path / "board.sqlite").exists()


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "board.sqlite"
    add(path, "first", whole_result(0.5), Provenance())
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.0)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(LeaderboardError, match="locked"):
        add(path, "second", whole_result(0.5), Provenance())
    connection.close()
