"""docs/platforms.md: its commands are ours, with options that there are, and its example of the hub's file is YAML."""

import contextlib
import importlib
import io
import re
import shlex
from pathlib import Path

import pytest
import yaml

from contest.tasks import TASKS

PAGE = (Path(__file__).parents[3] / "docs/platforms.md").read_text("utf-8")
BLOCKS = [
    re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
]
COMMANDS = [
    line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("python -m ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_one(command: str) -> None:
    words = shlex.split(command)[2:]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        raise SystemExit(importlib.import_module(f"{words[0]}.__main__").main([*words[1:], "--help"]))
    assert ended.value.code == 0
    options = [word for word in words if word.startswith("--")]
    assert options
    assert [option for option in options if not re.search(rf"{option}\b", printed.getvalue())] == []


def test_the_commands_are_there() -> None:
    assert len(COMMANDS) == 5


def test_the_benchmark_s_file() -> None:
    (example,) = [yaml.safe_load(block) for block in BLOCKS if block.startswith("name: ")]
    assert {task["id"] for task in example["tasks"]} <= {task.key for task in TASKS}
