"""What is scored for which task, and what becomes of ids that differ between the files."""

import json
from pathlib import Path

import pytest

from contest.errors import ContestFileError
from evaluation.errors import IdsDifferError, NoSamplesError
from evaluation.joining import ScoringFiles, join
from evaluation.metrics.cases import Mode
from evaluation.metrics.errors import AttemptAbortedError
from tests.evaluation.fakes import text, write_files

MIXED = Path(__file__).parents[1] / "golden/metrics/mixed"
EXPECTED = json.loads((MIXED / "expected.json").read_text("utf-8"))
BOTH: tuple[Mode, ...] = ("official", "strict")


def copied(tmp_path: Path, change: dict[str, object]) -> ScoringFiles:
    """The mixed files with some changed: {file name: its content, a key to take out, or keys to put in}."""
    for name in ("ids.json", "ground_truth.json", "predictions.json", "input.json"):
        content = json.loads((MIXED / name).read_text("utf-8"))
        match change.get(name):
            case str(key):
                del content[key]
            case dict(entries):
                content |= entries
            case list(whole):
                content = whole
        (tmp_path / name).write_text(json.dumps(content), "utf-8")
    for folder in ("images", "output_images", "output_pr_images"):
        if not (tmp_path / folder).exists():
            (tmp_path / folder).symlink_to(MIXED / folder)
    return ScoringFiles(tmp_path / "predictions.json", tmp_path / "ground_truth.json", tmp_path / "ids.json", tmp_path)


def mixed() -> ScoringFiles:
    return ScoringFiles(MIXED / "predictions.json", MIXED / "ground_truth.json", MIXED / "ids.json", MIXED)


@pytest.mark.parametrize("mode", BOTH)
def test_the_split_is_the_organisers(mode: Mode) -> None:
    joined = join(mixed(), mode)
    assert {task.key: [case.id for case in cases] for task, cases in joined.cases.items()} == EXPECTED["keys_per_task"]


def test_a_surplus_prediction_is_left_out_with_a_warning() -> None:
    assert [warning.split(": ", 1)[1] for warning in join(mixed(), "official").warnings] == [
        "left out 1 sample that the ids do not name: 999"
    ]


@pytest.mark.parametrize("name", ["ids.json", "ground_truth.json", "predictions.json", "input.json"])
def test_a_byte_order_mark_stops_official(name: str, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
    with pytest.raises(AttemptAbortedError) as raised:
        join(files, "official")
    assert str(raised.value) == (
        f"{tmp_path / name} begins with a byte order mark; the organisers' scripts stop here, "
        "score in mode strict to go on"
    )
    assert join(files, "strict").warnings == (f"{tmp_path / name}: the organisers' reader refuses its byte order mark",)


# The organisers' twelve odd runs of the split, and what becomes of each here. Their folders are not made here, so that
# what goes wrong with folders (folder_exists, no_trailing_slash, same_folder_names, image_without_folder) can not.
ODD_RUNS: dict[str, tuple[dict[str, object], type[Exception] | None]] = {
    "prediction_missing": ({"predictions.json": "6"}, AttemptAbortedError),
    "ground_truth_missing": ({"ground_truth.json": "6"}, IdsDifferError),
    "id_missing": ({"ids.json": "6"}, None),
    "task_ids_as_strings": ({"ids.json": {"6": "0"}}, None),
    "unknown_task": ({"ids.json": {"6": 12}}, ContestFileError),
    "image_missing": (
        {"predictions.json": {"3": [{"type": "image", "content": "output_pr_images/none.png"}]}},
        AttemptAbortedError,
    ),
    "two_images": (
        {
            "predictions.json": {
                "3": [
                    {"type": "image", "content": "output_pr_images/image_0.png"},
                    {"type": "image", "content": "output_pr_images/none.png"},
                ]
            }
        },
        None,
    ),
    "list_ids": ({"ids.json": ["1", "2"]}, ContestFileError),
}


@pytest.mark.parametrize("name", ODD_RUNS)
def test_odd_runs_of_the_split_raise(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The pictures are linked into the temporary folder, which a foreign submission's folder may not do.
    monkeypatch.setattr("evaluation.joining.resolve_picture", lambda root, content, sample_id: root / content)
    theirs = {run["name"]: run["outcome"] for run in EXPECTED["split_edge_runs"]}
    change, error = ODD_RUNS[name]
    assert (error is not None) == ("raises" in theirs[name])
    if error is None:
        join(copied(tmp_path, change), "official")
        return
    with pytest.raises(error):
        join(copied(tmp_path, change), "official")


@pytest.mark.parametrize("prefix", ["", "./output/", "/somewhere/else/"])
@pytest.mark.parametrize(("name", "is_there"), [("image_2.png", True), ("none.png", False)])
def test_official_finds_a_drawn_picture_by_folder_and_name(
    prefix: str, name: str, is_there: bool, tmp_path: Path
) -> None:
    drawn = [{"type": "image", "content": f"{prefix}images/{name}"}]
    files = write_files(tmp_path, {"2": 2}, answers={"2": drawn})
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "image_2.png").touch()
    if is_there:
        assert len(join(files, "official").cases) == 1
    else:
        with pytest.raises(AttemptAbortedError, match=r"its picture 'images/none\.png' is not there"):
            join(files, "official")


def test_a_sample_without_task_id_is_left_out_with_a_warning(tmp_path: Path) -> None:
    files = copied(tmp_path, {"ids.json": "6"})
    joined = join(files, "strict")
    assert "6" not in [case.id for cases in joined.cases.values() for case in cases]
    assert any(str(files.ground_truth) in warning and warning.endswith(": 6") for warning in joined.warnings)


def test_official_names_the_missing_predictions(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0, "b": 0, "c": 1}, answers={"b": text("yes")})
    with pytest.raises(AttemptAbortedError, match="the predictions lack 2 of 3 samples: a, c") as caught:
        join(files, "official")
    assert (caught.value.sample_id, caught.value.defect) == ("a", 3)


def test_strict_keeps_a_missing_prediction(tmp_path: Path) -> None:
    joined = join(write_files(tmp_path, {"a": 0, "b": 0}, answers={"b": text("yes")}), "strict")
    [(_, cases)] = joined.cases.items()
    assert [(case.id, case.answer is None) for case in cases] == [("a", True), ("b", False)]


@pytest.mark.parametrize("mode", BOTH)
def test_an_unsound_prediction_keeps_its_entry(mode: Mode, tmp_path: Path) -> None:
    raw = [{"type": "text", "content": None}]
    joined = join(write_files(tmp_path, {"a": 0, "b": 0}, answers={"a": raw, "b": text("yes")}), mode)
    [(_, (first, second))] = joined.cases.items()
    assert first.answer is None
    assert first.unsound is not None
    assert first.unsound.value == raw
    assert [error.code.name for error in first.unsound.errors] == ["CONTENT_NOT_A_STRING"]
    assert second.unsound is None


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("lacking", ["ground_truth.json", "input.json"])
def test_the_scorer_s_own_files_must_agree(mode: Mode, lacking: str, tmp_path: Path) -> None:
    with pytest.raises(IdsDifferError, match="lacks 1 of the 36 samples of the ids: 6"):
        join(copied(tmp_path, {lacking: "6"}), mode)


@pytest.mark.parametrize("mode", BOTH)
def test_an_id_that_stands_twice_counts_with_its_last_answer(mode: Mode, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    wire = json.dumps(text("first")), json.dumps(text("last"))
    files.predictions.write_text(f'{{"a": {wire[0]}, "a": {wire[1]}}}')
    joined = join(files, mode)
    [(_, (case,))] = joined.cases.items()
    assert case.answer is not None
    assert case.answer.texts == ("last",)
    assert "1 sample answered twice, the last counts: a" in joined.warnings[0]


@pytest.mark.parametrize("name", ["ids.json", "ground_truth.json", "predictions.json", "input.json"])
def test_files_that_hold_nothing_are_told_as_what_they_are(name: str, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    (tmp_path / name).write_text("")
    with pytest.raises(ContestFileError, match="NOT_JSON"):
        join(files, "strict")
    (tmp_path / name).unlink()
    with pytest.raises(ContestFileError, match="FILE_MISSING"):
        join(files, "strict")


def test_no_ids_are_no_score(tmp_path: Path) -> None:
    with pytest.raises(NoSamplesError):
        join(write_files(tmp_path, {}), "strict")


def test_ways_to_name_the_input(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    for given in (tmp_path, tmp_path / "input.json"):
        [(_, (case,))] = join(
            ScoringFiles(files.predictions, files.ground_truth, files.ids, given), "strict"
        ).cases.items()
        assert (case.input_root, case.asked is not None) == (tmp_path, True)
    [(_, (case,))] = join(ScoringFiles(files.predictions, files.ground_truth, files.ids), "strict").cases.items()
    assert (case.input_root, case.asked) == (None, None)
    assert (case.answer_root, case.truth_root) == (tmp_path, tmp_path)


def test_the_fingerprint_ignores_the_layout(tmp_path: Path) -> None:
    def fingerprint(name: str, ids: dict[str, int], **other: object) -> str:
        (tmp_path / name).mkdir()
        return join(write_files(tmp_path / name, ids, **other), "strict").test  # type: ignore[arg-type]

    usual = fingerprint("usual", {"a": 0, "b": 1})
    assert fingerprint("order", {"b": 1, "a": 0}) == usual
    assert fingerprint("answers", {"a": 0, "b": 1}, answers={}) == usual
    assert fingerprint("ids", {"a": 0, "c": 1}) != usual
    assert fingerprint("tasks", {"a": 0, "b": 2}) != usual
    assert fingerprint("truth", {"a": 0, "b": 1}, truths={"a": text("no"), "b": text("yes")}) != usual
    bare = {"a": {"type": "text", "content": "yes"}, "b": {"type": "text", "content": "yes"}}
    assert fingerprint("bare", {"a": 0, "b": 1}, truths=bare) == usual
