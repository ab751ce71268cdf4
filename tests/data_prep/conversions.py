"""Runs data_prep as a user does, and reads what it left."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contest.reading import read_ground_truth, read_input
from data_prep.__main__ import main


@dataclass(frozen=True)
class ConvertedFolder:
    status: int
    printed: str
    errors: str
    folder: Path

    def task(self, task, split="train"):
        """(items, answers, source) of every sample of a split, read by the contest's own readers."""
        folder = self.folder / task
        samples = read_input(folder / f"{task}_{split}.json")
        truths = read_ground_truth(folder / f"{task}_{split}_answer.json")
        sources = json.loads((folder / f"{task}_{split}_source.json").read_text("utf-8"))
        assert list(samples) == list(truths) == list(sources) == [str(number) for number in range(len(samples))]
        return [(samples[key].items, truths[key], sources[key]) for key in samples]

    def all(self, task):
        return self.task(task, "train") + self.task(task, "val")

    def card(self, task):
        return json.loads((self.folder / task / "card.json").read_text("utf-8"))

    def skipped(self, task):
        """(place, reason) of everything skipped."""
        lines = (self.folder / task / "skipped.jsonl").read_text("utf-8").splitlines()
        return [(entry["place"], entry["reason"]) for entry in map(json.loads, lines)]


def convert(out, *arguments):
    """Run `python -m data_prep` in this process; the counts of what it wrote must add up."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        try:
            status = main([*map(str, arguments), "--output", str(out)])
        except SystemExit as usage:
            status = usage.code
    made = ConvertedFolder(status, printed.getvalue(), errors.getvalue(), Path(out))
    for folder in sorted(Path(out).glob("[!.]*/")) if status < 2 else []:
        card = json.loads((folder / "card.json").read_text("utf-8"))
        records = card["records"]
        assert records["read"] == records["used"] + sum(records["skipped"].values())
        assert len(made.skipped(folder.name)) == sum(records["skipped"].values())
        for task, figures in card["tasks"].items():
            for split in ("train", "val"):
                assert figures["samples"][split] == len(made.task(task, split))
            assert sum(figures["kinds"].values()) == sum(figures["samples"].values())
    return made


def write_lines(path, values):
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), "utf-8")
    return path


def write_document(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return path


def tree(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def paint(path, colour="red", size=(12, 8), mode="RGB", **options):
    """A small picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path
