"""Tiny submissions, good ones and such as do harm, in one table: what they do, under which limits, and the verdict."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from evaluation.container.job import RunEngine
from evaluation.container.limits import RunLimits
from evaluation.container.runner import Request, Score, archive_sha256, run_archive
from evaluation.container.verdict import Fault, Verdict

SECRET = "ответ, который никто не видит"
# RunLimits that any machine can give and that a fake never meets by chance.
LIMITS = {"gpus": 0, "seconds": 100, "memory": 10**9, "shared_memory": 10**7, "temporary": 10**7, "log": 20_000}

ANSWER = """
import json, os, sys, time
asked = json.load(open("../input/input.json"))
answers = {key: [{"type": "text", "content": "да"}] for key in asked}
def write(value=answers):
    with open("output/predictions.json", "w") as stream:
        json.dump(value, stream)
"""


def archive(path: Path, files: Mapping[str, str], *, image: str, mode: int = stat.S_IFREG | 0o644) -> Path:
    """Write an archive of these files and of the metadata that start `run.py`."""
    metadata = {"image": image, "entrypoint": "python3 run.py"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in {"metadata.json": json.dumps(metadata), **files}.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16 if name not in ("metadata.json", "run.py") else 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, content)
    return path


def write_test(folder: Path) -> Path:
    """Write an input of two samples, and beside it what nobody may see: references and their picture."""
    (folder / "images").mkdir(parents=True)
    for name in ("asked.png", "reference.png"):
        Image.new("RGB", (8, 8)).save(folder / "images" / name)
    asked = {
        "0": [{"type": "text", "content": "Нарисуй дом."}],
        "1": [{"type": "text", "content": "Что это?"}, {"type": "image", "content": "images/asked.png"}],
    }
    truth = {key: [{"type": "text", "content": [SECRET, "да"]}] for key in asked}
    (folder / "input.json").write_text(json.dumps(asked, ensure_ascii=False), "utf-8")
    (folder / "ground_truth.json").write_text(json.dumps(truth, ensure_ascii=False), "utf-8")
    (folder / "ids.json").write_text(json.dumps({"0": 0, "1": 0}))
    return folder


@dataclass(frozen=True)
class Fake:
    """A submission: its program, the limits it meets, the verdict it gets, and a word of its problems or remarks."""

    what: str
    program: str
    fault: Fault
    says: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


FAKES: tuple[Fake, ...] = (
    Fake("answers", ANSWER + "write()", Fault.NONE),
    Fake("answers, and ends with an error", ANSWER + "write(); sys.exit(3)", Fault.NONE, "ended with status 3"),
    Fake("answers, and says far too much", ANSWER + "write(); print('x' * 10**6)", Fault.NONE, "left out of the log"),
    Fake(
        "brings its answers along",
        "pass",
        Fault.FORMAT,
        "the archive holds `output`",
        files={"output/predictions.json": '{"0": [], "1": []}'},
    ),
    Fake("sleeps", ANSWER + "write(); time.sleep(1000)", Fault.TIME, "1 s are allowed", {"seconds": 1}),
    Fake(
        "hears no signal, and leaves a child behind",
        "import os, signal, time\n"
        "[signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]\n"
        "os.fork(); time.sleep(1000)",
        Fault.TIME,
        "1 s are allowed",
        {"seconds": 1},
    ),
    Fake("raises", "raise SystemExit('no luck')", Fault.CRASH, "ended with status 1"),
    Fake("dies", "import ctypes; ctypes.string_at(0)", Fault.CRASH, "signal 11"),
    Fake("writes nothing", "pass", Fault.FORMAT, "[FILE_MISSING] output/predictions.json"),
    Fake("writes half a file", "open('output/predictions.json', 'w').write('{')", Fault.FORMAT, "[NOT_JSON]"),
    Fake("forgets a sample", ANSWER + "del answers['1']; write()", Fault.FORMAT, "[PREDICTION_MISSING]"),
    Fake(
        "names a picture outside",
        ANSWER + "write({**answers, '0': [{'type': 'image', 'content': '../../../secret.png'}]})",
        Fault.FORMAT,
        "[PICTURE_PATH_REFUSED]",
    ),
    Fake(
        "links its predictions to another file",
        "import os; os.symlink('/etc/passwd', 'output/predictions.json')",
        Fault.FORMAT,
        "it is a link or a device",
    ),
    Fake("leaves a link", ANSWER + "write(); os.symlink('/', 'output/all')", Fault.FORMAT, "output/all is no plain"),
    Fake(
        "leaves a link whose name is no text, and one that a terminal obeys",
        ANSWER + r"write(); os.symlink('/', b'output/\xff'); os.symlink('/', 'output/\x1b[2J')",
        Fault.FORMAT,
        r"output/\udcff is no plain file",
    ),
    Fake(
        "makes folders without end in each other",
        ANSWER + "write(); os.chdir('output')\n[(os.mkdir('deeper'), os.chdir('deeper')) for _ in range(1000)]",
        Fault.OUTPUT,
        "it wrote too much",
    ),
    Fake("leaves a pipe", ANSWER + "write(); os.mkfifo('output/pipe')", Fault.FORMAT, "output/pipe is no plain file"),
    Fake(
        "writes without end",
        "number = 0\nwhile True:\n    number += 1\n    open(f'output/{number}', 'wb').write(bytes(100_000))",
        Fault.OUTPUT,
        "2000000 bytes",
        {"output": 2_000_000},
    ),
    Fake(
        "writes one huge file",
        ANSWER + "write()\nwith open('output/huge', 'wb') as stream: stream.truncate(10**10)",
        Fault.NONE,  # it was refused the file, and the answers are there
        "File too large",
        {"output": 2_000_000},
    ),
    Fake(
        "writes too many files",
        ANSWER + "write(); [open(f'output/{n}', 'w') for n in range(100)]",
        Fault.OUTPUT,
        "50 files are allowed",
        {"output_files": 50},
    ),
    Fake(
        "sees the input and nothing beside it",
        ANSWER
        + "seen = sorted(os.path.join(r, f) for r, _, fs in os.walk('../input') for f in fs)\n"
        + "assert seen == ['../input/images/asked.png', '../input/input.json'], seen; write()",
        Fault.NONE,
    ),
    Fake(
        "finds no secret in its environment",
        ANSWER + "assert not [key for key in os.environ if 'SECRET' in key]; write()",
        Fault.NONE,
    ),
)  # fmt: skip


def run_fake(fake: Fake, engine: RunEngine, image: str, folder: Path, score: Score | None = None) -> Verdict:
    """Run a fake into `folder / "result"`."""
    path = archive(folder / "submission.zip", {"run.py": fake.program, **fake.files}, image=image)
    limits = RunLimits(**{**LIMITS, **fake.limits})  # type: ignore[arg-type]
    test = write_test(folder / "test")
    return run_archive(Request(path, test, folder / "result", engine, limits, score), archive_sha256(path))


def said(verdict: Verdict) -> str:
    """All that a verdict says in words."""
    return "\n".join((*verdict.problems, *verdict.remarks))


def _zip(*files: tuple[str, bytes], mode: int = 0o644) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, content)
    return stream.getvalue()


METADATA = ("metadata.json", b'{"image": "fake:1", "entrypoint": "python3 run.py"}')
OPTION = b'{"image": "--privileged", "entrypoint": "sh"}'
# (what, the archive, a word of the problem): none of them is started.
BAD_ARCHIVES: tuple[tuple[str, Callable[[], bytes], str], ...] = (
    ("no archive", lambda: b"not a ZIP", "[ARCHIVE_UNREADABLE]"),
    ("leads out of its folder", lambda: _zip(METADATA, ("../../run.py", b"")), "[ARCHIVE_NAME_REFUSED]"),
    ("a bomb", lambda: _zip(METADATA, *((f"{n}", bytes(30 * 10**6)) for n in range(7))), "[ARCHIVE_BOMB]"),
    ("a link", lambda: _zip(("weights", b"/etc"), mode=stat.S_IFLNK | 0o777), "[ARCHIVE_NOT_A_FILE]"),
    ("no metadata", lambda: _zip(("run.py", b"")), "[FILE_MISSING]"),
    ("an option for an image", lambda: _zip(("metadata.json", OPTION)), "[METADATA_INVALID]"),
)  # fmt: skip
