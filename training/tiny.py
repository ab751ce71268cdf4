"""Everything that makes the bundled tiny weights, from nothing, in one command: `python -m training tiny`.

The world, both tokenizers, RUDOLPH in its stages, ruCLIP, ruDALL-E, an upscaler: each stage is a command of this
repository in a process of its own, measured by eco2AI. What a stage has made is not made again, so a command that was
cut off goes on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contest.children import end_with_parent
from contest.command_line import DONE, WITH_FAULTS, number, whole
from contest.console import is_quiet, say, show, show_progress
from contest.emissions.tracking import track
from training.measuring import add_machine_arguments

CONFIGS = Path(__file__).parent / "configs"
# Settings files, in this order.
RUDOLPH_STAGES = (
    *("tiny_lookup", "tiny_text", "tiny_pictures", "tiny_mixed", "tiny_facts", "tiny"),
    *("tiny_finish", "tiny_questions", "tiny_last"),
)
VALIDATION_SAMPLES = 500
ENDING_SECONDS = 20.0  # that a stopped stage has to save what it has


@dataclass(frozen=True, slots=True)
class WorldPart:
    """Tasks or drills of the synthetic world that are written with the same seed and amount."""

    tasks: tuple[str, ...]
    seed: int
    samples: int
    grades: tuple[str, ...] = ("easy", "middle", "hard")


# Drills about pictures come after both tokenizers, which do not learn from them.
WORLD = (
    WorldPart(("captioning", "generation", "vqa"), 1, 20_000),
    WorldPart(("text_recognition",), 1, 30_000),
    WorldPart(("textqa",), 1, 100_000),
    WorldPart(("mathqa",), 3, 120_000, ("easy", "easy", "easy", "easy", "middle", "hard")),
    WorldPart(("drill_textqa",), 1, 100_000),
    WorldPart(("drill_retelling", "drill_copying"), 1, 50_000),
    WorldPart(("drill_mathqa",), 3, 100_000),
)
PICTURE_DRILLS = (
    WorldPart(("drill_vqa",), 1, 30_000),
    WorldPart(("drill_picture_facts",), 1, 20_000, ("easy", "middle", "middle", "hard", "hard")),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of the recipe: arguments behind `python -m`, and the last thing that it writes.

    `clears`: folders that it wants empty; what lies in them when it begins is left from one that was cut off.
    """

    name: str
    command: tuple[str, ...]
    makes: Path
    clears: tuple[Path, ...] = ()


def stages(output: Path, threads: int = 1, scale: float = 1.0) -> list[Stage]:
    """Return the recipe, writing below `output`; `scale` multiplies all amounts, to try it output."""
    data, runs, weights = output / "data", output / "runs", output / "weights"

    def amount(full: int, least: int = 1) -> str:
        return str(max(least, round(full * scale)))

    def world(part: WorldPart) -> Stage:
        command = ["data_prep", "synthetic", "--output", str(data), "--seed", str(part.seed), "--test", "0"]
        command += ["--train", amount(part.samples, 150), "--validation", amount(VALIDATION_SAMPLES, 30)]
        command += ["--tasks", ",".join(part.tasks), "--grades", ",".join(part.grades)]
        folders, last = tuple(data / task for task in part.tasks), f"{part.tasks[-1]}_val_grade.json"
        return Stage(f"world: {', '.join(part.tasks)}", tuple(command), folders[-1] / last, folders)

    def training(name: str, before: str | None) -> Stage:
        settings = {
            "data.folder": str(data),
            "weights": str(weights),
            "output": str(runs / name),
            "compute.threads": str(threads),
            **({} if before is None else {"model.start": str(runs / before / "rudolph")}),
            **({} if scale == 1 else {"steps": amount(1000, 2), "validation.samples": "3"}),
        }
        command = ["training", "tune", "--config", str(CONFIGS / f"{name}.yaml")]
        command += [f"{key}={value}" for key, value in settings.items()]
        return Stage(f"RUDOLPH: {name}", tuple(command), runs / name / "rudolph" / "model.safetensors")

    bpe = str(weights / "bpe.model")
    vqgan = ("--data", str(data), "--output", str(weights / "vqgan"), "--steps", amount(4000, 30), "--seed", "0")
    ruclip = ("--data", str(data), "--bpe", bpe, "--output", str(weights / "ruclip"), "--steps", amount(800, 2))
    dalle, enlarging = weights / "dalle", weights / "rrdbnet_x4"
    unmeasured = ("--emissions", "none")  # by the stage's own command: each stage is measured here
    malevich = ("--data", str(data), "--weights", str(weights), "--output", str(dalle), "--steps", amount(900, 2))
    upscaler = ("--data", str(data), "--output", str(enlarging), "--steps", amount(800, 2))
    return [
        *(world(part) for part in WORLD),
        Stage("BPE", ("training", "bpe", "--data", str(data), "--output", bpe, "--vocab", "1024"), Path(bpe)),
        Stage("VQGAN", ("training", "vqgan", *vqgan), weights / "vqgan" / "training.json"),
        *(world(part) for part in PICTURE_DRILLS),
        *(training(name, before) for before, name in zip((None, *RUDOLPH_STAGES), RUDOLPH_STAGES, strict=False)),
        Stage("ruCLIP", ("training", "ruclip", *ruclip), weights / "ruclip" / "training.json"),
        Stage("ruDALL-E", ("training", "malevich", *malevich, *unmeasured), dalle / "training.json"),
        Stage("upscaler", ("training", "upscaler", *upscaler, *unmeasured), enlarging / "training.json"),
    ]


def environment(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the variables that every stage runs with."""
    return {**inherited, "OMP_NUM_THREADS": str(threads)}


def run_stage(stage: Stage, variables: Mapping[str, str]) -> int:
    """Run a stage's command and return its exit status; it ends when this process does, however that one ends.

    It is as quiet as this one.
    """
    parent, quiet = os.getpid(), ["--quiet"] if is_quiet() else []
    process = subprocess.Popen(
        [sys.executable, "-m", *stage.command, *quiet],
        env=variables,
        preexec_fn=lambda: end_with_parent(parent),
    )
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    folder = Path("runs/tiny_weights")
    parser.add_argument("--output", type=Path, default=folder, metavar="DIR", help="folder of all that is made")
    parser.add_argument(
        "--threads", type=whole(least=1), default=1, metavar="N", help="processor threads of every training"
    )
    add_machine_arguments(parser)
    parser.add_argument(
        "--scale",
        type=number(least=0, most=1, above=True),
        default=1.0,
        metavar="X",
        help="share of every amount, to try it out",
    )
    parser.set_defaults(run=run, keeps=("output",), when_stopped="the same command goes on from here")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; status 1 for a stage that failed (it is named)."""
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    recipe = stages(output, options.threads, options.scale)
    for place_in_recipe, stage in enumerate(recipe, 1):
        place = f"{place_in_recipe} of {len(recipe)}: {stage.name}"
        if stage.makes.exists():
            show_progress(f"{place}: made before ({stage.makes})")
            continue
        show_progress(f"{place}: python -m {shlex.join(stage.command)}")
        for folder in stage.clears:
            shutil.rmtree(folder, ignore_errors=True)  # one that stays is named by the command itself
        with track(
            "bundled tiny weights", stage.name, output / "emissions.csv", options.country, tdp_watts=options.tdp_watts
        ) as tracking:
            status = run_stage(stage, environment(os.environ, options.threads))
        show_progress(f"{place}: {tracking.outcome}")
        if status:
            say(f"training tiny: {place}: exit status {status}; start it again to go on")
            return WITH_FAULTS
    weights, last = output / "weights", output / "runs" / RUDOLPH_STAGES[-1] / "rudolph"
    (weights / "rudolph").mkdir(exist_ok=True)
    for file in last.iterdir():
        shutil.copyfile(file, weights / "rudolph" / file.name)
    show(f"weights: {weights}; their CO2, a row a stage: {output / 'emissions.csv'}")
    return DONE
