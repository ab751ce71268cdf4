"""The command line through real files: exit statuses, messages, outputs, and no network."""

import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from contest.emissions.rows import EnergyReading
from contest.emissions.training_summary import TrainingEmissions, write_training_emissions
from contest.tasks import HIDDEN_TASKS, OPEN_TASKS, TASKS
from evaluation import leaderboard
from evaluation.__main__ import main
from evaluation.joining import ScoringFiles
from evaluation.results import read_result, write_result
from tests.evaluation.fakes import result_of, text, whole_result, write_files

ROOT = Path(__file__).parents[2]
MIXED = ROOT / "tests/golden/metrics/mixed"
WORDNET = ROOT / "tests/golden/metrics/wordnet_stub.db"
EXPECTED = json.loads((MIXED / "expected.json").read_text("utf-8"))["results"]


def named(files: ScoringFiles, *more: object) -> list[str]:
    options = ["score", "--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids]
    return [str(option) for option in (*options, "--resamples", 50, *more)]


def mixed(*more: object) -> list[str]:
    return named(ScoringFiles(MIXED / "predictions.json", MIXED / "ground_truth.json", MIXED / "ids.json"), *more)


def test_the_mixed_files_get_the_organisers_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    tasks = ["textqa", "mathqa", "vqa", "text_recognition"]
    files = ("--json", out, "--csv", tmp_path / "table.csv", "--wordnet", WORDNET)
    assert main(mixed("--tasks", ",".join(tasks), *files)) == 0
    result = read_result(out)
    assert {key: task.score for key, task in result.tasks.items()} == pytest.approx(
        {key: EXPECTED[key] for key in tasks}, abs=1e-12
    )
    assert all(
        task.interval is not None and f"{key}|mode:official|" in task.signature for key, task in result.tasks.items()
    )
    printed = capsys.readouterr().out
    assert "S needs all twelve tasks; missing: generation, captioning, hidden1" in printed
    assert f"{EXPECTED['textqa']:.4f}" in printed
    assert (tmp_path / "table.csv").read_text("utf-8").startswith("task,score,low,high,n,")


def test_strict_names_what_lost_its_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"a": text("yes"), "b": [{"type": "text", "content": 7}]}
    files = write_files(tmp_path, {"a": 0, "b": 0, "c": 0}, answers=answers)
    assert main(named(files, "--mode", "strict", "--json", tmp_path / "result.json")) == 1
    told = "evaluation score: error: 2 samples lost a score: textqa 'b', textqa 'c'; --verbose tells why\n"
    assert capsys.readouterr().err == told
    assert main(named(files, "--mode", "strict", "--verbose")) == 1
    printed = capsys.readouterr()
    assert "error: textqa: sample 'b': the answer is unsound" in printed.err
    assert "error: textqa: sample 'c': the predictions lack this id" in printed.err
    assert "error" not in printed.out
    assert read_result(tmp_path / "result.json").tasks["textqa"].samples == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_official_with_a_missing_prediction_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(named(write_files(tmp_path, {"a": 0, "b": 0}, answers={"a": text("yes")}))) == 2
    assert "the predictions lack 1 of 2 samples: b" in capsys.readouterr().err


def test_a_task_with_pictures_asks_for_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(mixed()) == 2
    assert "name its folder with --input" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ids.json", "ground_truth.json", "predictions.json"])
@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_what_can_not_be_scored_ends_with_2_and_one_message(
    name: str, content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_files(tmp_path, {"a": 0})
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    assert main(named(files)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("evaluation score: error [")


@pytest.mark.parametrize("option", ["--json=missing/r.json", "--csv=missing/r.csv", "--html=file/new", "--html=file"])
def test_what_can_not_be_written_is_told_before_anything_is_scored(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(tmp_path, {"a": 0})
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evaluation.scoring.join", lambda *arguments: pytest.fail("the files were read"))
    files = ["--predictions=predictions.json", "--ground-truth=ground_truth.json", "--ids=ids.json"]
    assert main(["score", *files, option]) == 2
    assert "not written" in capsys.readouterr().err


def test_options_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--tasks", "poetry"], ["--mode", "kind"], ["--resamples", "0"], ["--seed", "-1"]):
        with pytest.raises(SystemExit) as stopped:
            main(mixed(*wrong))
        assert stopped.value.code == 2
    assert "the tasks are textqa, mathqa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resamples", "many"], "must be a whole number from 1, not 'many'"),
        (["--resamples", "9" * 5000], f"must be a whole number from 1, not '{'9' * 39}…'"),
        (["--tasks", "vqa,poetry"], "there is no task 'poetry'; the tasks are textqa, mathqa"),
        (["--country", "Russia"], "'Russia' is no code of a country, such as RU"),
    ],
)
def test_a_wrong_option_is_told_in_plain_words(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(mixed(*arguments))
    told = capsys.readouterr().err
    assert message in told
    assert "_value" not in told


@pytest.mark.parametrize("baseline", ["nan", "1e308", "-1", "x", "2"])
def test_a_baseline_that_no_score_can_have(baseline: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nomination", "--db", "board", "--baseline", baseline])
    assert f"must be a number from 0 to 1, not '{baseline}'" in capsys.readouterr().err


def test_a_path_that_is_no_utf_8_costs_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "\udcff\x1b"
    folder.mkdir()
    files = write_files(folder, {"a": 0}, answers={"a": text("yes"), "surplus": text("no")})
    assert main(named(files, "--json", folder / "r.json")) == 0
    [warning] = read_result(folder / "r.json").warnings
    assert warning.endswith(r"/\udcff\x1b/predictions.json: left out 1 sample that the ids do not name: surplus")


def test_scoring_works_without_sockets_in_a_fresh_process(tmp_path: Path) -> None:
    program = f"""
        import sys
        def refuse(event, arguments):
            if event.startswith("socket.") and event != "socket.gethostname":
                raise RuntimeError("no sockets here: " + event)
        sys.addaudithook(refuse)
        from evaluation.__main__ import main
        status = main({mixed("--tasks", "textqa,mathqa,vqa,text_recognition")!r})
        assert not any(name.startswith(("models.rudolph", "submission")) for name in sys.modules)
        sys.exit(status)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def twelve(tmp_path: Path) -> ScoringFiles:
    """The mixed files, each sample once more as one of the hidden task of its kind, pictures beside them."""
    for name in ("ids", "ground_truth", "predictions", "input"):
        content = json.loads((MIXED / f"{name}.json").read_text("utf-8"))
        again = {f"h{key}": value + 6 if name == "ids" else value for key, value in content.items()}
        (tmp_path / f"{name}.json").write_text(json.dumps(content | again))
    for folder in ("images", "output_images", "output_pr_images"):
        shutil.copytree(MIXED / folder, tmp_path / folder)
    return ScoringFiles(*(tmp_path / f"{name}.json" for name in ("predictions", "ground_truth", "ids")), tmp_path)


def test_all_twelve_tasks_with_a_substitute_network(
    twelve: ScoringFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FBC2_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "result.json"
    networks = ("--assets", ROOT / "tests/golden", "--fid-features", "ruclip", "--wordnet", WORDNET)
    arguments = named(twelve, "--input", tmp_path, *networks, "--json", out, "--html", tmp_path / "report")
    assert main(arguments) == 0
    result = read_result(out)
    assert result.missing_tasks == ()
    scores = {key: task.score for key, task in result.tasks.items()}
    assert [scores[task.key] for task in HIDDEN_TASKS] == [scores[task.key] for task in OPEN_TASKS]
    assert result.integral == pytest.approx(sum(scores[task.key] for task in OPEN_TASKS) / 6, abs=0.01)
    assert result.tasks["captioning"].parts["meteor"] == pytest.approx(EXPECTED["captioning"]["meteor"], abs=1e-12)
    assert {key for key, task in result.tasks.items() if not task.comparable} == {
        *("generation", "captioning", "hidden3", "hidden4")
    }
    printed = capsys.readouterr().out
    assert "\nS *" in printed
    assert "not comparable with the contest's scores (generation, captioning, hidden3, hidden4)" in printed
    assert "<html" in (tmp_path / "report/report.html").read_text("utf-8")

    assert main(["report", str(out), *arguments[1:5], "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/report.html").is_file()


def test_a_missing_network_ends_with_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FBC2_ASSETS", raising=False)
    assert main(mixed("--input", MIXED)) == 2
    assert "--assets" in capsys.readouterr().err


def test_a_missing_wordnet_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--input", MIXED, "--wordnet", MIXED / "none.db", "--assets", ROOT / "tests/golden")
    assert main(mixed("--tasks", "captioning", *options)) == 2
    assert "none.db" in capsys.readouterr().err


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    write_result(Path(first), result_of({"vqa": [0.0, 0.5, 1.0]}))
    write_result(Path(second), result_of({"vqa": [1.0, 0.5, 1.0]}, signature="equality|v:2"))
    assert main(["compare", first, first]) == 0
    assert "+0.0000" in capsys.readouterr().out
    assert main(["compare", first, second]) == 2
    assert "--different-signatures" in capsys.readouterr().err
    assert main(["compare", first, second, "--different-signatures"]) == 0
    assert "vqa~" in capsys.readouterr().out
    assert main(["compare", first, str(tmp_path / "none.json")]) == 2


def test_leaderboard_and_nomination(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = str(tmp_path / "board.sqlite")
    for name, score, co2 in (("green", 0.5, "0.01"), ("grey", 0.5, "3"), ("weak", 0.1, "0.001")):
        write_result(tmp_path / "r.json", whole_result(score))
        add = ["leaderboard", "add", "--db", board, str(tmp_path / "r.json"), "--name", name, "--co2", co2]
        assert main([*add, "--commit", "abc", "--profile", "mine", "--seed", "7"]) == 0
    with sqlite3.connect(board) as connection:
        rows = connection.execute("SELECT commit_id, profile, seed FROM runs").fetchall()
    assert rows == [("abc", "mine", 7)] * 3

    capsys.readouterr()
    assert main(["leaderboard", "show", "--db", board]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[3:6]] == [
        ["1", "-", "green"],  # without intervals there are no ranks that chance allows
        ["1", "-", "grey"],
        ["3", "-", "weak"],
    ]
    assert main(["leaderboard", "show", "--db", board, "--by", "vqa"]) == 0
    assert main(["leaderboard", "export", "--db", board, "--output", str(tmp_path / "b.csv")]) == 0
    assert main(["leaderboard", "export", "--db", board, "--output", str(tmp_path / "b.json")]) == 0
    assert len(json.loads((tmp_path / "b.json").read_text("utf-8"))["runs"]) == 3
    capsys.readouterr()
    assert main(["nomination", "--db", board]) == 0
    printed = capsys.readouterr().out
    assert "eligible from S = 0.500000" in printed
    [winner] = [line for line in printed.splitlines() if line.endswith("winner")]
    assert winner.startswith("green")
    assert "weak" not in printed


def test_the_training_s_co2_is_that_of_the_row_that_counts(
    emissions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, log, written = str(tmp_path / "board.sqlite"), tmp_path / "emissions.csv", emissions.read_text("utf-8")
    write_result(tmp_path / "r.json", whole_result(0.5))
    add = ["leaderboard", "add", "--db", board, str(tmp_path / "r.json"), "--name", "x"]
    assert main([*add, "--with-emissions", str(emissions)]) == 0
    [run] = leaderboard.read(Path(board))
    assert run.provenance.co2_kg == 0.52
    log.write_text(written.replace(" TargetValue", ""))
    assert main([*add, "--with-emissions", str(log)]) == 2
    assert "TargetValue" in capsys.readouterr().err
    head, first, _ = written.splitlines()
    readings = json.loads(emissions.with_name("training.csv.readings.json").read_text("utf-8"))
    sound, bad = readings[0]["readings"][0], json.loads(json.dumps(readings))
    bad[0]["readings"][0]["energy_kwh"] = "x"
    less = json.loads(json.dumps(readings))
    less[0]["readings"] = [{"device": sound["device"]}]
    beside = tmp_path / "emissions.csv.readings.json"
    for table, own in (
        ("a,b\n1,2\n", "[]"),
        (written.replace("0.52", "nan"), "[]"),
        (written.replace("0.52", "1e999"), "[]"),
        (f"{head}\n{first[: first.index(',Xeon/1')]}\n", "[]"),
        (written, "[" * 200_000),
        (written, json.dumps(bad)),
        (written, json.dumps(less)),
    ):
        log.write_text(table)
        beside.write_text(own)
        capsys.readouterr()
        assert main([*add, "--with-emissions", str(log)]) == 2
        assert capsys.readouterr().err.startswith(f"evaluation leaderboard: error [EMISSIONS] {log}")


def test_a_training_s_summary_fills_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, path = tmp_path / "board.sqlite", tmp_path / "training_emissions.json"
    write_result(tmp_path / "r.json", whole_result(0.5))
    add = ["leaderboard", "add", "--db", str(board), str(tmp_path / "r.json"), "--name", "x"]
    add += ["--training-emissions", str(path)]
    readings = (EnergyReading("cpu", "time x TDP", 0.5, 0.25), EnergyReading("gpu 0", "counter", 1.0, 0.5))
    summary = TrainingEmissions("p", "d", 2_700_000_000, True, 2, 60.0, 2.0, 1.0, readings, ())
    write_training_emissions(path, summary)
    assert main(add) == 0
    [run] = leaderboard.read(board)
    found = run.provenance
    assert (found.co2_kg, found.energy_kwh, found.own_co2_kg, found.parameters) == (1.0, 2.0, 0.75, 2_700_000_000)
    write_training_emissions(path, replace(summary, co2_kg=None, problems=("eco2AI is not installed",)))
    assert main(add) == 2
    assert "eco2AI measured nothing: eco2AI is not installed" in capsys.readouterr().err
    sound = json.loads(path.read_text("utf-8"))
    for content, problem in (
        ("{}", '"format" is not "fbc2 training emissions 1"'),
        (json.dumps({key: value for key, value in sound.items() if key != "energy_kwh"}), 'it has no "energy_kwh"'),
        (json.dumps(sound | {"co2_kg": -1}), "a figure is -1.0"),
        (
            json.dumps(sound | {"co2_kg": 10**400}),
            "'co2_kg' is a number of more than twenty digits, which is too large",
        ),
        (json.dumps(sound | {"readings": [{}]}), 'it has no "energy_kwh"'),
        (json.dumps(sound | {"readings": 7}), "a value is not what its place asks for"),
        ("[" * 200_000, "it is nested too deeply to be read"),
        ("{", "it is not JSON: Expecting property name"),
    ):
        path.write_text(content)
        assert main(add) == 2
        assert f"no summary of a training's emissions: {problem}" in capsys.readouterr().err
    write_training_emissions(path, replace(summary, parameters=10**20))
    assert main(add) == 2
    assert "parameters of run 'x' has more than 64 bits" in capsys.readouterr().err


def test_what_a_leaderboard_can_not_use_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = str(tmp_path / "board.sqlite")
    assert main(["leaderboard", "show", "--db", board]) == 2
    write_result(tmp_path / "r.json", result_of({task.key: [0.5] for task in TASKS[:3]}))
    add = ["leaderboard", "add", "--db", board, str(tmp_path / "r.json"), "--name", "part"]
    (tmp_path / "run.json").write_text("[]")
    assert main([*add, "--run", str(tmp_path / "run.json")]) == 2
    assert main(add) == 0
    assert main(["nomination", "--db", board]) == 2
    assert "no run of the leaderboard has an integral score" in capsys.readouterr().err


def test_old_names_of_options_are_read_and_not_shown(
    emissions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, board, result = write_files(tmp_path, {"a": 0}), str(tmp_path / "board"), str(tmp_path / "r.json")
    named = ["--predictions", str(files.predictions), "--ground-truth", str(files.ground_truth)]
    shown = ["--show-emissions", str(emissions), "--bootstrap-seed", "7"]
    assert main(["score", *named, "--ids", str(files.ids), "--json", result, "--report", str(tmp_path), *shown]) == 0
    assert main(["report", "--result", result, *named, "--out", str(tmp_path / "again"), *shown]) == 0
    add = ["leaderboard", "add", "--db", board, "--result", result, "--name", "x", "--weights", "5e"]
    assert main([*add, "--emissions", str(emissions)]) == 0
    [run] = leaderboard.read(Path(board))
    assert (run.provenance.weights, run.provenance.co2_kg) == ("5e", 0.52)
    assert main(["leaderboard", "export", "--db", board, "--out", str(tmp_path / "b.csv")]) == 0
    assert {path.name for path in tmp_path.rglob("*") if path.suffix in (".html", ".csv")} == {"report.html", "b.csv"}
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["leaderboard", "add", "--help"])
    assert not {"--result", "--weights", "--emissions"} & set(capsys.readouterr().out.split())


def test_no_result_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "add", "--db", "board", "--name", "x"]) == 2
    assert capsys.readouterr().err == (
        "evaluation leaderboard: error [USAGE] no result is named; name the file that `evaluation score --json` wrote\n"
    )
