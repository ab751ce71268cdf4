"""Validation of text tasks by greedy answers with the unknown-task tokens, as the contest asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from models.rudolph import Rudolph
from models.rudolph.decoding import answer
from models.rudolph.sampling import Sampling
from models.rudolph.vocabulary import Vocabulary
from training.tune.examples import Example

GREEDY = Sampling(top_k=1)


def greedy_answers(model: Rudolph, vocabulary: Vocabulary, examples: Sequence[Example], batch_size: int) -> list[str]:
    """Answers to the examples, in order."""
    config, template = model.config, vocabulary.right_template()
    answers: list[str] = []
    for start in range(0, len(examples), batch_size):
        chunk = examples[start : start + batch_size]
        left = torch.stack([vocabulary.encode_left(example.left) for example in chunk])  # [batch, L]
        codes = torch.zeros(len(chunk), config.image_seq_length, dtype=torch.int64)
        for row, example in enumerate(chunk):
            if example.codes is not None:
                codes[row] = torch.from_numpy(example.codes.astype("int64"))
        uniforms = torch.zeros(len(chunk), config.r_text_seq_length - len(template))
        ids = answer(model, left, codes, template, GREEDY, uniforms)
        answers += [vocabulary.decode(row) for row in ids]
    return answers


def exact_match(
    model: Rudolph, vocabulary: Vocabulary, examples: Mapping[str, Sequence[Example]], batch_size: int = 48
) -> dict[str, float]:
    """Share of greedy answers equal to a reference (lower case), for each task that has text answers."""
    was_training = model.training
    model.eval()
    scores = {}
    for task, of_task in examples.items():
        asked = [example for example in of_task if example.references]
        if not asked:
            continue
        answers = greedy_answers(model, vocabulary, asked, batch_size)
        right = [
            text.lower() in {reference.lower().strip() for reference in example.references}
            for text, example in zip(answers, asked, strict=True)
        ]
        scores[task] = sum(right) / len(right)
    model.train(was_training)
    return scores
