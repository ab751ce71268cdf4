"""The mixed-batch objective equals the weighted sum of each task's own corrected loss."""

import pytest
import torch

from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import EOS, PAD
from training.tune.batches import Batch
from training.tune.objective import objective, targets_of
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


def test_one_pass_equals_the_weighted_sum_of_separate_passes() -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    loss, means = objective(model, batch, TASKS)
    separate = torch.zeros(())
    for index, (name, settings) in enumerate(TASKS.items()):
        own, parts = model.loss(
            batch.ids[batch.task == index], settings.left, settings.image, settings.right or 0.0, mode="corrected"
        )
        separate = separate + settings.weight * own
        for segment, part in (("left", "l_text_loss"), ("image", "image_loss"), ("right", "r_text_loss")):
            if segment in means[name]:
                assert means[name][segment] == pytest.approx(parts[part].item(), rel=1e-5)
    assert loss.item() == pytest.approx(separate.item(), rel=1e-5)


def test_its_gradients_are_those_of_the_separate_passes() -> None:
    torch.manual_seed(0)
    model, batch = Rudolph(CONFIG), mixed_batch()
    objective(model, batch, TASKS)[0].backward()
    together = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for index, settings in enumerate(TASKS.values()):
        own, _ = model.loss(
            batch.ids[batch.task == index], settings.left, settings.image, settings.right, mode="corrected"
        )
        (settings.weight * own).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, atol=1e-6, rtol=1e-4)


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
