"""eco2AI around a whole training, as the contest's rules ask, and what a report has to know of it afterwards.

`OUTPUT/co2_run.json` lists the sessions of a run (one, or several if it was killed and went on) by the ids of their
rows in eco2AI's file. On several machines, one process of each measures that machine, into files of its own.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from contest.console import say
from contest.emissions.rows import FINAL_MARK
from contest.emissions.tracking import Tracking, tell, track
from contest.writing import write_json
from errors import UserError, reason_of
from models.rudolph import Config, Rudolph
from training.tune.callbacks.co2_log import CO2_FILE, Co2Log
from training.tune.errors import make_output
from training.tune.initial_weights import starting_config
from training.tune.nodes import ProcessPlace
from training.tune.settings import TuneSettings

RUN_FILE = "co2_run.json"


def parameter_count(config: Config) -> int:
    """Return how many parameters a network of this shape has; no memory is taken for them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Rudolph(config).parameters())


def description(settings: TuneSettings, config: Config) -> str:
    """Return what the rules call experiment_description: what is trained, its size, what on, whether it counts."""
    parts = [
        settings.emissions.experiment_description,
        f"{parameter_count(config)} parameters ({config.num_layers} layers, hidden size {config.hidden_size})",
    ]
    if settings.lora.rank:
        parts.append(f"LoRA of rank {settings.lora.rank}")
    frozen = [name for name, value in vars(settings.freeze).items() if value]
    if frozen:
        parts.append(f"frozen: {' '.join(frozen)}")
    parts.append(f"{settings.steps} steps, tasks: {' '.join(settings.tasks)}")
    text = "; ".join(part for part in parts if part)
    return f"{text} {FINAL_MARK}" if settings.emissions.final and FINAL_MARK not in text else text


@contextmanager
def measure_emissions(settings: TuneSettings) -> Iterator[Co2Log | None]:
    """Measure the enclosed training; yield the callback that writes `co2.csv`, or None where nothing is measured.

    That is so without a file in the settings, and on all but the first process of a machine. What goes wrong with the
    measurement is said on standard error and stops nothing. Raises what `read_config` raises, and
    `SettingsError` for `output`.
    """
    own, place = settings.emissions, ProcessPlace.of(os.environ)
    if own.file is None or place.local_rank:
        yield None
        return
    config, output = starting_config(settings.model, settings.weights_directory), Path(settings.output)
    make_output(output)
    file, text, record = place.named(own.file), description(settings, config), output / place.named(RUN_FILE)
    about = {
        "project_name": own.project_name,
        "experiment_description": text,
        "parameters": parameter_count(config),
        "country": own.country,
        "final": own.final,
        "emissions_file": file,
    }
    log = None
    try:
        with track(
            own.project_name,
            text,
            output / file,
            own.country,
            tdp_watts=own.tdp_watts,
            root=place.root,
            gpus=place.gpus(settings.compute.device),
            period=own.period,
        ) as tracking:
            _attempt(lambda: _put_session(record, about, tracking, datetime.now(UTC), place))
            log = Co2Log(tracking, output / place.named(CO2_FILE))
            try:
                yield log
            finally:  # read before the measuring process ends: from then on its own work counts as this one's child's
                _attempt(log.end)
    finally:
        if log is not None and tracking.outcome is not None:
            _attempt(log.close)
            _attempt(lambda: _put_session(record, about, tracking, datetime.now(UTC), place))
            tell(tracking.outcome, place.name if place.nodes > 1 else "")


def _put_session(
    record: Path, about: Mapping[str, Any], tracking: Tracking, now: datetime, place: ProcessPlace
) -> None:
    """Write down that this session began; or how its measurement ended. Raises OSError, ContestError, ValueError."""
    sessions = json.loads(record.read_text(encoding="utf-8"))["stretches"] if record.is_file() else []
    time, outcome = now.isoformat(timespec="seconds"), tracking.outcome
    if outcome is None:
        began: dict[str, Any] = {"id": tracking.row_id, "started": time, "ended": None, "status": None, "reasons": []}
        sessions.append(began | {"host": socket.gethostname(), "nodes": place.nodes})
    else:
        sessions[-1] |= {"ended": time, "status": outcome.status.value, "reasons": list(outcome.reasons)}
    write_json(record, {**about, "stretches": sessions})


def _attempt(what: Callable[[], None]) -> None:
    """Do what must not stop a training; say what went wrong."""
    try:
        what()
    except (OSError, UserError, ValueError, LookupError, TypeError) as error:
        say(f"training tune: emissions: {reason_of(error)}; the training goes on")
