"""`OUTPUT/validation`: a few questions, references and answers of each validation, for people to read."""

from __future__ import annotations

import textwrap

from contest.writing import write_bytes
from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.validation import METRICS, Answered, Validation

FOLDER = "validation"
WIDTH = 100


class Answers(Callback):
    """Writes `OUTPUT/validation/<step>.txt`: the first `limit` answers of each task, scored in `mode`."""

    def __init__(self, limit: int, mode: str) -> None:
        self._limit = limit
        self._mode = mode

    def on_start(self, run: TrainingRun) -> None:
        """Remember where to write."""
        self._folder = run.output / FOLDER

    def on_validation(self, step: int, validation: Validation) -> None:
        """Write the file, whole or not at all."""
        if not self._limit:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        text = answers_text(step, validation, self._limit, self._mode)
        # A model's answer may hold half a surrogate pair; it must not cost the file.
        write_bytes(self._folder / f"{step:07d}.txt", text.encode("utf-8", errors="replace"))


def answers_text(step: int, validation: Validation, limit: int, mode: str) -> str:
    """Return the figures of each task and its first `limit` answers."""
    parts = [f"step {step}, loss {validation.loss:.4f}, scores in mode {mode}"]
    for task, of_task in validation.tasks.items():
        head = [f"=== {task}"]
        if of_task.loss is not None:
            head.append(f"loss {of_task.loss:.4f}")
        if of_task.exact_match is not None:
            head.append(f"exact match {of_task.exact_match:.3f}")
        if task in METRICS and of_task.answers:
            score = "none" if of_task.score is None else f"{of_task.score:.3f}"
            head.append(f"{METRICS[task].name} {score}")
        parts.append("  ".join([*head, f"of {len(of_task.answers)}"] if of_task.answers else head))
        if of_task.problem is not None:
            parts.append(f"the organisers' scripts: {of_task.problem}")
        parts += [_one(answered) for answered in of_task.answers[:limit]]
    return "\n\n".join(parts) + "\n"


def _one(answered: Answered) -> str:
    example = answered.example
    score = "" if answered.score is None else f"  score {answered.score:.3f}"
    picture = "" if example.codes is None else "  (with a picture)"
    return "\n".join(
        [
            f"[{example.id}]{score}{picture}",
            _indented("question", example.left),
            *(_indented("reference", reference) for reference in example.references),
            _indented("answer", answered.answer or "(nothing)"),
        ]
    )


def _indented(label: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"  {label:<10} ", subsequent_indent=" " * 13) or f"  {label}"
