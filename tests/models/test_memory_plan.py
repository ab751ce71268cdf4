"""The memory plan: what it counts is what is allocated, and the batches it chooses fit and are as large as they can."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.counting import PeakMemory
from models.rudolph import Config, Rudolph, named
from models.rudolph.caches import DenseCache
from models.rudolph.decoding import answer, generate_images, several_answers
from models.rudolph.free_memory import available_bytes, free_bytes
from models.rudolph.likelihood import log_likelihoods
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.memory_plan import CPU, GPU, BatchLimits, Need, answering, drawing, plan, ranking, weight_bytes
from models.rudolph.packed import packable
from models.rudolph.ranking import image_perplexity, right_text_perplexity
from models.rudolph.sampling import Sampling

GIB = 2**30
FP16 = torch.float16
LARGE = named("2.7B-FBC2")


@pytest.mark.parametrize(
    ("size", "change"),
    [("350M", {}), ("350M", {"cogview_sandwich_layernorm": False}), ("350M", {"is_bool_mask": False}), ("2.7B", {})],
)
def test_bytes_of_the_weights(size: str, change: dict[str, bool]) -> None:
    config = replace(named(size), num_layers=3, **change)
    with torch.device("meta"):
        model = Rudolph(config).half()
    assert weight_bytes(config, FP16) == sum(t.numel() * t.itemsize for t in model.state_dict().values())


# A model that runs here, wide and long enough that what is counted outweighs what is left out (ids, masks, states).
CONFIG = Config(
    num_layers=6,
    hidden_size=128,
    num_attention_heads=4,
    vocab_size=548,
    l_text_seq_length=48,
    image_tokens_per_dim=8,
    r_text_seq_length=12,
    image_vocab_size=256,
    kernel_size=3,
    last_kernel_size=5,
)
MARGIN = 0.1  # by how much the plan and the count may differ: ids, masks and hidden states are left out


@pytest.fixture(scope="module")
def model() -> Rudolph:
    torch.manual_seed(0)
    return Rudolph(CONFIG).eval()


def left(batch: int) -> torch.Tensor:
    return torch.randint(0, 500, (batch, CONFIG.l_text_seq_length), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_planned_bytes_of_answering_are_those_allocated(model: Rudolph, batch: int) -> None:
    codes, numbers = torch.zeros(batch, 64, dtype=torch.int64), torch.rand(batch, 10)
    with PeakMemory() as counted:
        answer(model, left(batch), codes, [2, 501], Sampling(top_k=9), numbers, stop_at_eos=False)
    need = answering(CONFIG, torch.float32, batch, packed=packable(torch.zeros(1)))
    assert counted.peak == pytest.approx(need.bytes(batch), rel=MARGIN)


@pytest.mark.parametrize(("batch", "draws"), [(1, 8), (4, 2)])
def test_planned_bytes_of_several_answers_are_those_allocated(model: Rudolph, batch: int, draws: int) -> None:
    codes, numbers = torch.zeros(batch, 64, dtype=torch.int64), torch.rand(batch, draws, 10)
    with PeakMemory() as counted:
        several_answers(model, left(batch), codes, [2, 501], Sampling(top_k=9), numbers, stop_at_eos=False)
    need = answering(CONFIG, torch.float32, batch, num_samples=draws, packed=packable(torch.zeros(1)))
    assert counted.peak == pytest.approx(need.bytes(batch), rel=MARGIN)


@pytest.mark.parametrize(("stay", "live"), [(7, 6 * 7), (4, 6 * 4), (1, 6)])
def test_rows_that_leave_a_cache_of_answers_are_freed_layer_by_layer(model: Rudolph, stay: int, live: int) -> None:
    row = 2 * CONFIG.hidden_size * CONFIG.total_seq_length * 4  # keys and values of a sample in one of the 6 layers
    with PeakMemory() as counted:
        cache = DenseCache(model.transformer, 8, CONFIG.total_seq_length)
        assert (len(cache.tensors), counted.live) == (6, 6 * 8 * row)  # no tensor is larger than a layer
        cache.keep(torch.arange(stay))
    assert counted.live == pytest.approx(live * row, rel=1e-3)
    assert counted.peak == pytest.approx((6 * 8 + stay) * row, rel=1e-3)  # the old rows of a layer beside the new ones


def test_rows_that_leave_a_cache_of_windows_are_freed_layer_by_layer(model: Rudolph) -> None:
    with PeakMemory() as counted:
        cache, stay = ManyCodesCache(model.transformer, 8, 1, 4), torch.arange(2)
        sizes = [buffer.numel() * buffer.itemsize for buffer in cache.tensors]
        before = counted.peak = counted.live
        cache.keep(stay)
    places = 8 * 8 * CONFIG.num_attention_heads * len(set(CONFIG.layer_kinds))  # an int64 a row and head, for each kind
    assert counted.live == before - (sum(sizes) + places) * 6 // 8
    assert counted.peak <= before + max(sizes) * 2 // 8


@pytest.mark.parametrize("batch", [1, 8])
def test_likelihoods_take_what_is_planned_for_answering(model: Rudolph, batch: int) -> None:
    codes = torch.zeros(batch, 64, dtype=torch.int64)
    candidates = [[[5] * length for length in (10, 9, 3, 7, 10)] for _ in range(batch)]
    with PeakMemory() as counted:
        log_likelihoods(model, left(batch), codes, [2, 501], candidates)
    need = answering(CONFIG, torch.float32, batch, packed=packable(torch.zeros(1)))
    assert 0.7 * need.bytes(batch) < counted.peak < (1 + MARGIN) * need.bytes(batch)


@pytest.mark.parametrize(("batch", "draws"), [(1, 1), (8, 1), (4, 2), (2, 9)])
def test_planned_bytes_of_drawing_are_those_allocated(model: Rudolph, batch: int, draws: int) -> None:
    with PeakMemory() as counted:
        generate_images(model, left(batch), Sampling(top_k=9, top_p=0.9), torch.rand(batch, draws, 64))
    need = drawing(CONFIG, torch.float32, batch, num_samples=draws, packed=packable(torch.zeros(1)))
    assert counted.peak == pytest.approx(need.bytes(batch), rel=MARGIN)


@pytest.mark.parametrize(("batch", "draws", "window"), [(1, 1, 4), (8, 1, 16), (4, 2, 8)])
def test_planned_bytes_of_drawing_in_windows_are_those_allocated(
    model: Rudolph, batch: int, draws: int, window: int
) -> None:
    with PeakMemory() as counted:
        generate_images(model, left(batch), Sampling(top_k=9, top_p=0.9), torch.rand(batch, draws, 64), window=window)
    need = drawing(CONFIG, torch.float32, batch, num_samples=draws, packed=packable(torch.zeros(1)), window=window)
    assert counted.peak == pytest.approx(need.bytes(batch), rel=1.5 * MARGIN)


@torch.inference_mode()
def test_planned_bytes_of_ranking_are_those_allocated(model: Rudolph) -> None:
    ids = torch.zeros(3, CONFIG.total_seq_length, dtype=torch.int64)
    with PeakMemory() as counted:
        hidden = model.hidden(ids)
        right_text_perplexity(model, hidden, ids)
        image_perplexity(model, hidden, ids)
    assert counted.peak == pytest.approx(ranking(CONFIG, torch.float32, 3).bytes(3), rel=MARGIN)


def card(gigabytes: int) -> int:
    """Bytes free on a card: a CUDA context takes about 0.6 GB of it."""
    return gigabytes * GIB - 600_000_000


@pytest.mark.parametrize(
    ("gigabytes", "answers", "pictures", "pictures_of_8_draws"),
    [(8, 4, 8, 2), (24, 41, 82, 27), (80, 167, 250, 113)],
)
def test_batches_of_the_2_7b_model_on_cards_of_three_sizes(
    gigabytes: int, answers: int, pictures: int, pictures_of_8_draws: int
) -> None:
    needs = [
        answering(LARGE, FP16, 12_000),
        drawing(LARGE, FP16, 8_000),
        replace(drawing(LARGE, FP16, 8_000, num_samples=8), phase="draw 8"),
    ]
    chosen = plan(card(gigabytes), needs, GPU, weights={"RUDOLPH": weight_bytes(LARGE, FP16)})
    assert [chosen.batch(phase) for phase in ("answer", "draw", "draw 8")] == [answers, pictures, pictures_of_8_draws]
    assert all(planned.fits and planned.need.bytes(planned.batch) <= chosen.budget for planned in chosen.phases)


def test_products_in_bfloat16_leave_the_rest_in_float32_on_a_processor() -> None:
    for need in (answering, drawing):
        on_gpu, on_cpu = need(LARGE, torch.bfloat16, 1), need(LARGE, torch.bfloat16, 1, packed=True)
        assert on_cpu.each == {**on_gpu.each, "prefill": 2 * on_gpu.each["prefill"]}
        assert on_cpu.once == need(LARGE, torch.float32, 1, packed=True).once
    assert ranking(LARGE, torch.bfloat16, 1, packed=True) == ranking(LARGE, torch.float32, 1)


def test_a_plan_is_told_in_two_lines() -> None:
    chosen = plan(
        card(8),
        [answering(LARGE, FP16, 1000), Need("encode", 600, {"activations": 170_000_000})],
        GPU,
        weights={"RUDOLPH": weight_bytes(LARGE, FP16), "VQGAN": 270_000_000},
    )
    assert str(chosen).splitlines() == [
        "memory: 7.99 GB free, 5.32 GB for RUDOLPH, 270.0 MB for VQGAN, 1.60 GB for a batch",
        "samples at once: answer 3, encode 9",
    ]
    data = chosen.to_json()
    assert data["phases"]["encode"]["batch"] == 9
    assert data["phases"]["answer"]["need"]["each"]["keys and values"] == 356_515_840


def test_where_nothing_fits_samples_are_tried_one_by_one_and_the_plan_says_so() -> None:
    chosen = plan(GIB, [answering(LARGE, FP16, 50)], GPU, weights={"RUDOLPH": weight_bytes(LARGE, FP16)})
    assert chosen.batch("answer") == 1
    assert str(chosen).splitlines()[1] == "samples at once: answer 1 (more than there is memory for)"


def test_a_phase_that_was_not_planned_has_no_batch() -> None:
    with pytest.raises(KeyError, match="draw"):
        plan(GIB, [Need("answer", 1, {"a": 1})], CPU).batch("draw")


@settings(deadline=None)
@given(
    free=st.integers(0, 10**6),
    samples=st.integers(0, 500),
    each=st.integers(1, 10**5),
    once=st.integers(0, 10**5),
    weights=st.integers(0, 10**6),
    limits=st.builds(BatchLimits, share=st.floats(0.1, 1.0), largest_batch=st.integers(1, 300)),
)
def test_a_batch_fits_and_no_fewer_batches_would_do(
    free: int, samples: int, each: int, once: int, weights: int, limits: BatchLimits
) -> None:
    need = Need("phase", samples, {"each": each}, {"once": once})
    chosen = plan(free, [need], limits, weights={"weights": weights})
    (planned,) = chosen.phases
    assert 1 <= planned.batch <= max(1, min(samples, limits.largest_batch))
    assert not planned.fits or need.bytes(planned.batch) + weights <= free
    if planned.fits and planned.batch < min(samples, limits.largest_batch):
        batches = -(-samples // planned.batch)
        larger = -(-samples // (batches - 1)) if batches > 1 else samples + 1
        assert batches == 1 or larger > limits.largest_batch or need.bytes(larger) > chosen.budget


@pytest.mark.parametrize(("share", "largest"), [(0.0, 1), (1.1, 1), (0.5, 0)])
def test_impossible_limits_are_refused(share: float, largest: int) -> None:
    with pytest.raises(ValueError, match="must"):
        BatchLimits(share, largest)


def machine(root: Path, files: dict[str, str]) -> Path:
    """A made-up `/proc` and `/sys`: 8,000,000 kB available, and the given files of control groups."""
    meminfo = {"proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n"}
    for name, text in {**meminfo, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group(folder: str, limit: str, used: int, cached: int) -> dict[str, str]:
    return {
        f"sys/fs/cgroup/{folder}/memory.max": f"{limit}\n",
        f"sys/fs/cgroup/{folder}/memory.current": f"{used}\n",
        f"sys/fs/cgroup/{folder}/memory.stat": f"anon 1\ninactive_file {cached}\n",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8_192_000_000),
        ({"proc/self/cgroup": "0::/box\n", **group("box", "5000", 3000, 500)}, 2500),
        ({"proc/self/cgroup": "0::/box\n", **group("box", "max", 3000, 500)}, 8_192_000_000),
        ({"proc/self/cgroup": "0::/a/b\n", **group("a", "900", 300, 0), **group("a/b", "5000", 0, 0)}, 600),
        ({"proc/self/cgroup": "0::/of/the/host\n", **group(".", "700", 300, 0)}, 400),  # seen from inside a container
        ({"proc/self/cgroup": "0::/box\n", **group("box", "1000", 3000, 0)}, 0),  # over its limit
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/x\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "2000\n",
                "sys/fs/cgroup/memory/x/memory.usage_in_bytes": "1500\n",
                "sys/fs/cgroup/memory/x/memory.stat": "total_inactive_file 100\n",
            },
            600,
        ),
    ],
)
def test_bytes_available_to_a_process(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert available_bytes(machine(tmp_path, files)) == expected


def test_this_machine_has_memory() -> None:
    assert 10**6 < free_bytes(torch.device("cpu")) < 10**14
