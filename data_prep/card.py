"""The data card: what a conversion made of a source, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from data_prep.counts import Counts, Lengths
from data_prep.duplicates import count_repeated, count_shared
from data_prep.records import SkipReason
from data_prep.split import SPLITS
from data_prep.writing_folders import FolderWriter

CARD_JSON = "card.json"
CARD_MARKDOWN = "card.md"
RESERVED_TOKENS = 3  # BOS, the task's token and EOS share the left text with its pieces


def write_card(source: str, licence: str, writer: FolderWriter, counts: Counts, left_limit: int) -> dict[str, bytes]:
    """Return the card's files by name. The writer's files are read for duplicates, so they must be whole by now."""
    writer.flush()
    card: dict[str, Any] = {
        "source": source,
        "licence": licence,
        "settings": writer.agreement,
        "records": {"read": counts.read, "used": counts.used, "skipped": dict(sorted(counts.skipped.items()))},
        "tasks": {task: _task(writer, counts, task, left_limit) for task in writer.tasks},
    }
    return {
        CARD_JSON: (json.dumps(card, ensure_ascii=False, indent=1) + "\n").encode(),
        CARD_MARKDOWN: markdown(card).encode(),
    }


def _task(writer: FolderWriter, counts: Counts, task: str, left_limit: int) -> dict[str, Any]:
    train, val = (writer.digests(task, split) for split in SPLITS)
    kinds = {
        name.removeprefix(f"{task} "): count
        for name, count in sorted(counts.kinds.items())
        if name.startswith(f"{task} ")
    }
    card: dict[str, Any] = {
        "samples": {split: counts.written[f"{task} {split}"] for split in SPLITS},
        "kinds": kinds,
        "repeated": {split: count_repeated(file) for split, file in zip(SPLITS, (train, val), strict=True)},
        "validation_samples_that_training_has": count_shared(train, val),
        "left_characters": counts.characters.get(task, Lengths()).summary(),
    }
    if task in counts.left_tokens:
        capacity = left_limit - RESERVED_TOKENS
        card["left_tokens"] = counts.left_tokens[task].summary()
        card["right_tokens"] = counts.right_tokens[task].summary()
        card["left_limit"] = left_limit
        card["left_texts_over_limit"] = counts.left_tokens[task].above(capacity)
    return card


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, trim_blocks=True)
    return environment.get_template("card.md").render(card=card, reasons=SkipReason)
