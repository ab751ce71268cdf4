"""Seconds that scoring takes on one core: 3,000 samples of each text task, cold and warm.

    python benchmarks/scoring.py --samples 3000 --repeats 5 --json scoring.json

The samples are random sentences over the words of the golden cases, drawn by Zipf's law, as words come back in real
answers. The organisers' seconds were taken on other random sentences of that size, so that the ratio is a rough one.
Cold is the first run of a fresh process's caches (lemmas, stems, the wordnet's file); warm is the median of the runs
after it, each over new sentences. On a machine that others use too, `--clock cpu` leaves waiting out.

With `--whole` the same is `evaluation score` as a process, from its start to its end, in processor seconds; beside it
stand the organisers' seconds and what a process takes that does no more than import what their scripts import (nltk
and a morphological analyser with its dictionary).
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.tasks import TASKS
from contest.writing import write_json
from evaluation.metrics import captioning, mathqa, text_recognition, textqa, vqa
from evaluation.metrics.cases import MODES, Case, Mode
from evaluation.metrics.wordnet import WordNet, load_wordnet

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden/metrics"
KEYS = ("textqa", "mathqa", "vqa", "captioning", "text_recognition")
# Of the organisers' scripts on such files, one core: what there is to beat.
THEIR_SECONDS = {"textqa": 1.3, "mathqa": 0.24, "vqa": 17.0, "captioning": 16.0, "text_recognition": 1.3}
# What the scripts of a task import beyond the standard library, by today's names.
THEIR_IMPORTS = {
    "textqa": "import nltk, pymorphy3; pymorphy3.MorphAnalyzer()",
    "mathqa": "import nltk, pymorphy3; pymorphy3.MorphAnalyzer()",
    "vqa": "import nltk, pymorphy3; pymorphy3.MorphAnalyzer()",
    "text_recognition": "from nltk.metrics.distance import edit_distance",
}
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def words_of(key: str) -> list[str]:
    """The distinct words of a task's golden references and answers, in a fixed order."""
    golden = json.loads((GOLDEN / f"{key}_random.json").read_text("utf-8"))
    contents = [content for items in golden["gt"].values() for content in items[0]["content"]]
    contents += [items[0]["content"] for items in golden["pred"].values() if items]
    return sorted({word for content in contents for word in content.split()})


def draw_cases(key: str, words: list[str], count: int, seed: int) -> list[Case]:
    """Random references and answers; two answers of three share most words with a reference."""
    generator = random.Random(f"{key}-{seed}")
    order = random.Random(key).sample(words, len(words))
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    draw = partial(generator.choices, order, cum_weights=weights)
    longest = {"captioning": 10, "textqa": 6, "mathqa": 2}.get(key, 3)
    cases = []
    for number in range(count):
        references = [
            draw(k=generator.randint(1, longest)) for _ in range(5 if key == "captioning" else generator.randint(1, 3))
        ]
        near = generator.random() < 2 / 3
        answer = list(generator.choice(references)) if near else draw(k=longest)
        answer[generator.randrange(len(answer))] = draw()[0]
        truth = GroundTruth(str(number), (References("text", tuple(map(" ".join, references))),))
        cases.append(Case(str(number), truth, Sample(str(number), (Item("text", " ".join(answer)),))))
    return cases


def scorers(mode: Mode, wordnet: WordNet) -> dict[str, Callable[[list[Case]], object]]:
    """What is timed of each task; of captioning the METEOR half."""
    return {
        "textqa": lambda cases: textqa.score_cases(cases, mode),
        "mathqa": lambda cases: mathqa.score_cases(cases, mode),
        "vqa": lambda cases: vqa.score_cases(cases, mode, wordnet),
        "captioning": lambda cases: captioning.score_cases(cases, mode, wordnet),
        "text_recognition": lambda cases: text_recognition.score_cases(cases, mode),
    }


def seconds(clock: Callable[[], float], work: Callable[[], object]) -> float:
    """How long the work takes."""
    start = clock()
    work()
    return clock() - start


def process_seconds(command: list[str]) -> float:
    """Processor seconds of a command that succeeds, its own children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_files(key: str, cases: list[Case], folder: Path) -> list[str]:
    """Write a test of one task; return what `evaluation score` is to be told of it."""
    number = next(task.id for task in TASKS if task.key == key)
    truth = {case.id: [{"type": "text", "content": list(case.truth.items[0].contents)}] for case in cases}
    answers = {case.id: [{"type": "text", "content": case.answer.items[0].content}] for case in cases if case.answer}
    contents = {"ground-truth": truth, "predictions": answers, "ids": dict.fromkeys(truth, number)}
    for name, content in contents.items():
        write_json(folder / f"{name}.json", content)
    return [part for name in contents for part in (f"--{name}", str(folder / f"{name}.json"))]


def measure_whole(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Processor seconds of whole processes by task: ours, and their imports; medians."""
    rows = {}
    for key, imports in THEIR_IMPORTS.items():
        with tempfile.TemporaryDirectory() as folder:
            files = write_files(key, draw_cases(key, words_of(key), options.samples, 1), Path(folder))
            wordnet = ["--wordnet", str(options.wordnet.resolve())] if key == "vqa" else []
            score = ["-m", "evaluation", "score", *files, *wordnet, "--mode", options.mode]
            ours = statistics.median(process_seconds(score) for _ in range(options.repeats))
        start = statistics.median(process_seconds(["-c", imports]) for _ in range(options.repeats))
        rows[key] = {"theirs": THEIR_SECONDS[key] + start, "their imports": start, "ours": ours}
    return rows


def print_whole(rows: dict[str, dict[str, float]], samples: int, mode: str) -> None:
    """Print the table of whole processes."""
    print(f"{samples} samples a task, mode {mode}, whole processes, processor seconds; theirs are of 3000")
    print(f"{'task':18}{'theirs':>8}{'of it imports':>15}{'ours':>8}{'times faster':>14}")
    for key, row in rows.items():
        faster = row["theirs"] / row["ours"]
        print(f"{key:18}{row['theirs']:8.2f}{row['their imports']:15.2f}{row['ours']:8.2f}{faster:14.1f}")


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=5, help="warm runs of each task")
    parser.add_argument("--mode", choices=MODES, default="official")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--wordnet", type=Path, default=GOLDEN / "wordnet_stub.db", help="RuWordNet's SQLite file")
    parser.add_argument("--whole", action="store_true", help="measure whole processes")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("samples", "repeats", "mode", "clock")}
    if options.whole:
        whole = measure_whole(options)
        print_whole(whole, options.samples, options.mode)
        if options.json:
            write_json(options.json, {**settings, "whole": whole})
        return
    torch.set_num_threads(1)
    clock = CLOCKS[options.clock]
    score = scorers(options.mode, load_wordnet(options.wordnet))
    rows = {}
    for key in KEYS:
        words = words_of(key)
        runs = []
        for repeat in range(options.repeats + 1):
            cases = draw_cases(key, words, options.samples, repeat)
            runs.append(seconds(clock, partial(score[key], cases)))
        rows[key] = {"theirs": THEIR_SECONDS[key], "cold": runs[0], "warm": statistics.median(runs[1:])}
    total = {name: sum(row[name] for row in rows.values()) for name in ("theirs", "cold", "warm")}
    print(f"{options.samples} samples a task, mode {options.mode}, {options.clock} seconds; theirs are of 3000")
    print(f"{'task':18}{'theirs':>8}{'cold':>9}{'warm':>9}{'times faster, warm':>20}")
    for key, row in {**rows, "all": total}.items():
        faster = row["theirs"] / row["warm"]
        print(f"{key:18}{row['theirs']:8.2f}{row['cold']:9.3f}{row['warm']:9.3f}{faster:20.0f}")
    if options.json:
        write_json(options.json, {**settings, "tasks": rows, "all": total})


if __name__ == "__main__":
    main()
