"""What a training takes of a GPU: the estimate is what is allocated while steps run, and says before the start."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.counting import PeakMemory
from models.rudolph import Config, Rudolph, named
from models.rudolph.dropout import Dropout
from models.rudolph.piecewise_attention import PiecewiseAttention
from training.tune import chunked_entropy
from training.tune.data.batches import Batch
from training.tune.distributed import Processes
from training.tune.errors import SettingsError
from training.tune.freezing import freeze
from training.tune.memory_estimate import require_memory, rows_at_once, training_need
from training.tune.objective import Objective, totals_of
from training.tune.settings import (
    ComputeSettings,
    DataSettings,
    FreezeSettings,
    OptimSettings,
    TaskSettings,
    TuneSettings,
)
from training.tune.train_step import train_step
from training.tune.training_state import TrainState

CONFIG = Config(
    num_layers=6,
    hidden_size=128,
    num_attention_heads=4,
    vocab_size=548,
    l_text_seq_length=48,
    image_tokens_per_dim=8,
    r_text_seq_length=16,
    image_vocab_size=256,
    kernel_size=3,
    last_kernel_size=5,
    attention_dropout_prob=0.0,
)
TASKS = {"vqa": TaskSettings(samples=24)}
WAYS: dict[str, dict[str, bool]] = {
    "plain": {},
    "checkpointing": {"activation_checkpointing": True},
    "products": {"activation_checkpointing": True, "keep_products": True},
}


def settings(tasks: dict[str, TaskSettings] = TASKS, **compute: Any) -> TuneSettings:
    return TuneSettings("", "", DataSettings(""), tasks, compute=ComputeSettings(device="cpu", **compute))


def batch_of(config: Config, rows: int) -> Batch:
    ids = torch.randint(4, config.image_vocab_size, (rows, config.total_seq_length))
    return Batch(ids, torch.tensor([[1.0, 1.0, 7.0]]).repeat(rows, 1), torch.zeros(rows, dtype=torch.int64), ("vqa",))


@pytest.fixture
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a CPU keeps otherwise: dropout's masks as bytes, and chunks of logits as large as there."""
    monkeypatch.setattr(Dropout, "forward", lambda self, x: torch.native_dropout(x, self.probability, self.training)[0])
    for name in ("LOGITS_AT_ONCE", "NORMALISED_AT_ONCE"):
        chunk = getattr(chunked_entropy, name)
        monkeypatch.setitem(chunk, "cpu", chunk["cuda"])
        monkeypatch.setitem(chunk, "meta", chunk["cuda"])


def prepared(config: Config, of: TuneSettings) -> Rudolph:
    model = Rudolph(config).train()
    model.transformer.piecewise = PiecewiseAttention(config)  # which keeps what it keeps on a GPU
    if of.compute.activation_checkpointing:
        model.transformer.config = replace(config, gradient_checkpointing=1)
        model.transformer.keeps_products = of.compute.keep_products
    freeze(model, of.freeze)
    return model


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize(
    ("way", "dtype", "rows"),
    [
        ("plain", "float32", 2),
        ("plain", "bfloat16", 8),
        ("checkpointing", "float32", 8),
        ("checkpointing", "bfloat16", 2),
        ("products", "float32", 2),
        ("products", "bfloat16", 8),
    ],
)
def test_estimated_bytes_are_those_allocated(rows: int, way: str, dtype: str) -> None:
    of = settings(dtype=dtype, **WAYS[way])
    with PeakMemory() as counted:
        model = prepared(CONFIG, of)
        state = TrainState(model, of, Processes(0, 1, torch.device("cpu")))
        train_step(state, 0, batch_of(CONFIG, rows))
        counted.peak = 0
        train_step(state, 1, batch_of(CONFIG, rows))
    assert training_need(model, of, rows).bytes == pytest.approx(counted.peak, rel=0.1)


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize(
    "change",
    [
        {"compute": ComputeSettings(device="cpu", accumulate=3)},
        {"freeze": FreezeSettings(embeddings=True, feed_forward=True, norms=True)},
    ],
)
def test_also_in_parts_and_with_frozen_parameters(change: dict[str, Any]) -> None:
    of = replace(settings(), **change)
    with PeakMemory() as counted:
        model = prepared(CONFIG, of)
        state = TrainState(model, of, Processes(0, 1, torch.device("cpu")))
        train_step(state, 0, batch_of(CONFIG, 6))
        counted.peak = 0
        train_step(state, 1, batch_of(CONFIG, 6))
    rows = 6 // of.compute.accumulate
    assert training_need(model, of, rows).bytes == pytest.approx(counted.peak, rel=0.15)


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize(("size", "way"), [("350M", "plain"), ("2.7B-FBC2", "plain"), ("2.7B-FBC2", "checkpointing")])
def test_of_the_published_sizes(monkeypatch: pytest.MonkeyPatch, size: str, way: str) -> None:
    """On the meta device in float32: forwards and backwards, of four of the layers."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)  # which knows no meta device
    config, rows, of = replace(named(size), num_layers=4), 8, settings(dtype="float32", **WAYS[way])
    with torch.device("meta"):
        model = prepared(config, of)
    batch = batch_of(config, rows)
    totals = totals_of(model, [batch])
    with PeakMemory() as counted:
        Objective(model, TASKS)(batch, totals)[0].backward()  # type: ignore[no-untyped-call]
    need = training_need(model, of, rows)
    assert need.bytes == pytest.approx(sum(need.always.values()) + counted.peak, rel=0.1)


@pytest.fixture(scope="module")
def large() -> Rudolph:
    with torch.device("meta"):
        return Rudolph(named("2.7B-FBC2"))


def card(gigabytes: int) -> int:
    """Bytes free on a card: a CUDA context takes about 0.6 GB of it."""
    return gigabytes * 2**30 - 600_000_000


@pytest.mark.parametrize(
    ("samples", "way", "gigabytes"),
    [
        (1, "plain", 43),  # weights 10.6, state 21.3, gradients 10.6
        (8, "plain", 73),
        (24, "plain", 142),
        (24, "products", 87),
        (24, "checkpointing", 48),
    ],
)
def test_a_training_of_the_largest(large: Rudolph, samples: int, way: str, gigabytes: int) -> None:
    assert round(training_need(large, settings(**WAYS[way]), samples).bytes / 1e9) == gigabytes


def test_what_would_fit_is_said_before_the_start(large: Rudolph, capsys: pytest.CaptureFixture[str]) -> None:
    require_memory(large, settings(), card(80))
    said = capsys.readouterr().err
    assert said.startswith(
        "training tune: memory may run out: 24 samples at once take up to about 142.3 GB: 10.6 GB for weights, 21.3 GB "
        "for the optimiser's state, 102.7 GB for activations,"
    )
    assert "85.3 GB of the GPU are free" in said
    assert (
        "what fits: compute.accumulate=4 (74.6 GB); compute.activation_checkpointing=true compute.keep_products=true "
        "compute.accumulate=2 (73.0 GB); compute.activation_checkpointing=true (48.2 GB)" in said
    )
    require_memory(large, settings(), card(80), speaks=False)
    assert not capsys.readouterr().err


def test_what_surely_does_not_fit_is_refused(large: Rudolph) -> None:
    with pytest.raises(SettingsError) as raised:
        require_memory(large, settings(), card(24))
    assert str(raised.value) == (
        "compute: this training does not fit: weights, gradients and the optimiser's state alone take 42.5 GB; "
        "25.2 GB of the GPU are free; compute.parallel=fsdp on several GPUs, optim.name=adamw8bit and lora.rank need "
        "less"
    )


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize(
    ("freezes", "weights"),
    [
        (FreezeSettings(), (1.0, 0.0, 0.0)),  # the left texts alone
        (FreezeSettings(embeddings=True, attention=True, feed_forward=True, norms=True), (1.0, 1.0, 7.0)),  # the head
    ],
)
def test_what_could_run_is_not_refused(freezes: FreezeSettings, weights: tuple[float, float, float]) -> None:
    """Counted in a step, of the sequences that pass and of layers that need no gradients: less than is estimated."""
    of = replace(settings({"vqa": TaskSettings(samples=8)}, dtype="float32"), freeze=freezes)
    with PeakMemory() as counted:
        model = prepared(CONFIG, of)
        state = TrainState(model, of, Processes(0, 1, torch.device("cpu")))
        batch = replace(batch_of(CONFIG, 8), weights=torch.tensor([weights]).repeat(8, 1))
        train_step(state, 0, batch)
        counted.peak = 0
        train_step(state, 1, batch)
    need = training_need(model, of, 8)
    assert counted.peak < 0.8 * need.bytes
    assert require_memory(model, of, counted.peak) == need


@pytest.mark.parametrize(("samples", "warned"), [(8, False), (10, True)])
def test_what_nearly_fills_a_card_is_warned_of(
    large: Rudolph, capsys: pytest.CaptureFixture[str], samples: int, warned: bool
) -> None:
    need = require_memory(large, settings({"vqa": TaskSettings(samples=samples)}), card(80))
    assert need.bytes < card(80)
    assert ("training tune: memory may run out: 10 samples at once" in capsys.readouterr().err) == warned


def test_what_is_certain_is_there_in_every_step(large: Rudolph) -> None:
    """4 bytes for a weight, 8 for its state, 4 for its gradient; divided among the processes of a node by hsdp."""
    trained = sum(parameter.numel() for parameter in large.parameters())
    masks = sum(buffer.numel() for buffer in large.buffers())
    for parallel, parts in (("ddp", 1), ("fsdp", 16), ("hsdp", 8)):
        need = training_need(large, settings(parallel=parallel), 1, world=16, of_node=8)
        assert need.certain == pytest.approx(16 * trained / parts + masks, rel=1e-6)


def test_shared_weights_take_a_part_each(large: Rudolph) -> None:
    eight = training_need(large, settings(parallel="fsdp"), 3, world=8)
    one = training_need(large, settings(), 3)
    assert eight.always["weights"] == pytest.approx(one.always["weights"] / 8, rel=0.01)
    assert eight.bytes < 20e9
    together = training_need(large, settings(), 3, world=8)  # DDP: all of them, and the gradients all along
    assert together.bytes == one.bytes + sum(together.always.values()) - sum(one.always.values())


def test_a_small_optimiser_s_state(large: Rudolph) -> None:
    small = replace(settings(), optim=OptimSettings(name="adamw8bit"))
    assert training_need(large, small, 1).bytes / 1e9 == pytest.approx(26.7, abs=0.2)


@pytest.mark.parametrize(
    ("change", "world", "rows"),
    [
        ({}, 1, 24),
        ({"compute": ComputeSettings(accumulate=5)}, 1, 5),
        ({"compute": ComputeSettings(accumulate=2)}, 5, 3),
        ({"data": DataSettings("", sampling="balanced", batch=7)}, 1, 7),
        ({"data": DataSettings("", sampling="weights")}, 2, 12),
    ],
)
def test_samples_that_pass_at_once(change: dict[str, Any], world: int, rows: int) -> None:
    assert rows_at_once(replace(settings(), **change), world) == rows
