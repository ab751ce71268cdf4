"""The page about the differences between rules and scripts says what the code says."""

import re
from pathlib import Path

from evaluation.metrics.defects import DEFECTS, DIFFERENCES_PAGE

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_page_names_every_difference() -> None:
    rows = ROW.findall((ROOT / DIFFERENCES_PAGE).read_text("utf-8"))
    assert {int(number): scripts for number, _, scripts, _ in rows} == DEFECTS
    assert [int(number) for number, *_ in rows] == sorted(DEFECTS)


def test_every_difference_that_strikes_is_in_the_list() -> None:
    metrics = [path.read_text("utf-8") for path in sorted((ROOT / "evaluation").rglob("*.py"))]
    struck = {int(number) for text in metrics for number in re.findall(r"(?:yield |defect=|case\.id, )(\d+)\b", text)}
    assert struck
    assert struck <= DEFECTS.keys()
