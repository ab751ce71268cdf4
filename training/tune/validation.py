"""Validation on held-out examples: greedy answers scored as the contest scores them, and the loss of each task.

Everything is asked with the unknown-task tokens, as the contest asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from evaluation.metrics import captioning, mathqa, text_recognition, textqa, vqa
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.errors import AttemptAbortedError
from models.rudolph import Rudolph
from models.rudolph.decoding import answer
from models.rudolph.free_memory import free_bytes
from models.rudolph.memory_plan import CPU, GPU, answering, plan
from models.rudolph.sampling import Sampling
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import EMPTY_ANSWER, PAD, Vocabulary
from training.tune.data.batches import example_ids, picture_codes
from training.tune.data.examples import Example
from training.tune.objective import SEGMENTS, targets_of
from training.tune.settings import TaskSettings

AT_ONCE = 48  # examples, where memory allows
GREEDY = Sampling(top_k=1)
LOGITS_AT_ONCE = 2048  # rows of the output head in memory at a time

Score = Callable[[Sequence[Case], Mode], tuple[list[float], list[Note]]]


@dataclass(frozen=True)
class Metric:
    """What a task's answers are scored with: a name for readers, and the evaluator's own function."""

    name: str
    score: Score


TOKEN_F1, EXACT = Metric("token F1", textqa.score_cases), Metric("exact match by the rules", mathqa.score_cases)
# Generation has no text to score. Captions have their METEOR half alone: the other half needs a ruCLIP network.
METRICS: Mapping[str, Metric] = {
    "textqa": TOKEN_F1,
    "mathqa": EXACT,
    "vqa": Metric("METEOR with numbers", vqa.score_cases),
    "captioning": Metric("METEOR, the half without ruCLIP", captioning.score_cases),
    "text_recognition": Metric("1 - NED", text_recognition.score_cases),
    "drill_textqa": TOKEN_F1,
    "drill_mathqa": EXACT,
    "drill_copying": EXACT,
    "drill_retelling": EXACT,
    "drill_vqa": EXACT,
    "drill_picture_facts": EXACT,
    "variant_textqa": EXACT,
    "variant_vqa": EXACT,
    "variant_captioning": EXACT,
    "variant_text_recognition": EXACT,
}


@dataclass(frozen=True)
class Answered:
    """A held-out question and what the model said; `score` is None where the task has no metric or no score."""

    example: Example
    answer: str
    score: float | None


@dataclass(frozen=True)
class TaskValidation:
    """One task: `loss` weighs the segments' mean cross-entropies `segments` as the training does.

    `exact_match` is the share of answers equal to a reference (lower case), `score` that of the contest's metric; both
    are None for a task without text answers, `loss` for one without a trained segment. `problem` says what the
    organisers' scripts would stumble over.
    """

    loss: float | None
    segments: Mapping[str, float]
    exact_match: float | None = None
    score: float | None = None
    answers: tuple[Answered, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Validation:
    """All tasks. `loss` is the weighted sum that training minimises, `score` the plain mean over tasks with one."""

    tasks: Mapping[str, TaskValidation]
    loss: float
    score: float | None


def fitting_batch(model: Rudolph) -> int:
    """How many examples fit beside the weights, gradients and states of a training; at least 1."""
    weight = model.text_embeddings.weight
    if weight.device.type == "cuda":
        torch.cuda.empty_cache()  # what a step left to torch's allocator counts as taken otherwise
    limits = GPU if weight.device.type == "cuda" else CPU
    need = answering(model.config, weight.dtype, AT_ONCE)
    return plan(free_bytes(weight.device), [need], replace(limits, largest_batch=AT_ONCE)).batch("answer")


def greedy_answers(
    model: Rudolph,
    vocabulary: Vocabulary,
    examples: Sequence[Example],
    batch_size: int,
    graphs: StepGraphs | None = None,
) -> list[str]:
    """Answers to the examples, in order; `graphs` may capture steps."""
    config, template = model.config, vocabulary.right_template()
    answers: list[str] = []
    for start in range(0, len(examples), batch_size):
        chunk = examples[start : start + batch_size]
        left = torch.stack([vocabulary.encode_left(example.left) for example in chunk])  # [batch, L]
        codes = torch.stack([picture_codes(example, config.image_seq_length) for example in chunk])  # [batch, I]
        uniforms = torch.zeros(len(chunk), config.r_text_seq_length - len(template))
        ids = answer(model, left, codes, template, GREEDY, uniforms, graphs=graphs)
        answers += [vocabulary.decode(row) for row in ids]
    return answers


def score_answers(
    task: str, examples: Sequence[Example], answers: Sequence[str], mode: Mode
) -> tuple[list[float] | None, str | None]:
    """Score answers as the evaluator does; (scores, problem), the scores None where the task or the mode gives none.

    An answer without text is scored as the submission would write it.
    """
    if task not in METRICS:
        return None, None
    cases = [
        Case(
            example.id,
            GroundTruth(example.id, (References("text", example.references),)),
            Sample(example.id, (Item("text", text or EMPTY_ANSWER),)),
        )
        for example, text in zip(examples, answers, strict=True)
    ]
    try:
        scores, notes = METRICS[task].score(cases, mode)
    except AttemptAbortedError as error:
        return None, str(error)
    return scores, next((note.message for note in notes if note.voids_task), None)


@torch.inference_mode()
def segment_losses(
    model: Rudolph, vocabulary: Vocabulary, examples: Sequence[Example], segments: Sequence[str], batch_size: int
) -> dict[str, float]:
    """Mean cross-entropy, over all their tokens, of the segments that the examples have; first references.

    Each token is predicted from the position before it (the corrected loss), whatever the training minimises.
    """
    config = model.config
    sums, counts = dict.fromkeys(segments, 0.0), dict.fromkeys(segments, 0)
    for start in range(0, len(examples), batch_size):
        ids = torch.stack(
            [
                example_ids(vocabulary, example, example.references[0] if example.references else None)
                for example in examples[start : start + batch_size]
            ]
        )
        ids = ids[:, : config.prefix_length + int((ids[:, config.prefix_length :] != PAD).sum(1).max())]
        ids = ids.to(model.text_embeddings.weight.device)
        targets = targets_of(config, ids, model.left_ids(ids[:, : config.l_text_seq_length]))
        hidden = model.hidden(ids)  # [batch, n, hidden]
        for segment in segments:
            chosen = targets.segment == SEGMENTS.index(segment)  # [batch, n]
            rows = model.image_rows if segment == "image" else model.text_rows
            sums[segment] += _entropy(model, hidden[chosen], targets.ids[chosen], rows)
            counts[segment] += int(chosen.sum())
    return {segment: sums[segment] / counts[segment] for segment in segments if counts[segment]}


def validate(
    model: Rudolph,
    vocabulary: Vocabulary,
    held_out: Mapping[str, Sequence[Example]],
    tasks: Mapping[str, TaskSettings],
    mode: Mode,
    batch_size: int | None = None,
    graphs: StepGraphs | None = None,
) -> Validation:
    """Validate on `held_out` (examples by task), with dropout off; the model is left in the mode that it was in.

    `batch_size` None takes as many at once as fit the memory that is free, at most 48. `graphs` may
    capture steps of answering.
    """
    batch_size = fitting_batch(model) if batch_size is None else batch_size
    was_training = model.training
    model.eval()
    found = {}
    for task, examples in held_out.items():
        weights = {segment: getattr(tasks[task], segment) for segment in SEGMENTS}
        if not any(example.references for example in examples):
            weights["right"] = 0.0
        trained = [segment for segment in SEGMENTS if weights[segment]]
        segments = segment_losses(model, vocabulary, examples, trained, batch_size)
        total = sum(weights[segment] for segment in segments)
        loss = sum(weights[segment] * value for segment, value in segments.items()) / total if total else None
        of_task = TaskValidation(loss, segments)
        found[task] = _with_answers(model, vocabulary, task, examples, mode, batch_size, of_task, graphs)
    model.train(was_training)
    scores = [task.score for task in found.values() if task.score is not None]
    loss = sum(tasks[task].weight * of_task.loss for task, of_task in found.items() if of_task.loss is not None)
    return Validation(found, loss, sum(scores) / len(scores) if scores else None)


def _with_answers(
    model: Rudolph,
    vocabulary: Vocabulary,
    task: str,
    examples: Sequence[Example],
    mode: Mode,
    batch_size: int,
    found: TaskValidation,
    graphs: StepGraphs | None,
) -> TaskValidation:
    asked = [example for example in examples if example.references]
    if not asked:
        return found
    answers = greedy_answers(model, vocabulary, asked, batch_size, graphs)
    right = [
        text.lower() in {reference.lower().strip() for reference in example.references}
        for text, example in zip(answers, asked, strict=True)
    ]
    scores, problem = score_answers(task, asked, answers, mode)
    shown = scores if scores is not None else [None] * len(asked)
    return replace(
        found,
        exact_match=sum(right) / len(right),
        score=None if scores is None else math.fsum(scores) / len(scores),
        answers=tuple(Answered(*parts) for parts in zip(asked, answers, shown, strict=True)),
        problem=problem,
    )


def _entropy(model: Rudolph, hidden: Tensor, ids: Tensor, rows: slice) -> float:
    """Sum of the cross-entropies of `hidden` `[tokens, hidden]` predicting `ids` `[tokens]` of a part of the head."""
    total = 0.0
    for start in range(0, len(ids), LOGITS_AT_ONCE):
        end = start + LOGITS_AT_ONCE
        logits = model.head(hidden[start:end], rows).float()
        total += float(F.cross_entropy(logits, ids[start:end], reduction="sum"))
    return total
