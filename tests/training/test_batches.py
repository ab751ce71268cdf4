"""Mixed batches: tokens, weights, references; the same by any number of processes, and when made ahead."""

import random
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from models.rudolph import Config
from models.rudolph.vocabulary import BOS, EOS, PAD, Vocabulary
from training.tune.data.batches import TASK_TOKENS, Batch, BatchMaker, choose_reference
from training.tune.data.examples import Example
from training.tune.data.prefetching import Prefetched
from training.tune.data.records import TrainingDataError
from training.tune.data.sampler import FixedMixture, Sampler, SharedMixture
from training.tune.settings import TaskSettings

CONFIG = Config(
    num_layers=1,
    hidden_size=8,
    num_attention_heads=1,
    vocab_size=38,
    l_text_seq_length=6,
    image_tokens_per_dim=2,
    r_text_seq_length=5,
    image_vocab_size=11,
    text_special_tokens=24,
)


class Letters:
    """A tokenizer of single letters: a is 4, b is 5 ..."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") + 4 for letter in text]

    def decode(self, ids: Sequence[int], ignore: Sequence[int] = ()) -> str:
        return "".join(chr(i - 4 + ord("a")) for i in ids if i not in ignore)


VOCABULARY = Vocabulary(Letters(), CONFIG)
TASKS = {
    "textqa": TaskSettings(samples=2, left=1.0, image=0.01, right=7.0),
    "generation": TaskSettings(samples=1, left=1.0, image=7.0, right=0.01),
    "vqa": TaskSettings(samples=2, left=1.0, image=1.0, right=7.0),
}
CODES = np.array([1, 2, 3, 10], dtype=np.uint16)
EXAMPLES = {
    "textqa": [Example(str(i), "ab", ("c", "dd"), None) for i in range(3)],
    "generation": [Example("0", "abc", (), CODES)],
    "vqa": [Example(str(i), "b" * i, ("e",), CODES + i % 2) for i in range(5)],
}
SIZES = {task: len(examples) for task, examples in EXAMPLES.items()}
FIXED = FixedMixture({task: settings.samples for task, settings in TASKS.items()})


def maker(
    rank: int = 0, world: int = 1, probability: float = 1.0, reference: str = "first", mixture=FIXED
) -> BatchMaker:
    return BatchMaker(VOCABULARY, EXAMPLES, TASKS, Sampler(mixture, SIZES, 0, rank, world), probability, reference)


def test_the_rows_of_a_batch() -> None:
    batch = maker().batch(0)
    special = VOCABULARY.special
    assert batch.names == ("textqa", "generation", "vqa")
    assert batch.task.tolist() == [0, 0, 1, 2, 2]
    text = [BOS, special["<LT_TQA>"], 4, 5, EOS, PAD, 0, 0, 0, 0, BOS, special["<RT_TQA>"], 6, EOS]
    assert batch.ids[0].tolist() == batch.ids[1].tolist() == text
    assert batch.ids[2].tolist() == [BOS, special["<LT_GEN>"], 4, 5, 6, EOS, 1, 2, 3, 10, PAD, PAD, PAD, PAD]
    assert batch.ids[3, 6:].tolist() in ([c, c + 1, c + 2, c + 9, BOS, special["<RT_VQA>"], 8, EOS] for c in (1, 2))
    # Generation has no right text, so none is weighed.
    weights = torch.tensor([[1, 0.01, 7], [1, 0.01, 7], [1, 7, 0], [1, 1, 7], [1, 1, 7]])
    assert torch.equal(batch.weights, weights)


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (0.25, 0.25), (0.75, 0.75), (1.0, 1.0)])
def test_own_tokens_are_drawn_for_left_and_right_apart(probability: float, expected: float) -> None:
    made = maker(probability=probability)
    drawn: Counter[tuple[int, int]] = Counter()
    for step in range(1000):
        ids = made.batch(step).ids
        drawn.update((int(row[1]), int(row[11])) for row in ids[[0, 1]])
    special = VOCABULARY.special
    own = (special["<LT_TQA>"], special["<RT_TQA>"])
    unknown = (special["<LT_UNK>"], special["<RT_UNK>"])
    assert set(drawn) <= {(left, right) for left in (own[0], unknown[0]) for right in (own[1], unknown[1])}
    # 2000 draws have a standard deviation of 0.01 at most.
    for left in (own[0], unknown[0]):
        for right in (own[1], unknown[1]):
            share = (expected if left == own[0] else 1 - expected) * (expected if right == own[1] else 1 - expected)
            assert drawn[left, right] / 2000 == pytest.approx(share, abs=0.045)


def test_every_task_has_known_tokens() -> None:
    assert {token for pair in TASK_TOKENS.values() for token in pair} <= set(VOCABULARY.special)
    assert TASK_TOKENS["generation"][1] == "<RT_UNK>"


@pytest.mark.parametrize(
    ("references", "how", "expected"),
    [
        (("a", "кот", "a кот"), "first", {"a"}),
        (("a", "кот", "a кот"), "value", {"кот"}),
        (("a", "b"), "value", {"a"}),
        (("a", "кот", "a кот"), "random", {"a", "кот", "a кот"}),
    ],
)
def test_which_reference_is_trained_on(references: tuple[str, ...], how: str, expected: set[str]) -> None:
    rng = random.Random(0)
    assert {choose_reference(references, how, rng) for _ in range(100)} == expected


@pytest.mark.parametrize("world", [2, 3, 7])
@pytest.mark.parametrize("mixture", [FIXED, SharedMixture(dict.fromkeys(TASKS, 1.0), 5, 0)])
def test_processes_have_the_rows_of_one(world: int, mixture) -> None:
    for step in (0, 17):
        alone = maker(probability=0.5, reference="random", mixture=mixture).batch(step)
        parts = [maker(rank, world, 0.5, "random", mixture).batch(step) for rank in range(world)]
        for rank, part in enumerate(parts):
            rows, n = slice(rank, None, world), part.ids.shape[1]
            assert torch.equal(part.ids, alone.ids[rows, :n])
            assert not alone.ids[rows, n:].any()
            assert torch.equal(part.task, alone.task[rows])
            assert torch.equal(part.weights, alone.weights[rows])


def test_a_process_may_have_no_rows() -> None:
    batch = maker(rank=6, world=7).batch(0)
    assert (batch.ids.shape, batch.weights.shape, batch.task.shape) == ((0, CONFIG.prefix_length), (0, 3), (0,))


def equal(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip((one.ids, one.weights, one.task), (other.ids, other.weights, other.task), strict=True)
    )


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_made_ahead_are_the_same(ahead: int) -> None:
    made, plain = Prefetched(maker(probability=0.5).batch, ahead), maker(probability=0.5)
    for step in (0, 1, 2, 3, 10, 4, 4):
        assert equal(made.batch(step), plain.batch(step))
    made.close()


class Recorded:
    """A maker that notes which steps it made, and fails at one of them."""

    def __init__(self, fails: int | None = None) -> None:
        self.made: list[int] = []
        self.threads: set[int] = set()
        self.fails = fails

    def batch(self, step: int) -> Batch:
        if step == self.fails:
            raise TrainingDataError("folder/vqa_train.json, sample '7': bad")
        self.made.append(step)
        self.threads.add(threading.get_ident())
        return maker().batch(step)


def test_each_batch_is_made_once_and_before_it_is_asked_for() -> None:
    recorded = Recorded()
    batches = Prefetched(recorded.batch, 2)
    for step in range(5):
        batches.batch(step)
    batches.close()
    assert recorded.made[:5] == [0, 1, 2, 3, 4]
    assert len(recorded.made) == len(set(recorded.made))
    assert threading.get_ident() not in recorded.threads


def test_background_failure_is_raised_at_its_step() -> None:
    batches = Prefetched(Recorded(fails=2).batch, 2)
    batches.batch(0)
    batches.batch(1)
    with pytest.raises(TrainingDataError, match="sample '7': bad"):
        batches.batch(2)
    assert batches.batch(3).ids.shape[0] == 5
    batches.close()
