"""Which example stands where: tasks as often as asked, examples in turn, the same for any step and process."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.tune.data.sampler import BatchPlace, FixedMixture, Mixture, Sampler, SharedMixture, mixture_of
from training.tune.settings import DataSettings, TaskSettings

SIZES = {"textqa": 7, "mathqa": 100, "vqa": 3}


def mixture(**changes: object) -> Mixture:
    tasks = {"textqa": TaskSettings(samples=2, share=1.0), "mathqa": TaskSettings(samples=4, share=3.0)}
    return mixture_of(DataSettings("data", **changes), tasks, seed=0)  # type: ignore[arg-type]


def test_fixed_mixture_is_the_same_in_every_batch() -> None:
    assert mixture().places(0) == [
        BatchPlace("textqa", 0), BatchPlace("textqa", 1),
        BatchPlace("mathqa", 0), BatchPlace("mathqa", 1), BatchPlace("mathqa", 2), BatchPlace("mathqa", 3),
    ]  # fmt: skip
    assert mixture().places(5)[1:3] == [BatchPlace("textqa", 11), BatchPlace("mathqa", 20)]


@pytest.mark.parametrize(
    ("changes", "batch", "tasks"),
    [
        ({"sampling": "balanced"}, 6, {"textqa": 3000, "mathqa": 3000}),
        ({"sampling": "balanced", "batch": 5}, 5, {"textqa": 2500, "mathqa": 2500}),
        ({"sampling": "weights", "batch": 4}, 4, {"textqa": 1000, "mathqa": 3000}),
    ],
)
def test_tasks_come_as_often_as_asked(changes: dict, batch: int, tasks: dict) -> None:
    drawn = mixture(**changes)
    batches = [drawn.places(step) for step in range(1000)]
    assert {len(places) for places in batches} == {batch}
    counts = Counter(place.task for places in batches for place in places)
    assert all(abs(counts[task] - count) <= 13 for task, count in tasks.items())
    orders = {tuple(place.task for place in places) for places in batches}
    assert len(orders) > 2


def test_balanced_tasks_are_equally_often_anywhere() -> None:
    rows = [place.task for step in range(30) for place in SharedMixture(dict.fromkeys("abc", 1.0), 4, 0).places(step)]
    for start in range(0, len(rows), 3):
        assert sorted(rows[start : start + 3]) == ["a", "b", "c"]


mixtures = st.one_of(
    st.builds(FixedMixture, st.dictionaries(st.sampled_from(sorted(SIZES)), st.integers(1, 5), min_size=1)),
    st.builds(
        SharedMixture,
        st.dictionaries(st.sampled_from(sorted(SIZES)), st.floats(0.01, 9), min_size=1),
        st.integers(1, 9),
        st.integers(0, 3),
    ),
)


@given(mixture=mixtures, steps=st.integers(1, 60))
def test_positions_of_a_task_have_no_gap(mixture: Mixture, steps: int) -> None:
    rows = [place for step in range(steps) for place in mixture.places(step)]
    found = {task: sorted(place.position for place in rows if place.task == task) for task in SIZES}
    for positions in found.values():
        assert len(set(positions)) == len(positions)
    # Within a round the rows are shuffled, so that the last round's positions may have gaps.
    ended = len(rows) - (len(rows) % mixture.round) if isinstance(mixture, SharedMixture) else len(rows)
    for task in SIZES:
        positions = sorted(place.position for place in rows[:ended] if place.task == task)
        assert positions == list(range(len(positions)))


@given(mixture=mixtures, step=st.integers(0, 10_000), world=st.integers(1, 9), seed=st.integers(0, 3))
def test_the_processes_rows_are_the_whole_batch(mixture: Mixture, step: int, world: int, seed: int) -> None:
    alone = Sampler(mixture, SIZES, seed).rows(step)
    parts = [Sampler(mixture, SIZES, seed, rank, world).rows(step) for rank in range(world)]
    assert sorted(row for part in parts for row in part) == sorted(alone)
    assert [row for row, _, _ in alone] == list(range(len(alone)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(mixture=mixtures, step=st.integers(1, 300))
def test_a_step_is_the_same_whatever_was_asked_before(mixture: Mixture, step: int) -> None:
    used = Sampler(mixture, SIZES, 1)
    for earlier in (step - 1, 0, step + 5):
        used.rows(earlier)
    assert used.rows(step) == Sampler(mixture, SIZES, 1).rows(step)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_each_example_is_seen_once_before_any_is_seen_twice(size: int) -> None:
    sampler = Sampler(FixedMixture({"textqa": 3}), {"textqa": size}, 0)
    seen = [number for step in range(size) for _, _, number in sampler.rows(step)]  # three passes
    passes = [seen[i * size : (i + 1) * size] for i in range(3)]
    assert all(sorted(numbers) == list(range(size)) for numbers in passes)
    assert size == 1 or passes[0] != passes[1]


def test_seeds_give_other_orders() -> None:
    orders = [Sampler(FixedMixture({"textqa": 7}), SIZES, seed).rows(0) for seed in range(5)]
    assert len({str(order) for order in orders}) == 5
