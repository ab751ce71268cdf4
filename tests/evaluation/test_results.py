"""The forms of a result: JSON that is read again, CSV, the printed table."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from contest.tasks import TASKS
from evaluation.cost import FIGURES
from evaluation.errors import ResultFileError
from evaluation.metrics.cases import Note
from evaluation.results import Result, TaskResult, read_result, to_json, write_csv, write_result
from evaluation.table import result_problems, result_table
from tests.evaluation.fakes import result_of, whole_result

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/integral.json").read_text("utf-8"))


def rich_result(mode: str = "official", defect: int | None = 10) -> Result:
    task = TaskResult(
        "vqa",
        0.25,
        "vqa|v:1",
        {"7": 0.5, "a": 0.0},
        interval=(0.0, 0.5),
        comparable=False,
        notes=(Note("a", defect, "odd"),),
        parts={"meteor": 0.25},
        remarks=("few",),
        interval_method="wilson-clustered",
        documents=(0, 5),
    )
    return Result(mode, "t", {"vqa": task}, None, None, ("beware",))  # type: ignore[arg-type]


def test_the_json_has_the_agreed_shape() -> None:
    assert to_json(rich_result()) == {
        "mode": "official",
        "stage": None,
        "test": "t",
        "integral": None,
        "integral_interval": None,
        "missing_tasks": [task.key for task in TASKS if task.key != "vqa"],
        "warnings": ["beware"],
        "cost": None,
        "tasks": {
            "vqa": {
                "score": 0.25,
                "n": 2,
                "signature": "vqa|v:1",
                "interval": (0.0, 0.5),
                "interval_method": "wilson-clustered",
                "statistics": "interval:wilson-clustered|confidence:0.95|documents:2|v:2",
                "documents": (0, 5),
                "comparable": False,
                "parts": {"meteor": 0.25},
                "part_signatures": {},
                "remarks": ["few"],
                "notes": [{"sample_id": "a", "defect": 10, "message": "odd", "voids_task": False}],
                "samples": {"7": 0.5, "a": 0.0},
            }
        },
    }


@pytest.mark.parametrize("result", [rich_result(), rich_result("strict"), whole_result(1 / 3)])
def test_what_was_written_is_read_again(result: Result, tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result


def task_with(**changes: object) -> dict[str, object]:
    return {"tasks": {"vqa": to_json(rich_result())["tasks"]["vqa"] | changes}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": {"vqa": {"score": 1.0}}}, 'it has no "signature"'),
        ({"tasks": {"poetry": to_json(rich_result())["tasks"]["vqa"]}}, "there is no task 'poetry'"),
        ({"tasks": []}, '"tasks" is a list of 0, not an object'),
        ({"mode": "lenient"}, "\"mode\" is the string 'lenient'; modes: official, strict"),
        ({"mode": ["official"]}, '"mode" is a list of 1; modes: official, strict'),
        ({"integral": 0.5}, "there is an integral score exactly if all twelve tasks have one"),
        ({"integral": True}, '"integral" is true, not a number'),
        ({"integral_interval": ["a", "b"]}, "entry 0 of \"integral_interval\" is the string 'a', not a number"),
        ({"integral_interval": [0.5]}, '"integral_interval" is a list of 1, not two numbers'),
        ({"warnings": [7]}, 'entry 0 of "warnings" is the number 7, not a string'),
        (task_with(score=10**400), '"score" is a number of more than twenty digits, not a finite number'),
        (task_with(score=float("nan")), '"score" is the number nan, not a finite number'),
        (task_with(samples={"a": "1"}), "'a' of \"samples\" is the string '1', not a number"),
        (task_with(samples={}), "task vqa has no samples"),
        (task_with(signature=None), '"signature" is null, not a string'),
        (task_with(comparable=1), '"comparable" is the number 1, not true or false'),
        (task_with(notes=[{}]), 'it has no "sample_id"'),
        (
            task_with(notes=[{"sample_id": "a", "defect": 99, "message": "", "voids_task": False}]),
            '"defect" is the number 99, the number of no difference',
        ),
        (task_with(remarks="few"), "\"remarks\" is the string 'few', not a list"),
    ],
)
def test_files_that_are_no_result_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(to_json(rich_result()) | change))
    with pytest.raises(ResultFileError) as raised:
        read_result(path)
    assert str(raised.value) == (f"{path} is no result: {message}; give a file that `evaluation score --json` wrote")


def test_results_of_before_are_read(tmp_path: Path) -> None:
    value = to_json(rich_result())
    for name in ("interval_method", "statistics", "documents"):
        del value["tasks"]["vqa"][name]
    (tmp_path / "old.json").write_text(json.dumps(value))
    [task] = read_result(tmp_path / "old.json").tasks.values()
    assert (task.interval, task.documents) == ((0.0, 0.5), None)
    assert task.statistics == "interval:bootstrap|confidence:0.95|documents:none|v:1"


@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan")])
def test_an_integral_score_lies_from_0_to_1(score: float) -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        replace(whole_result(0.5), integral=score)


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "{", "[" * 200_000, "7" * 5000])
def test_other_json_is_no_result(content: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(ResultFileError, match="is no result"):
        read_result(path)
    with pytest.raises(ResultFileError, match="can not be read"):
        read_result(tmp_path / "none.json")


@pytest.mark.parametrize("wrong", [{"score": float("nan")}, {"samples": {}}, {"samples": {"a": float("inf")}}])
def test_a_task_result_holds_finite_numbers(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="task vqa"):
        replace(rich_result().tasks["vqa"], **wrong)  # type: ignore[arg-type]


def test_the_csv_has_a_row_a_task_and_one_for_s(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", whole_result(0.25))
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["task"] for row in rows] == [*(task.key for task in TASKS), "integral"]
    assert rows[0] == {
        "task": "textqa",
        "score": "0.25",
        "low": "",
        "high": "",
        "n": "2",
        "baseline": "0.25",
        "threshold": "0.2",
        "eligible": "True",
        "comparable": "True",
        "signature": "equality|v:1",
        **dict.fromkeys((*FIGURES, "energy_method"), ""),
    }
    assert (rows[6]["threshold"], rows[6]["eligible"], rows[-1]["score"]) == ("", "", "0.25")


@pytest.mark.parametrize("case", GOLDEN["integral"], ids=lambda case: case["note"])
def test_eligibility_is_that_of_the_lower_bounds(case: dict) -> None:
    result = result_of({key: [score] for key, score in {**case["open"], **case["hidden"]}.items()}, integral=case["S"])
    assert [key for key, task in result.tasks.items() if task.eligible is False] == case["below_bound"]
    table = result_table(result)
    below = f"not eligible for a prize: below the threshold in {', '.join(case['below_bound'])}"
    assert (below if case["below_bound"] else "eligible for a prize: every open task") in table


TABLE = [
    "mode: official",
    "task   n   score     95 % interval  baseline  threshold  eligible",
    "-" * 65,
    "vqa *  2  0.2500  0.0000 .. 0.5000      0.34       0.24       yes",
    "S *    2       -                 -      0.24",
    "S needs all twelve tasks; missing: textqa, mathqa, generation, captioning, text_recognition, hidden1, "
    "hidden2, hidden3, hidden4, hidden5, hidden6",
]


def test_the_table_and_what_to_know_about_it() -> None:
    assert result_table(rich_result()).splitlines() == [
        *TABLE,
        "* not comparable with the contest's scores (vqa): --verbose shows the signatures",
    ]
    assert result_problems(rich_result()) == [
        "warning: code and rules differ 1 time (difference 10 of evaluation/metrics/DIFFERENCES.md), "
        "2 other warnings; --verbose tells more",
    ]
    assert result_problems(rich_result("strict", None)) == [
        "error: 1 sample lost a score: vqa 'a', 2 other warnings; --verbose tells why"
    ]
    assert result_table(result_of({"vqa": [1.0]})).splitlines()[-1].startswith("S needs")
    assert result_problems(result_of({"vqa": [1.0]})) == []


def test_all_that_is_to_be_known() -> None:
    assert result_table(rich_result(), verbose=True).splitlines() == [
        *TABLE,
        "* not comparable with the contest's scores (vqa): see the signature",
        "vqa: few",
        "vqa: meteor 0.2500",
        "vqa: vqa|v:1",
        "vqa: interval:wilson-clustered|confidence:0.95|documents:2|v:2",
    ]
    assert result_problems(rich_result(), verbose=True) == [
        "warning: beware",
        "warning: vqa: 1 x difference 10 of code and rules: the first Latin letter from a to e replaces an answer that "
        "scored low",
    ]
    strict = result_problems(rich_result("strict", None), verbose=True)
    assert "error: vqa: sample 'a': odd" in strict


def test_many_notes_are_cut_and_counted() -> None:
    task = replace(rich_result().tasks["vqa"], notes=tuple(Note(str(i), None, "odd") for i in range(50)))
    lines = result_problems(Result("strict", "t", {"vqa": task}), verbose=True)
    assert sum(line.startswith("error: vqa: sample") for line in lines) == 20
    assert lines[-1] == "error: vqa: and 30 more"
