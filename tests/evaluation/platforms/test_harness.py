"""Per-sample records in the form of lm-evaluation-harness: keys, hashes, strangers' texts, and a bounded memory."""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.tasks import task_by_key
from evaluation.__main__ import main
from evaluation.metrics.cases import Case, Note
from evaluation.platforms.harness import record, sample_log
from evaluation.results import TaskResult
from tests.evaluation.fakes import text, write_files
from tests.evaluation.platforms.conftest import METRICS, SmallTest
from tests.evaluation.report.conftest import ATTACK

# What the harness logs of each sample (evaluator.py), in its order; the value of each metric stands under its name.
KEYS = ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"]
KEYS += ["doc_hash", "prompt_hash", "target_hash"]


def scored(tmp_path: Path, ids: dict[str, int], *more: object, **files: Any) -> list[dict[str, Any]]:
    found = write_files(tmp_path, ids, **files)
    options = ["--predictions", found.predictions, "--ground-truth", found.ground_truth, "--ids", found.ids]
    options += ["--input", tmp_path, "--samples", tmp_path / "samples.jsonl", *more]
    assert main(["score", *map(str, options)]) in (0, 1)
    data = (tmp_path / "samples.jsonl").read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.decode("utf-8").splitlines()]


def sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def test_the_keys_and_hashes_are_the_harness_s(tmp_path: Path) -> None:
    asked = {"b": text("Вопрос b"), "a": [*text('"\n\\'), *text("?")]}
    lines = scored(tmp_path, {"b": 0, "a": 0}, answers={"a": text("yes"), "b": text("no")}, asked=asked)
    first, second = lines
    assert [key for key in first if key in KEYS] == KEYS
    assert set(first) - set(KEYS) == {"task", "token_f1", "notes"}
    assert [(line["task"], line["doc_id"], line["doc"]["id"]) for line in lines] == [
        ("textqa", 0, "b"),
        ("textqa", 1, "a"),
    ]
    assert first["arguments"] == {"gen_args_0": {"arg_0": "Вопрос b", "arg_1": {}}}
    assert (first["target"], first["resps"], first["filtered_resps"]) == (["yes"], [["no"]], ["no"])
    assert (first["metrics"], first["token_f1"], second["token_f1"]) == (["token_f1"], 0.0, 1.0)
    for line in lines:
        assert line["doc_hash"] == sha256(json.dumps(line["doc"], indent=2, ensure_ascii=False))
    assert first["prompt_hash"] == sha256("Вопрос b")
    assert first["target_hash"] == sha256("['yes']")


def test_every_task_of_a_run(small: SmallTest, tmp_path: Path) -> None:
    ids = json.loads((small.folder / "ids.json").read_text())
    answers = {name: [{"type": "text", "content": "нет"}] for name in ids}
    (tmp_path / "predictions.json").write_text(json.dumps(answers))
    files = ["--predictions", str(tmp_path / "predictions.json"), "--samples", str(tmp_path / "s.jsonl")]
    files += ["--json", str(tmp_path / "result.json"), "--mode", "strict"]
    assert main(["score", *files, *small.files(), *METRICS]) == 1
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text("utf-8").splitlines()]
    tasks = json.loads((tmp_path / "result.json").read_text("utf-8"))["tasks"]
    found: dict[str, dict[str, float]] = {}
    for line in lines:
        found.setdefault(line["task"], {})[line["doc"]["id"]] = line[line["metrics"][0]]
    assert found == {key: task["samples"] for key, task in tasks.items()}
    (drawing, *_) = [line for line in lines if line["task"] == "generation"]
    assert drawing["target"][0].startswith("images/")
    assert (drawing["resps"], drawing["filtered_resps"]) == ([[]], [""])
    assert drawing["notes"]


@pytest.mark.parametrize("hostile", [ATTACK, "a\nb\r\x1b[2J", "a\u2028b\u2029c\x85d", '"}\n{"', "\u202e\x00"])
def test_a_stranger_s_text_stays_one_line_of_text(hostile: str, tmp_path: Path) -> None:
    (line,) = scored(tmp_path, {"a": 0}, answers={"a": text(hostile)})
    assert line["filtered_resps"] == [hostile]


def test_half_a_surrogate_pair_is_kept_in_escapes(tmp_path: Path) -> None:
    truth = GroundTruth("a", (References("text", ("yes",)),))
    case = Case("a", truth, Sample("a", (Item("text", "\ud800"),)))
    with sample_log(tmp_path / "s.jsonl") as log:
        log(task_by_key("textqa"), [case], TaskResult("textqa", 0.0, "s", {"a": 0.0}))
    assert json.loads((tmp_path / "s.jsonl").read_bytes())["resps"] == [["\ud800"]]


def test_a_sample_without_an_answer_and_what_struck_it() -> None:
    case = Case("a", GroundTruth("a", (References("text", ("yes", "да")),)), None)
    line = record(task_by_key("mathqa"), 7, case, 0.0, [Note("a", None, "the predictions lack this id: scored 0")])
    assert (line["doc_id"], line["resps"], line["filtered_resps"]) == (7, [[]], [""])
    assert (line["exact_match"], line["notes"]) == (0.0, ["the predictions lack this id: scored 0"])


def test_a_scoring_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text("before")
    files = write_files(tmp_path, {"a": 0, "b": 1}, answers={"a": text("yes")})
    options = ["--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids]
    assert main(["score", *map(str, options), "--samples", str(tmp_path / "samples.jsonl")]) == 2
    assert (tmp_path / "samples.jsonl").read_text() == "before"
    assert not list(tmp_path.glob(".*.tmp"))


def test_the_folder_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_files(tmp_path, {"a": 0})
    options = ["--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids]
    assert main(["score", *map(str, options), "--samples", str(tmp_path / "none/samples.jsonl")]) == 2
    assert "[WRITE_FAILED]" in capsys.readouterr().err


def test_lines_are_not_gathered(tmp_path: Path) -> None:
    """What is held while 2,000 samples are written does not grow with the file."""
    truth = GroundTruth("a", (References("text", ("yes",)),))
    cases = [Case(str(number), truth, Sample("a", (Item("text", "x" * 5_000),))) for number in range(2_000)]
    result = TaskResult("textqa", 0.0, "s", {case.id: 0.0 for case in cases})
    tracemalloc.start()
    try:
        with sample_log(tmp_path / "s.jsonl") as log:
            log(task_by_key("textqa"), cases, result)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "s.jsonl").stat().st_size > 20_000_000
    assert most < 1_000_000
