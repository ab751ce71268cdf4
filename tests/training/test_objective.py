"""The mixed-batch objective equals the weighted sum of each task's own loss, in both modes of the loss."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import EOS, PAD
from training.tune.data.batches import Batch
from training.tune.objective import SEGMENTS, Objective, means_of, split_batch, targets_of, totals_of
from training.tune.settings import TaskSettings

CONFIG = Config(
    num_layers=4,
    hidden_size=32,
    num_attention_heads=2,
    vocab_size=46,
    l_text_seq_length=6,
    image_tokens_per_dim=3,
    r_text_seq_length=5,
    image_vocab_size=11,
    text_special_tokens=4,
    kernel_size=3,
    last_kernel_size=3,
    embedding_dropout_prob=0.0,
    attention_dropout_prob=0.0,
    output_dropout_prob=0.0,
    init_method_std=0.3,
)
TASKS = {
    "textqa": TaskSettings(samples=3, weight=0.5, left=1.0, image=0.0, right=7.0),
    "generation": TaskSettings(samples=2, weight=2.0, left=0.02, image=1.0, right=0.0),
    "vqa": TaskSettings(samples=4, weight=1.0, left=1.0, image=1.0, right=7.0),
}


def objective(
    model: Rudolph, batch: Batch, tasks: Mapping[str, TaskSettings], loss: str = "corrected"
) -> tuple[Tensor, dict[str, dict[str, float]]]:
    """Loss of a mixed batch by one process in one part, and the mean cross-entropy of each task's trained segments."""
    totals = totals_of(model, [batch], loss)
    value, sums = Objective(model, tasks, loss)(batch, totals)
    return value, means_of(batch, totals, sums)


def mixed_batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    rows, weights, task = [], [], []
    for index, (name, settings) in enumerate(TASKS.items()):
        for k in range(settings.samples):
            left = torch.randint(4, 40, (6,), generator=generator)
            left[4:] = PAD if k % 2 else left[4:]
            image = torch.randint(0, 11, (9,), generator=generator)
            right = torch.zeros(5, dtype=torch.int64)
            if name != "generation":
                right[: 2 + k % 3] = torch.randint(4, 40, (2 + k % 3,), generator=generator)
                right[2 + k % 3] = EOS
            rows.append(torch.cat((left, image, right)))
            weights.append((settings.left, settings.image, settings.right))
            task.append(index)
    return Batch(torch.stack(rows), torch.tensor(weights), torch.tensor(task), tuple(TASKS))


def separate_losses(model: Rudolph, batch: Batch, mode: str) -> tuple[torch.Tensor, dict[str, dict[str, float]]]:
    """The published way: a pass for each task, weighed and summed; and the parts' own losses."""
    total, parts = torch.zeros(()), {}
    for index, (name, settings) in enumerate(TASKS.items()):
        ids = batch.ids[batch.task == index]
        own, of_task = model.loss(ids, settings.left, settings.image, settings.right, mode=mode)  # type: ignore[arg-type]
        total = total + settings.weight * own
        parts[name] = {key: value.item() for key, value in zip(SEGMENTS, of_task.values(), strict=True)}
    return total, parts


@pytest.mark.parametrize("mode", ["corrected", "published"])
def test_one_pass_equals_separate_passes(mode: str) -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    loss, means = objective(model, batch, TASKS, mode)
    separate, parts = separate_losses(model, batch, mode)
    assert loss.item() == pytest.approx(separate.item(), rel=1e-5)
    for name, of_task in means.items():
        assert of_task == pytest.approx({segment: parts[name][segment] for segment in of_task}, rel=1e-5)
    assert set(means["textqa"]) == {"left", "right"}
    assert set(means["generation"]) == {"left", "image"}


def test_a_task_of_weight_0_is_told_and_not_trained() -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    tasks = {**TASKS, "vqa": TaskSettings(samples=4, weight=0.0, left=1.0, image=1.0, right=7.0)}
    loss, means = objective(model, batch, tasks)
    with_it, expected = objective(model, batch, TASKS)
    assert means["vqa"] == pytest.approx(expected["vqa"], rel=1e-5)
    left, image, right = expected["vqa"].values()
    assert loss.item() == pytest.approx(with_it.item() - (left + image + 7 * right) / 9, rel=1e-5)


@pytest.mark.parametrize("mode", ["corrected", "published"])
def test_its_gradients_are_those_of_the_separate_passes(mode: str) -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    objective(model, batch, TASKS, mode)[0].backward()
    together = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    separate_losses(model, batch, mode)[0].backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_parts_sum_up_to_the_whole_batch(parts: int) -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    whole, means = objective(model, batch, TASKS)
    whole.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    pieces = split_batch(batch, parts)
    totals, module = totals_of(model, pieces), Objective(model, TASKS)
    loss, sums = torch.zeros(()), torch.zeros(len(TASKS), 3)
    for index, piece in enumerate(pieces):
        own, own_sums = module(piece, totals, index)
        own.backward()
        loss, sums = loss + own.detach(), sums + own_sums
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for name, of_task in means_of(batch, totals, sums).items():
        assert of_task == pytest.approx(means[name], rel=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(expected[name], parameter.grad, atol=1e-6, rtol=1e-4)


class Positions(torch.nn.Module):
    """Counts the positions that a layer is run at."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.count = 0

    def forward(self, x: torch.Tensor, attend: object, last: int | None = None) -> torch.Tensor:
        self.count += x.shape[0] * x.shape[1]
        return self.layer(x, attend, last)


@pytest.mark.parametrize("mode", ["corrected", "published"])
def test_left_text_rows_are_run_no_further(mode: str) -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    tasks = {**TASKS, "textqa": TaskSettings(samples=3, weight=0.5, left=1.0, image=0.0, right=0.0)}
    weights = batch.weights.clone()
    weights[batch.task == 0] = torch.tensor([1.0, 0.0, 0.0])
    counter = model.transformer.layers[0] = Positions(model.transformer.layers[0])
    cut, _ = objective(model, Batch(batch.ids, weights, batch.task, batch.names), tasks, mode)
    assert counter.count == 3 * 6 + 6 * 20
    textqa, _ = model.loss(batch.ids[:3], 1.0, 0.0, 0.0, mode=mode)  # type: ignore[arg-type]
    others = sum(
        settings.weight * model.loss(batch.ids[batch.task == k], settings.left, settings.image, settings.right, mode)[0]  # type: ignore[arg-type]
        for k, settings in ((1, tasks["generation"]), (2, tasks["vqa"]))
    )
    assert cut.item() == pytest.approx((0.5 * textqa + others).item(), rel=1e-5)


def test_cutting_padding_off_the_right_text_changes_nothing() -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    padded = torch.cat((batch.ids[:, :-1], torch.full_like(batch.ids[:, -1:], PAD)), dim=1)
    whole = Batch(padded, batch.weights, batch.task, batch.names)
    cut = Batch(padded[:, :-1], batch.weights, batch.task, batch.names)
    assert objective(model, whole, TASKS)[0].item() == pytest.approx(objective(model, cut, TASKS)[0].item(), rel=1e-6)


def test_what_each_position_predicts() -> None:
    ids = torch.tensor([[5, 6, 7, 0, 0, 0, *range(9), 2, 9, 3, 0, 0]])
    left = torch.tensor([[5, 6, 7, 47, 48, 49]])
    targets = targets_of(CONFIG, ids, left)
    assert targets.segment[0].tolist() == [0] * 5 + [1] * 9 + [-1] + [2, 2, -1, -1, -1]
    assert targets.ids[0, :14].tolist() == [6, 7, 47, 48, 49, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert targets.ids[0, 15:17].tolist() == [9, 3]


def test_published_loss_at_the_last_left_position() -> None:
    ids = torch.tensor([[5, 6, 7, 0, 0, 0, *range(9), 2, 9, 3, 0, 0]])
    targets = targets_of(CONFIG, ids, torch.tensor([[5, 6, 7, 47, 48, 49]]), "published")
    assert targets.segment[0].tolist() == [0] * 6 + [1] * 8 + [-1] + [2, 2, -1, -1, -1]
    assert targets.ids[0, :6].tolist() == [6, 7, 47, 48, 49, 0]  # the first image code, 0, as a text id


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_few_steps_make_the_loss_fall(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            loss, _ = objective(model, batch, TASKS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
