"""Figures of a weights directory on a fresh synthetic test: by task and by grade.

    python benchmarks/tiny_weights.py [--weights weights] [--seed 2024] [--samples 100] [--json OUT]

Writes a test of another seed than training, runs the submission on it as the organisers would, and measures plain
things: exact match with any reference, token F1, 1 - normalised edit distance (lower case, nothing else normalised).
The contest's own metrics are the evaluator's business. Drawings are measured by a round trip: the model captions its
own pictures, and the caption is compared with all captions of the scene that the prompt describes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from rapidfuzz.distance import Levenshtein

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from contest.reading import read_ground_truth, read_ids, read_input, read_predictions
from contest.tasks import task_by_id
from contest.writing import write_json
from data_prep.synthetic.captions import captions as captions_of
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.world import draw

DRAWING = ("generation", "hidden3")
GRADES = ("easy", "middle", "hard")


def exact(answer: str, reference: str) -> float:
    return float(answer == reference)


def token_f1(answer: str, reference: str) -> float:
    a, b = Counter(re.findall(r"\w+", answer)), Counter(re.findall(r"\w+", reference))
    common = sum((a & b).values())
    return 2 * common / (a.total() + b.total()) if common else 0.0


def edit_similarity(answer: str, reference: str) -> float:
    return 1 - Levenshtein.normalized_distance(answer, reference) if answer and reference else 0.0


MEASURES: dict[str, Callable[[str, str], float]] = {"EM": exact, "F1": token_f1, "1-NED": edit_similarity}


def best(measure: Callable[[str, str], float], answer: str, references: Sequence[str]) -> float:
    return max(measure(answer.lower().strip(), reference.lower().strip()) for reference in references)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, check=True)


def round_trip(
    world: Path, answered: Path, work: Path, arguments: argparse.Namespace
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Caption the drawn pictures: {id: (caption the model gives, captions of the scene that was asked for)}."""
    samples, ids = read_input(world / "test" / "input.json"), read_ids(world / "test" / "ids.json")
    drawn = [key for key in samples if task_by_id(ids[key]).key == "generation"]
    folder = work / "again"
    (folder / "images").mkdir(parents=True)
    for key in drawn:
        (folder / "images" / f"{key}.jpg").write_bytes((answered / "images" / f"image_{key}.jpg").read_bytes())
    question = {"type": "text", "content": "Опиши изображение."}
    wire = {key: [question, {"type": "image", "content": f"images/{key}.jpg"}] for key in drawn}
    write_json(folder / "input.json", wire)
    submit(folder, work / "again_output", arguments)
    captions = read_predictions(work / "again_output" / "predictions.json")
    scenes = {}  # what was asked -> every caption of the scene that was meant
    for index in range(arguments.samples):
        meant = draw("generation", arguments.seed, "test", index)
        assert isinstance(meant.picture, Scene)
        scenes[tuple(item.content for item in meant.items)] = captions_of(meant.picture)
    return {key: (captions[key].texts[0], scenes[samples[key].texts]) for key in drawn}


def submit(folder: Path, output: Path, arguments: argparse.Namespace) -> None:
    run("submission", "run", "--input", folder, "--output", output, "--weights", arguments.weights, "--seed", 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="folder to work in, kept afterwards")
    arguments = parser.parse_args()
    arguments.weights = arguments.weights.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.keep or Path(temporary)).resolve()
        world, output = work / "world", work / "output"
        sizes = ("--train", 0, "--validation", 0, "--test", arguments.samples)
        run("data_prep", "synthetic", "--output", world, "--seed", arguments.seed, *sizes)
        submit(world / "test", output, arguments)
        figures = measure(world / "test", output)
        pairs = round_trip(world, output, work, arguments).values()
        for name, function in (("EM", exact), ("F1", token_f1)):
            values = [best(function, caption, meant) for caption, meant in pairs]
            figures["generation"][f"round-trip {name}"] = {"all": sum(values) / len(values)}
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")


def measure(test: Path, output: Path) -> dict[str, dict[str, dict[str, float]]]:
    """{task: {measure: {grade or "all": mean}}}."""
    truth, ids = read_ground_truth(test / "ground_truth.json"), read_ids(test / "ids.json")
    answers = read_predictions(output / "predictions.json")
    grades = json.loads((test / "grades.json").read_text())
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for key, references in truth.items():
        task = task_by_id(ids[key]).key
        if task in DRAWING:
            continue
        answer = answers[key].texts[0] if answers[key].texts else ""
        for name, function in MEASURES.items():
            value = best(function, answer, references.texts)
            for group in (grades[key], "all"):
                values[task, name, group].append(value)
    figures: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for (task, name, group), found in values.items():
        figures[task][name][group] = sum(found) / len(found)
    return figures


def show(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    print(f"{'task':<18}{'measure':<15}{'all':>7}" + "".join(f"{grade:>8}" for grade in GRADES))
    for task, measures in figures.items():
        for name, groups in measures.items():
            cells = "".join(f"{groups[grade]:>8.3f}" if grade in groups else f"{'':>8}" for grade in GRADES)
            print(f"{task:<18}{name:<15}{groups['all']:>7.3f}{cells}")


if __name__ == "__main__":
    main()
