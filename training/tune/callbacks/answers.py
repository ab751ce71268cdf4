"""`out/validation`: a few questions, references and answers of each validation, for people to read."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from contest.writing import write_bytes
from training.tune.callbacks.callback import Run
from training.tune.validation import METRICS, Answered, Validation

FOLDER = "validation"
WIDTH = 100


class Answers:
    """A watcher that writes `out/validation/<step>.txt`, the first `answers` of each task."""

    def start(self, run: Run) -> None:
        """Remember where to write."""
        self._run = run

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Only validations are written."""

    def validated(self, step: int, validation: Validation) -> None:
        """Write the file, whole or not at all."""
        settings = self._run.settings.watch
        if not settings.answers:
            return
        folder = self._run.out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        text = answers_text(step, validation, settings.answers, settings.mode)
        # A model's answer may hold half a surrogate pair; it must not cost the file.
        write_bytes(folder / f"{step:07d}.txt", text.encode("utf-8", errors="replace"))

    def saved(self, step: int, path: Path) -> None:
        """Checkpoints are not written here."""

    def finish(self) -> None:
        """Everything is written already."""


def answers_text(step: int, validation: Validation, limit: int, mode: str) -> str:
    """Return the figures of each task and its first `limit` answers."""
    parts = [f"step {step}, loss {validation.loss:.4f}, scores in mode {mode}"]
    for task, found in validation.tasks.items():
        head = [f"=== {task}"]
        if found.loss is not None:
            head.append(f"loss {found.loss:.4f}")
        if found.exact_match is not None:
            head.append(f"exact match {found.exact_match:.3f}")
        if task in METRICS and found.answers:
            score = "none" if found.score is None else f"{found.score:.3f}"
            head.append(f"{METRICS[task].name} {score}")
        parts.append("  ".join([*head, f"of {len(found.answers)}"] if found.answers else head))
        if found.problem is not None:
            parts.append(f"the organisers' scripts: {found.problem}")
        parts += [_one(answered) for answered in found.answers[:limit]]
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
