"""A small scored run of the twelve tasks on disk, with everything in it that a report must cope with."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contest.tasks import TASKS, integral_score
from evaluation.metrics.cases import Note
from evaluation.report import build
from evaluation.results import Result, TaskResult
from evaluation.statistics import Resampling
from tests.evaluation.report.browser import Browser, started_browser

ATTACK = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title='taken over'\">"
SAMPLES = 12


@dataclass(frozen=True)
class Run:
    """The files of a run, its result and an earlier one's."""

    folder: Path
    result: Result
    other: Result

    def report(self, directory: Path, **changed: Any) -> Path:
        arguments: dict[str, Any] = {
            "predictions": self.folder / "output" / "predictions.json",
            "ground_truth": self.folder / "test" / "ground_truth.json",
            "input_root": self.folder / "test",
            "other": self.other,
            "other_predictions": self.folder / "other" / "predictions.json",
            "emissions": [self.folder / "training.csv"],
            "resampling": Resampling(200),
        }
        return build(self.result, directory, **{**arguments, **changed})


def _picture(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (640, 480)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", size, color)
    picture.paste((255, 255, 255), (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    picture.save(path)


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _image(content: str) -> dict[str, str]:
    return {"type": "image", "content": content}


QUESTIONS: dict[str, Callable[[int], list[str]]] = {
    "text_to_text": lambda n: [
        "Ответь на вопрос по тексту.",
        "Крейсер «Аврора» стоит у берега Невы. " * 12,
        f"Где № {n}?",
    ],
    "image_to_text": lambda n: ["Что изображено на картинке?"],
    "text_to_image": lambda n: ["Сгенерируй изображение по тексту.", f"Рыжая кошка лежит на подоконнике, {n}"],
}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with started_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, emissions: Path) -> Run:
    folder = tmp_path_factory.mktemp("run")
    wires: dict[str, dict[str, Any]] = {"input": {}, "truth": {}, "answers": {}, "before": {}}
    tasks, others = {}, {}
    for task in TASKS:
        scores, earlier = {}, {}
        for number in range(SAMPLES):
            name = f"{task.key}-{number}"
            color = (20 * number, 200 - 12 * number, 90 + 10 * task.id)
            question = [_text(text) for text in QUESTIONS[task.kind](number)]
            answer, before = [_text(f"у берега Невы, {number}")], [_text("не знаю")]
            truth: dict[str, Any] = {"type": "text", "content": ["у Невы", "возле берега Невы"]}
            if task.kind == "image_to_text":
                question.append(_image(f"images/{name}.png"))
                _picture(folder / "test" / "images" / f"{name}.png", color)
            if task.kind == "text_to_image":
                truth = _image(f"images/true_{name}.png")
                answer.append(_image(f"images/image_{name}.png"))
                _picture(folder / "test" / "images" / f"true_{name}.png", color, (256, 256))
                _picture(folder / "output" / "images" / f"image_{name}.png", color[::-1], (256, 256))
            scores[name] = number / (SAMPLES - 1) * (0.2 if task.key == "textqa" else 1)
            earlier[name] = (number + (3 if number % 2 else -3) * (task.id % 2)) % SAMPLES / (SAMPLES - 1)
            wires["input"][name], wires["answers"][name] = question, answer
            wires["truth"][name], wires["before"][name] = [truth], before
        mean = sum(scores.values()) / SAMPLES
        tasks[task.key] = TaskResult(
            task.key,
            mean,
            f"{task.key}|mode:official|lemmas:pymorphy3-2.0.6|v:1",
            scores,
            (0.7 * mean, 1.3 * mean),
        )
        others[task.key] = replace(tasks[task.key], score=sum(earlier.values()) / SAMPLES, samples=earlier)
    wires["answers"]["textqa-0"] = [_text(ATTACK)]  # the worst of its task
    wires["answers"]["mathqa-0"] = []
    del wires["answers"]["vqa-0"]
    wires["answers"]["captioning-0"] = [_text("кот"), _image("../../secret.png")]
    (folder / "output" / "images" / "image_generation-0.png").write_bytes(b"no picture")
    tasks["generation"] = replace(
        tasks["generation"],
        score=0.625,  # with the Frechet distance's half
        comparable=False,
        signature="generation|fid:ruclip|v:1",
        parts={"clip": 0.26, "fid": 41.2, "kid": 0.0123},
        remarks=("12 pictures: a Frechet distance needs 2,048",),
    )
    tasks["textqa"] = replace(
        tasks["textqa"],
        notes=tuple(Note(f"textqa-{n}", 10, f"{ATTACK} the fallback found a letter") for n in range(7)),
    )
    result = Result("official", "test:1234", tasks, integral_score({k: t.score for k, t in tasks.items()}), (0.4, 0.6))
    other = Result("official", "test:1234", others, integral_score({k: t.score for k, t in others.items()}), None)

    for path, name in (("test/input", "input"), ("test/ground_truth", "truth"), ("output/predictions", "answers")):
        (folder / f"{path}.json").write_text(json.dumps(wires[name], ensure_ascii=False), encoding="utf-8")
    (folder / "other").mkdir()
    (folder / "other" / "predictions.json").write_text(json.dumps(wires["before"]), encoding="utf-8")
    for name in ("training.csv", "training.csv.readings.json"):
        shutil.copyfile(emissions.with_name(name), folder / name)
    return Run(folder, result, other)
