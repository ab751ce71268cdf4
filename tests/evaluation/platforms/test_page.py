"""docs/platforms.md: its example of the hub's file is YAML, of our tasks. (Its commands: tests/test_docs.py.)"""

import re
from pathlib import Path

import yaml

from contest.tasks import TASKS

PAGE = (Path(__file__).parents[3] / "docs/platforms.md").read_text("utf-8")
BLOCKS = [
    re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
]


def test_the_benchmark_s_file() -> None:
    (example,) = [yaml.safe_load(block) for block in BLOCKS if block.startswith("name: ")]
    assert {task["id"] for task in example["tasks"]} <= {task.key for task in TASKS}
