"""A competition as Codabench takes it: one bundle of the second version, for submissions of results.

The form is that of the platform's documentation (Yaml-Structure, Competition-Bundle-Structure). What a task refers to
stands in archives of its own inside the bundle.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont

from contest import VERSION
from contest.atomic import replacing
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.limits import (
    GROUND_TRUTH_NAME,
    IDS_NAME,
    IMAGES_DIR,
    INPUT_NAME,
    PREDICTIONS_NAME,
    VALID_ATTEMPTS_A_DAY,
    picture_content,
)
from contest.pictures import resolve_picture
from contest.reading import read_ground_truth, read_ids, read_input
from contest.tasks import TASKS, Task, task_by_id
from contest.writing import write_json, writing
from evaluation.errors import EvaluationError
from evaluation.joining import ScoringFiles, join
from evaluation.metrics.cases import Mode, Stage
from evaluation.platforms.archives import write_archive
from evaluation.platforms.program import files_needed
from evaluation.platforms.scoring_program import INPUT, NAME, TRUTH
from evaluation.settings import INTEGRAL, FidFeatures

COMPETITION_NAME = "competition.yaml"
LOGO_NAME = "logo.png"
SCORING_NAME, REFERENCE_NAME, PUBLIC_NAME, SOLUTION_NAME = (
    "scoring_program.zip",
    "reference_data.zip",
    "public_data.zip",
    "solution.zip",
)
PAGES = {"overview": "Overview", "evaluation": "Evaluation", "data": "Data", "terms": "Terms"}
LEADERBOARD = "main"
PROGRAM_FOLDER = "/app/program"
ASSETS = "assets"
ANSWER = "нет"
"""What the example solution answers, whatever is asked."""
_PAGES_FOLDER = Path(__file__).parent / "codabench_pages"
_MODULE = "evaluation.platforms.scoring_program"


class BundleError(EvaluationError):
    """A bundle can not be made of what was given."""


@dataclass(frozen=True, slots=True)
class CodabenchPlan:
    """How the competition is run.

    Attributes:
        image: the image that the platform's workers score in, where they can pull it.
        start: its first day; `end` is the day it ends at 00:00 UTC, None for one without an end.
        seconds: how long the scoring of one submission may take.
        mode: as `evaluation score`; so are stage, wordnet and fid_features.
        assets: folder of the metrics' networks, which go into the scoring program; None if the image has them.

    Raises ValueError for an end that is not after the start.

    """

    image: str
    start: date
    end: date | None = None
    title: str = "FusionBrain Challenge 2.0"
    seconds: int = 3600
    mode: Mode = "official"
    stage: Stage = "full"
    assets: Path | None = None
    wordnet: Path | None = None
    fid_features: FidFeatures = "inception"

    def __post_init__(self) -> None:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"the competition would end on {self.end}, and begin on {self.start}")


def write_bundle(plan: CodabenchPlan, output: Path, *, input_root: Path, ground_truth: Path, ids: Path) -> list[str]:
    """Write the bundle, as one archive if `output` ends in .zip, else into that folder; return the names of its files.

    The example solution is joined with the test as a submission would be, so that what does not fit together shows
    here and not on the platform.

    Args:
        plan: how the competition is run.
        output: where the bundle goes.
        input_root: the folder with `input.json`, or that file: all that participants get of the test.
        ground_truth: the references; their pictures lie in its folder.
        ids: the task of each sample.

    Raises BundleError, and as `evaluation.joining.join`; ContestError where the bundle can not be written, OSError.
    """
    task_ids = read_ids(ids)
    tasks = sorted({task_by_id(number) for number in task_ids.values()}, key=TASKS.index)
    with TemporaryDirectory(prefix="fbc2-bundle-") as folder:
        work = Path(folder)
        solution = _solution(task_ids, work / "solution")
        scored = ScoringFiles(solution, ground_truth, ids, input_root)
        join(scored, plan.mode, plan.stage)
        input_json = scored.input_json
        assert input_json is not None
        pictures = {
            INPUT: _pictures(read_input(input_json).values(), input_json),
            TRUTH: _pictures(read_ground_truth(ground_truth).values(), ground_truth),
        }
        write_archive(work / SCORING_NAME, _program(plan))
        write_archive(
            work / REFERENCE_NAME,
            {
                IDS_NAME: ids,
                f"{TRUTH}/{GROUND_TRUTH_NAME}": ground_truth,
                f"{INPUT}/{INPUT_NAME}": input_json,
                **{f"{part}/{name}": path for part, found in pictures.items() for name, path in found.items()},
            },
        )
        write_archive(work / PUBLIC_NAME, {INPUT_NAME: input_json, **pictures[INPUT]})
        drawn = {f"{IMAGES_DIR}/{path.name}": path for path in sorted((solution.parent / IMAGES_DIR).iterdir())}
        write_archive(work / SOLUTION_NAME, {PREDICTIONS_NAME: solution, **drawn})
        about = yaml.safe_dump(competition(plan, tasks), allow_unicode=True, sort_keys=False, width=1000)
        entries: dict[str, Path | bytes] = {COMPETITION_NAME: about.encode(), LOGO_NAME: _logo()}
        entries |= {f"pages/{name}.md": _page(name, plan, tasks, len(task_ids)).encode() for name in PAGES}
        entries |= {name: work / name for name in (SCORING_NAME, REFERENCE_NAME, PUBLIC_NAME, SOLUTION_NAME)}
        with writing(output):
            _put(entries, output)
    return list(entries)


def competition(plan: CodabenchPlan, tasks: Iterable[Task]) -> dict[str, Any]:
    """Return what `competition.yaml` holds, for a test of these tasks."""
    phase: dict[str, Any] = {
        "index": 0,
        "name": "Test",
        "description": "Answers to the test, scored at once.",
        # Midnight, and no hour: the platform drops the hour of a date that it does not read as a text.
        "start": plan.start,
        **({} if plan.end is None else {"end": plan.end}),
        "max_submissions_per_day": VALID_ATTEMPTS_A_DAY,
        "execution_time_limit": plan.seconds,
        "accepts_only_result_submissions": True,
        "public_data": PUBLIC_NAME,
        "tasks": [0],
    }
    return {
        "version": 2,
        "title": plan.title,
        "description": "Twelve tasks on Russian texts and pictures, answered by one model.",
        "image": LOGO_NAME,
        "terms": "pages/terms.md",
        "docker_image": plan.image,
        "registration_auto_approve": False,
        "make_programs_available": False,
        "make_input_data_available": True,
        "enable_detailed_results": True,
        "pages": [{"title": title, "file": f"pages/{name}.md"} for name, title in PAGES.items()],
        "tasks": [
            {
                "index": 0,
                "name": "All tasks",
                "description": f"Scored in mode {plan.mode} by fbc2 {VERSION}.",
                "scoring_program": SCORING_NAME,
                "reference_data": REFERENCE_NAME,
            }
        ],
        "solutions": [{"index": 0, "path": SOLUTION_NAME, "tasks": [0]}],
        "phases": [phase],
        "leaderboards": [
            {"title": "Results", "key": LEADERBOARD, "submission_rule": "Force_Best", "columns": _columns(list(tasks))}
        ],
    }


def _columns(tasks: list[Task]) -> list[dict[str, Any]]:
    """Return the columns of what the scoring program writes: S, where all twelve tasks are there, and each task."""
    titles = {INTEGRAL: "S"} if len(tasks) == len(TASKS) else {}
    titles |= {task.key: task.title for task in tasks}
    return [
        {"title": title, "key": key, "index": index, "sorting": "desc", "precision": 4}
        for index, (key, title) in enumerate(titles.items())
    ]


def command(plan: CodabenchPlan) -> str:
    """Return the scoring program's command; the platform splits it at its spaces."""
    options: dict[str, str] = {"--mode": plan.mode, "--fid-features": plan.fid_features}
    options |= {"--stage": plan.stage} if plan.mode == "official" else {}
    options |= {} if plan.assets is None else {"--assets": f"{PROGRAM_FOLDER}/{ASSETS}"}
    options |= {} if plan.wordnet is None else {"--wordnet": f"{PROGRAM_FOLDER}/{ASSETS}/wordnet.db"}
    words = ["python3", f"{PROGRAM_FOLDER}/{NAME}", "codabench", "/app/input", "/app/output"]
    return " ".join([*words, *(word for pair in options.items() for word in pair)])


def _program(plan: CodabenchPlan) -> dict[str, Path | bytes]:
    """Return the files of the scoring program: its command, our evaluator as far as it is needed, the networks."""
    sources = files_needed(_MODULE)
    start = next(path for name, path in sources.items() if name.name == f"{_MODULE.rpartition('.')[2]}.py")
    entries: dict[str, Path | bytes] = {
        "metadata.yaml": yaml.safe_dump({"command": command(plan)}, width=10_000).encode(),
        NAME: start,
        **{str(name): path for name, path in sources.items()},
    }
    if plan.assets is not None:
        parts = ["ruclip", *(["inception"] if plan.fid_features == "inception" else [])]
        for part in parts:
            folder = plan.assets / part
            if not folder.is_dir():
                raise BundleError(f"{plan.assets} has no folder {part}", "name the folder with the metrics' networks")
            entries |= {f"{ASSETS}/{part}/{path.name}": path for path in sorted(folder.iterdir()) if path.is_file()}
    if plan.wordnet is not None:
        entries[f"{ASSETS}/wordnet.db"] = plan.wordnet
    return entries


def _pictures(entries: Iterable[Sample | GroundTruth], json_file: Path) -> dict[str, Path]:
    """Return the pictures that the entries of a file name, by the names they have there, each once."""
    contents = dict.fromkeys(content for entry in entries for content in entry.images)
    found = {content: resolve_picture(json_file.parent, content, follow_links=True) for content in contents}
    missing = [content for content, path in found.items() if not path.is_file()]
    if missing:
        raise BundleError(f"{json_file} names {missing[0]}, which is not there", "give the test with its pictures")
    return found


def _solution(task_ids: Mapping[str, int], folder: Path) -> Path:
    """Write a submission that answers the same to everything, and return its predictions.

    Each drawing is a file of its own: the organisers' scripts count files.
    """
    (folder / IMAGES_DIR).mkdir(parents=True)
    draws = {task.id for task in TASKS if task.kind == "text_to_image"}
    stream = io.BytesIO()
    Image.new("RGB", (192, 192), (128, 128, 128)).save(stream, "JPEG")
    answers: dict[str, list[dict[str, str]]] = {}
    for name, task in task_ids.items():
        answers[name] = [{"type": "text", "content": ANSWER}]
        if task in draws:
            answers[name].append({"type": "image", "content": picture_content(name)})
            (folder / picture_content(name)).write_bytes(stream.getvalue())
    write_json(folder / PREDICTIONS_NAME, answers)
    return folder / PREDICTIONS_NAME


def _page(name: str, plan: CodabenchPlan, tasks: Iterable[Task], samples: int) -> str:
    rows = [
        f"| {task.title} | `{task.key}` | {task.metric.replace('_', ' ')} | {task.baseline:.2f} | "
        f"{'' if task.threshold is None else f'{task.threshold:.2f}'} |"
        for task in tasks
    ]
    facts = {
        "title": plan.title,
        "table": "\n".join(rows),
        "samples": str(samples),
        "mode": plan.mode,
        "attempts": str(VALID_ATTEMPTS_A_DAY),
        "version": VERSION,
        "substitute": "" if plan.fid_features == "inception" else (_PAGES_FOLDER / "substitute.md").read_text("utf-8"),
    }
    return Template((_PAGES_FOLDER / f"{name}.md").read_text("utf-8")).substitute(facts)


def _logo() -> bytes:
    picture = Image.new("RGB", (256, 256), (47, 111, 222))
    draw = ImageDraw.Draw(picture)
    draw.text((128, 128), "FBC2", fill="white", anchor="mm", font=ImageFont.load_default(72))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _put(entries: Mapping[str, Path | bytes], output: Path) -> None:
    """Write the bundle as one archive, or its files, each whole or not at all. Raises OSError."""
    if output.suffix == ".zip":
        with replacing(output, sync=True) as temporary:
            write_archive(temporary, entries)
        return
    for name, source in entries.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(output / name) as temporary:
            if isinstance(source, bytes):
                temporary.write_bytes(source)
            else:
                shutil.copyfile(source, temporary)  # networks may be in it: gigabytes
