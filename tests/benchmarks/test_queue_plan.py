"""The simulated queue obeys what any queue must, and the page shows what the script prints."""

import random
from pathlib import Path

import pytest

from benchmarks.queue_plan import CRASH, HOUR, LIMIT, SCORING, durations, kinds, main, simulate

PAGE = Path(__file__).parents[2] / "docs" / "many_hosts.md"
NEVER = 1e15


@pytest.mark.parametrize(
    ("jobs", "gpus", "hours"),
    [
        ([1, 2, 3], 1, 6),
        ([1, 2, 3], 2, 4),
        ([1, 2, 3], 3, 3),
        ([1, 2, 3], 9, 3),
        ([5, 1, 1, 1, 1], 2, 5),
    ],
)
def test_known_queues(jobs, gpus, hours):
    plan = simulate([hour * HOUR for hour in jobs], gpus, random.Random(0), NEVER)
    assert (plan.hours, plan.gpu_hours, plan.lost) == (pytest.approx(hours), pytest.approx(hours * gpus), 0)


def test_lost_hosts_cost_time_and_no_submission():
    jobs = [HOUR] * 50
    without = simulate(jobs, 5, random.Random(0), NEVER)
    with_losses = simulate(jobs, 5, random.Random(0), 5.0)
    assert without.hours == pytest.approx(10)
    assert with_losses.lost > 0
    assert without.hours < with_losses.hours


def test_no_run_takes_longer_than_the_limit_and_its_scoring():
    for seconds in kinds().values():
        drawn = durations(seconds, 1000, random.Random(0))
        assert min(drawn) == CRASH
        assert max(drawn) <= LIMIT + SCORING
        assert 50 < drawn.count(CRASH) < 150


def test_page_shows_what_the_script_prints(capsys):
    main([])
    assert capsys.readouterr().out.strip() in PAGE.read_text("utf-8")
