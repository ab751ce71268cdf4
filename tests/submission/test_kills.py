"""`kill -9` at any moment: nothing is lost, nothing is repeated, and the answers are those of an unbroken run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.submission.conftest import ROOT, Start, Write, image, look_the_same, text

SAMPLES = {str(number): [text(f"нарисуй {number} домов")] for number in range(6)} | {
    f"asked {number}": [text(f"Что лежит под столом номер {number}?"), image("images/red.png")] for number in range(3)
}


@pytest.mark.parametrize(
    ("kills", "profile"),
    [
        (3, "tuned"),
        pytest.param(25, "tuned", marks=pytest.mark.slow),
        pytest.param(25, "baseline", marks=pytest.mark.slow),
    ],
)
def test_kills_at_random_moments(
    submit: Start, write_input: Write, weights: Path, tmp_path: Path, kills: int, profile: str
) -> None:
    source, output = write_input(SAMPLES), tmp_path / "killed"
    options = ["--profile", profile, "--batch-size", "2", "--device", "cpu", "--weights", str(weights)]
    paths = ["--input", str(source), "--output", str(output)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.submission.killing", str(kills), "7", "run", *options, *paths],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert run.returncode == 0, run.stderr
    counts = re.findall(r"\d+", run.stdout)
    assert int(counts[0]) == kills
    assert any(int(count) > 0 for count in counts[1:]), "no kill fell into the work"

    whole = submit(source, *options[:4], output="whole")
    assert (output / "predictions.json").read_bytes() == (whole.output / "predictions.json").read_bytes()
    assert sorted(path.name for path in (output / "images").iterdir()) == whole.pictures
    assert len((output / "journal.jsonl").read_text().splitlines()) == len(whole.journal)
    for name in whole.pictures:
        assert look_the_same(output / "images" / name, whole.output / "images" / name)
