"""Time and cost of a thousand submissions in the queue, on paper: what an organiser has to plan for.

    python benchmarks/queue_plan.py                     # the table of docs/many_hosts.md
    python benchmarks/queue_plan.py --price 1.5 --submissions 300 --gpus 4 16

Nobody has run this. What one run takes comes from counts and measurements of RESULTS.md; what was carried over to
another machine or size is said at each figure. The queue itself is simulated: a GPU takes the next submission when
it is free, and hosts that are lost give theirs back after a lease.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0
TASKS, SAMPLES = 12, 1000  # as in the contest's own announcement: a thousand samples a task
DRAWING_TASKS = 2
# An A100 moves 2.0e12 bytes a second on paper. On a processor a step took 1.8 times (fp32) what bandwidth alone
# asks (packed weights came at 21 of 29 GB a second); the same is assumed here: no step was measured on such a card.
BYTES_A_SECOND = 2.0e12 / 1.8
# Counted at the 2.7B's size in half precision, at 128 samples at once (RESULTS.md): bytes of a step, and steps.
DRAWING_STEP, DRAWING_STEPS = 24.2e9, 576
ANSWERING_STEP, ANSWERING_STEPS = 49.4e9, 126  # as if no answer ended early
AT_ONCE = 128
LOADING = 2 * MINUTE  # of container and weights; assumed
SCORING = 3 * MINUTE  # texts: 4 s for 3,000 samples a task, measured; pictures by ruCLIP and Inception: assumed
PUBLISHED_RATIO = 7.8  # published code to this, measured with 350M at 32 samples on a processor; carried over
LIMIT = 5 * HOUR  # the contest's
CRASHING, CRASH = 0.1, 3 * MINUTE  # share of submissions that end early, and when; assumed
SPREAD = 0.3  # of what submissions of one kind take, up and down; assumed
LEASE = 5 * MINUTE  # the queue's default
HOURS_BETWEEN_LOSSES = 30 * 24.0  # of one host; assumed
PRICE = 2.0  # dollars for an hour of a GPU; assumed


def own_seconds() -> float:
    """Seconds that this project's container takes for the test."""
    drawn = DRAWING_TASKS * SAMPLES / AT_ONCE * DRAWING_STEPS * DRAWING_STEP
    answered = (TASKS - DRAWING_TASKS) * SAMPLES / AT_ONCE * ANSWERING_STEPS * ANSWERING_STEP
    return LOADING + (drawn + answered) / BYTES_A_SECOND


def kinds() -> dict[str, float]:
    """Seconds of a run by what all submissions are like, before the limit."""
    computing = own_seconds() - LOADING
    return {
        "this container": own_seconds(),
        "the published code": LOADING + PUBLISHED_RATIO * computing,
        "runs to the limit": LIMIT,
    }


def durations(seconds: float, count: int, chance: random.Random) -> list[float]:
    """Seconds that each of `count` submissions has its GPU, scoring included; none has more than the limit and that."""
    drawn = []
    for _ in range(count):
        spread = seconds if seconds >= LIMIT else seconds * chance.uniform(1 - SPREAD, 1 + SPREAD)
        drawn.append(CRASH if chance.random() < CRASHING else min(spread, LIMIT) + SCORING)
    return drawn


@dataclass(frozen=True)
class Plan:
    """What came of it: hours until the last verdict, hours of all GPUs until then, and runs that a lost host cost."""

    hours: float
    gpu_hours: float
    lost: int


def simulate(
    jobs: Sequence[float], gpus: int, chance: random.Random, hours_between_losses: float = HOURS_BETWEEN_LOSSES
) -> Plan:
    """Let `gpus` take one job after the other; each is lost with its host, at random, and then waits again.

    A host that is lost is gone for an hour. GPUs are paid for from the beginning to the last verdict.

    Args:
        jobs: seconds of each.
        gpus: how many work at once.
        chance: draws the losses.
        hours_between_losses: mean of one host; a job of a GPU ends with it.

    """
    free = [0.0] * gpus
    waiting = [(0.0, number) for number in range(len(jobs))]  # (from when on, which)
    ended, lost = 0.0, 0
    while waiting:
        since, number = heapq.heappop(waiting)
        start = max(since, heapq.heappop(free))
        loss = chance.expovariate(1 / (hours_between_losses * HOUR))
        if loss < jobs[number]:
            lost += 1
            heapq.heappush(waiting, (start + loss + LEASE, number))
            heapq.heappush(free, start + loss + HOUR)
            continue
        heapq.heappush(free, start + jobs[number])
        ended = max(ended, start + jobs[number])
    return Plan(ended / HOUR, gpus * ended / HOUR, lost)


def table(submissions: int, gpus: Sequence[int], price: float) -> str:
    """The table in Markdown."""
    lines = [
        f"| {submissions:,} submissions like | a run, minutes | GPUs "
        "| until the last verdict, hours | GPU hours | dollars |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, seconds in kinds().items():
        for count in gpus:
            chance = random.Random(0)
            plan = simulate(durations(seconds, submissions, chance), count, chance)
            cells = (kind, f"{seconds / MINUTE:.0f}", str(count), f"{plan.hours:.1f}", f"{plan.gpu_hours:,.0f}")
            lines.append(f"| {' | '.join(cells)} | {plan.gpu_hours * price:,.0f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=1000, metavar="N", help="how many there are")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 512], metavar="N", help="how many work at once")
    parser.add_argument("--price", type=float, default=PRICE, metavar="DOLLARS", help="of an hour of a GPU")
    options = parser.parse_args(arguments)
    print(table(options.submissions, options.gpus, options.price))


if __name__ == "__main__":
    main()
