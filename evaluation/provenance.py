"""What the leaderboard takes from `run.json`, which `submission run` writes.

The leaderboard keeps one hash of the weights, where `run.json` has one for each file: the SHA-256 of the list that
`sha256sum` would print for these files, sorted by name. So it differs as soon as any one of them does, and a person
can make it with `sha256sum bpe.model rudolph/config.json ... | sha256sum` in the folder of the weights. Where a ruCLIP
chose among drawings, the hash of its weights stands in the list as `ruclip`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.cost import RunCost, cost_of_report
from evaluation.json_values import dict_of, entry, list_of, mapping, number, read_json, reading, text, whole

RUN_REPORT_NAME = "run.json"
FINISHED = "finished"
"""What `run.json` says of a run that came to its end."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run tells of itself.

    `weights` is None where the run ended before it had loaded some, `cost` where the run was of an earlier version.
    """

    weights: str | None
    profile: str
    seed: int
    hardware: str
    seconds: float
    ended: str
    cost: RunCost | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end."""
        return self.ended == FINISHED


def read_run_report(path: Path) -> RunReport:
    """Read what `submission run` wrote. Raises ResultFileError."""
    with reading(path, "report of a run", "give the run.json that `submission run` wrote"):
        return _parsed(mapping(read_json(path), "the top level"))


def weights_hash(files: Mapping[str, str]) -> str | None:
    """Return one hash for the hashes of several files by name; None if there is no file."""
    if not files:
        return None
    lines = "".join(f"{value}  {name}\n" for name, value in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _parsed(value: dict[str, Any]) -> RunReport:
    hashes = entry(value, "weights_sha256", dict_of(text))
    if "ruclip_sha256" in value:  # it chose among the drawings
        hashes["ruclip"] = entry(value, "ruclip_sha256", text)
    processes = entry(value, "processes", list_of(mapping)) if "processes" in value else ()
    devices = [_device(process) for process in processes] or [_device(value)]
    counts = Counter(devices)
    return RunReport(
        weights=weights_hash(hashes),
        profile=entry(entry(value, "profile", mapping), "name", text),
        seed=entry(value, "seed", whole),
        hardware=", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items()),
        seconds=entry(value, "seconds", number),
        ended=entry(value, "ended", text),
        cost=cost_of_report(value.get("cost"), '"cost"'),
    )


def _device(value: Mapping[str, Any]) -> str:
    return entry(entry(value, "device", mapping), "name", text)
