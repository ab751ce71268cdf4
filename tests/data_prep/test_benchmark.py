"""The benchmark of the conversions runs, and what it converts is sound to the last record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source", ["sberquad", "mathematics"])
def test_benchmark_measures_a_conversion_without_a_fault(tmp_path, source):
    result = tmp_path / "figures.json"
    # A conversion that skips a broken record ends with 1, and the benchmark with it.
    subprocess.run(
        [sys.executable, "benchmarks/data_prep.py", "--source", source, "--records", "300", "--workers", "1",
         "--json", result],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (figures,) = json.loads(result.read_text("utf-8"))
    assert figures["records"] == 300
    assert figures["processor"] > 0
    assert figures["peak_mb"] > 10
