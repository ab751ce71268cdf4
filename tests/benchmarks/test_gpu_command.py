"""The command that proves a GPU, tried on the CPU: with bare packages, after failures, and out of time."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu_parts import training, training_attention
from benchmarks.gpu_parts.parts import PARTS, Part, Setting, seconds_for
from benchmarks.gpu_parts.results import report

ROOT = Path(__file__).parents[2]
# Whatever is not torch's own, numpy, pillow, safetensors, tokenizers or tqdm.
HIDDEN = (
    "pydantic omegaconf yaml pyarrow torchmetrics scipy sklearn matplotlib nltk eco2ai pynvml httpx2 tensorboard "
    "hypothesis pymorphy3 psutil pandas regex tiktoken"
)
HIDING = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_but_hidden(name, path=None, target=None):
    return None if name.partition(".")[0] in NAMES else find(name, path, target)

PathFinder.find_spec = find_but_hidden
"""


def hide(names: str, folder: Path) -> Path:
    """A folder on whose account a Python that has it in its path does not find some packages."""
    (folder / "sitecustomize.py").write_text(f"NAMES = {names.split()!r}\n{HIDING}")
    return folder


def prove(output: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--size", "tiny", "--output", str(output)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({} if path is None else {"PYTHONPATH": str(path)})
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def status_of(output: Path, part: str) -> str:
    status: str = json.loads((output / f"{part}.json").read_text())["status"]
    return status


def test_a_training_step_needs_no_package_that_may_not_be_there(tmp_path: Path) -> None:
    ended = prove(tmp_path / "out", "--only", "training", path=hide(HIDDEN, tmp_path))
    assert ended.returncode == 0, (tmp_path / "out" / "training.log").read_text()
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    (result,) = data["parts"]
    assert data["failed"] == {}
    assert (result["part"], result["status"]) == ("training", "done")
    assert [row["attention"] for row in result["rows"][1:3]] == ["blocks", "pieces"]
    assert all(row["tokens a second"] > 0 for row in result["rows"][1:3])
    assert [row["AdamW"] for row in result["rows"][3:]] == ["fused", "foreach"]
    assert "| size | dtype | attention | rows |" in (tmp_path / "out" / "report.md").read_text()


def test_both_forms_of_attention_are_tried_and_measured() -> None:
    trial, *rows = training_attention.training_attention(Setting("cpu", tiny=True))
    assert trial["trial of the pieces"] == "passed"
    assert [(row["layer"], row["attention"]) for row in rows] == [
        (kind, way) for kind in ("col", "conv", "last_conv", "row") for way in ("dense", "pieces")
    ]
    assert all(float(row["error"]) < 1e-5 for row in rows)


def test_a_form_of_attention_that_is_not_right_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU without its kernels: what comes after it is measured all the same."""
    monkeypatch.setattr(training, "problem_of", lambda *_, **__: "RuntimeError: no kernel image is available")
    _, chosen, other, *optimizers = training.training(Setting("cpu", tiny=True))
    assert (chosen["attention"], chosen["tokens a second"] > 0) == ("blocks", True)
    assert (other["attention"], other["problem"]) == ("pieces", "RuntimeError: no kernel image is available")
    assert [row["AdamW"] for row in optimizers] == ["fused", "foreach"]


def test_it_goes_on_after_a_part_that_fails(tmp_path: Path) -> None:
    ended = prove(tmp_path / "out", "--only", "parity", "attention", path=hide("tokenizers safetensors", tmp_path))
    assert ended.returncode == 1
    problem = "failed with status 1: ModuleNotFoundError: No module named 'safetensors'"
    assert status_of(tmp_path / "out", "parity") == problem
    page, data = ((tmp_path / "out" / name).read_text() for name in ("report.md", "report.json"))
    assert f"Failed parts:\n\n- parity: {problem}\n" in page
    assert json.loads(data)["failed"] == {"parity": problem}
    assert status_of(tmp_path / "out", "attention") == "done"


def test_a_part_that_takes_too_long_is_stopped_with_a_note(tmp_path: Path) -> None:
    arguments = argparse.Namespace(output=tmp_path, device="cpu", size="tiny")
    gpu.run_apart(PARTS[0], arguments, 0.2)  # in which nothing imports torch
    note = "stopped after its 0.2 s; what it had by then is there"
    assert status_of(tmp_path, "versions") == note
    assert report(tmp_path, ["versions"]) == {"versions": note}


def test_time_is_shared_and_what_is_left_is_for_the_later_parts() -> None:
    first, second, third = (Part(str(share), "", "", share) for share in (10, 20, 30))
    assert seconds_for(first, (second, third), 120) == 20
    assert seconds_for(second, (third,), 119) == pytest.approx(47.6)  # the first one took a second
    assert seconds_for(third, (), 71.4) == 71.4
    assert seconds_for(third, (), -1) <= 0
    assert sum(part.share for part in PARTS) <= 8 * 60 + 60


def test_a_part_without_time_is_named(tmp_path: Path) -> None:
    ended = prove(tmp_path / "out", "--only", "versions", "graph", "--minutes", "0")
    assert ended.returncode == 1
    assert [status_of(tmp_path / "out", part) for part in ("versions", "graph")] == ["not begun: no time was left"] * 2


@pytest.mark.slow
def test_every_part_runs_with_bare_packages(tmp_path: Path) -> None:
    ended = prove(tmp_path / "out", path=hide(HIDDEN, tmp_path))
    assert ended.returncode == 0, ended.stdout
    results = json.loads((tmp_path / "out" / "report.json").read_text())["parts"]
    assert [(result["part"], result["status"]) for result in results] == [(part.name, "done") for part in PARTS]
    assert all(result["rows"] for result in results)
    parity = next(result for result in results if result["part"] == "parity")
    assert {row["within 1e-4"] for row in parity["rows"] if row["dtype"] == "float32"} == {"yes"}
    rows = {result["part"]: result["rows"] for result in results}
    assert [(row["device"], row["other than on the CPU"], row["other codes"]) for row in rows["demo"]] == [
        ("cpu", 0, 0)
    ] * 2
    assert all(row["as expected"] > 0 and row["of codes"] > 0 for row in rows["demo"])
    assert {(row["batch"], row["window"]) for row in rows["windows"] if "codes a pass" in row} == {
        (batch, window) for batch in (1, 2) for window in ("auto", "2")
    }
    assert [row["problem"] for row in rows["compile"]] == ["", ""]
