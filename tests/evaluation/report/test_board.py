"""The leaderboard's pages: what they hold, and how they sort and filter in a real browser."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contest.tasks import TASKS
from evaluation.__main__ import main
from evaluation.leaderboard import Provenance, add
from tests.evaluation.fakes import whole_result
from tests.evaluation.report.browser import DESK, PHONE, Browser
from tests.evaluation.report.conftest import ATTACK
from tests.evaluation.report.test_report import Page

# Name, S, profile, hardware, team; without a team, runs of one name are one team's.
RUNS = [
    ("alpha", 0.30, "tuned", "A100", ATTACK),
    (ATTACK, 0.50, "baseline", 'CPU "x" <b>', ATTACK),
    ("beta", 0.40, "tuned", "CPU", None),
    ("Гамма", 0.20, None, None, None),
    ("beta", 0.45, "baseline", "A100", None),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    board = folder / "board.sqlite"
    for name, score, profile, hardware, team in RUNS:
        result = replace(whole_result(score), integral_interval=(score - 0.04, score + 0.04))
        add(board, name, result, Provenance(profile=profile, hardware=hardware, seconds=100 * score, team=team))
    (folder / "input.json").write_text(json.dumps({"p": [{"type": "text", "content": f"Кот {ATTACK}"}]}), "utf-8")
    for number in (1, 2):
        out = folder / str(number)
        (out / "images").mkdir(parents=True)
        Image.new("RGB", (64, 64), (90 * number, 0, 0)).save(out / "images/p.jpg")
        answer = [{"type": "text", "content": "x"}, {"type": "image", "content": "images/p.jpg"}]
        (out / "predictions.json").write_text(json.dumps({"p": answer}))
    (folder / "report.html").write_text("a report")
    pictures = [f"--pictures={number}={folder / str(number) / 'predictions.json'}" for number in (1, 2)]
    more = ["--with-report", f"3={folder / 'report.html'}", *pictures, "--input", str(folder)]
    assert main(["leaderboard", "export", "--db", str(board), "--html", str(folder / "html"), *more]) == 0
    return folder / "html"


def test_every_page_needs_nothing_else(folder: Path) -> None:
    pages = {path.name: path.read_text("utf-8") for path in folder.glob("*.html")}
    assert pages.pop("report-3.html") == "a report"
    runs, teams = [f"run-{number}.html" for number in range(1, 6)], [f"team-{number}.html" for number in range(1, 4)]
    assert set(pages) == {"index.html", "pictures.html", *runs, *teams}
    for name, source in pages.items():
        page = Page(source)
        assert page.handlers == []
        assert page.tags["script"] == (name == "index.html")
        for address in page.addresses:
            assert address in {*pages, "report-3.html"} or address.startswith("data:"), address
        assert "default-src 'none'" in source
        assert ATTACK not in source


def test_a_run_s_page(folder: Path) -> None:
    page = Page((folder / "run-5.html").read_text("utf-8"))
    assert "0.4500" in page.text("integral")
    assert "may be 1 to 3" in page.text("rank")
    assert 'href="report-3.html"' in (folder / "run-3.html").read_text("utf-8")


def test_a_team_s_history(folder: Path) -> None:
    """Teams stand in the order of their first runs; the runs of one in that of their dates."""
    source = (folder / "team-2.html").read_text("utf-8")
    assert re.findall(r'href="(run-\d)\.html"', source) == ["run-3", "run-5"]
    assert source.count("<polyline") == 1
    assert source.count('class="reach" x1="20.00" x2="20.00"') == 1
    assert "2 scores from 0.4000 to 0.4500, the last 0.4500" in source
    assert 'href="report-3.html"' in source
    assert re.findall(r'href="(run-\d)\.html"', (folder / "team-1.html").read_text("utf-8")) == ["run-1", "run-2"]
    assert "<polyline" not in (folder / "team-3.html").read_text("utf-8")


def test_scores_that_measure_otherwise_stand_in_charts_of_their_own(tmp_path: Path) -> None:
    for number, signature in enumerate(("a|v:1", "a|v:1", "a|v:2", "a|v:2", "a|v:3")):
        add(tmp_path / "board", f"x{number}", whole_result(0.5, signature=signature), Provenance(team="ours"))
    assert main(["leaderboard", "export", "--db", str(tmp_path / "board"), "--html", str(tmp_path / "html")]) == 0
    source = (tmp_path / "html/team-1.html").read_text("utf-8")
    assert re.findall(r'<section id="(group-\d)">', source) == ["group-1", "group-2", "group-3"]
    assert source.count("<polyline") == 2


def test_pictures_of_one_prompt(folder: Path) -> None:
    source = (folder / "pictures.html").read_text("utf-8")
    assert source.count("<figure ") == source.count("data:image/jpeg") == 2


ROWS = """[...document.querySelectorAll("#board tbody tr")].filter(row => !row.hidden)
  .map(row => row.querySelector("th").dataset.value.slice(0, 5))"""
BEST_FIRST = ["<scri", "beta", "beta", "alpha", "Гамма"]


def order_by(browser: Browser, title: str) -> list[str]:
    """The rows after a press of a column's button."""
    quoted = json.dumps(title)
    head = f"[...document.querySelectorAll('#board thead th')].find(th => th.textContent.trim() === {quoted})"
    browser.value(f"{head}.querySelector('button').focus()")
    browser.press("Enter")
    assert browser.value("document.querySelectorAll('[aria-sort]').length") == 1
    return [browser.value(f"{head}.ariaSort"), *browser.value(ROWS)]


def choose(browser: Browser, name: str, value: str) -> list[str]:
    field = f"document.getElementById('by-{name}')"
    browser.value(f"({field}.value = {json.dumps(value)}, {field}.dispatchEvent(new Event('input')))")
    rows: list[str] = browser.value(ROWS)
    return rows


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_sorting_by_the_keyboard(browser: Browser, folder: Path, size: tuple[int, int]) -> None:
    browser.open(folder / "index.html", size)
    assert browser.value(ROWS) == BEST_FIRST
    assert order_by(browser, "Seconds") == ["ascending", *BEST_FIRST[::-1]]
    assert order_by(browser, "Seconds") == ["descending", *BEST_FIRST]
    assert order_by(browser, "Run") == ["ascending", "<scri", "alpha", "beta", "beta", "Гамма"]
    order_by(browser, "Profile")
    assert order_by(browser, "Profile")[-1] == "Гамма", "what is not known stands last either way"
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert browser.overflow() == 0
    assert browser.value("document.title") == "FBC2 leaderboard"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_filtering(browser: Browser, folder: Path, size: tuple[int, int]) -> None:
    browser.open(folder / "index.html", size)
    assert choose(browser, "profile", "tuned") == ["beta", "alpha"]
    assert choose(browser, "hardware", "CPU") == ["beta"]
    assert browser.value("document.getElementById('shown').textContent") == "1 of 5 runs"
    browser.value("document.getElementById('clear').focus()")
    browser.press(" ")
    assert len(browser.value(ROWS)) == 5
    assert choose(browser, "signature", "no such") == []
    assert len(choose(browser, "signature", "EQUALITY|v:1")) == 5
    assert choose(browser, "team", ATTACK) == ["<scri", "alpha"]
    choose(browser, "team", "")
    browser.value("document.getElementById('by-name').focus()")
    browser.type(" BETA ")
    assert browser.value(ROWS) == ["beta", "beta"]


@pytest.mark.parametrize("page", ["index", "run-2", "team-1", "team-2", "pictures"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_fits_a_telephone(browser: Browser, folder: Path, page: str, dark: bool) -> None:
    browser.open(folder / f"{page}.html", PHONE, dark=dark)
    assert browser.overflow() == 0
    assert browser.value("document.title") != "taken over"
    assert (browser.screenshot().convert("L").resize((1, 1)).getpixel((0, 0)) < 100) is dark


def test_a_run_is_reached_by_the_keyboard(browser: Browser, folder: Path) -> None:
    browser.open(folder / "index.html", PHONE)
    browser.tab_to("#board tbody th a")
    browser.press("Enter")
    browser.until("document.querySelector('h1')?.textContent.startsWith('<script')")
    browser.tab_to("nav a[href^=team]")
    browser.press("Enter")
    browser.until("document.querySelectorAll('.history circle').length === 2")


def test_pictures_of_chosen_runs(browser: Browser, folder: Path) -> None:
    browser.open(folder / "pictures.html", PHONE)
    shown = "[...document.querySelectorAll('figure')].filter(figure => figure.offsetParent).length"
    assert browser.value(shown) == 2
    browser.tab_to("#show-2")
    browser.press(" ")
    assert browser.value(shown) == 1
    browser.tab_to("figure.of-1 summary")
    width = "document.querySelector('figure.of-1 img').clientWidth"
    before = browser.value(width)
    browser.press("Enter")
    assert browser.value(width) > before


def test_the_policy_lets_our_script_run_and_no_other(browser: Browser, folder: Path, tmp_path: Path) -> None:
    source = (folder / "index.html").read_text("utf-8")
    page = tmp_path / "page.html"
    page.write_text(source.replace("</body>", "<script>document.title = 'taken over'</script></body>"), "utf-8")
    browser.open(page)
    assert browser.value("document.title") == "FBC2 leaderboard"
    assert browser.value("document.getElementById('shown').textContent") == "5 of 5 runs"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "nothing is to be written"),
        (["--output", "x.csv", "--with-report", "1=x"], "are for --html"),
        (["--html", "x", "--pictures", "1=x"], "go together"),
        (["--html", "x", "--with-report", "9=x"], "has no run 9"),
        (["--html", "x", "--with-report", "1=nowhere.html"], "nowhere.html"),
    ],
)
def test_what_can_not_be_exported(
    wrong: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    add(tmp_path / "board", "x", whole_result(0.5), Provenance())
    assert main(["leaderboard", "export", "--db", "board", *wrong]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["one=x", "1=", "1", "=x", "١=x"])
def test_a_run_is_named_by_its_number(wrong: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["leaderboard", "export", "--db", "board", "--html", "x", "--with-report", wrong])
    assert "must be the number of a run" in capsys.readouterr().err


def test_an_empty_group_of_scores(tmp_path: Path) -> None:
    """One run without intervals, and one without S."""
    add(tmp_path / "board", "x", whole_result(0.5), Provenance())
    partial = whole_result(0.5)
    tasks = {key: task for key, task in partial.tasks.items() if key == TASKS[0].key}
    add(tmp_path / "board", "y", replace(partial, tasks=tasks, integral=None), Provenance())
    assert main(["leaderboard", "export", "--db", str(tmp_path / "board"), "--html", str(tmp_path / "html")]) == 0
    assert (tmp_path / "html/index.html").read_text("utf-8").count("no interval") == 1
