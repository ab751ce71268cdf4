"""The one command that makes the bundled weights: what it runs, that it goes on where it was cut off, how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contest.console import quiet
from data_prep.__main__ import main as data_prep
from training.__main__ import main as training
from training.tiny import Stage, environment, run_stage, stages
from training.tune.settings_file import read_settings

ROOT = Path(__file__).parents[2]


def settings_of(stage: Stage) -> list[str]:
    return [part for part in stage.command if "=" in part]


def test_the_stages_in_order(tmp_path: Path) -> None:
    assert [stage.name for stage in stages(tmp_path)] == [
        "world: captioning, generation, vqa",
        "world: text_recognition",
        "world: textqa",
        "world: mathqa",
        "world: drill_textqa",
        "world: drill_retelling, drill_copying",
        "world: drill_mathqa",
        "BPE",
        "VQGAN",
        "world: drill_vqa",
        "world: drill_picture_facts",
        "RUDOLPH: tiny_lookup",
        "RUDOLPH: tiny_text",
        "RUDOLPH: tiny_pictures",
        "RUDOLPH: tiny_mixed",
        "RUDOLPH: tiny_facts",
        "RUDOLPH: tiny",
        "RUDOLPH: tiny_finish",
        "RUDOLPH: tiny_questions",
        "RUDOLPH: tiny_last",
        "ruCLIP",
        "ruDALL-E",
        "upscaler",
    ]


def test_every_training_starts_where_the_one_before_ended(tmp_path: Path) -> None:
    """The settings files name the same chain as the recipe, so that either can be followed."""
    trainings = [stage for stage in stages(tmp_path) if "tune" in stage.command]
    before = None
    for stage in trainings:
        config = Path(stage.command[3])
        alone, in_recipe = read_settings(config, []), read_settings(config, settings_of(stage))
        assert (alone.model.start is None) == (in_recipe.model.start is None) == (before is None)
        if before is not None:
            assert in_recipe.model.start == str(before.makes.parent)
            assert alone.model.start == f"runs/{before.makes.parent.parent.name}/rudolph"
        assert (alone.steps, alone.tasks) == (in_recipe.steps, in_recipe.tasks)
        before = stage


def test_a_trial_is_smaller_in_every_amount(tmp_path: Path) -> None:
    full, trial = (" ".join(" ".join(s.command) for s in stages(tmp_path, scale=scale)) for scale in (1, 0.001))
    for wanted in ("--train 20000", "--train 100000", "--steps 4000", "--steps 800"):
        assert wanted in full
        assert wanted not in trial
    assert trial.count("steps=2 ") == 9


def test_every_stage_takes_the_quiet_that_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for room, command in {stage.command[:2] for stage in stages(tmp_path)}:
        with pytest.raises(SystemExit):
            {"data_prep": data_prep, "training": training}[room]([command, "--help"])
        assert "--quiet" in capsys.readouterr().out, command
    started: list[list[str]] = []

    class Started:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Started)
    for wanted in (False, True):
        with quiet(wanted):
            assert run_stage(stages(tmp_path)[0], {}) == 0
    assert [command[-1] == "--quiet" for command in started] == [False, True]


def test_every_stage_has_the_threads_asked_for() -> None:
    assert environment({"OMP_NUM_THREADS": "64", "HOME": "/root"}, 2)["OMP_NUM_THREADS"] == "2"
    assert environment({"HOME": "/root"}, 1)["HOME"] == "/root"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", "tiny", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--threads", "0"], "--threads: must be a whole number from 1, not '0'"),
        (["--scale", "2"], "--scale: must be a number above 0 to 1, not '2'"),
        (["--country", "Россия"], "country"),
    ],
)
def test_bad_arguments(arguments: list[str], says: str, tmp_path: Path) -> None:
    ended = run("--output", str(tmp_path / "out"), *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_recipe_resumes_and_names_a_failing_stage(tmp_path: Path) -> None:
    """The second stage was cut off and is run anew; the VQGAN's folder can not be made, as a file is in its way."""
    recipe = stages(tmp_path, scale=0.001)
    cut_off = recipe[1]
    for stage in recipe[: [stage.name for stage in recipe].index("VQGAN")]:
        stage.makes.parent.mkdir(parents=True, exist_ok=True)
        if stage is not cut_off:
            stage.makes.touch()
    (left_over := cut_off.clears[0] / "text_recognition_train.json").write_text("{")
    (tmp_path / "weights" / "vqgan").touch()
    ended = run("--output", str(tmp_path), "--scale", "0.001")
    assert ended.returncode == 1
    assert ended.stdout.count("made before") == 7
    assert cut_off.makes.is_file()
    assert len(json.loads(left_over.read_text("utf-8"))) == 150
    assert "training tiny: 9 of 23: VQGAN: exit status 2; start it again to go on" in ended.stderr


@pytest.mark.slow
def test_the_whole_recipe_in_small(tmp_path: Path) -> None:
    ended = run("--output", str(tmp_path), "--scale", "0.001")
    assert ended.returncode == 0, ended.stderr
    weights = tmp_path / "weights"
    assert sorted(path.name for path in weights.iterdir()) == [
        "bpe.model",
        "dalle",
        "rrdbnet_x4",
        "ruclip",
        "rudolph",
        "vqgan",
    ]
    rows = (tmp_path / "emissions.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + len(stages(tmp_path))
    assert json.loads((weights / "rudolph" / "config.json").read_text("utf-8"))["num_layers"] == 6
    again = run("--output", str(tmp_path), "--scale", "0.001")
    assert again.returncode == 0
    assert again.stdout.count("made before") == len(stages(tmp_path))
