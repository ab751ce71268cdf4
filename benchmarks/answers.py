"""What each way of answering is worth: S and every task against the published inference, by paired tests.

    python benchmarks/answers.py --work FOLDER [--weights weights] [--weaker 0.3] [--seeds 3101 3102 3103]
        [--samples 100] [--task KEY] [--wide] [--rows ROW ...] [--json OUT]

For each seed a fresh synthetic test of twelve tasks is written. The submission runs on it as `baseline`, and as `tuned`
on the two tasks whose pictures count: no text of `tuned` depends on a drawing, and no switch changes one. A row does
not answer again what another one answers in the same way. What is there already is kept, so that a broken run goes on.
With `--weaker`, which needs a folder of its own, RUDOLPH is a weaker checkpoint: to each of its matrices normal noise
is added, of so much of the matrix's standard deviation. With `--task`, in a folder of its own, the tests are of that
task alone, and its score stands where S does. With `--wide`, in one too, signs are parts of pictures three times as
wide as high, at either end, in the middle, or stretched over two thirds: all pictures of the world are square.
Captions are compared by the ruCLIP that scores them in one row, whose gain is no more than what that network alone may
say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from contest.items import Sample
from contest.reading import read_input
from contest.tasks import TASKS, integral_score, task_by_id
from contest.writing import write_json
from evaluation.comparing import TaskComparison, compare
from evaluation.joining import ScoringFiles
from evaluation.metrics.base import MODES, Mode
from evaluation.results import Result, TaskResult
from evaluation.scoring import score_run
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics
from models.pixels import to_pixels
from submission.answer_options import find_options
from submission.asked_forms import asked_form
from submission.captioning import more_captions
from submission.captions import CaptionChoice, DrawnCaptions, asks_for_caption, rounds_of_captions
from submission.choosing import OptionChoice
from submission.crops import asks_what_is_written, best_readings
from submission.engine import Engine, Query
from submission.lengths import asked_length
from submission.loading import Networks, load_networks
from submission.profiles import TUNED, Profile
from submission.spans import find_passage
from submission.squares import other_squares
from submission.statements import find_statement

BATCH, CAPTIONS_BATCH = 32, 8
DRAWING = ("generation", "hidden3")
SIGNS, WIDE = "text_recognition", 3
PLAIN = "tuned, no switch"
_PLAIN = replace(
    TUNED, options=None, statements=False, asked_forms=(), lengths=False, spans=0, crops=False, captions=None
)  # fmt: skip
ROWS: Mapping[str, Profile] = {
    PLAIN: _PLAIN,
    "options, mean": replace(_PLAIN, options=OptionChoice()),
    "options, sum": replace(_PLAIN, options=OptionChoice("sum")),
    "options, mean, written as marker": replace(_PLAIN, options=OptionChoice(answer="marker")),
    "options, mean, written as both": replace(_PLAIN, options=OptionChoice(answer="both")),
    "options, mean, asked twice": replace(_PLAIN, options=OptionChoice(twice=True)),
    "options, mean, and statements": replace(_PLAIN, options=OptionChoice(), statements=True),
    "one character where asked for": replace(_PLAIN, asked_forms=("character",)),
    "a number where asked for": replace(_PLAIN, asked_forms=("number",)),
    "letters read, then counted": replace(_PLAIN, lengths=True),
    "spans of the passage": replace(_PLAIN, spans=12),
    "several crops": replace(_PLAIN, crops=True),
    "captions by consensus": replace(_PLAIN, captions=CaptionChoice()),
    "captions by likelihood": replace(_PLAIN, captions=CaptionChoice(score="likelihood")),
    "captions by the picture": replace(_PLAIN, captions=CaptionChoice(score="picture")),
    "captions by ruCLIP": replace(_PLAIN, captions=CaptionChoice(score="ruclip")),
    "tuned": TUNED,
}


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, check=True)


def prepare(options: argparse.Namespace, seed: int) -> Path:
    """The test of a seed, and what all rows share: `world/test`, `baseline` and `drawings` in the folder returned."""
    folder: Path = options.work / str(seed)
    test = folder / "world" / "test"
    if not (test / "ids.json").is_file():
        sizes = ("--train", 0, "--validation", 0, "--test", options.samples)
        of_task = () if options.task is None else ("--tasks", options.task)
        run("data_prep", "synthetic", "--out", folder / "world", "--seed", seed, *sizes, *of_task)
        if options.wide:
            widen_signs(test)
    asked = json.loads((test / "input.json").read_text("utf-8"))
    ids = json.loads((test / "ids.json").read_text("utf-8"))
    drawn = {key: items for key, items in asked.items() if task_by_id(ids[key]).key in DRAWING}
    write_json(folder / "to_draw.json", drawn)
    runs = (("baseline", test, "baseline"), ("drawings", folder / "to_draw.json", "tuned"))
    for output, source, profile in runs:
        if not (folder / output / "run.json").is_file():
            paths = ("--input", source, "--output", folder / output, "--weights", options.weights)
            run("submission", "run", *paths, "--profile", profile, "--seed", 0, "--device", "cpu")
    return folder


def widen_signs(test: Path) -> None:
    """Make the signs of a test parts of wide pictures, in four ways by turns."""
    asked = read_input(test / "input.json")
    ids = json.loads((test / "ids.json").read_text("utf-8"))
    signs = [sample for sample in asked.values() if task_by_id(ids[sample.id]).key == SIGNS]
    for number, sample in enumerate(signs):
        (path,) = (test / item.content for item in sample.items if item.type == "image")
        with Image.open(path) as picture:
            sign = picture.convert("RGB")
        side = sign.width
        wide = Image.new("RGB", (WIDE * side, side), sign.getpixel((0, 0)))
        if number % 4 < WIDE:
            wide.paste(sign, (number % 4 * side, 0))
        else:
            wide.paste(sign.resize((2 * side, side)), (side // 2, 0))
        wide.save(path, quality=95)


def weaken(weights: Path, folder: Path, share: float) -> Path:
    """A copy of a weights folder whose RUDOLPH is a weaker checkpoint; the same for the same share."""
    if not folder.is_dir():
        made = folder.with_suffix(".part")
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(weights, made)
        generator = torch.Generator().manual_seed(0)
        path = made / "rudolph" / "model.safetensors"
        state = load_file(path)
        for name, tensor in sorted(state.items()):
            if tensor.is_floating_point() and tensor.dim() == 2:
                noise = torch.randn(tensor.shape, generator=generator) * tensor.float().std() * share
                state[name] = (tensor.float() + noise).to(tensor.dtype)
        save_file(state, path)
        made.rename(folder)
    return folder


def applied(profile: Profile, query: Query) -> Hashable:
    """What of a profile's switches is of effect for a query: of equal ones the answers are equal."""
    offers = profile.options is not None and find_options(query.texts) is not None
    states = offers and profile.statements and query.codes is None and find_statement(query.texts) is not None
    form = asked_form(query.texts)
    counts = profile.lengths and query.codes is not None and asked_length(query.texts) is not None
    in_passage = query.codes is None and find_passage(query.texts) is not None and find_options(query.texts) is None
    spans = profile.spans if in_passage else 0
    crops = profile.crops and query.codes is not None and asks_what_is_written(query.texts)
    captions = profile.captions if query.codes is not None and asks_for_caption(query.texts) else None
    asked = form if form in profile.asked_forms else None
    return profile.options if offers else None, states, asked, counts, spans, crops, captions


def queries_of(engine: Engine, samples: Mapping[str, Sample], root: Path) -> list[Query]:
    """All samples as the model is asked, their pictures encoded."""
    return [Query(sample.id, sample.texts, codes_of(engine, sample, root)) for sample in samples.values()]


def squares_of(samples: Mapping[str, Sample], root: Path, side: int) -> dict[str, list[torch.Tensor]]:
    """What pictures have beside their centre squares, by sample id; of those that ask what is written."""
    found: dict[str, list[torch.Tensor]] = {}
    for sample in samples.values():
        paths = [item.content for item in sample.items if item.type == "image"]
        if paths and asks_what_is_written(sample.texts):
            with Image.open(root / paths[-1]) as picture:
                found[sample.id] = other_squares(picture.convert("RGB"), side)
    return {key: squares for key, squares in found.items() if squares}


def codes_of(engine: Engine, sample: Sample, root: Path) -> torch.Tensor | None:
    paths = [item.content for item in sample.items if item.type == "image"]
    if not paths:
        return None
    with Image.open(root / paths[-1]) as picture:
        (codes,) = engine.encode([sample.id], [to_pixels(picture.convert("RGB"), engine.networks.side)])
    return codes


def answers_of(
    engine: Engine, queries: list[Query], squares: Mapping[str, Sequence[torch.Tensor]] = MappingProxyType({})
) -> dict[str, str]:
    batches = [queries[start : start + BATCH] for start in range(0, len(queries), BATCH)]
    answers: dict[str, str] = {}
    for batch in batches:
        said = engine.answer(batch)
        answers.update((query.id, each.text) for query, each in zip(batch, said, strict=True))
        again = [(query, each.first) for query, each in zip(batch, said, strict=True) if each.first is not None]
        texts = engine.ask_again([query for query, _ in again], [first for _, first in again])
        answers.update((query.id, text) for (query, _), text in zip(again, texts, strict=True))
        if engine.profile.crops:
            read = [query for query in batch if query.id in squares]
            texts = best_readings(engine, read, [squares[query.id] for query in read]) if read else []
            answers.update((query.id, text) for query, text in zip(read, texts, strict=True))
    if engine.profile.captions is not None:
        asked = [query for query in queries if query.codes is not None and asks_for_caption(query.texts)]
        for start in range(0, len(asked), CAPTIONS_BATCH):
            batch = asked[start : start + CAPTIONS_BATCH]
            answers |= captions_of(engine, engine.profile.captions, batch, [answers[query.id] for query in batch])
    return answers


def captions_of(engine: Engine, choice: CaptionChoice, queries: list[Query], first: list[str]) -> dict[str, str]:
    drawn = [DrawnCaptions.first(answer, engine.profile.empty_answer) for answer in first]
    for start, stop in pairwise((1, *rounds_of_captions(choice.num_samples))):
        drawn = more_captions(engine, choice, queries, drawn, range(start, stop))
    return {query.id: each.best for query, each in zip(queries, drawn, strict=True)}


def write_rows(networks: Networks, folder: Path, rows: Sequence[str]) -> dict[str, Path]:
    """The predictions of some rows; what another row has answered in the same way is not answered again."""
    test, drawings = folder / "world" / "test", folder / "drawings"
    pictures = json.loads((drawings / "predictions.json").read_text("utf-8"))
    files = {"baseline": folder / "baseline" / "predictions.json"}
    samples = read_input(test / "input.json")
    queries = queries_of(Engine(networks, TUNED, seed=0), samples, test)
    squares = squares_of(samples, test, networks.side)
    known: dict[tuple[str, Hashable], str] = {}
    for name in rows:
        profile = ROWS[name]
        digest = hashlib.sha256(repr(profile).encode()).hexdigest()[:8]  # of another profile it is another file
        files[name] = drawings / f"{name.replace(' ', '_').replace(',', '')}.{digest}.json"
        how = {query.id: applied(profile, query) for query in queries}
        if files[name].is_file():
            texts = _texts_of(files[name])
        else:
            asked = [query for query in queries if (query.id, how[query.id]) not in known]
            texts = answers_of(Engine(networks, profile, seed=0), asked, squares)
            texts = {key: texts[key] if key in texts else known[key, way] for key, way in how.items()}
            predictions = {key: [{"type": "text", "content": text}] for key, text in texts.items()}
            for key, items in pictures.items():
                predictions[key] += [item for item in items if item["type"] == "image"]
            write_json(files[name], predictions)
        known |= {(key, way): texts[key] for key, way in how.items()}
    return files


def _texts_of(path: Path) -> dict[str, str]:
    return {key: items[0]["content"] for key, items in json.loads(path.read_text("utf-8")).items()}


def score_rows(options: argparse.Namespace, folder: Path, files: Mapping[str, Path], mode: Mode) -> dict[str, Result]:
    """Score all rows; a task whose answers are those of the row without switches is scored once."""
    test = folder / "world" / "test"
    metrics = Metrics(mode, ROOT / "weights", None, "ruclip")
    resampling = Resampling(options.resamples)
    ids = json.loads((test / "ids.json").read_text("utf-8"))
    texts = {name: _texts_of(path) for name, path in files.items()}

    def scored(name: str, tasks: set[str] | None) -> Result:
        of_test = ScoringFiles(files[name], test / "ground_truth.json", test / "ids.json", test)
        return score_run(of_test, metrics, mode=mode, tasks=tasks, resampling=resampling)

    results = {name: scored(name, None) for name in ("baseline", PLAIN)}
    for name in files.keys() - results.keys():
        keys = {task_by_id(ids[key]).key for key, text in texts[name].items() if text != texts[PLAIN][key]}
        tasks: dict[str, TaskResult] = dict(results[PLAIN].tasks)
        if keys:
            tasks.update(scored(name, keys).tasks)
        scores = {key: task.score for key, task in tasks.items()}
        integral = None if options.task else integral_score(scores)
        results[name] = Result(mode, results[PLAIN].test, tasks, integral)
    return results


def line(name: str, first: Result, second: Result, resampling: Resampling) -> dict[str, Any]:
    """One row of the table: S, its change with interval and p values, and the tasks that changed; or of one task."""
    compared = compare(first, second, resampling=resampling)
    whole = compared.tasks[-1]  # S, where there are all tasks
    tasks = {task.key: asdict(task) for task in compared.tasks if task.key != "integral"}
    return {"row": name, "S": whole.second, "change": asdict(whole.difference), "tasks": tasks} | significant(
        [task for task in compared.tasks if task.key != "integral"]
    )


def significant(tasks: list[TaskComparison]) -> dict[str, list[str]]:
    """Which tasks are better or worse at 5 %."""
    sure = [task for task in tasks if task.difference.p < 0.05]
    return {
        "better": [task.key for task in sure if task.difference.difference > 0],
        "worse": [task.key for task in sure if task.difference.difference < 0],
    }


def show(lines: list[dict[str, Any]]) -> None:
    print(f"{'row':36}{'S':>8}{'change':>9}  {'95 % interval':20}{'p':>8}  better / worse at 5 %")
    for each in lines:
        gap = each["change"]
        interval = "-" if gap["interval"] is None else "{:+.4f} .. {:+.4f}".format(*gap["interval"])
        tasks = f"{' '.join(each['better']) or '-'} / {' '.join(each['worse']) or '-'}"
        figures = f"{each['S']:8.4f}{gap['difference']:+9.4f}  {interval:20}"
        print(f"{each['row']:36}{figures}{gap['p']:8.4f}  {tasks}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder to work in, kept afterwards")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights")
    parser.add_argument("--weaker", type=float, metavar="SHARE", help="add noise of this share to RUDOLPH's matrices")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3101, 3102, 3103])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--task", choices=[task.key for task in TASKS], metavar="KEY", help="of this task alone")
    parser.add_argument("--wide", action="store_true", help="have signs be parts of wide pictures")
    parser.add_argument("--rows", choices=ROWS, nargs="+", default=list(ROWS), help="beside baseline and tuned")
    parser.add_argument("--modes", choices=MODES, nargs="+", default=list(MODES))
    parser.add_argument("--against", choices=("baseline", PLAIN), nargs="+", default=["baseline", PLAIN])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    options.work, options.weights = options.work.resolve(), options.weights.resolve()
    torch.set_num_threads(1)
    rows = list(dict.fromkeys((PLAIN, *options.rows, "tuned")))
    if options.weaker is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        options.weights = weaken(options.weights, options.work / "weaker", options.weaker)
    networks = load_networks(options.weights, torch.device("cpu"), torch.float32, ROOT / "weights" / "ruclip")
    found: list[dict[str, Any]] = []
    for seed in options.seeds:
        folder = prepare(options, seed)
        files = write_rows(networks, folder, rows)
        for mode in options.modes:
            results = score_rows(options, folder, files, mode)
            for against in options.against:
                print(f"\nseed {seed}, {options.samples} samples a task, mode {mode}, against {against}")
                shown = [name for name in rows if name != against]
                resampling = Resampling(options.resamples)
                lines = [line(name, results[against], results[name], resampling) for name in shown]
                show(lines)
                found += [{"seed": seed, "mode": mode, "against": against, **each} for each in lines]
        if options.json:  # after every seed: a broken run keeps its lines
            options.json.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
