"""The leaderboard's pages: what they hold, and how they sort and filter in a real browser."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contest.tasks import TASKS
from evaluation.__main__ import main
from evaluation.leaderboard import Provenance, add
from tests.evaluation.fakes import whole_result
from tests.evaluation.report.conftest import ATTACK
from tests.evaluation.report.test_browser import DESK, PHONE, chromium, command, measure
from tests.evaluation.report.test_report import Page

__all__ = ["chromium"]

# Name, S, profile, hardware; the third and the last are one team's.
RUNS = [
    ("alpha", 0.30, "tuned", "A100"),
    (ATTACK, 0.50, "baseline", 'CPU "x" <b>'),
    ("beta", 0.40, "tuned", "CPU"),
    ("Гамма", 0.20, None, None),
    ("beta", 0.45, "baseline", "A100"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    board = folder / "board.sqlite"
    for name, score, profile, hardware in RUNS:
        result = replace(whole_result(score), integral_interval=(score - 0.04, score + 0.04))
        add(board, name, result, Provenance(profile=profile, hardware=hardware, seconds=100 * score))
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
    assert set(pages) == {"index.html", "pictures.html", *(f"run-{number}.html" for number in range(1, 6))}
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
    source = (folder / "run-5.html").read_text("utf-8")
    assert 'href="run-3.html"' in source
    assert source.count("<polyline") == 1
    assert 'href="report-3.html"' in (folder / "run-3.html").read_text("utf-8")
    assert "<polyline" not in (folder / "run-1.html").read_text("utf-8")


def test_pictures_of_one_prompt(folder: Path) -> None:
    source = (folder / "pictures.html").read_text("utf-8")
    assert source.count("<figure>") == source.count("data:image/jpeg") == 2


STEPS = """<script>addEventListener("load", async () => {
  const rows = () => [...document.querySelectorAll("#board tbody tr")].filter(row => !row.hidden)
    .map(row => row.querySelector("th").dataset.value.slice(0, 5));
  const header = title => [...document.querySelectorAll("#board thead th")].find(th => th.textContent.trim() === title);
  const press = title => { header(title).querySelector("button").click(); return [header(title).ariaSort, rows()]; };
  const set = (id, value) => { const field = document.getElementById(id); field.value = value;
    field.dispatchEvent(new Event("input")); return rows(); };
  const seen = {};
  seen.first = rows();
  seen.upwards = press("Seconds");
  seen.downwards = press("Seconds");
  seen.names = press("Run");
  seen.sorted = document.querySelectorAll("[aria-sort]").length;
  press("Profile");
  seen.unknown = press("Profile")[1].at(-1);
  press("Rank");
  seen.profile = set("by-profile", "tuned");
  seen.both = set("by-hardware", "CPU");
  seen.count = document.getElementById("shown").textContent;
  document.getElementById("clear").click();
  seen.cleared = rows().length;
  seen.signature = set("by-signature", "no such").length;
  set("by-signature", "");
  seen.name = set("by-name", " BETA ");
  document.getElementById("clear").click();
  const button = header("S").querySelector("button");
  button.focus({focusVisible: true});
  seen.outline = getComputedStyle(button).outlineStyle;
  seen.title = document.title;
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  await fetch("/measured", {method: "POST", body: JSON.stringify(seen)});
});</script>"""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_sorting_and_filtering(chromium: str, folder: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    source = (folder / "index.html").read_text("utf-8")
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    seen: dict[str, Any] = measure(chromium, measured.replace("</body>", f"{STEPS}</body>"), size, tmp_path)
    best_first = ["<scri", "beta", "beta", "alpha", "Гамма"]
    assert seen == {
        "first": best_first,
        "upwards": ["ascending", best_first[::-1]],
        "downwards": ["descending", best_first],
        "names": ["ascending", ["<scri", "alpha", "beta", "beta", "Гамма"]],
        "sorted": 1,
        "unknown": "Гамма",
        "profile": ["beta", "alpha"],
        "both": ["beta"],
        "count": "1 of 5 runs",
        "cleared": 5,
        "signature": 0,
        "name": ["beta", "beta"],
        "outline": "solid",
        "title": "FBC2 leaderboard",
        "overflow": 0,
    }


def test_the_policy_lets_our_script_run_and_no_other(chromium: str, folder: Path, tmp_path: Path) -> None:
    source = (folder / "index.html").read_text("utf-8")
    page = tmp_path / "page.html"
    page.write_text(source.replace("</body>", "<script>document.title = 'taken over'</script></body>"), "utf-8")
    start = command(chromium, DESK, tmp_path, "--dump-dom", page.as_uri())
    shown = subprocess.run(start, capture_output=True, text=True, timeout=300, check=True).stdout
    assert "<title>FBC2 leaderboard</title>" in shown
    assert "5 of 5 runs" in shown


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
