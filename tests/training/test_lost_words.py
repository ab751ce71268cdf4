"""Words, logs and plots that can not be written cost no step and no checkpoint; in a terminal no line hides another."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import main as training
from training.tune.checkpoints import last_checkpoint

ROOT = Path(__file__).parents[2]
WIDTH = 4000


def tune(root: Path, out: Path) -> list[str]:
    config = ["--config", str(root / "settings.yaml"), f"output={out}"]
    return [sys.executable, "-m", "training", "tune", *config, "logging.every=1", "logging.plots=false"]


@pytest.mark.parametrize(
    "streams",
    [
        ">/dev/full 2>/dev/full",
        *(pytest.param(each, marks=pytest.mark.slow) for each in (">&- 2>&-", "2>&1 | head -1")),
    ],
)
def test_a_training_goes_on_without_its_words(root: Path, tmp_path: Path, streams: str) -> None:
    shell = ["bash", "-c", f'set -o pipefail; "$@" {streams}', "bash", *tune(root, tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert subprocess.run(shell, cwd=ROOT, env=environment, timeout=600, check=False).returncode == 0
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "step_00000004"
    assert (tmp_path / "run" / "rudolph" / "model.safetensors").is_file()


def test_a_training_goes_on_without_its_logs(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder where a file should be, and files where folders should be: what also root can not write."""
    out = tmp_path / "run"
    (out / "log.csv").mkdir(parents=True)
    for name in ("tensorboard", "plots", "validation"):
        (out / name).write_text("no folder")
    assert training(["tune", "--config", str(root / "settings.yaml"), f"output={out}"]) == 0
    assert last_checkpoint(out) == out / "checkpoints" / "step_00000004"
    said = capsys.readouterr().err
    for name in ("CsvLog", "TensorBoard", "Answers", "Plots"):
        assert f"training tune: {name}: " in said
        assert f"training tune: {name} failed " in said


def screen(data: str) -> list[str]:
    """The lines that a terminal shows in the end: each character stands where the ones before have left the cursor."""
    lines, row, column, place = [[]], 0, 0, 0
    while place < len(data):
        character = data[place]
        if character == "\x1b":
            assert data[place : place + 3] == "\x1b[A", "another movement than one line up"
            row, place = row - 1, place + 3
            continue
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            lines += [[]] * (row == len(lines))
            lines[row] = lines[row] or []
        else:
            line = lines[row]
            line += " " * (column + 1 - len(line))
            line[column] = character
            column += 1
        place += 1
    return ["".join(line).rstrip() for line in lines]


def test_in_a_terminal_every_line_stands_by_itself(root: Path, tmp_path: Path) -> None:
    """Of one task alone: for the pictures of each task a worker is started."""
    settings = (root / "settings.yaml").read_text().splitlines()
    (tmp_path / "settings.yaml").write_text(
        "\n".join(line for line in settings if not line.startswith(("  textqa", "  generation")))
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": str(WIDTH)}
    command = [*tune(tmp_path, tmp_path / "run"), f"data.cache={tmp_path}/cache", "data.workers=1"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    data = b""
    while True:
        try:
            data += os.read(ours, 65536)
        except OSError:  # nobody writes any more
            break
    os.close(ours)
    assert process.wait() == 0, data.decode()
    lines = [line for line in screen(data.decode()) if line]
    assert [" 4/4 " in line for line in lines if line.startswith("tune: ")] == [True], lines  # the bar, where it ended
    shown = [line for line in lines if not line.startswith("tune: ")]
    begins = [*(f"step {step}/4  loss" for step in range(1, 5)), "step 4/4  validation.loss"]
    begins += ["trained weights: ", "checkpoints: ", "next: "]
    assert len(shown) == len(begins), shown
    assert [line.startswith(begin) for line, begin in zip(shown, begins, strict=True)] == [True] * len(begins), shown
