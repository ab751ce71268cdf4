"""`submission doctor`: all readings, as text or JSON. Exit status 0: a run can start. 1: it would go wrong.

It starts with nothing but Python itself: what needs torch is imported where it is used, and may fail to be.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from contest import VERSION
from contest.command_line import DONE, WITH_FAULTS
from contest.console import one_line, show
from contest.limits import OUTPUT_DIR
from contest.writing import write_json
from models.named_folders import NotFetchedError, weights_folder
from submission.commands import ROOT, WEIGHTS, WEIGHTS_HELP
from submission.doctor.diagnosis import Diagnosis
from submission.doctor.machine import free_memory, look_at_machine
from submission.doctor.software import look_at_software
from submission.doctor.weight_files import look_at_files, look_for_parts

STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `doctor`."""
    add = parser.add_argument
    add("--weights", type=Path, default=WEIGHTS, metavar="DIR|ID", help=WEIGHTS_HELP)
    add("--output", type=Path, default=Path(OUTPUT_DIR), metavar="DIR", help="where a run would write")
    add("--json", type=Path, nargs="?", const=STDOUT, metavar="FILE", help="write JSON; without FILE, print it")
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Print the readings; return the exit status."""
    found = readings(options.weights, options.output, ROOT)
    ill = any(reading.health == "error" for reading in found)
    if options.json == STDOUT:
        show(json.dumps(to_json(found), ensure_ascii=False, indent=1))
    else:
        if options.json is not None:
            write_json(options.json, to_json(found), indent=1)
        show("\n".join(one_line(str(reading)) for reading in found))
        show("a run would go wrong" if ill else "a run can start")
    return WITH_FAULTS if ill else DONE


def to_json(found: Sequence[Diagnosis]) -> dict[str, object]:
    """Return the readings as a JSON object."""
    return {"fbc2": VERSION, "platform": platform.platform(), "readings": [asdict(reading) for reading in found]}


def readings(weights: Path, output: Path, root: Path) -> tuple[Diagnosis, ...]:
    """Look at everything; nothing is changed, and nothing is asked of the network."""
    return (
        *look_at_software(root),
        *look_at_machine(output),
        *_if_importable("gpu", _look_at_gpus),
        *_readings_of(weights),
    )


def _readings_of(weights: Path) -> tuple[Diagnosis, ...]:
    try:
        folder = weights_folder(weights)
    except NotFetchedError as error:
        return (Diagnosis("weights", error.reason, "error", error.remedy),)
    found = _if_importable("weights", lambda: _look_at_weights(folder), lambda: look_at_files(folder))
    return (*found, *look_for_parts(folder))


def _look_at_gpus() -> Iterable[Diagnosis]:
    from submission.doctor.gpus import look_at_gpus

    return look_at_gpus()


def _look_at_weights(weights: Path) -> Iterable[Diagnosis]:
    from submission.doctor.gpus import free_gpu_memory
    from submission.doctor.weights import look_at_weights

    return look_at_weights(weights, free_memory(), free_gpu_memory())


def _if_importable(
    name: str, look: Callable[[], Iterable[Diagnosis]], otherwise: Callable[[], Iterable[Diagnosis]] = tuple
) -> tuple[Diagnosis, ...]:
    """Return the readings of a part that needs packages; where those are missing or broken, one that says so.

    Then `otherwise` says what can be said without them.
    """
    try:
        return tuple(look())
    except Exception as error:  # a package that is broken may raise anything
        value = f"can not be looked at: {type(error).__name__}: {error}"
        return (Diagnosis(name, value, "error", "repair the packages first, then ask again"), *otherwise())
