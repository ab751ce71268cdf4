"""The benchmarks of decoding run, and count what they say they count. Times themselves are not looked at."""

import copy
import mmap
import statistics
import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks import end_to_end, inference, record
from benchmarks.counting import Counting, PeakMemory
from benchmarks.decode import Stopwatch, measure
from benchmarks.gpu_parts.inference import TINY, TINY_VQGAN
from benchmarks.inference import Bench, measure_phase, measure_phases, measure_prefill, measure_profile, measure_steps
from benchmarks.peak_memory import peak_bytes
from models.rudolph import Config, Rudolph
from models.rudolph.memory_plan import Need
from models.rudolph.packed import pack_linears, packable
from models.rudolph.step_graphs import WARM_UP_CALLS, StepGraphs
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN
from submission.loading import Networks


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(torch.device("cpu"), torch.float32, Stopwatch(time.process_time, 2, torch.device("cpu")))


@pytest.fixture(scope="module")
def packed(golden_rudolph: Rudolph) -> Rudolph:
    model = copy.deepcopy(golden_rudolph)
    pack_linears(model.transformer)
    return model


@pytest.fixture(scope="module")
def wide() -> Rudolph:
    """Long enough that what the plan counts outweighs what it leaves out."""
    torch.manual_seed(0)
    config = Config(
        num_layers=6,
        hidden_size=256,
        num_attention_heads=8,
        vocab_size=576,
        l_text_seq_length=64,
        image_tokens_per_dim=8,
        r_text_seq_length=16,
        image_vocab_size=256,
        kernel_size=3,
        last_kernel_size=5,
    )
    model = Rudolph(config).eval()
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
    assert (row["samples"], row["batch"], row["planned GB"], row["peak GB above start"]) == (5, 2, 0.02, 0.0)


@torch.inference_mode()
def test_whole_phases_take_their_steps_by_graphs_as_a_run_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = StepGraphs(SimpleNamespace(warm_up=lambda step: step(), capture=lambda step: step))
    monkeypatch.setattr(StepGraphs, "automatic", lambda device: graphs)
    monkeypatch.setattr(inference, "SBER_VQGAN", TINY_VQGAN)
    rows = list(measure_phases(bench, Rudolph(TINY).eval(), [1], answers=1, pictures=1))
    assert [row["phase"] for row in rows if "phase" in row] == ["encode", "answer", "draw"]
    assert graphs.replayed == TINY.image_seq_length - 1 - WARM_UP_CALLS  # an answer of six steps is too short


@pytest.mark.parametrize("megabytes", [160, 40])
def test_peak_memory_is_what_is_resident_at_the_widest_moment(megabytes: int) -> None:
    def work() -> None:
        for _ in range(3):  # of the kernel itself: the C library may have room in what earlier tests left
            with mmap.mmap(-1, megabytes * 2**20) as block:
                for _ in range(megabytes):
                    block.write(b"1" * 2**20)

    # The kernel counts pages loosely: hence the median.
    measured = [peak_bytes(work, torch.device("cpu")) / 2**20 for _ in range(5)]
    assert statistics.median(measured) == pytest.approx(megabytes, rel=0.25), measured


@torch.inference_mode()
def test_a_phase_begun_takes_the_memory_that_is_planned_for_it(wide: Rudolph) -> None:
    for phase in record.phases(wide.config, torch.float32, on_cpu=packable(torch.zeros(1))):
        record.begin(wide, phase, 16)
        peaks = [peak_bytes(lambda phase=phase: record.begin(wide, phase, 16), torch.device("cpu")) for _ in range(3)]
        # What kernels take for themselves is not counted.
        assert 0.8 < statistics.median(peaks) / phase.need.bytes(16) < 1.8, peaks


@torch.inference_mode()
def test_a_record_tells_of_every_precision_and_batch(
    golden_rudolph: Rudolph, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**record.SBER_VQGAN, "ch": 32, "attn_resolutions": [], "n_embed": 64}
    monkeypatch.setattr(record, "SBER_VQGAN", small)
    monkeypatch.setattr(Bench, "bandwidth", lambda self: 1e10)  # which is long to measure
    parts = list(
        record.record(golden_rudolph.config, ["fp32", "bf16"], bench.device, bench.stopwatch, largest=5, minutes=60)
    )
    text = "\n".join(parts)
    assert "nan" not in text
    steps, samples = (part.splitlines()[2:] for part in parts[2::2])
    assert [line.split(" | ")[0:3] for line in steps] == [
        [f"| {precision}", phase, batch]
        for precision in ("fp32", "bf16")
        for batch in "1245"
        for phase in ("image", "right text")
    ]
    assert [line.split(" | ")[0:2] for line in samples] == [
        [f"| {precision}", batch] for precision in ("fp32", "bf16") for batch in "1245"
    ]
    assert all(float(cell) > 0 for line in steps for cell in line.strip("| ").split(" | ")[3:])


@torch.inference_mode()
def test_a_record_begins_no_batch_that_would_not_end_in_time(
    golden_rudolph: Rudolph, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"phase": "any", "batch": 0}
    found = {phase: {"prefill": 1, "seconds": 1, "peak": 1, "planned": 1} for phase in ("image", "right text")}
    seconds, measured = [0.0], []

    def measure(bench: Bench, model: Rudolph, batch: int) -> tuple[list[dict[str, object]], dict[str, dict[str, int]]]:
        measured.append(batch)
        seconds.append(10.0 * batch)
        return [row], found

    monkeypatch.setattr(record, "measure", measure)
    monkeypatch.setattr(Bench, "bandwidth", lambda self: 1e10)
    monkeypatch.setattr(record, "picture_seconds", lambda bench, config: (1.0, 1.0))
    monkeypatch.setattr(record.time, "monotonic", lambda: sum(seconds))
    parts = list(record.record(golden_rudolph.config, ["fp32"], bench.device, bench.stopwatch, 2**20, minutes=2))
    assert measured == [1, 2, 4]  # 10 + 20 + 40 seconds; 80 more would exceed two minutes
    assert "measured up to 4" in parts[1]


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


def test_a_whole_run_by_parts_beside_the_published_work() -> None:
    model, vqgan = end_to_end.random_model(TINY), VQGAN(**TINY_VQGAN).eval()
    vocabulary = Vocabulary(end_to_end.Words(TINY.bpe_vocab), TINY)
    networks = Networks(end_to_end.ROOT / "weights", torch.device("cpu"), torch.float32, model, vqgan, vocabulary)
    ours = end_to_end.our_run(networks, samples=4, batch_size=None)
    shared = {"VQGAN, encoding", "VQGAN, rendering", "prefill of answers", "prefill of drawings"}
    assert ours.parts.keys() - shared == {
        "drawing steps",
        "right-text steps",
        "output head",
        "choosing tokens",
        "packing the head",
        "all else",
    }
    assert sum(ours.parts.values()) == pytest.approx(ours.seconds)
    theirs = end_to_end.PublishedWork(model, vqgan, batch=4, steps=1).parts()
    assert theirs.keys() == {
        "encoding",
        "rendering",
        "prefill of answers",
        "prefill of drawings",
        "drawing steps",
        "right-text steps",
    }
    assert min(theirs.values()) >= 0
