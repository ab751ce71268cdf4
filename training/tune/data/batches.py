"""Mixed batches: which tokens, and which weight each segment's loss has. A pure function of seed and step."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.rudolph.vocabulary import PAD, Vocabulary
from training.tune.data.examples import Example
from training.tune.data.sampler import Sampler
from training.tune.settings import TaskSettings

# Own left and right token of each task; generation has no right text. Drills and variants are data_prep's.
TASK_TOKENS: Mapping[str, tuple[str, str]] = {
    "textqa": ("<LT_TQA>", "<RT_TQA>"),
    "mathqa": ("<LT_MQA>", "<RT_MQA>"),
    "vqa": ("<LT_VQA>", "<RT_VQA>"),
    "captioning": ("<LT_CAP>", "<RT_CAP>"),
    "generation": ("<LT_GEN>", "<RT_UNK>"),
    "text_recognition": ("<LT_REC>", "<RT_REC>"),
    "drill_textqa": ("<LT_T2T>", "<RT_TQA>"),
    "drill_mathqa": ("<LT_T2T>", "<RT_MQA>"),
    "drill_copying": ("<LT_T2T>", "<RT_TQA>"),
    "drill_retelling": ("<LT_T2T>", "<RT_TQA>"),
    "drill_vqa": ("<LT_VQA>", "<RT_CAP>"),
    "drill_picture_facts": ("<LT_CAP>", "<RT_CAP>"),
    "variant_textqa": ("<LT_TQA>", "<RT_TQA>"),
    "variant_vqa": ("<LT_VQA>", "<RT_VQA>"),
    "variant_captioning": ("<LT_CAP>", "<RT_CAP>"),
    "variant_text_recognition": ("<LT_REC>", "<RT_REC>"),
}
OPTION_MARKERS = frozenset("abcdefgh")


@dataclass(frozen=True)
class Batch:
    """Token ids `[batch, n]` (right text cut to the longest, which changes nothing as attention is causal), the segment
    weights of each row `[batch, 3]` (left, image, right) and the task index of each row `[batch]`."""

    ids: Tensor
    weights: Tensor
    task: Tensor
    names: tuple[str, ...]


def choose_reference(references: Sequence[str], how: str, rng: random.Random) -> str:
    """Pick the reference to train on; see `DataSettings.reference`."""
    if how == "random":
        return rng.choice(references)
    if how == "value":
        return next((text for text in references if text not in OPTION_MARKERS), references[0])
    return references[0]


def picture_codes(example: Example, length: int) -> Tensor:
    """Codes of an example's picture, int64 `[length]`; zeros where it has none."""
    if example.codes is None:
        return torch.zeros(length, dtype=torch.int64)
    return torch.from_numpy(example.codes.astype("int64"))


def example_ids(
    vocabulary: Vocabulary,
    example: Example,
    answer: str | None,
    left_token: str = "<LT_UNK>",
    right_token: str = "<RT_UNK>",
) -> Tensor:
    """Ids of a whole example, `[total length]`; without an answer the right text is padding."""
    config = vocabulary.config
    if answer is None:
        right = torch.full((config.r_text_seq_length,), PAD)
    else:
        right = vocabulary.encode_right(answer, right_token)
    left = vocabulary.encode_left(example.left, left_token)
    return torch.cat((left, picture_codes(example, config.image_seq_length), right))


class BatchMaker:
    """Makes the batch of any step; the same for the same seed, settings and examples, so a run resumes exactly."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        examples: Mapping[str, Sequence[Example]],
        tasks: Mapping[str, TaskSettings],
        sampler: Sampler,
        special_probability: float,
        reference: str,
    ) -> None:
        self.vocabulary = vocabulary
        self.examples = examples
        self.tasks = tasks
        self.sampler = sampler
        self.special_probability = special_probability
        self.reference = reference

    def _ids(self, task: str, example: Example, rng: random.Random) -> Tensor:
        own_left, own_right = TASK_TOKENS[task]
        left_token = own_left if rng.random() < self.special_probability else "<LT_UNK>"
        right_token = own_right if rng.random() < self.special_probability else "<RT_UNK>"
        answer = choose_reference(example.references, self.reference, rng) if example.references else None
        return example_ids(self.vocabulary, example, answer, left_token, right_token)

    def batch(self, step: int) -> Batch:
        """Batch of a step (0-based): this process's rows of it, which may be none.

        Raises `TrainingDataError`, naming sample and file, for an example that can not be read.
        """
        config, names = self.vocabulary.config, tuple(self.tasks)
        rows, weights, tasks = [torch.zeros(0, config.total_seq_length, dtype=torch.int64)], [], []
        for row, name, number in self.sampler.rows(step):
            example, settings = self.examples[name][number], self.tasks[name]
            # A row draws numbers of its own, the same whichever process makes it.
            rng = random.Random(f"{self.sampler.seed}|{step}|{row}")
            rows.append(self._ids(name, example, rng)[None])
            weights.append((settings.left, settings.image, settings.right if example.references else 0.0))
            tasks.append(names.index(name))
        ids = torch.cat(rows)  # [batch, total length]
        longest = int((ids[:, config.prefix_length :] != PAD).sum(1).amax()) if len(tasks) else 0
        return Batch(
            ids[:, : config.prefix_length + longest],
            torch.tensor(weights, dtype=torch.float32).view(-1, 3),
            torch.tensor(tasks, dtype=torch.int64),
            names,
        )
