"""What a step of a training does under its settings: precision, optimiser, memory, what is trained and what is not."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.rudolph import Rudolph
from tests.training.test_objective import CONFIG, TASKS, mixed_batch
from training.tune.checkpoints import CheckpointError, CheckpointNote, read_checkpoint, save_checkpoint
from training.tune.data.batches import Batch
from training.tune.distributed import Processes
from training.tune.errors import SettingsError
from training.tune.freezing import freeze, group_of
from training.tune.lora import add_adapters
from training.tune.schedule import learning_rate
from training.tune.settings import (
    ComputeSettings,
    DataSettings,
    FreezeSettings,
    LoraSettings,
    OptimSettings,
    TuneSettings,
)
from training.tune.train_step import train_step
from training.tune.training_state import TrainState

COMPUTE = ComputeSettings(dtype="float32", device="cpu")
OPTIM = OptimSettings(learning_rate=1e-2, warmup_steps=1)
BASE = TuneSettings("", "", DataSettings(""), TASKS, steps=9, compute=COMPUTE, optim=OPTIM)
ALONE = Processes(0, 1, torch.device("cpu"))


def new_state(**changes: Any) -> TrainState:
    """Changes of the run's settings, or of what its parts `compute` and `optim` hold."""
    compute = {key: changes.pop(key) for key in list(changes) if hasattr(COMPUTE, key)}
    optim = {key: changes.pop(key) for key in list(changes) if hasattr(OPTIM, key)}
    settings = replace(BASE, compute=replace(COMPUTE, **compute), optim=replace(OPTIM, **optim), **changes)
    torch.manual_seed(0)
    model = Rudolph(CONFIG).train()
    if settings.compute.activation_checkpointing:
        model.transformer.config = replace(CONFIG, gradient_checkpointing=1)
        model.transformer.keeps_products = settings.compute.keep_products
    freeze(model, settings.freeze)
    if settings.lora.rank:
        add_adapters(model, settings.lora)
    return TrainState(model, settings, ALONE)


def losses(state: TrainState, steps: int = 3) -> list[float]:
    return [train_step(state, step, mixed_batch())["loss"] for step in range(steps)]


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return losses(new_state())


@pytest.mark.parametrize("parts", [2, 5, 11])
def test_a_batch_in_parts_makes_the_same_steps(parts: int, plain: list[float]) -> None:
    assert losses(new_state(accumulate=parts)) == pytest.approx(plain, rel=1e-5)


class Calls(torch.nn.Module):
    """Counts how often a layer is run."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.count = 0

    def forward(self, x: torch.Tensor, attend: object, last: int | None = None) -> torch.Tensor:
        self.count += 1
        return self.layer(x, attend, last)


@pytest.mark.parametrize("keep_products", [False, True])
@pytest.mark.parametrize(("activation_checkpointing", "runs"), [(False, 1), (True, 2)])
def test_activation_checkpointing_changes_nothing_but_passes(
    activation_checkpointing: bool, runs: int, keep_products: bool, plain: list[float]
) -> None:
    state = new_state(activation_checkpointing=activation_checkpointing, keep_products=keep_products)
    layers = state.model.transformer.layers
    layers[2] = Calls(layers[2])
    assert losses(state) == plain
    assert layers[2].count == runs * 3


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.02), ("float16", 0.01)])
def test_half_precision_keeps_whole_weights(dtype: str, tolerance: float, plain: list[float]) -> None:
    state = new_state(dtype=dtype)
    # float16's scale begins so large that the first steps overflow: they are left out, and it is halved.
    steps, scale = [], state.precision.scaler.get_scale()
    for _ in range(10):
        before = state.model.text_embeddings.weight.clone()
        values = train_step(state, 0, mixed_batch())
        if before.equal(state.model.text_embeddings.weight):
            assert dtype == "float16"
            scale /= 2
            assert state.precision.scaler.get_scale() == scale
        else:
            steps.append(values["loss"])
        if len(steps) == 3:
            break
    assert steps[0] == pytest.approx(plain[0], rel=tolerance)
    assert steps[2] < 0.8 * steps[0]
    assert {parameter.dtype for parameter in state.model.parameters()} == {torch.float32}


def test_an_overflow_begins_the_count_of_sound_steps_anew() -> None:
    state = new_state(dtype="float16")
    scaler = state.precision.scaler
    train_step(state, 0, mixed_batch())  # from here on the scaler knows its scale
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**10, "_growth_tracker": 0})
    train_step(state, 0, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**10, 1)
    overflow = state.model.text_embeddings.weight.register_hook(lambda gradient: gradient * float("inf"))
    train_step(state, 1, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**9, 0)
    overflow.remove()
    train_step(state, 1, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**9, 1)


FEW = [{"lora": LoraSettings(rank=2)}, {"freeze": FreezeSettings(embeddings=True, norms=True, rest=True)}]


@pytest.mark.parametrize("changes", FEW, ids=["adapters", "layers"])
def test_parts_without_rows_change_nothing(changes: dict[str, Any]) -> None:
    whole = losses(new_state(**changes))
    assert losses(new_state(accumulate=12, **changes)) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("changes", FEW, ids=["adapters", "layers"])
def test_rows_without_a_trained_token_change_nothing(changes: dict[str, Any]) -> None:
    batch = mixed_batch()
    batch.weights[batch.task == 1] = 0.0
    without = Batch(*(tensor[batch.task != 1] for tensor in (batch.ids, batch.weights, batch.task)), batch.names)
    expected = train_step(new_state(**changes), 0, without)
    found = train_step(new_state(accumulate=9, **changes), 0, batch)
    assert {key: found[key] for key in expected if key not in ("samples", "tokens")} == pytest.approx(
        {key: expected[key] for key in expected if key not in ("samples", "tokens")}, rel=1e-4
    )


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_infinite_numbers_end_the_run_before_weights_change(where: str) -> None:
    state = new_state()
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    if where == "loss":
        state.model.to_logits[1].bias.data[3] = float("nan")
        before["to_logits.1.bias"][3] = float("nan")
    else:
        state.model.text_embeddings.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(FloatingPointError, match="the loss is nan" if where == "loss" else "gradient's norm is"):
        train_step(state, 0, mixed_batch())
    after = state.model.state_dict()
    assert all(torch.equal(before[name].nan_to_num(7.0), after[name].nan_to_num(7.0)) for name in before)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("text_embeddings.weight", "embeddings"),
        ("image_row_embeddings.weight", "embeddings"),
        ("transformer.layers.0.input_layernorm.weight", "norms"),
        ("transformer.layers.3.before_second_addition_layernorm.bias", "norms"),
        ("transformer.final_layernorm.weight", "norms"),
        ("transformer.layers.0.attention.query_key_value.weight", "attention"),
        ("transformer.layers.0.attention.dense.bias", "attention"),
        ("transformer.layers.0.mlp.dense_h_to_4h.weight", "feed_forward"),
        ("to_logits.0.weight", "rest"),
        ("to_logits.1.bias", "rest"),
    ],
)
def test_groups_of_parameters(name: str, group: str) -> None:
    assert name in dict(Rudolph(CONFIG).named_parameters())
    assert group_of(name) == group


@pytest.mark.parametrize("group", ["embeddings", "norms", "attention", "feed_forward", "rest"])
def test_a_frozen_group_stays_and_all_else_changes(group: str) -> None:
    state = new_state(freeze=FreezeSettings(**{group: True}))
    before = {name: parameter.clone() for name, parameter in state.model.named_parameters()}
    losses(state, 1)
    changed = {name for name, parameter in state.model.named_parameters() if not parameter.equal(before[name])}
    assert changed == {name for name in before if group_of(name) != group}


@pytest.mark.parametrize("steps", [2, 10, 97])
def test_onecycle_equals_torch(steps: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-5, final_div_factor=500, total_steps=steps)
    optim = OptimSettings(schedule="onecycle", learning_rate=2e-5)
    for step in range(steps):
        assert learning_rate(step, steps, optim) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()


def test_eight_bit_state_is_kept_and_restored(tmp_path: Path, plain: list[float]) -> None:
    state = new_state(name="adamw8bit")
    assert losses(state) == pytest.approx(plain, rel=0.01)
    path = save_checkpoint(tmp_path, CheckpointNote(3, "loss", 1.0), CONFIG, state.weights(), state.state(3, {}), 1)
    kept_state = read_checkpoint(path, {})[1]["optimizer"]["state"]["transformer.layers.0.mlp.dense_h_to_4h.weight"]
    kept = str(sorted((name, tensor.dtype) for name, tensor in flat(kept_state).items() if tensor.numel() == 4096))
    assert kept == "[('state1', torch.uint8), ('state2', torch.uint8)]"
    again = new_state(name="adamw8bit")
    assert again.restore(path, {}) == 3
    assert train_step(again, 3, mixed_batch()) == train_step(state, 3, mixed_batch())
    assert all(a.equal(b) for a, b in zip(again.model.parameters(), state.model.parameters(), strict=True))


def flat(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    found = {}
    for name, value in state.items():
        found |= flat(value) if isinstance(value, dict) else {name: value} if isinstance(value, torch.Tensor) else {}
    return found


def test_adapters_are_trained_and_merged(tmp_path: Path) -> None:
    lora = LoraSettings(rank=2, alpha=8.0, attention=True, feed_forward=True)
    state = new_state(lora=lora)
    original = new_state().weights()
    assert losses(state)[2] < losses(new_state(lora=lora))[0]
    trained = {name for name, parameter in state.model.named_parameters() if parameter.requires_grad}
    assert len(trained) == CONFIG.num_layers * 4 * 2
    assert all(".lora_" in name for name in trained)
    merged = state.weights()
    assert merged.keys() == original.keys()
    changed = {name for name in merged if not merged[name].equal(original[name])}
    assert changed == {name for name in merged if ".layers." in name and name.endswith("weight") and "norm" not in name}
    exported = Rudolph(CONFIG).eval()
    exported.load_state_dict(merged)
    ids = mixed_batch().ids
    torch.testing.assert_close(exported(ids), state.model.eval()(ids), atol=1e-4, rtol=1e-4)
    state.model.train()
    path = save_checkpoint(tmp_path, CheckpointNote(3, "loss", 1.0), CONFIG, merged, state.state(3, {}), 1)
    again = new_state(lora=lora)
    again.restore(path, {})
    assert train_step(again, 3, mixed_batch()) == train_step(state, 3, mixed_batch())


def test_adapters_go_on_beside_their_own_weights_alone(tmp_path: Path) -> None:
    state = new_state(lora=LoraSettings(rank=2))
    path = save_checkpoint(tmp_path, CheckpointNote(3, "loss", 1.0), CONFIG, state.weights(), state.state(3, {}), 1)
    other = new_state(lora=LoraSettings(rank=2))
    other.model.image_embeddings.weight.data[3, 5] += 1.0
    with pytest.raises(CheckpointError, match=r"adapters belong to other weights .*image_embeddings.weight differs"):
        other.restore(path, {})


@pytest.mark.parametrize(
    ("module", "changes", "complaint"),
    [
        ("bitsandbytes", {"name": "adamw8bit"}, "optim.name: adamw8bit needs bitsandbytes"),
        ("peft", {"lora": LoraSettings(rank=2)}, "lora: needs peft"),
    ],
)
def test_a_library_that_is_not_there_is_named(
    module: str, changes: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=complaint):
        new_state(**changes)


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.tune import distributed

    monkeypatch.setattr(distributed.torch, "cuda", SimpleNamespace(is_available=lambda: False))
    with (
        pytest.raises(SettingsError, match="device: cuda was asked for"),
        distributed.open_processes(ComputeSettings(device="cuda")),
    ):
        pass
