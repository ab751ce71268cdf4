"""The report as a real browser shows it: on a desk and on a telephone, in light and in dark, and by keyboard."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.report.browser import DESK, PHONE, Browser
from tests.evaluation.report.conftest import ATTACK, Run

FOUND = "[...document.querySelectorAll('#found code')].map(found => found.textContent)"
SHOWN = "[...document.querySelectorAll('#samples .task')].filter(task => task.offsetParent).map(task => task.id)"
PICTURES = """(async () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (const picture of document.images) picture.loading = "eager";
  await Promise.all([...document.images].map(picture => picture.decode().catch(() => null)));
  return [document.images.length, [...document.images].filter(picture => !picture.naturalWidth).length];
})()"""


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = dict(run.result.tasks)
    samples = {**tasks["textqa"].samples, ATTACK: 0.15, "a" * 200: 0.16}
    tasks["textqa"] = replace(tasks["textqa"], samples=samples)
    hostile = replace(run, result=replace(run.result, tasks=tasks))
    return hostile.report(tmp_path_factory.mktemp("report"), other=None, other_predictions=None)


def find(browser: Browser, text: str) -> list[str]:
    browser.value("(document.getElementById('find').focus(), document.getElementById('find').select())")
    browser.type(text)
    found: list[str] = browser.value(FOUND)
    return found


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (PHONE, True)], ids=["desk, light", "telephone, dark"])
def test_the_page_is_painted_in_the_reader_s_colours(
    browser: Browser, report: Path, size: tuple[int, int], dark: bool
) -> None:
    browser.open(report, size, dark=dark)
    pixels = np.asarray(browser.screenshot().convert("L"), dtype=np.float64)
    assert pixels.shape == (size[1], size[0])
    assert (np.median(pixels) < 60) is np.bool_(dark)
    rows = pixels.reshape(24, -1).std(axis=1)
    assert (rows > 5).sum() >= 20, "the page is filled from top to bottom"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_pictures_scripts_and_widths(browser: Browser, report: Path, size: tuple[int, int]) -> None:
    browser.open(report, size)
    pictures, broken = browser.value(PICTURES)
    assert pictures == report.read_text("utf-8").count("<img ") > 20
    assert broken == 0
    assert find(browser, "A" * 100) == ["a" * 200]
    assert browser.overflow() == 0
    assert browser.value("document.title") == "FBC2 report"  # the answer that is a script did not run


def test_a_sample_is_found_by_its_id(browser: Browser, report: Path) -> None:
    browser.open(report, PHONE)
    matches = "document.getElementById('matches').textContent"
    assert browser.value(matches) == "146 samples"
    assert find(browser, " VQA-1 ") == ["vqa-1", "vqa-10", "vqa-11"]
    assert browser.value(matches) == "3 of 146 samples"
    card = browser.value("document.querySelector('#found .card').innerText")
    assert "VisualQA 0.0909" in card
    assert "Что изображено на картинке?" in card
    assert "у берега Невы, 1" in card
    assert "возле берега Невы" in card
    assert len(find(browser, "-")) == 50
    assert browser.value(matches) == "144 of 146 samples, the first 50 shown"
    assert find(browser, "no such") == []


def test_a_stranger_s_id_is_found_and_stays_text(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert find(browser, "<SCRIPT>") == [ATTACK]
    assert browser.value("document.querySelectorAll('#found img, #found script').length") == 0
    find(browser, "textqa-0")
    assert "<script>" in browser.value("document.getElementById('found').innerText")
    assert "7 notes" not in browser.value("document.getElementById('found').innerText")
    assert browser.value("document.title") == "FBC2 report"


def test_no_script_but_ours_runs(browser: Browser, report: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    attack = "<script>document.title = 'taken over'</script>"
    page.write_text(report.read_text("utf-8").replace("</main>", f"{attack}</main>"), "utf-8")
    browser.open(page)
    assert browser.value("document.title") == "FBC2 report"
    assert find(browser, "vqa-7") == ["vqa-7"]


def test_a_task_alone(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert len(browser.value(SHOWN)) == 12
    browser.open(report, fragment="#task-vqa")
    assert browser.value(SHOWN) == ["task-vqa"]
    assert browser.value("document.getElementById('scores').offsetParent") is None
    assert browser.value("document.querySelector('.tasks-nav [aria-current]').textContent") == "VisualQA"
    browser.tab_to(".tasks-nav a")
    browser.press("Enter")
    browser.until("document.querySelector('.tasks-nav [aria-current]').textContent === 'All tasks'")
    assert len(browser.value(SHOWN)) == 12


def test_by_keyboard_alone(browser: Browser, report: Path) -> None:
    """A sample is found, its whole card reached, and the picture in it enlarged."""
    browser.open(report, PHONE)
    browser.tab_to("#find")
    browser.type("vqa-11")
    browser.tab_to("#found a")
    browser.press("Enter")
    browser.until("location.hash === '#best-vqa-0'")
    browser.tab_to("#best-vqa-0 .picture summary")
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    width = "document.querySelector('#best-vqa-0 img').clientWidth"
    before = browser.value(width)
    browser.press("Enter")
    assert browser.value(width) > before
    browser.press(" ")
    assert browser.value(width) == before


def test_the_index_is_what_the_page_shows(browser: Browser, report: Path, run: Run) -> None:
    browser.open(report)
    scores = browser.value("index.tasks.map(task => [task.key, task.scores])")
    assert {key: scores for key, scores in scores if key != "textqa"} == {
        key: [round(score, 4) for score in task.samples.values()]
        for key, task in run.result.tasks.items()
        if key != "textqa"
    }
    assert json.dumps(ATTACK) not in report.read_text("utf-8")
