"""What is pushed: the weights in both forms, their configuration, the card, and the results, in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contest.atomic import copied_or_linked
from contest.writing import write_bytes
from errors import UserError
from evaluation.platforms.hub import RESULTS_FILE, evaluation_results
from evaluation.results import Result
from models.rudolph import read_config
from models.rudolph.loading import load_rudolph_file
from models.weights_folder import CONFIG_FILE
from training.co2_report.figures import Co2ReportError, gather
from training.push.card import CardFacts, card
from training.tune.emissions import parameter_count
from training.tune.export import PUBLISHED_FILE, PUBLISHED_FOLDER, SAFETENSORS_FILE, SAFETENSORS_FOLDER

CARD_FILE = "README.md"


class NotTrainedError(UserError):
    """A folder that no finished training wrote."""


@dataclass(frozen=True)
class PushPlan:
    """What is told of a run's model beyond what its folder holds, for the card.

    `benchmark` is the id on the hub of the test's data set; without it results stand in the card alone.
    """

    name: str
    licence: str
    data: tuple[str, ...] = ()
    base: str = ""
    scores: Result | None = None
    benchmark: str = ""


def write_folder(run: Path, output: Path, plan: PushPlan) -> list[Path]:
    """Write what is pushed of a training's output folder; return the files.

    The weights are looked at first, name by name, as a reader will. Raises NotTrainedError, `ModelFileError` for
    weights that are not whole, `Co2FileError`, ContestError, OSError.
    """
    forms = (
        (run / SAFETENSORS_FOLDER / SAFETENSORS_FILE, SAFETENSORS_FILE),
        (run / PUBLISHED_FOLDER / PUBLISHED_FILE, PUBLISHED_FILE),
    )
    for path, _ in forms:
        if not path.is_file():
            raise NotTrainedError(
                f"no trained weights: {path} is not there", "name the --output of a `training tune` that has ended"
            )
    config_file = run / SAFETENSORS_FOLDER / CONFIG_FILE
    config = read_config(config_file)
    for path, _ in forms:
        load_rudolph_file(path, config, "meta")
    try:
        figures = gather(run)
        emissions, country = figures.summary, figures.country
    except Co2ReportError:  # nothing was measured, which the card says
        emissions, country = None, ""
    facts = CardFacts(
        plan.name,
        config,
        parameter_count(config),
        plan.licence,
        plan.data,
        plan.base,
        emissions,
        country,
        plan.scores,
    )
    texts = {CARD_FILE: card(facts), CONFIG_FILE: config_file.read_text("utf-8")}
    if plan.scores is not None and plan.benchmark:
        texts[RESULTS_FILE] = evaluation_results(plan.scores, plan.benchmark)
    for name, text in texts.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(output / name, text.encode())
    for path, name in forms:
        copied_or_linked(path, output / name)
    return sorted(output / name for name in (*texts, *(name for _, name in forms)))
