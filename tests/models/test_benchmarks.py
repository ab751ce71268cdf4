"""The benchmarks of decoding run, and count what they say they count. Times themselves are not looked at."""

import copy
import time

import pytest
import torch

from benchmarks.counting import Counting, PeakMemory
from benchmarks.decode import Stopwatch, measure
from benchmarks.inference import Bench, measure_phase, measure_prefill, measure_profile, measure_steps
from models.rudolph import Rudolph
from models.rudolph.memory_plan import Need
from models.rudolph.packed import pack_linears


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(torch.device("cpu"), torch.float32, Stopwatch(time.process_time, 2, torch.device("cpu")))


@pytest.fixture(scope="module")
def packed(golden_rudolph: Rudolph) -> Rudolph:
    model = copy.deepcopy(golden_rudolph)
    pack_linears(model.transformer)
    return model


@torch.inference_mode()
def test_steps_of_both_phases_at_each_batch(bench: Bench, packed: Rudolph) -> None:
    rows = list(measure_steps(bench, packed, [1, 3]))
    assert [(row["phase"], row["batch"]) for row in rows] == [
        ("image", 1),
        ("right text", 1),
        ("image", 3),
        ("right text", 3),
    ]
    for row in rows:
        assert row["operations"] > 20
        assert row["ms"] > 0
    assert rows[2]["GB"] >= rows[0]["GB"]


@torch.inference_mode()
def test_prefills_and_profile(bench: Bench, packed: Rudolph) -> None:
    assert [(row["phase"], row["tokens"]) for row in measure_prefill(bench, packed, [2])] == [
        ("answer", 54),
        ("draw", 16),
    ]
    rows = list(measure_profile(bench, packed, [2]))
    for phase in ("image", "right text"):
        shares = [row["share"] for row in rows if row["phase"] == phase]
        assert 0.5 < sum(shares) <= 1.001


@torch.inference_mode()
def test_a_phase_goes_through_all_its_samples_and_tells_its_memory(bench: Bench) -> None:
    done: list[slice] = []

    def work(part: slice) -> None:
        done.append(part)

    row = measure_phase(bench, Need("draw", 5, {"all": 10_000_000}), work, 2)
    assert done == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert (row["samples"], row["batch"], row["planned GB"]) == (5, 2, 0.02)


@torch.inference_mode()
def test_both_loops_beside_each_other(bench: Bench, packed: Rudolph, golden_rudolph: Rudolph) -> None:
    rows = list(measure(packed, golden_rudolph, 2, bench.stopwatch))
    assert [row.phase for row in rows] == ["image", "right text"]
    assert all(row.ratio > 0 for row in rows)


def test_counting_leaves_views_out_and_counts_bytes_once() -> None:
    with Counting() as counted:
        x = torch.zeros(4, 8)  # writes 128 bytes
        (x.t()[:3] + x[0, 0].expand(3, 4)).sum()  # reads 48 + 4, writes 48; reads 48, writes 4
    assert dict(counted.operations) == {"zeros": 1, "add": 1, "sum": 1}
    assert counted.bytes == 128 + (48 + 4 + 48) + (48 + 4)


def test_peak_memory_sees_what_is_alive_together() -> None:
    with PeakMemory() as counted:
        x = torch.zeros(1000)
        for _ in range(3):
            x = x.view(10, 100).reshape(1000) + 1  # the old and the new one
        kept = x[:10]
        del x
    assert counted.peak == 8000
    assert counted.live == 4000 == kept.untyped_storage().nbytes()
