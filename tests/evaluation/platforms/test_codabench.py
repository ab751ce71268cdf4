"""A bundle for Codabench: its form, what is in it and what is not, and its scoring as the platform's worker does it."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main
from evaluation.platforms import scoring_program
from evaluation.results import read_result
from tests.evaluation.platforms.codabench_form import competition_of, laid_out, problems
from tests.evaluation.platforms.conftest import IMAGE, METRICS, SmallTest
from tests.evaluation.report.test_report import Page


def names_in(bundle: Path, part: str) -> set[str]:
    with zipfile.ZipFile(bundle) as archive, zipfile.ZipFile(io.BytesIO(archive.read(part))) as inner:
        return set(inner.namelist())


@pytest.fixture
def app(bundle: Path, tmp_path: Path) -> Path:
    laid_out(bundle, tmp_path / "app")
    return tmp_path / "app"


def score(app: Path) -> int:
    return scoring_program.main(["codabench", str(app / "input"), str(app / "output"), *METRICS])


def test_the_form(bundle: Path) -> None:
    competition = competition_of(bundle)
    assert competition["docker_image"] == IMAGE
    assert [str(phase["start"]) for phase in competition["phases"]] == ["2026-11-29"]
    with zipfile.ZipFile(bundle) as archive:
        pages = {page["title"]: archive.read(page["file"]).decode("utf-8") for page in competition["pages"]}
    assert list(pages) == ["Overview", "Evaluation", "Data", "Terms"]
    assert all("## По-русски" in page and "## In English" in page for page in pages.values())
    assert "| TextQA | `textqa` | token f1 | 0.25 | 0.20 |" in pages["Evaluation"]
    assert "not comparable" in pages["Evaluation"]


def test_the_form_is_looked_at() -> None:
    assert list(problems("phases", {"name": 3, "tasks": [1], "public_data": "x", "color": 1}, set())) == [
        "phases: no start",
        "phases: name is 3",
        "phases: public_data names x, which is not in the bundle",
        "phases: color is no key of it",
        "phases: a task that there is not",
    ]
    assert list(problems("columns", {"title": "", "key": "", "index": 0, "sorting": "up"}, set())) == [
        "columns: sorting can not be 'up'"
    ]


def test_participants_get_no_references(bundle: Path, small: SmallTest) -> None:
    public = names_in(bundle, "public_data.zip")
    assert "input.json" in public
    truths = json.loads((small.folder / "ground_truth.json").read_text("utf-8")).values()
    drawn = {item["content"] for truth in truths for item in truth if item["type"] == "image"}
    drawn = {content for contents in drawn for content in ([contents] if isinstance(contents, str) else contents)}
    assert drawn
    assert not drawn & public
    assert {f"truth/{name}" for name in drawn} <= names_in(bundle, "reference_data.zip")
    assert {name for name in public if not name.startswith("images/")} == {"input.json"}


def test_the_program_holds_what_it_needs_and_no_more(bundle: Path) -> None:
    names = names_in(bundle, "scoring_program.zip")
    rooms = {name.split("/")[0] for name in names if "/" in name}
    assert rooms == {"errors", "contest", "pages", "models", "evaluation", "assets"}
    for part in ("container", "queue", "first_challenge", "reconstruction", "metrics/fbc1"):
        assert not [name for name in names if name.startswith(f"evaluation/{part}/")]
    assert not [name for name in names if name.startswith(("models/rudolph", "models/vqgan", "models/dalle"))]


def test_the_worker_s_command_scores_as_we_do(bundle: Path, small: SmallTest, tmp_path: Path) -> None:
    """In a process that finds no code of ours but the bundle's."""
    app = tmp_path / "app"
    command = [word.replace("/app/", f"{app}/") for word in laid_out(bundle, app)]
    assert command[0] == "python3"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=app / "program",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((app / "output/scores.json").read_text())
    (board,) = competition_of(bundle)["leaderboards"]
    assert [column["key"] for column in board["columns"]] == list(scores)
    assert board["columns"][0]["title"] == "S"

    answers = ["--predictions", str(app / "input/res/predictions.json"), "--json", str(tmp_path / "result.json")]
    assert main(["score", *answers, *small.files(), *METRICS]) == 0
    ours = read_result(tmp_path / "result.json")
    assert scores == {"integral": ours.integral, **{key: task.score for key, task in ours.tasks.items()}}
    assert f"{ours.integral:.4f}" in done.stdout

    page = (app / "output/detailed_results.html").read_text("utf-8")
    assert f"{ours.integral:.4f}" in Page(page).text("integral")
    assert "default-src 'none'" in page
    assert Page(page).tags["script"] == 0


def test_the_page_shows_no_reference(app: Path, small: SmallTest) -> None:
    assert score(app) == 0
    page = (app / "output/detailed_results.html").read_text("utf-8")
    truths = json.loads((small.folder / "ground_truth.json").read_text("utf-8")).values()
    texts = [text for truth in truths for item in truth if item["type"] == "text" for text in item["content"]]
    long = [text for text in texts if len(text) > 12]
    assert long
    assert [text for text in long if text in page] == []
    assert "<img" not in page


def nested(folder: Path) -> None:
    (folder / "output").mkdir()
    (folder / "predictions.json").rename(folder / "output/predictions.json")


def written(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "predictions.json").write_text(text, "utf-8")


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        value = json.loads((folder / "predictions.json").read_text("utf-8"))
        change(value)
        (folder / "predictions.json").write_text(json.dumps(value))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "predictions.json").unlink(), "no predictions.json at the root"),
        (nested, "zip what is in the folder output, not the folder itself"),
        (shutil.rmtree, "which holds nothing"),
        (written(""), "predictions.json"),
        (written("{"), "predictions.json"),
        (written("[]"), "predictions.json"),
        (written('{"\x1b[2J": 1'), "predictions.json"),
        (written("{}"), "the predictions lack 36 of 36 samples"),
        (changed(lambda value: value.popitem()), "the predictions lack 1 of 36 samples"),
        (changed(lambda value: value.update({next(iter(value)): None})), "it is null, not a list of items"),
        (
            changed(lambda value: value.update({next(iter(value)): [7]})),
            "item 0 is the number 7, not an object; mend it, and submit again",
        ),
        (lambda folder: next((folder / "images").iterdir()).unlink(), "is not there"),
        (lambda folder: next((folder / "images").iterdir()).write_bytes(b"no picture"), "image_"),
    ],
)
def test_a_bad_submission_gets_a_word_and_no_scores(
    spoil: Callable[[Path], object], message: str, app: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil(app / "input/res")
    assert score(app) == 2
    said = capfd.readouterr().err
    assert re.match(r"scoring codabench: error \[[A-Z_]+\] ", said)
    assert message in said
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert list((app / "output").iterdir()) == []


def test_a_test_of_some_tasks_has_no_s(small: SmallTest, tmp_path: Path) -> None:
    ids = {name: number for name, number in json.loads((small.folder / "ids.json").read_text()).items() if number < 2}
    (tmp_path / "ids.json").write_text(json.dumps(ids))
    out = tmp_path / "out"
    options = ["--image", IMAGE, "--output", str(out), *small.files(), "--ids", str(tmp_path / "ids.json")]
    assert main(["bundle", "codabench", *options, "--mode", "strict", "--end", "2999-01-01"]) == 0
    archive = shutil.make_archive(str(tmp_path / "again"), "zip", out)  # as an organiser does with the folder
    competition = competition_of(Path(archive))
    assert [column["key"] for column in competition["leaderboards"][0]["columns"]] == ["textqa", "mathqa"]
    assert str(competition["phases"][0]["end"]) == "2999-01-01"
    laid_out(Path(archive), tmp_path / "app")
    program = ["codabench", str(tmp_path / "app/input"), str(tmp_path / "app/output"), "--mode", "strict"]
    assert scoring_program.main(program) == 0
    assert set(json.loads((tmp_path / "app/output/scores.json").read_text())) == {"textqa", "mathqa"}


def test_the_same_things_make_the_same_bundle(bundle: Path, small: SmallTest, tmp_path: Path) -> None:
    path = tmp_path / "again.zip"
    options = ["--image", IMAGE, "--start", "2026-11-29", "--output", str(path)]
    assert main(["bundle", "codabench", *small.files(), *METRICS, *options]) == 0
    assert path.read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image", "two words"], "can be no image"),
        (["--image", "x\udcff"], "can be no image"),
        (["--image", "x", "--title", "a\udcffb"], "the title is no UTF-8"),
        (["--image", "x", "--start", "2026-02-02", "--end", "2026-02-02"], "not after the start"),
        (["--image", "x", "--assets", "{empty}"], "has no folder ruclip"),
        (["--image", "x", "--ids", "{empty}/none.json"], "none.json"),
        (["--image", "x", "--mode", "strict", "--stage", "evaluate"], "--stage is of mode official"),
    ],
)
def test_what_can_not_be_bundled(
    options: list[str], message: str, small: SmallTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = [word.replace("{empty}", str(tmp_path / "empty")) for word in options]
    out = tmp_path / "out.zip"
    assert main(["bundle", "codabench", *small.files(), *words, "--output", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_picture_that_is_not_there(small: SmallTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ids.json", "input.json", "ground_truth.json"):
        shutil.copy(small.folder / name, tmp_path)
    files = SmallTest(tmp_path).files()
    assert main(["bundle", "codabench", *files, "--image", "x", "--output", str(tmp_path / "out")]) == 2
    assert "which is not there; give the test with its pictures" in capsys.readouterr().err


def test_networks_are_not_held_in_memory(small: SmallTest, tmp_path: Path) -> None:
    size = 64 << 20
    (tmp_path / "assets/ruclip").mkdir(parents=True)
    with (tmp_path / "assets/ruclip/pytorch_model.bin").open("wb") as stream:
        stream.truncate(size)
    options = ["--image", IMAGE, "--fid-features", "ruclip", "--assets", str(tmp_path / "assets")]
    tracemalloc.start()
    try:
        assert main(["bundle", "codabench", *small.files(), *options, "--output", str(tmp_path / "out")]) == 0
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out/scoring_program.zip").stat().st_size > size > 2 * most
