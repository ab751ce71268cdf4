"""Seconds that scoring takes on one core: 3,000 samples of each text task, cold and warm.

    python benchmarks/scoring.py --samples 3000 --repeats 5 --json scoring.json

The samples are random sentences over the words of the golden cases, drawn by Zipf's law, as words come back in real
answers. The organisers' seconds were taken on other random sentences of that size, so that the ratio is a rough one.
Cold is the first run of a fresh process's caches (lemmas, stems, the wordnet's file); warm is the median of the runs
after it, each over new sentences. On a machine that others use too, `--clock cpu` leaves waiting out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.writing import write_json
from evaluation.metrics import captioning, mathqa, text_recognition, textqa, vqa
from evaluation.metrics.cases import MODES, Case, Mode
from evaluation.metrics.wordnet import WordNet, load_wordnet

GOLDEN = Path(__file__).parents[1] / "tests/golden/metrics"
KEYS = ("textqa", "mathqa", "vqa", "captioning", "text_recognition")
# Of the organisers' scripts on such files, one core: what there is to beat.
THEIR_SECONDS = {"textqa": 1.3, "mathqa": 0.24, "vqa": 17.0, "captioning": 16.0, "text_recognition": 1.3}
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


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=5, help="warm runs of each task")
    parser.add_argument("--mode", choices=MODES, default="official")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--wordnet", type=Path, default=GOLDEN / "wordnet_stub.db", help="RuWordNet's SQLite file")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
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
        settings = {name: getattr(options, name) for name in ("samples", "repeats", "mode", "clock")}
        write_json(options.json, {**settings, "tasks": rows, "all": total})


if __name__ == "__main__":
    main()
