"""The entrypoint as the organisers start it: unpacked into a folder of its own, beside `input`."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from contest.limits import METADATA_NAME
from submission.pack import pack
from tests.submission.conftest import ROOT, Write, image, text


def test_run_sh_reads_and_writes_where_the_contest_says(tmp_path: Path, write_input: Write, weights: Path) -> None:
    write_input({"0": [text("дом")], "1": [text("Что это?"), image("images/red.png")]})
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(pack(weights, tmp_path / "archive.zip", "team/rudolph:1", ROOT).path) as archive:
        archive.extractall(unpacked)
    entrypoint = json.loads((unpacked / METADATA_NAME).read_text())["entrypoint"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(entrypoint.split(), cwd=unpacked, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    predictions = json.loads((unpacked / "output" / "predictions.json").read_text(encoding="utf-8"))
    assert list(predictions) == ["0", "1"]
    assert predictions["0"][1] == {"type": "image", "content": "images/image_0.jpg"}
    assert (unpacked / "output" / "images" / "image_0.jpg").is_file()
    # Not a terminal: the memory plan, a line a phase, what came of it. Where there is room, pictures are encoded beside
    # the answers, and texts are answered meanwhile.
    said = [line.split(":")[0] for line in run.stderr.splitlines()]
    assert said[:2] == ["memory", "samples at once"]
    texts_first = ["answer about pictures", "answer texts", "encode pictures"]
    assert sorted(said[2:-4]) in (texts_first, ["answer", "encode pictures"])
    assert said[-4:] == ["draw pictures", "done", "look at them", "check them"]
    assert "python -m submission preview --input ../input --output output" in run.stderr


def test_metadata_names_an_image_and_an_entrypoint() -> None:
    assert set(json.loads((ROOT / METADATA_NAME).read_text())) == {"image", "entrypoint"}


def test_the_version_is_said_once() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert said["project"]["dynamic"] == ["version"]
    assert said["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "contest.VERSION"}
