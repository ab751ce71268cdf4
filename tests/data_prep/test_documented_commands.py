"""The commands that the README gives for the real sources, as they stand there, on small files of those names."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contest.command_line import Parser
from contest.reading import read_input
from data_prep.__main__ import PROGRAM
from data_prep.sources.mathematics.source import MODULES
from tests.data_prep.conversions import paint, write_document, write_lines

ROOT = Path(__file__).parents[2]
SOURCES = ("sberquad", "muserc", "mathematics", "coco", "visual-genome", "start", "sberidp", "merge", "check", "shards")
TRANSLATOR = """
def translate(texts):
    known = {"A cat on a table.": "Кот на столе.", "What is it? A cat.": "Что это? Кот."}
    return [known[text] for text in texts]
"""


def documented():
    """Every command of the README for a real source or a task folder, in order, its lines joined."""
    text = (ROOT / "README.md").read_text("utf-8").replace("\\\n", " ")
    found = re.findall(r"python -m data_prep [^`\n]+", text)
    return [command.strip() for command in found if command.split()[3] in SOURCES]


def lay_out(folder):
    """The files that the commands name, with a record or two in each, in the published forms."""
    (folder / "weights").symlink_to(ROOT / "weights")
    (folder / "my_module.py").write_text(TRANSLATOR, "utf-8")
    answers = {"text": ["в Твери"], "answer_start": [6]}
    row = {"id": 1, "title": "t", "context": "Живёт в Твери.", "question": "Где?", "answers": answers}
    for name in ("train", "validation"):
        (folder / "sberquad").mkdir(exist_ok=True)
        pq.write_table(
            pa.Table.from_pylist([{**row, "context": f"{row['context']} {name}"}]),
            folder / "sberquad" / f"{name}.parquet",
        )
    (folder / "MuSeRC").mkdir()
    for number, name in enumerate(("train", "val")):
        given = [{"idx": 0, "text": "Кот", "label": 1}, {"idx": 1, "text": "Пёс", "label": 0}]
        questions = [{"idx": 0, "question": "Кто сидит?", "answers": given}]
        passage = {"text": f"(1) Кот сидит {number}.", "questions": questions}
        write_lines(folder / "MuSeRC" / f"{name}.jsonl", [{"idx": number, "passage": passage}])
    for module in (*MODULES, "calculus__differentiate"):
        file = folder / "mathematics_dataset-v1.0" / "train-easy" / f"{module}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("Solve 2*x + 3 = 7 for x.\n2\n", "ascii")
    (folder / "annotations").mkdir()
    for year, name, part in ((2014, "COCO_train2014_000000000009.jpg", "train"), (2017, "000000000802.jpg", "val")):
        number = int(name[-16:-4])
        picture = {"id": number, "file_name": name, "coco_url": f"http://images.cocodataset.org/{part}{year}/{name}"}
        captions = [{"id": 1, "image_id": number, "caption": "A cat on a table."}]
        value = {"images": [picture], "annotations": captions}
        write_document(folder / "annotations" / f"captions_{part}{year}.json", value)
        paint(folder / "coco" / f"{part}{year}" / name, "red" if year == 2014 else "blue")
    paint(folder / "vg" / "VG_100K" / "5.jpg", "green")
    write_document(folder / "image_data.json", [{"image_id": 5, "url": "https://x/VG_100K/5.jpg", "coco_id": None}])
    asked = {"qa_id": 1, "image_id": 5, "question": "What is it?", "answer": "A cat."}
    write_document(folder / "question_answers.json", [{"id": 5, "qas": [asked]}])
    for number, name in enumerate(("START", "SberIDP")):
        paint(folder / name / "images" / "a b.jpg", (9 * number, 0, 0), size=(20 + number, 8))
    write_document(folder / "START" / "annotations.json", {"a b.jpg": "АПТЕКА"})
    (folder / "SberIDP" / "labels.csv").write_text("image_name,label\na b.jpg,Хлеб и молоко\n", "utf-8")


def test_documented_commands_run_as_they_stand(tmp_path):
    lay_out(tmp_path)
    commands = documented()
    named = [command.split()[3] for command in commands]
    assert set(named) >= {*SOURCES} - {"shards"}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "OMP_NUM_THREADS": "1"}
    script = f'set -e\npython() {{ {shlex.quote(sys.executable)} "$@"; }}\n' + "\n".join(commands)
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr}"
    told = [line for line in ran.stderr.splitlines() if "passed over" not in line]
    assert told == []
    if "merge" in named:
        merged = next(shlex.split(command) for command in commands if command.split()[3] == "merge")
        out = tmp_path / merged[merged.index("--output") + 1]
        for task in ("textqa", "mathqa", "generation", "captioning", "vqa", "text_recognition"):
            samples = {**read_input(out / task / f"{task}_train.json"), **read_input(out / task / f"{task}_val.json")}
            assert samples
    assert (
        json.loads((tmp_path / "data" / "coco" / "captioning" / "card.json").read_text("utf-8"))["records"]["used"] == 1
    )


@pytest.mark.parametrize("command", documented())
def test_every_documented_option_is_known(command):
    name, *options = shlex.split(command)[3:]
    parser = Parser()
    command = PROGRAM.commands[name]
    getattr(import_module(command.module), command.adds)(parser)
    parser.parse_args(options)
