"""What a run cost, as `run.json` has it: seconds, texts, pictures and tokens over all its sessions, and energy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contest.emissions.run_energy import RunEnergy, energy_of, sum_of
from contest.writing import write_json
from errors import UserError
from submission.report import RUN_REPORT_NAME
from submission.sessions import PhaseCost, Session

ANSWERING = ("encode", "answer", "ask again", "read crops", "captions")
DRAWING = ("restore", "draw", "improve")
GIVING_TEXTS, GIVING_PICTURES = "answer", "draw"  # what another phase chooses or writes anew is not another one


def cost_of(samples: int, sessions: Sequence[Session]) -> dict[str, Any] | None:
    """Return what all sessions of a run over so many samples cost; `energy` is added when the meter has ended.

    None where there was work before whose sessions left no record: a part of the cost would be taken for all of it.

    `seconds` are those in which a process ran; of several at once they count once. A phase's seconds are those of all
    processes, divided by how many ran at once on average.
    """
    if any(each.follows_unknown for each in sessions):
        return None
    seconds = _seconds_together([(each.began, each.began + each.seconds) for each in sessions])
    alone = sum(each.seconds for each in sessions)
    together = seconds / alone if alone else 1.0

    def part(names: Iterable[str], counted: str) -> dict[str, Any]:
        costs = {name: PhaseCost() for name in names}
        for each in sessions:
            for name in costs:
                costs[name] = costs[name].then(each.phases.get(name, PhaseCost()))
        return {
            "count": costs[counted].done,
            "seconds": together * sum(cost.seconds for cost in costs.values()),
            "tokens": sum(cost.tokens for cost in costs.values()),
        }

    return {
        "samples": samples,
        "sessions": len(sessions),
        "seconds": seconds,
        "answers": part(ANSWERING, GIVING_TEXTS),
        "pictures": part(DRAWING, GIVING_PICTURES),
        "energy": None,
    }


def merged_cost(shares: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Return what the shares of a run cost together, None if one does not tell.

    Hosts work at once: seconds are those of the share that took longest, and a phase's are those that would give the
    sum of all hosts' speeds.
    """
    costs = [cost for cost in shares if cost is not None]
    if not costs or len(costs) < len(shares):
        return None

    def part(name: str) -> dict[str, Any]:
        parts = [cost[name] for cost in costs]
        count, tokens = (sum(each[key] for each in parts) for key in ("count", "tokens"))
        speed = sum(each["count"] / each["seconds"] for each in parts if each["seconds"])
        return {"count": count, "seconds": count / speed if speed else 0.0, "tokens": tokens}

    energies = [None if cost["energy"] is None else RunEnergy.from_json(cost["energy"]) for cost in costs]
    known = [energy for energy in energies if energy is not None]
    if known and len(known) < len(energies):
        left = f"{len(energies) - len(known)} of {len(energies)} shares ran without --emissions"
        known.append(RunEnergy(0.0, 0.0, (), (left,)))
    return {
        "samples": sum(cost["samples"] for cost in costs),
        "sessions": sum(cost["sessions"] for cost in costs),
        "seconds": max(cost["seconds"] for cost in costs),
        "answers": part("answers"),
        "pictures": part("pictures"),
        "energy": sum_of(known).to_json() if known else None,
    }


def read_cost(folder: Path) -> dict[str, Any] | None:
    """Return what `run.json` in a folder says of the cost, None if it says nothing. Raises OSError, ValueError."""
    cost = json.loads((folder / RUN_REPORT_NAME).read_text(encoding="utf-8")).get("cost")
    try:
        if cost is not None:
            merged_cost([cost])  # whatever it lacks shows here
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise ValueError(f"{folder / RUN_REPORT_NAME}: its cost is none: {error}") from error
    return None if cost is None else dict(cost)


def add_energy(folder: Path, sessions: Sequence[Session]) -> None:
    """Add to `run.json` in a folder what the meter says, which it knows only when the run has ended.

    Raises ContestError, OSError, ValueError.
    """
    path = folder / RUN_REPORT_NAME
    report = json.loads(path.read_text(encoding="utf-8"))
    energy = energy_of([session.meter for session in sessions if session.process == 0])
    if report["cost"] is not None and energy is not None:
        report["cost"]["energy"] = energy.to_json()
        write_json(path, report, indent=1)


def _seconds_together(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of all spans together, what they share counted once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
