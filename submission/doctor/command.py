"""`submission doctor`: all readings, as text or JSON. Exit status 0: a run can start. 1: it would go wrong."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from contest.limits import OUTPUT_DIR
from submission import VERSION
from submission.doctor.machine import free_memory, look_at_machine
from submission.doctor.reading import Reading
from submission.doctor.software import look_at_software
from submission.doctor.weights import look_at_weights

WELL, ILL = 0, 1


def readings(weights: Path, output: Path, root: Path) -> tuple[Reading, ...]:
    """Look at everything; nothing is changed, and nothing is asked of the network."""
    gpu = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None
    return (
        *look_at_software(root),
        *look_at_machine(output),
        *look_at_weights(weights, free_memory(), gpu),
    )


def show(options: argparse.Namespace) -> int:
    """`doctor`: print the readings; return the exit status."""
    found = readings(options.weights, options.output, Path(__file__).resolve().parents[2])
    ill = any(reading.health == "error" for reading in found)
    if options.json:
        print(json.dumps(to_json(found), ensure_ascii=False, indent=1))
    else:
        print("\n".join(map(str, found)))
        print("a run would go wrong" if ill else "a run can start")
    return ILL if ill else WELL


def to_json(found: Sequence[Reading]) -> dict[str, object]:
    """Return the readings as a JSON object."""
    return {"fbc2": VERSION, "platform": platform.platform(), "readings": [asdict(reading) for reading in found]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `doctor`."""
    weights = Path(__file__).resolve().parents[2] / "weights"
    add = parser.add_argument
    add("--weights", type=Path, default=weights, metavar="DIR", help="folder with bpe.model, rudolph/ and vqgan/")
    add("--output", type=Path, default=Path(OUTPUT_DIR), metavar="DIR", help="where a run would write")
    add("--json", action="store_true", help="print JSON")
