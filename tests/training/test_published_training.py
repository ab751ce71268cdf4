"""The published step that the benchmark times does the same work: its loss is that of our objective in one pass."""

from dataclasses import replace

import pytest
import torch

from benchmarks.published_training import PublishedTraining
from benchmarks.train import ANSWER, TASKS, WITHOUT_ANSWER, task_ids
from models.rudolph import Rudolph, named
from tests.training.test_objective import objective
from training.tune.data.batches import Batch

CONFIG = replace(
    named("350M"),
    num_layers=4,
    hidden_size=32,
    num_attention_heads=4,
    vocab_size=364,
    image_vocab_size=100,
    embedding_dropout_prob=0.0,
    attention_dropout_prob=0.0,
    output_dropout_prob=0.0,
    init_method_std=0.1,
)


def test_both_ways_of_the_benchmark_have_the_same_loss() -> None:
    torch.manual_seed(0)
    model = Rudolph(CONFIG)
    ids = {task: task_ids(CONFIG, task, 2) for task in TASKS}
    separate = ids | {WITHOUT_ANSWER: ids[WITHOUT_ANSWER][:, : CONFIG.prefix_length]}
    published = PublishedTraining(model, TASKS, clip=1.0).loss(separate)
    weights = [(s.left, s.image, 0.0 if task == WITHOUT_ANSWER else s.right) for task, s in TASKS.items()]
    batch = Batch(
        torch.cat(list(ids.values()))[:, : CONFIG.prefix_length + ANSWER],
        torch.tensor(weights).repeat_interleave(2, 0),
        torch.arange(len(TASKS)).repeat_interleave(2),
        tuple(TASKS),
    )
    ours, _ = objective(model, batch, TASKS, "published")
    assert ours.item() == pytest.approx(published.item(), rel=1e-5)
