"""A leaderboard in one SQLite file: runs, where they came from, and their ranks.

Runs of the first challenge may lie in the same file; they are ranked by the sum of their four subtasks.

Ranks are given only among scores that measure the same: one test set, equal signatures. Whatever else is in the file
stands in a group of its own. The published baseline stands beside every group, without a rank: the files it was
scored on were never published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contest.checking import is_unicode
from contest.console import Cell, one_line
from contest.tasks import TASKS
from evaluation.cost import FIGURES, shown
from evaluation.errors import LeaderboardError, shortened
from evaluation.first_challenge.board import BoardRun
from evaluation.metrics.fbc1.overall import MINIMA
from evaluation.results import Result, csv_text
from evaluation.settings import BASELINE_INTEGRAL, INTEGRAL
from evaluation.sqlite_file import SQLiteFile
from evaluation.statistics import rank_spans, ranks
from evaluation.table import blocks, cut

SQLITE_INTEGERS = range(-(2**63), 2**63)
NAME_COLUMNS, ORIGIN_COLUMNS = 30, 20
RANK_METHOD = "unpaired MOVER intervals of differences, 95 %"
SPANS_LINE = (
    "may be: from the best to the worst rank that chance allows; compare tells runs of one test apart more sharply"
)
KEYS = (*(task.key for task in TASKS), *MINIMA)
"""Of everything that has a score: the tasks, and the subtasks of the first challenge."""

_SCHEMA = (
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY, added TEXT NOT NULL, name TEXT NOT NULL, mode TEXT NOT NULL, test TEXT NOT NULL,
        comparable INTEGER NOT NULL, integral REAL, low REAL, high REAL,
        commit_id TEXT, weights TEXT, profile TEXT, seed INTEGER, hardware TEXT, seconds REAL, co2_kg REAL,
        energy_kwh REAL, own_co2_kg REAL, parameters INTEGER, team TEXT,
        answers_per_second REAL, pictures_per_second REAL, tokens_per_sample REAL, joules_per_sample REAL,
        co2_g_per_sample REAL, energy_method TEXT
    ) STRICT""",
    """CREATE TABLE scores (
        run INTEGER NOT NULL REFERENCES runs (id), task TEXT NOT NULL, score REAL NOT NULL, low REAL, high REAL,
        n INTEGER NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (run, task)
    ) STRICT""",
)
_FROM_VERSION_1 = (
    "ALTER TABLE runs ADD COLUMN energy_kwh REAL",
    "ALTER TABLE runs ADD COLUMN own_co2_kg REAL",
    "ALTER TABLE runs ADD COLUMN parameters INTEGER",
)
_FROM_VERSION_2 = (
    "ALTER TABLE runs ADD COLUMN team TEXT",
    *(f"ALTER TABLE runs ADD COLUMN {figure} REAL" for figure in FIGURES),
    "ALTER TABLE runs ADD COLUMN energy_method TEXT",
)
FILE = SQLiteFile(
    "leaderboard file",
    0x46424332,
    _SCHEMA,
    {1: _FROM_VERSION_1, 2: _FROM_VERSION_2},
    LeaderboardError,
    "evaluation leaderboard add",
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run came from; None for what nobody recorded.

    `weights` is a hash of the weights (see `evaluation.provenance`), `seconds` how long answering took. `co2_kg` is the
    CO2 of the training by eco2AI, `energy_kwh` the energy of that, `own_co2_kg` the same by our own reading,
    `parameters` the model's size, `team` whose it is. The others are what answering cost (`evaluation.cost.RunCost`).
    """

    commit_id: str | None = None
    weights: str | None = None
    profile: str | None = None
    seed: int | None = None
    hardware: str | None = None
    seconds: float | None = None
    co2_kg: float | None = None
    energy_kwh: float | None = None
    own_co2_kg: float | None = None
    parameters: int | None = None
    team: str | None = None
    answers_per_second: float | None = None
    pictures_per_second: float | None = None
    tokens_per_sample: float | None = None
    joules_per_sample: float | None = None
    co2_g_per_sample: float | None = None
    energy_method: str | None = None


SHOWN_ORIGIN = tuple(item.name for item in fields(Provenance) if item.name != "energy_method")
"""What the table shows of where a run came from; a method is too long for a column."""
_ORIGIN = ", ".join(item.name for item in fields(Provenance))


@dataclass(frozen=True, slots=True)
class Score:
    """A score as the leaderboard keeps it; `signature` is empty for S, which has those of its tasks."""

    score: float
    low: float | None
    high: float | None
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class LeaderboardRun:
    """A row of the leaderboard. `scores` holds those of the tasks by key."""

    id: int
    added: str
    name: str
    mode: str
    test: str
    comparable: bool
    integral: float | None
    low: float | None
    high: float | None
    provenance: Provenance
    scores: dict[str, Score] = field(default_factory=dict)

    @property
    def team(self) -> str:
        """Whose run it is: the team's name, or the run's own where nobody said."""
        return self.provenance.team or self.name

    @property
    def is_of_first_challenge(self) -> bool:
        """Whether it is a run of 2021, whose `integral` is a sum from 0 to 4."""
        return any(key in MINIMA for key in self.scores)

    def value(self, by: str) -> float | None:
        """S, or the score of the task with this key; None if the run has none."""
        if by == INTEGRAL:
            return self.integral
        return self.scores[by].score if by in self.scores else None

    def bounds(self, by: str) -> tuple[float, float, float] | None:
        """S or the score of a task with the ends of its interval; None if the run has no score or no interval."""
        holder = self.scores.get(by, self) if by != INTEGRAL else self
        score, low, high = self.value(by), holder.low, holder.high
        return None if score is None or low is None or high is None else (score, low, high)

    def measures(self, by: str) -> tuple[str, ...]:
        """What must be equal for two runs to be ranked together: the test set and the signatures involved."""
        keys = sorted(self.scores) if by == INTEGRAL else [key for key in (by,) if key in self.scores]
        return (self.test, *(f"{key}={self.scores[key].signature}" for key in keys))


@dataclass(frozen=True, slots=True)
class RankedGroup:
    """Runs that measure the same, best first, with their ranks (None without a score).

    `spans` are the best and the worst rank that chance allows each (`evaluation.statistics.rank_spans`).
    """

    measures: tuple[str, ...]
    runs: tuple[LeaderboardRun, ...]
    ranks: tuple[int | None, ...]
    spans: tuple[tuple[int, int] | None, ...]


def add(path: Path, name: str, result: Result | BoardRun, provenance: Provenance) -> int:
    """Add a run to the file, which is made if there is none; return the run's id.

    Several processes may add at once: each waits for the others (up to two minutes).
    Raises LeaderboardError, also for a measured figure of the provenance that is negative or not finite.
    """
    _require_storable(name, provenance)
    low, high = result.integral_interval or (None, None)
    added = datetime.now(UTC).isoformat(timespec="seconds")
    head = (added, name, result.mode_name, result.test, int(result.comparable), result.integral, low, high)
    with FILE.opened(path, may_make=True) as connection:
        cursor = connection.execute(
            "INSERT INTO runs (added, name, mode, test, comparable, integral, low, high,"
            f" {_ORIGIN}) VALUES ({', '.join('?' * (len(head) + len(fields(Provenance))))})",
            (*head, *astuple(provenance)),
        )
        assert cursor.lastrowid is not None
        connection.executemany(
            "INSERT INTO scores (run, task, score, low, high, n, signature) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (cursor.lastrowid, key, task.score, *(task.interval or (None, None)), task.n, task.signature)
                for key, task in result.tasks.items()
            ],
        )
        return cursor.lastrowid


def _require_storable(name: str, provenance: Provenance) -> None:
    """Raise LeaderboardError for what a leaderboard can not hold, or what nobody can have measured."""
    for what, text in {"name": name, **asdict(provenance)}.items():
        if isinstance(text, str) and not is_unicode(text):
            raise LeaderboardError(f"the run's {what} is no UTF-8: {shortened(text)}", "give it in UTF-8")
    for figure in ("seconds", "co2_kg", "energy_kwh", "own_co2_kg", *FIGURES):
        value = getattr(provenance, figure)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise LeaderboardError(f"{figure} of run {name!r} is {value}", "give what was measured, or nothing")
    for figure in ("seed", "parameters"):
        value = getattr(provenance, figure)
        if value is not None and value not in SQLITE_INTEGERS:
            raise LeaderboardError(f"{figure} of run {name!r} has more than 64 bits", "give the real one, or nothing")


def read(path: Path) -> tuple[LeaderboardRun, ...]:
    """Return all runs in the order they were added. Raises LeaderboardError, also for scores that can not be."""
    with FILE.opened(path) as connection:
        scores: dict[int, dict[str, Score]] = {}
        for run, key, *row in connection.execute("SELECT run, task, score, low, high, n, signature FROM scores"):
            scores.setdefault(run, {})[key] = Score(*row)
        rows = connection.execute(
            f"SELECT id, added, name, mode, test, comparable, integral, low, high, {_ORIGIN} FROM runs ORDER BY id"
        )
        runs = []
        for number, added, name, mode, test, comparable, integral, low, high, *origin in rows:
            by_task = scores.get(number, {})
            _require_sound(path, number, integral, by_task)
            tasks = dict(sorted(by_task.items(), key=lambda pair: KEYS.index(pair[0])))
            provenance = Provenance(*origin)
            runs.append(
                LeaderboardRun(
                    number, added, name, mode, test, bool(comparable), integral, low, high, provenance, tasks
                )
            )
        return tuple(runs)


def _require_sound(path: Path, number: int, integral: float | None, scores: dict[str, Score]) -> None:
    """Raise LeaderboardError for a row that `add` would not have written."""
    remedy = "take the run out, or start a leaderboard of your own"
    unknown = [key for key in scores if key not in KEYS]
    if unknown:
        raise LeaderboardError(
            f"{path}: run {number} has a score for {shortened(unknown[0])!r}, which is no task", remedy
        )
    most = len(MINIMA) if any(key in MINIMA for key in scores) else 1
    if integral is not None and not 0 <= integral <= most:
        raise LeaderboardError(f"{path}: run {number} has the integral score {integral}, outside [0, {most}]", remedy)
    infinite = [key for key, score in scores.items() if not math.isfinite(score.score)]
    if infinite:
        raise LeaderboardError(f"{path}: run {number}: the score of {infinite[0]} is not a finite number", remedy)


def grouped(runs: Sequence[LeaderboardRun], by: str = INTEGRAL) -> tuple[RankedGroup, ...]:
    """Return the runs in groups that measure the same, each ranked by S or by the score of a task.

    Equal scores share the better rank. Groups stand in the order of their first run; for a task, runs without it are
    left out.
    """
    comparable: dict[tuple[str, ...], list[LeaderboardRun]] = {}
    for run in runs:
        if by == INTEGRAL or by in run.scores:
            comparable.setdefault(run.measures(by), []).append(run)
    groups = []
    for measures, members in comparable.items():
        # The best first, those without a score last.
        members.sort(key=lambda run: -math.inf if (score := run.value(by)) is None else score, reverse=True)
        places = tuple(ranks([run.value(by) for run in members]))
        spans = tuple(rank_spans([run.bounds(by) for run in members]))
        groups.append(RankedGroup(measures, tuple(members), places, spans))
    return tuple(groups)


def heading(number: int, group: RankedGroup, by: str = INTEGRAL) -> str:
    """Return the line above a group: what its runs have in common."""
    first = group.runs[0]
    flag = "" if first.comparable else ", not comparable with the contest's scores"
    return f"group {number}: mode {shortened(first.mode, 17)}, test {shortened(first.test, 13)}, ranked by {by}{flag}"


def leaderboard_table(runs: Sequence[LeaderboardRun], by: str = INTEGRAL, *, verbose: bool = False) -> str:
    """Return the leaderboard as text: tables a group, each with the published baseline beside its runs.

    No line is wider than a terminal of 100 columns; `verbose` adds the signatures, whole.
    """
    if not runs:
        return "the leaderboard is empty"
    if not any(by == INTEGRAL or by in run.scores for run in runs):
        return f"no run has a score of {by}"
    parts = []
    for number, group in enumerate(grouped(runs, by), start=1):
        keys = [key for key in KEYS if any(key in run.scores for run in group.runs)]
        origin = [FIGURES.get(name, name) for name in SHOWN_ORIGIN]
        header = ("rank", "may be", "run", "S", "95 % interval", *keys, *origin)
        rows = [_row(*place, keys) for place in zip(group.ranks, group.spans, group.runs, strict=True)]
        baseline = [] if group.runs[0].is_of_first_challenge else [_baseline(keys)]
        table = blocks([header, *rows, *baseline], repeated=3)
        signatures = [f"  {shortened(measure, 10_000)}" for measure in group.measures[1:]] if verbose else []
        methods = [f"  energy of {one_line(run.name)}: {method}" for run, method in _methods(group) if verbose]
        parts.append("\n".join([heading(number, group, by), table, *signatures, *methods]))
    if any(len(group.runs) > 1 and any(group.spans) for group in grouped(runs, by)):
        parts.append(SPANS_LINE)
    if len(parts) > 1 and not verbose and len(grouped(runs, by)) > 1:
        parts.append("runs of different groups do not measure the same: --verbose shows what each measures")
    return "\n\n".join(parts)


def to_json(runs: Sequence[LeaderboardRun]) -> dict[str, Any]:
    """Return the whole leaderboard as a JSON object: the published baseline, and the runs with group and rank."""
    places = {
        run.id: {"group": number, "rank": rank, "rank_may_be": span}
        for number, group in enumerate(grouped(runs), start=1)
        for run, rank, span in zip(group.runs, group.ranks, group.spans, strict=True)
    }
    baseline = {"integral": BASELINE_INTEGRAL, "tasks": {task.key: task.baseline for task in TASKS}}
    return {
        "baseline": baseline,
        "rank_method": RANK_METHOD,
        "runs": [{**asdict(run), **places[run.id]} for run in runs],
    }


def to_csv(runs: Sequence[LeaderboardRun]) -> str:
    """Return the whole leaderboard as CSV, the published baseline in its first row; empty is what is not known."""
    keys = [*(task.key for task in TASKS), *(MINIMA if any(run.is_of_first_challenge for run in runs) else ())]
    origin = [item.name for item in fields(Provenance)]
    head = ["group", "rank", "rank_from", "rank_to", "name", "added", "mode", "test", "comparable"]
    head += ["integral", "low", "high"]
    published = [task.baseline for task in TASKS] + [None] * (len(keys) - len(TASKS))
    baseline = [*[None] * 4, "published baseline", *[None] * 4, BASELINE_INTEGRAL, None, None, *published]
    rows: list[Sequence[Cell]] = [[*head, *keys, *origin, "signatures"], [*baseline, *[None] * (len(origin) + 1)]]
    for number, group in enumerate(grouped(runs), start=1):
        for rank, span, run in zip(group.ranks, group.spans, group.runs, strict=True):
            what = (run.name, run.added, run.mode, run.test, run.comparable, run.integral, run.low, run.high)
            values = [run.value(key) for key in keys]
            signatures = " ".join(run.measures(INTEGRAL)[1:])
            rows.append([number, rank, *(span or (None, None)), *what, *values, *astuple(run.provenance), signatures])
    return csv_text(rows)


def _row(rank: int | None, span: tuple[int, int] | None, run: LeaderboardRun, keys: Sequence[str]) -> tuple[str, ...]:
    may_be = "-" if span is None else f"{span[0]}-{span[1]}" if span[0] < span[1] else str(span[0])
    interval = "-" if run.low is None else f"{run.low:.4f} .. {run.high:.4f}"
    values = ["-" if (value := run.value(key)) is None else f"{value:.4f}" for key in (INTEGRAL, *keys)]
    origin = [
        "-" if value is None else shown(value) if name in FIGURES else _short(value)
        for name, value in ((name, getattr(run.provenance, name)) for name in SHOWN_ORIGIN)
    ]
    place = "-" if rank is None else str(rank)
    return (place, may_be, cut(run.name, NAME_COLUMNS), values[0], interval, *values[1:], *origin)


def _baseline(keys: Sequence[str]) -> tuple[str, ...]:
    published = {task.key: f"{task.baseline:.2f}" for task in TASKS}
    blank = ["-"] * len(SHOWN_ORIGIN)
    return ("-", "-", "published baseline", f"{BASELINE_INTEGRAL:.2f}", "-", *(published[key] for key in keys), *blank)


def _methods(group: RankedGroup) -> list[tuple[LeaderboardRun, str]]:
    return [(run, one_line(method)) for run in group.runs if (method := run.provenance.energy_method) is not None]


def _short(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else cut(str(value), ORIGIN_COLUMNS)
