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
from training.tune.checkpoints import CheckpointError, Note, read_checkpoint, save_checkpoint
from training.tune.data.batches import Batch
from training.tune.distributed import Processes
from training.tune.freezing import freeze, group_of
from training.tune.lora import add_adapters
from training.tune.schedule import learning_rate
from training.tune.settings import FreezeSettings, LoraSettings, SettingsError, TuneSettings
from training.tune.train_step import Stepper
from training.tune.training_state import Trainee

BASE = TuneSettings(
    data="", weights="", out="", tasks=TASKS, dtype="float32", device="cpu", learning_rate=1e-2, warmup_steps=1, steps=9
)
ALONE = Processes(0, 1, torch.device("cpu"))


def new_trainee(**changes: Any) -> tuple[Trainee, Stepper]:
    settings = replace(BASE, **changes)
    torch.manual_seed(0)
    model = Rudolph(CONFIG).train()
    if settings.activation_checkpointing:
        model.transformer.config = replace(CONFIG, gradient_checkpointing=1)
    freeze(model, settings.freeze)
    if settings.lora.rank:
        add_adapters(model, settings.lora)
    trainee = Trainee(model, settings, ALONE)
    return trainee, Stepper(trainee, settings)


def losses(stepper: Stepper, steps: int = 3) -> list[float]:
    return [stepper.step(step, mixed_batch())["loss"] for step in range(steps)]


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return losses(new_trainee()[1])


@pytest.mark.parametrize("parts", [2, 5, 11])
def test_a_batch_in_parts_makes_the_same_steps(parts: int, plain: list[float]) -> None:
    assert losses(new_trainee(accumulate=parts)[1]) == pytest.approx(plain, rel=1e-5)


class Calls(torch.nn.Module):
    """Counts how often a layer is run."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.count = 0

    def forward(self, x: torch.Tensor, attend: object) -> torch.Tensor:
        self.count += 1
        return self.layer(x, attend)


@pytest.mark.parametrize(("activation_checkpointing", "runs"), [(False, 1), (True, 2)])
def test_activation_checkpointing_runs_layers_twice_and_changes_nothing(
    activation_checkpointing: bool, runs: int, plain: list[float]
) -> None:
    trainee, stepper = new_trainee(activation_checkpointing=activation_checkpointing)
    layers = trainee.model.transformer.layers
    layers[2] = Calls(layers[2])
    assert losses(stepper) == plain
    assert layers[2].count == runs * 3


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.02), ("float16", 0.01)])
def test_half_precision_computes_in_half_and_keeps_whole_weights(
    dtype: str, tolerance: float, plain: list[float]
) -> None:
    trainee, stepper = new_trainee(dtype=dtype)
    # float16's scale begins so large that the first steps overflow: they are left out, and it is halved.
    steps, scale = [], trainee.precision.scaler.get_scale()
    for _ in range(10):
        before = trainee.model.text_embeddings.weight.clone()
        values = stepper.step(0, mixed_batch())
        if before.equal(trainee.model.text_embeddings.weight):
            assert dtype == "float16"
            scale /= 2
            assert trainee.precision.scaler.get_scale() == scale
        else:
            steps.append(values["loss"])
        if len(steps) == 3:
            break
    assert steps[0] == pytest.approx(plain[0], rel=tolerance)
    assert steps[2] < 0.8 * steps[0]
    assert {parameter.dtype for parameter in trainee.model.parameters()} == {torch.float32}


def test_an_overflow_begins_the_count_of_sound_steps_anew() -> None:
    trainee, stepper = new_trainee(dtype="float16")
    scaler = trainee.precision.scaler
    stepper.step(0, mixed_batch())  # from here on the scaler knows its scale
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**10, "_growth_tracker": 0})
    stepper.step(0, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**10, 1)
    overflow = trainee.model.text_embeddings.weight.register_hook(lambda gradient: gradient * float("inf"))
    stepper.step(1, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**9, 0)
    overflow.remove()
    stepper.step(1, mixed_batch())
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (2.0**9, 1)


FEW = [{"lora": LoraSettings(rank=2)}, {"freeze": FreezeSettings(embeddings=True, norms=True, rest=True)}]


@pytest.mark.parametrize("changes", FEW, ids=["adapters", "layers"])
def test_parts_without_rows_change_nothing(changes: dict[str, Any]) -> None:
    whole = losses(new_trainee(**changes)[1])
    assert losses(new_trainee(accumulate=12, **changes)[1]) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("changes", FEW, ids=["adapters", "layers"])
def test_rows_without_a_trained_token_change_nothing(changes: dict[str, Any]) -> None:
    batch = mixed_batch()
    batch.weights[batch.task == 1] = 0.0
    without = Batch(*(tensor[batch.task != 1] for tensor in (batch.ids, batch.weights, batch.task)), batch.names)
    expected = new_trainee(**changes)[1].step(0, without)
    found = new_trainee(accumulate=9, **changes)[1].step(0, batch)
    assert {key: found[key] for key in expected if key not in ("samples", "tokens")} == pytest.approx(
        {key: expected[key] for key in expected if key not in ("samples", "tokens")}, rel=1e-4
    )


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_is_not_finite_ends_the_run_before_the_weights_change(where: str) -> None:
    trainee, stepper = new_trainee()
    before = {name: tensor.clone() for name, tensor in trainee.model.state_dict().items()}
    if where == "loss":
        trainee.model.to_logits[1].bias.data[3] = float("nan")
        before["to_logits.1.bias"][3] = float("nan")
    else:
        trainee.model.text_embeddings.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(FloatingPointError, match="the loss is nan" if where == "loss" else "gradient's norm is"):
        stepper.step(0, mixed_batch())
    after = trainee.model.state_dict()
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
    trainee, stepper = new_trainee(freeze=FreezeSettings(**{group: True}))
    before = {name: parameter.clone() for name, parameter in trainee.model.named_parameters()}
    losses(stepper, 1)
    changed = {name for name, parameter in trainee.model.named_parameters() if not parameter.equal(before[name])}
    assert changed == {name for name in before if group_of(name) != group}


@pytest.mark.parametrize("steps", [2, 10, 97])
def test_onecycle_is_torch_s_with_the_published_final_divisor(steps: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-5, final_div_factor=500, total_steps=steps)
    settings = replace(BASE, schedule="onecycle", learning_rate=2e-5, steps=steps)
    for step in range(steps):
        assert learning_rate(step, settings) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()


def test_eight_bit_state_is_kept_and_restored(tmp_path: Path, plain: list[float]) -> None:
    trainee, stepper = new_trainee(optimizer="adamw8bit")
    assert losses(stepper) == pytest.approx(plain, rel=0.01)
    path = save_checkpoint(tmp_path, Note(3, "loss", 1.0), CONFIG, trainee.weights(), trainee.state(3, {}), 1)
    state = read_checkpoint(path, {})[1]["optimizer"]["state"]["transformer.layers.0.mlp.dense_h_to_4h.weight"]
    kept = str(sorted((name, tensor.dtype) for name, tensor in flat(state).items() if tensor.numel() == 4096))
    assert kept == "[('state1', torch.uint8), ('state2', torch.uint8)]"
    again, other = new_trainee(optimizer="adamw8bit")
    assert again.restore(path, {}) == 3
    assert other.step(3, mixed_batch()) == stepper.step(3, mixed_batch())
    assert all(a.equal(b) for a, b in zip(again.model.parameters(), trainee.model.parameters(), strict=True))


def flat(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    found = {}
    for name, value in state.items():
        found |= flat(value) if isinstance(value, dict) else {name: value} if isinstance(value, torch.Tensor) else {}
    return found


def test_adapters_alone_are_trained_and_add_up_with_the_weights(tmp_path: Path) -> None:
    lora = LoraSettings(rank=2, alpha=8.0, attention=True, feed_forward=True)
    trainee, stepper = new_trainee(lora=lora)
    original = new_trainee()[0].weights()
    assert losses(stepper)[2] < losses(new_trainee(lora=lora)[1])[0]
    trained = {name for name, parameter in trainee.model.named_parameters() if parameter.requires_grad}
    assert len(trained) == CONFIG.num_layers * 4 * 2
    assert all(".lora_" in name for name in trained)
    merged = trainee.weights()
    assert merged.keys() == original.keys()
    changed = {name for name in merged if not merged[name].equal(original[name])}
    assert changed == {name for name in merged if ".layers." in name and name.endswith("weight") and "norm" not in name}
    exported = Rudolph(CONFIG).eval()
    exported.load_state_dict(merged)
    ids = mixed_batch().ids
    torch.testing.assert_close(exported(ids), trainee.model.eval()(ids), atol=1e-4, rtol=1e-4)
    trainee.model.train()
    path = save_checkpoint(tmp_path, Note(3, "loss", 1.0), CONFIG, merged, trainee.state(3, {}), 1)
    again, other = new_trainee(lora=lora)
    again.restore(path, {})
    assert other.step(3, mixed_batch()) == stepper.step(3, mixed_batch())


def test_adapters_go_on_beside_their_own_weights_alone(tmp_path: Path) -> None:
    trainee, _ = new_trainee(lora=LoraSettings(rank=2))
    path = save_checkpoint(tmp_path, Note(3, "loss", 1.0), CONFIG, trainee.weights(), trainee.state(3, {}), 1)
    other, _ = new_trainee(lora=LoraSettings(rank=2))
    other.model.image_embeddings.weight.data[3, 5] += 1.0
    with pytest.raises(CheckpointError, match=r"adapters belong to other weights .*image_embeddings.weight differs"):
        other.restore(path, {})


@pytest.mark.parametrize(
    ("module", "changes", "complaint"),
    [
        ("bitsandbytes", {"optimizer": "adamw8bit"}, "optimizer: adamw8bit needs bitsandbytes"),
        ("peft", {"lora": LoraSettings(rank=2)}, "lora: needs peft"),
    ],
)
def test_a_library_that_is_not_there_is_named(
    module: str, changes: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=complaint):
        new_trainee(**changes)


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.tune import distributed

    monkeypatch.setattr(distributed.torch, "cuda", SimpleNamespace(is_available=lambda: False))
    with (
        pytest.raises(SettingsError, match="device: cuda was asked for"),
        distributed.open_processes(replace(BASE, device="cuda")),
    ):
        pass
