"""The house keeps its floors: who may import whom, what importing may do, and what tracked files may hold."""

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "errors",
    "contest",
    "pages",
    "fetch",
    "models",
    "submission",
    "training",
    "data_prep",
    "evaluation",
    "abilities",
)
PRESENT = tuple(room for room in ROOMS if (ROOT / room).is_dir())

# Room -> what of our own it may import besides itself.
FLOORS = {
    "errors": (),
    "contest": ("errors",),
    "pages": (),
    "models": ("errors",),
    "fetch": ("errors", "contest", "models"),
    "submission": ("errors", "contest", "models"),
    "abilities": ("errors", "contest", "models"),
    "training": (
        "errors",
        "contest",
        "pages",
        "models",
        "evaluation.metrics",
        "evaluation.results",
        "evaluation.platforms.hub",
        "fetch.publishing",
    ),
    "data_prep": ("errors", "contest", "models.bpe"),
    "evaluation": (
        "errors",
        "contest",
        "pages",
        "models.ruclip",
        "models.inception",
        "models.bpe",
        "models.weights",
        "models.named_folders",
    ),
}
# Inside `models` every part stands alone, but for these.
# `files`, `weights` and `bpe` read files for whoever has some, `convolution` is a layer of two networks; these know
# nothing of each other, and `weights_folder` knows those that make up a submission.
MODEL_FLOORS = {
    "errors": (),
    "pixels": (),
    "convolution": (),
    "devices": ("errors",),
    "gpu_settings": (),
    "files": ("errors",),
    "weights": (
        "errors",
        "models.files",
    ),
    "bpe": (
        "errors",
        "models.files",
    ),
    "named_folders": ("errors",),
    "rudolph": ("errors", "models.files", "models.weights"),
    "vqgan": ("errors", "models.files", "models.weights", "models.convolution"),
    "ruclip": ("errors", "models.files", "models.weights", "models.bpe", "models.pixels"),
    "inception": ("errors", "models.files", "models.weights"),
    "rrdbnet": ("errors", "models.files", "models.weights", "models.convolution"),
    "image_prompts": ("errors",),
    # ruDALL-E is what RUDOLPH grew from: the same layers, masks, caches and sampling draw for both.
    "dalle": ("errors", "models.files", "models.weights", "models.rudolph"),
    "weights_folder": ("errors", "models.files", "models.weights", "models.bpe", "models.rudolph", "models.vqgan"),
}

MAX_LINES = 400


def module_of(path: Path) -> str:
    """Dotted name of a file given relative to the root: `models/bpe.py` is models.bpe, `models/__init__.py` models."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(source: str, path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all that a source imports, wherever it stands; relative imports made absolute."""
    package = list(path.parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node.lineno, ".".join([*above, *filter(None, [node.module]), alias.name])
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0]
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def allowed_for(path: Path) -> tuple[str, ...]:
    room = path.parts[0]
    if room != "models" or len(path.parts) == 1 or (path.name == "__init__.py" and len(path.parts) == 2):
        return (room, *FLOORS[room])
    part = Path(path.parts[1]).stem
    return (f"models.{part}", *MODEL_FLOORS.get(part, ()))


def floor_violations(source: str, path: Path) -> list[str]:
    """Name each import of one of our own rooms that the floors forbid to the file at this path."""
    allowed = allowed_for(path)
    return [
        f"{path}:{line} imports {name}; it may import of our own only {', '.join(allowed)}"
        for line, name in imported_names(source, path)
        if name.split(".")[0] in (*ROOMS, "tests", "benchmarks")
        and not any(name == room or name.startswith(f"{room}.") for room in allowed)
    ]


def room_files() -> list[Path]:
    return sorted(path.relative_to(ROOT) for room in PRESENT for path in (ROOT / room).rglob("*.py"))


def tracked_files(*suffixes: str) -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in listed.split("\0") if name.endswith(suffixes)]
    return [path for path in paths if (ROOT / path).is_file()]


# (file, source, name that is forbidden to it or None)
IMPORTS: tuple[tuple[str, str, str | None], ...] = (
    ("contest/reading.py", "from contest.errors import Code", None),
    ("contest/reading.py", "from .errors import Code\nimport json, torch.nn", None),
    ("contest/reading.py", "import models", "models"),
    ("contest/reading.py", "from ..models import bpe", "models.bpe"),
    ("contest/reading.py", "def f():\n    import training.tune as t", "training.tune"),
    ("contest/reading.py", "if TYPE_CHECKING:\n    from evaluation import score", "evaluation.score"),
    ("contest/reading.py", "import importlib\nimportlib.import_module('submission.run')", "submission.run"),
    ("contest/reading.py", "__import__('data_prep')", "data_prep"),
    ("contest/reading.py", "from tests.contest import test_tasks", "tests.contest.test_tasks"),
    ("contest/reading.py", "import contestants", None),
    ("models/rudolph/loading.py", "from models.weights import read_state_dict", None),
    ("models/rudolph/loading.py", "from models.rudolph.config import Config\nfrom . import config", None),
    ("models/rudolph/loading.py", "from ..weights import read_state_dict\nfrom .. import weights", None),
    ("models/rudolph/loading.py", "from models.vqgan import VQGAN", "models.vqgan.VQGAN"),
    ("models/rudolph/loading.py", "from contest.items import Item", "contest.items.Item"),
    ("models/vqgan/blocks.py", "from models.vqgan.layers import Norm\nfrom .layers import Norm", None),
    ("models/vqgan/blocks.py", "from models.weights import load", None),
    ("models/vqgan/blocks.py", "from models.bpe import BPE", "models.bpe.BPE"),
    ("models/dalle/drawing.py", "from models.rudolph.decoding import forward_cached", None),
    ("models/dalle/drawing.py", "from models.ruclip import RuCLIP", "models.ruclip.RuCLIP"),
    ("models/rudolph/drawing.py", "from models.dalle import Dalle", "models.dalle.Dalle"),
    ("models/image_prompts.py", "from models.vqgan import VQGAN", "models.vqgan.VQGAN"),
    ("models/bpe.py", "from models import rudolph", "models.rudolph"),
    ("models/bpe.py", "from .rudolph import Config", "models.rudolph.Config"),
    ("models/__init__.py", "from contest import items", "contest.items"),
    ("submission/answer.py", "from models.rudolph import Rudolph\nfrom contest import tasks", None),
    ("submission/answer.py", "from training.tune import tune", "training.tune.tune"),
    ("submission/answer.py", "from evaluation.metrics import f1", "evaluation.metrics.f1"),
    ("training/tune.py", "from evaluation.metrics import f1\nfrom evaluation.metrics.f1 import score", None),
    ("training/tune.py", "from evaluation import report", "evaluation.report"),
    ("training/tune.py", "from evaluation import *", "evaluation.*"),
    ("training/tune.py", "import data_prep.synthetic", "data_prep.synthetic"),
    ("abilities/draw.py", "from models.dalle import Dalle\nfrom contest import console", None),
    ("abilities/draw.py", "from submission.engine import Engine", "submission.engine.Engine"),
    ("data_prep/writer.py", "from contest.writing import write_json", None),
    ("data_prep/writer.py", "from models.bpe import BPE", None),
    ("data_prep/writer.py", "from models.weights import read_state_dict", "models.weights.read_state_dict"),
    ("evaluation/metrics/clip.py", "from models.ruclip import RuCLIP\nfrom models import bpe, inception", None),
    ("evaluation/metrics/clip.py", "import models", "models"),
    ("evaluation/metrics/clip.py", "import models.rudolph", "models.rudolph"),
    ("evaluation/metrics/clip.py", "from models.bpe_fast import BPE", "models.bpe_fast.BPE"),
)


@pytest.mark.parametrize(("file", "source", "forbidden"), IMPORTS)
def test_the_checker_sees_what_is_forbidden_and_only_that(file: str, source: str, forbidden: str | None) -> None:
    found = floor_violations(source, Path(file))
    assert len(found) == (forbidden is not None)
    assert forbidden is None or f"imports {forbidden};" in found[0]


def test_every_room_keeps_to_its_floor() -> None:
    violations = [
        violation for path in room_files() for violation in floor_violations((ROOT / path).read_text("utf-8"), path)
    ]
    assert violations == []


def test_only_pictures_needs_pillow_in_the_contest_room() -> None:
    using = {
        str(path)
        for path in room_files()
        if path.parts[0] == "contest"
        for _, name in imported_names((ROOT / path).read_text("utf-8"), path)
        if name.split(".")[0] in ("PIL", "numpy", "torch")
    }
    assert using == {"contest/pictures.py", "contest/decoding.py"}


# Runs in a fresh process: argv is the folder that holds the packages, the file to report to, and the modules.
IMPORTER = """
    import importlib, json, os, socket, sys

    root, report, *modules = sys.argv[1:]
    root = os.path.realpath(root)
    touched, failed = [], []
    current = None

    def is_data(path):
        # Python's own files are no data, nor is what lies in a virtual environment inside the folder.
        path = os.path.realpath(os.fsdecode(path))
        inside = path.startswith(root + os.sep) and not path.startswith(os.path.realpath(sys.prefix) + os.sep)
        return inside and not path.endswith((".py", ".pyc", ".so"))

    def watch(event, arguments):
        if current is None:
            return
        if event.startswith("socket."):
            touched.append(f"{current}: {event}")
            raise RuntimeError("importing must not touch the network")
        if event == "open" and isinstance(arguments[0], (str, bytes)) and is_data(arguments[0]):
            touched.append(f"{current}: open {os.fsdecode(arguments[0])}")

    sys.path.insert(0, root)
    sys.addaudithook(watch)
    for current in modules:
        try:
            importlib.import_module(current)
        except Exception as error:
            failed.append(f"{current}: {type(error).__name__}: {error}")
    current = None
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        touched.append("the GPU was initialised")
    with open(report, "w") as stream:
        json.dump({"touched": touched, "failed": failed}, stream)
"""


def import_all(root: Path, modules: list[str], report: Path) -> tuple[dict[str, list[str]], str]:
    """Import modules in a fresh process; return what they touched, what failed, and everything printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(IMPORTER), str(root), str(report), *modules],
        cwd=report.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    )
    return json.loads(report.read_text()), process.stdout


def test_importing_touches_nothing_and_prints_nothing(tmp_path: Path) -> None:
    result, printed = import_all(ROOT, [module_of(path) for path in room_files()], tmp_path / "report.json")
    assert result == {"touched": [], "failed": []}
    assert printed == ""


def test_the_importer_catches_what_it_is_there_for(tmp_path: Path) -> None:
    sources = {
        "quiet": "import json, socket",
        "printing": "print('loud')",
        "reading": "open(__file__.replace('reading.py', 'table.json')).close()",
        "writing": "open(__file__.replace('writing.py', 'table.json'), 'w').close()",
        "calling": "import socket\ntry:\n    socket.socket()\nexcept RuntimeError:\n    pass",
        "breaking": "import no_such_module_anywhere",
    }
    room = tmp_path / "room"
    room.mkdir()
    (room / "table.json").write_text("{}")
    for name, source in sources.items():
        (room / f"{name}.py").write_text(source)
    result, printed = import_all(tmp_path, [f"room.{name}" for name in sources], tmp_path / "report.json")
    assert result["touched"] == [
        f"room.reading: open {room / 'table.json'}",
        f"room.writing: open {room / 'table.json'}",
        "room.calling: socket.__new__",
    ]
    assert result["failed"] == ["room.breaking: ModuleNotFoundError: No module named 'no_such_module_anywhere'"]
    assert printed == "loud\n"


# Absolute paths of somebody's machine: a home, or a folder in which work is kept. Written so as not to find itself.
MACHINE_PATH = re.compile(r"(?<![\w.~\-}/])/(?:work|root|home|Users)/")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("path = '/{}/x'", True),
        ("see /{}/main/README.md", True),
        ("COPY . /opt/{}/x", False),
        ("https://example.org/{}/", False),
        ("tests/{}/x", False),
        ("./{}/x", False),
        ("/{}space/x", False),
    ],
)
@pytest.mark.parametrize("folder", ["work", "root", "home", "Users"])
def test_the_pattern_finds_absolute_paths_of_a_machine(text: str, found: bool, folder: str) -> None:
    assert bool(MACHINE_PATH.search(text.format(folder))) is found


def test_every_tracked_folder_is_one_of_the_house() -> None:
    """What a command that went wrong left in the root is not committed with the rest."""
    others = {".ci", "benchmarks", "demo", "docker", "docs", "tests", "weights"}
    assert {path.parts[0] for path in tracked_files("") if len(path.parts) > 1} == {*ROOMS, *others}


def test_no_tracked_file_names_a_machine_s_paths() -> None:
    found = [
        f"{path}:{number} {line.strip()}"
        for path in tracked_files(".py", ".md", ".toml", ".sh", ".txt", ".json", ".yml", ".yaml", "Dockerfile", "run")
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_python_files_are_short_enough_to_read() -> None:
    lengths = {str(path): len((ROOT / path).read_text("utf-8").splitlines()) for path in tracked_files(".py")}
    assert {path: length for path, length in lengths.items() if length >= MAX_LINES} == {}


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path in (path for room in PRESENT for path in (ROOT / room).rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    # The dimensions of RUDOLPH and of ruDALL-E, under the name that the published keywords are given to.
    places["Config"].remove("models/dalle/config.py")
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
