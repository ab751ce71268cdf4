"""The bundled test, answered and drawn from beginning to end by the command that takes part in the contest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu_parts.parts import Setting
from contest.command_line import DONE, WITH_FAULTS

ROOT = Path(__file__).parents[2]
FEW = 12  # samples, to show that it runs


def demo(setting: Setting) -> Iterator[dict[str, Any]]:
    """Runs on the device beside one on the CPU in float32: answers and codes that differ, and answers as expected."""
    weights = ROOT / "weights"
    if not (weights / "rudolph").is_dir():
        yield {"left out": f"there are no weights in {weights}"}
        return
    expected = _expected()
    runs = [("cpu", "float32"), (setting.device, "float32")]
    if setting.on_gpu:
        runs += [(setting.device, "float16"), (setting.device, "bfloat16")]
    with tempfile.TemporaryDirectory() as folder:
        source, first = ROOT / "demo", None
        if setting.tiny:
            source = _some_samples(Path(folder) / "input")
        for number, (device, dtype) in enumerate(runs):
            output, began = Path(folder) / str(number), time.monotonic()
            status = _answer(source, output, weights, device, dtype)
            seconds = time.monotonic() - began
            answers, codes = _answers(output), _codes(output)
            first = first or (answers, codes)
            pairs = [(codes[key], first[1].get(key, [])) for key in codes]
            yield {
                "device": device,
                "dtype": dtype,
                "seconds": round(seconds, 1),
                "exit status": status,
                "answers": len(answers),
                "as expected": sum(text in expected[key] for key, text in answers.items() if key in expected),
                "other than on the CPU": sum(text != first[0].get(key) for key, text in answers.items()),
                "pictures": len(codes),
                "other pictures": sum(ours != theirs for ours, theirs in pairs),
                "other codes": sum(
                    sum(one != other for one, other in zip(ours, theirs, strict=False)) for ours, theirs in pairs
                ),
                "of codes": sum(map(len, codes.values())),
            }


def _answer(source: Path, output: Path, weights: Path, device: str, dtype: str) -> int:
    """Run the submission; return its exit status.

    Raises RuntimeError with its last words if it ended early; samples that failed alone are not that.
    """
    command = [sys.executable, "-m", "submission", "run", "--quiet", "--input", str(source), "--output", str(output)]
    command += ["--weights", str(weights), "--device", device, "--dtype", dtype]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode not in (DONE, WITH_FAULTS):
        said = ended.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"the run on {device} in {dtype} ended with status {ended.returncode}: {said[-1]}")
    return ended.returncode


def _some_samples(folder: Path) -> Path:
    folder.mkdir()
    shutil.copytree(ROOT / "demo" / "images", folder / "images")
    samples = json.loads((ROOT / "demo" / "input.json").read_text(encoding="utf-8"))
    few = {key: samples[key] for key in list(samples)[:FEW]}
    (folder / "input.json").write_text(json.dumps(few, ensure_ascii=False), encoding="utf-8")
    return folder


def _expected() -> dict[str, list[str]]:
    """Right answers by sample id, of the samples that have some."""
    truth = json.loads((ROOT / "demo" / "ground_truth.json").read_text(encoding="utf-8"))
    texts = {key: [item["content"] for item in items if item["type"] == "text"] for key, items in truth.items()}
    return {key: [text for of_item in found for text in of_item] for key, found in texts.items() if found}


def _answers(output: Path) -> dict[str, str]:
    predictions = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    return {key: items[0]["content"] for key, items in predictions.items()}


def _codes(output: Path) -> dict[str, list[int]]:
    """Codes of the drawn pictures by sample id, as the run's journal has them."""
    lines = (output / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    records = (json.loads(line) for line in lines)
    return {record["id"]: record["codes"] for record in records if record.get("phase") == "draw"}
