"""Entry point of data_prep: its commands; what they need is imported when one is run."""

from __future__ import annotations

from functools import partial

from contest.command_line import Command, Program, run_program
from contest.console import start_program

SOURCES, FOLDERS = "data_prep.source_commands", "data_prep.folder_commands"
TEXTS = "text recognition from annotated pictures: tables, COCO-Text, COCO"

PROGRAM = Program(
    "data_prep",
    "Turn a source into contest files, or check, merge and pack such files.",
    {
        "synthetic": Command(
            "data_prep.synthetic.command", "a procedural world in Russian: all twelve tasks, any size, no downloads"
        ),
        "sberquad": Command(SOURCES, "TextQA from SberQuAD: JSON, JSON lines, Parquet, CSV of 2017", "add_questions"),
        "muserc": Command(SOURCES, "TextQA from MuSeRC: JSON lines or Parquet", "add_questions"),
        "mathematics": Command(SOURCES, "MathQA from DeepMind Mathematics, in Russian", "add_mathematics"),
        "coco": Command(SOURCES, "ImageGeneration and ImageCaptioning from COCO captions", "add_coco"),
        "visual-genome": Command(SOURCES, "VisualQA from Visual Genome's questions", "add_visual_genome"),
        "start": Command(SOURCES, TEXTS, "add_texts"),
        "sberidp": Command(SOURCES, TEXTS, "add_texts"),
        "check": Command(
            FOLDERS,
            "check task folders: the format, pictures, answers, options, leaks between training and validation",
            "add_check",
        ),
        "merge": Command(
            FOLDERS,
            "make one set of task folders of several, such as SberQuAD's and MuSeRC's, or of the shares of one source",
            "add_merge",
        ),
        "shards": Command(
            FOLDERS,
            "pack task folders into Parquet shards, for more samples than one JSON file should have",
            "add_shards",
        ),
    },
    old_options={"--out": "--output"},
    statuses={1: "done, but broken records were skipped (--strict refuses the first one), or `check` found an error"},
)

main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
