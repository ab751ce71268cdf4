"""What of a run is written down, and how its CO2 is measured: settings, validated. Watches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from contest.emissions.tracking import FINAL_MARK, country_code
from evaluation.metrics.cases import MODES, Mode

MIN_PERIOD = 0.1


@dataclass
class WatchSettings:
    """How a run is watched.

    `log_every`: steps between two rows of the log. `tensorboard`: whether `out/tensorboard` is written. `plots`:
    whether `out/plots` is drawn at each validation. `mode`: how answers are scored at validation, `official` (the
    organisers' scripts) or `strict` (their rules). `answers`: how many of a task's are written to `out/validation`.
    `epoch_steps`: steps of an epoch; by default one pass over the task that takes longest to go round.
    """

    log_every: int = 25
    tensorboard: bool = True
    plots: bool = True
    mode: str = "official"
    answers: int = 5
    epoch_steps: int | None = None

    @property
    def scoring(self) -> Mode:
        """`mode`, as the metrics have it."""
        return cast(Mode, self.mode)

    def problems(self) -> dict[str, str | bool]:
        """What can not be used, by key; a value that is fine has False."""
        return {
            "log_every": self.log_every < 1 and "must be at least 1",
            "mode": self.mode not in MODES and f"must be one of {', '.join(MODES)}",
            "answers": self.answers < 0 and "must not be negative",
            "epoch_steps": self.epoch_steps is not None and self.epoch_steps < 1 and "must be at least 1",
        }


@dataclass
class EmissionsSettings:
    """How a run's CO2 is measured, as the contest's rules ask: by eco2AI.

    `file`: eco2AI's CSV file, relative to `out`; none: nothing is measured. `project_name` names the task;
    `experiment_description` says what is trained, to which the model's size and the run's are added. `final` marks the
    run as the one that counts. `country`: where it runs (ISO 3166, two letters). `tdp_watts`: power of one processor
    package; by default eco2AI's guess from its name. `period`: seconds between two measurements.
    """

    file: str | None = None
    project_name: str = "FusionBrain Challenge 2.0"
    experiment_description: str = "RUDOLPH"
    final: bool = False
    country: str = "RU"
    tdp_watts: float | None = None
    period: float = 1.0

    def problems(self) -> dict[str, str | bool]:
        """What can not be used, by key; a value that is fine has False."""
        return {
            "file": self.file is not None and not self.file.strip() and "is empty",
            "country": _country_problem(self.country),
            "tdp_watts": self.tdp_watts is not None and not 0 < self.tdp_watts < 1e5 and "must be positive, in watts",
            "period": not MIN_PERIOD <= self.period <= 3600 and f"must lie in [{MIN_PERIOD:g}, 3600], in seconds",
            "experiment_description": FINAL_MARK in self.experiment_description
            and not self.final
            and f"has the key phrase {FINAL_MARK}, which marks the run that counts: set final to true instead",
        }


def _country_problem(text: str) -> str | bool:
    try:
        return country_code(text) != text and "must be in capitals"
    except ValueError as error:
        return str(error)
