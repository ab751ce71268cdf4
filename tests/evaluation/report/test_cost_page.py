"""The page of quality and cost: who is drawn and on the front, what is not known; a day of attempts as a page."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from evaluation.__main__ import main
from evaluation.container.attempts import Attempt
from evaluation.container.attempts_day import day_of
from evaluation.cost import NO_METER, RunCost
from evaluation.leaderboard import Provenance, add
from evaluation.report.attempts_page import build_attempts_page
from evaluation.report.cost_page import LEAST_DECADES, MOST_TICKS, _reach, _ticks, cost_plot
from tests.evaluation.fakes import whole_result
from tests.evaluation.report.browser import DESK, PHONE, Browser
from tests.evaluation.report.conftest import ATTACK, Run
from tests.evaluation.report.test_report import Page

# Name, S, joules a sample; the cheapest, one that is dearer and worse, the best, and one that nobody measured.
RUNS = [("small", 0.3, 2.0), (ATTACK, 0.25, 40.0), ("large", 0.5, 12_345.6), ("unmeasured", 0.9, None)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("costs")
    for name, score, joules in RUNS:
        method = NO_METER if joules is None else f"cpu: {ATTACK}"
        origin = Provenance(answers_per_second=3.0, joules_per_sample=joules, energy_method=method)
        add(folder / "board.sqlite", name, whole_result(score), origin)
    assert main(["leaderboard", "export", "--db", str(folder / "board.sqlite"), "--html", str(folder / "html")]) == 0
    return folder / "html"


def test_the_front_and_what_is_not_known(folder: Path) -> None:
    source = (folder / "cost.html").read_text("utf-8")
    assert "default-src 'none'" in source
    assert ATTACK not in source
    page = Page(source)
    assert page.handlers == []
    assert page.tags["script"] == 0
    assert {address for address in page.addresses if not address.startswith(("#", "data:"))} == {
        "index.html",
        *(f"run-{number}.html" for number in range(1, 5)),
    }
    rows = re.findall(r'data-label="No\.">(\d+)<.*?data-label="Pareto front">([a-z ]+)<', source, re.DOTALL)
    assert dict(rows) == {"1": "yes", "2": "no", "3": "yes", "4": "not drawn"}
    assert (source.count('<circle class="front"'), source.count('<circle class="behind"')) == (2, 1)
    assert "1 of 4 runs is not drawn" in source
    assert re.search(r'data-label="J/sample">not known<', source)
    assert re.search(r'data-label="pictures/s">not known<', source)
    for name in ("index", "run-1", "team-1"):
        assert 'href="cost.html"' in (folder / f"{name}.html").read_text("utf-8")


HEADS = """[...document.querySelectorAll("#board thead th")].map(head => head.textContent.trim())"""
CELLS = (
    """[...document.querySelectorAll("#board tbody tr")].map(row => [...row.cells].map(cell => cell.dataset.label))"""
)
COLUMN = """[...document.querySelectorAll('#board td[data-label="J/sample"]')].map(cell => cell.textContent)"""


def test_each_figure_of_the_board_stands_under_its_head(browser: Browser, folder: Path) -> None:
    browser.open(folder / "index.html")
    heads = [head.replace("\u00a0", " ") for head in browser.value(HEADS)]
    rows = browser.value(CELLS)
    assert len(rows) == len(RUNS)
    assert [[label or "Run" for label in row] for row in rows] == [heads] * len(RUNS)  # the run's name has no label
    click = """[...document.querySelectorAll(".sort")].find(button => button.textContent === "J/sample").click()"""
    browser.value(click)
    assert browser.value(COLUMN) == ["2", "40", "12346", "–"]
    browser.value(click)
    assert browser.value(COLUMN) == ["12346", "40", "2", "–"]


def test_without_a_figure_there_is_no_page(tmp_path: Path) -> None:
    add(tmp_path / "b.sqlite", "x", whole_result(0.5), Provenance())
    assert main(["leaderboard", "export", "--db", str(tmp_path / "b.sqlite"), "--html", str(tmp_path / "html")]) == 0
    assert not (tmp_path / "html" / "cost.html").exists()
    assert "cost.html" not in (tmp_path / "html" / "index.html").read_text("utf-8")


def test_places_in_the_plot() -> None:
    source = cost_plot([(1, "a", 1.0, 0.2), (2, "b", 100.0, 0.4), (3, "c", 10.0, 0.3)], [True, True, True])
    (line,) = re.findall(r'<polyline class="front" points="([^"]+)"', source)
    (x1, y1), (x2, y2), (x3, y3) = ((float(part) for part in place.split(",")) for place in line.split())
    assert x1 < x2 < x3
    assert y1 > y2 > y3  # a better score stands higher
    assert (x2 - x1, y2 - y1) == (pytest.approx(x3 - x2, abs=0.02), pytest.approx(y3 - y2, abs=0.02))  # powers of ten
    assert cost_plot([], []) == ""
    assert "polyline" not in cost_plot([(1, "a", 5.0, 0.2)], [True])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, [1, 2, 5, 10]), (-0.2, 0.1, [1]), (0.25, 0.35, [2]), (0.0, 4.0, [1, 10, 100, 1000, 10_000])],
)
def test_round_numbers_on_the_axis(low: float, high: float, ticks: list[float]) -> None:
    assert _ticks(low, high) == pytest.approx(ticks)
    assert len(_ticks(-20.0, 20.0)) <= MOST_TICKS


def test_a_single_run_has_a_number_on_its_axis() -> None:
    for place in range(100):
        assert _ticks(*_reach([place / 100], LEAST_DECADES)), f"none around {10 ** (place / 100)} J"


def test_the_report_shows_the_cost(run: Run, tmp_path: Path) -> None:
    costly = replace(run.result, cost=RunCost(20, 90.0, 4.0, None, 24.2, 540.0, 0.06, f"cpu: {ATTACK}"))
    source = replace(run, result=costly).report(tmp_path, other=None, other_predictions=None).read_text("utf-8")
    section = source[source.index('<section id="cost">') :]
    section = section[: section.index("</section>")]
    for figure in ("540", "24.2", "0.06", "not known", "90.0 s"):
        assert figure in section
    assert ATTACK not in source


@pytest.fixture
def attempts_page(tmp_path: Path) -> Path:
    started = datetime(2026, 11, 29, 9, tzinfo=UTC).isoformat()
    names = (ATTACK, "\u202eevil", "z" * 200)
    faults = ("none", "host", "running")
    attempts = [
        Attempt(number, team, "2026-11-29", started, "0", fault, 0.5 if fault == "none" else None, number == 0, None)
        for number, (team, fault) in enumerate(zip(names, faults, strict=True))
    ]
    return build_attempts_page(day_of(attempts, ZoneInfo("Europe/Moscow"), date(2026, 11, 29)), tmp_path / "html")


def test_a_day_of_attempts_as_a_page(attempts_page: Path) -> None:
    source = attempts_page.read_text("utf-8")
    assert ATTACK not in source
    assert Page(source).handlers == []
    assert "2026-11-29 in Europe/Moscow: from 2026-11-28 21:00 to 2026-11-29 21:00 UTC" in source
    assert source.count("<bdi>") == 3 + 3 + 1  # teams, attempts, and the one that waits
    assert "run again" in source
    assert "\u202e" not in source


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_nothing_overflows(browser: Browser, folder: Path, attempts_page: Path, size: tuple[int, int]) -> None:
    for page in (*sorted(folder.glob("*.html")), attempts_page):
        browser.open(page, size)
        assert browser.overflow() == 0, page.name
