"""Command lines of data_prep: one subcommand a source, with the options they share. Knows what each one calls.

What a command needs is imported when it is run, so that `--help` waits for none of it.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from contest.console import say, show
from contest.tasks import TASKS
from data_prep.arguments import (
    GOES_ON,
    STATUSES,
    Commands,
    add_left_limit,
    left_limit,
    number,
    seed,
    share,
    subcommand,
    whole,
)
from data_prep.folder_commands import add_check, add_folder_tools
from data_prep.records import DataSource, SkipReason
from data_prep.split import DEFAULT_SHARE, Splitting
from data_prep.telling import counted, tell_passed_over

IMAGE_MODES = ("link", "copy", "pad")
GRADES = "easy,middle,hard"
DRILLS = "drill_textqa,drill_mathqa,drill_copying,drill_retelling,drill_vqa,drill_picture_facts"


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = argparse.ArgumentParser(
        prog="python -m data_prep",
        description="Turn a source into contest files.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(required=True, metavar="SOURCE")
    _add_synthetic(commands)
    add_sources(commands)
    add_check(commands)
    add_folder_tools(commands)
    return root


def _add_synthetic(commands: Commands) -> None:
    text = "a procedural world in Russian: all twelve tasks, any size, no downloads"
    synthetic = commands.add_parser("synthetic", help=text, description=text)
    synthetic.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    synthetic.add_argument("--seed", type=seed, default=0)
    synthetic.add_argument("--train", type=whole, default=3000, metavar="N", help="training samples a task")
    synthetic.add_argument("--validation", type=whole, default=300, metavar="N", help="validation samples a task")
    synthetic.add_argument("--test", type=whole, default=120, metavar="N", help="test samples a task")
    synthetic.add_argument(
        "--tasks",
        default=",".join(task.key for task in TASKS),
        metavar="A,B,...",
        help=f"keys of the tasks to write (default: %(default)s), or of drills for training: {DRILLS}",
    )
    synthetic.add_argument(
        "--grades",
        metavar="A,B,...",
        help=f"grades that take turns in the training split; name one often to have more of it (default: {GRADES})",
    )
    synthetic.set_defaults(
        command=run_synthetic, stopped="stopped; empty the directory, or name another, before it is started again"
    )


def run_synthetic(arguments: argparse.Namespace) -> None:
    """`synthetic`: write the world."""
    from data_prep.synthetic.drills import DRILLS
    from data_prep.synthetic.writer import Amounts, write_world

    grades = tuple((arguments.grades or GRADES).split(","))
    amounts = Amounts(arguments.train, arguments.validation, arguments.test, grades)
    if arguments.grades is not None and not arguments.train:
        say("data_prep: --grades has no effect without training samples")
    keys = [key for key in arguments.tasks.split(",") if key]
    if not keys:
        raise ValueError("--tasks names no task; leave it out to have all of them")
    tasks, drills = [key for key in keys if key not in DRILLS], [key for key in keys if key in DRILLS]
    write_world(arguments.out, arguments.seed, amounts, tasks, drills)
    if sys.stdout.isatty():
        folders = sorted(str(path) for path in arguments.out.glob("*/"))
        show(f"written: {', '.join(folders) or 'nothing, every amount is 0'}")


def add_sources(commands: Commands) -> None:
    """Add a subcommand for every real source."""
    sberquad = _source(commands, "sberquad", "TextQA from SberQuAD: JSON, JSON lines, Parquet, CSV of 2017", _sberquad)
    _files(sberquad)
    _variants(sberquad)
    muserc = _source(commands, "muserc", "TextQA from MuSeRC: JSON lines or Parquet", _muserc)
    _files(muserc)
    _variants(muserc)
    mathematics = _source(commands, "mathematics", "MathQA from DeepMind Mathematics, in Russian", _mathematics)
    mathematics.add_argument("files", type=Path, nargs="*", metavar="FILE", help="text files, or folders of them")
    mathematics.add_argument(
        "--generate",
        type=whole,
        default=0,
        metavar="N",
        help="have the mathematics_dataset package make N of each module",
    )
    mathematics.add_argument(
        "--most-digits", type=whole, default=6, metavar="N", help="leave longer numbers out (default: %(default)s)"
    )
    _variants(mathematics)
    _add_picture_sources(commands)


def _add_picture_sources(commands: Commands) -> None:
    coco = _source(commands, "coco", "ImageGeneration and ImageCaptioning from COCO captions", _coco)
    _files(coco, "captions_train2014.json, captions_val2017.json and their like")
    _pictures(coco, "the folder with the pictures, or with train2014/, val2017/ and the like")
    _translation(coco)
    _variants(coco)
    genome = _source(commands, "visual-genome", "VisualQA from Visual Genome's questions", _visual_genome)
    _files(genome, "question_answers.json")
    genome.add_argument("--image-data", type=Path, required=True, metavar="FILE", help="image_data.json")
    _pictures(genome, "the folder that holds VG_100K/ and VG_100K_2/")
    genome.add_argument(
        "--per-picture", type=whole, default=0, metavar="N", help="questions taken of a picture, at random (0: all)"
    )
    _translation(genome)
    _variants(genome)
    for name in ("start", "sberidp"):
        texts = _source(commands, name, "text recognition from annotated pictures: tables, COCO-Text, COCO", _texts)
        _files(texts, "annotations")
        _pictures(texts, "the folder that the annotations' file names are relative to")
        texts.add_argument(
            "--most-characters",
            type=whole,
            default=200,
            metavar="N",
            help="leave longer texts out (default: %(default)s)",
        )
        _variants(texts)
        texts.set_defaults(source=name)


def _left_out() -> str:
    reasons = "; ".join(reason.meaning for reason in SkipReason if not reason.is_fault)
    return textwrap.fill(f"Left out by rule, and counted, with exit status 0: {reasons}.", 100) + "\n"


def _source(
    commands: Commands, name: str, text: str, make: Callable[[argparse.Namespace], DataSource]
) -> argparse.ArgumentParser:
    command = subcommand(commands, name, text, _left_out())
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the task folders go")
    command.add_argument("--seed", type=seed, default=0, help="of the wording (default: %(default)s)")
    command.add_argument(
        "--validation-share",
        type=number,
        default=DEFAULT_SHARE,
        metavar="SHARE",
        help="of the documents or pictures; give all picture sources the same (default: %(default)s)",
    )
    command.add_argument("--split-seed", type=seed, default=0, help="give all sources the same (default: %(default)s)")
    command.add_argument("--workers", type=whole, default=1, help="processes (default: %(default)s)")
    command.add_argument(
        "--strict",
        action="store_true",
        help="refuse the first broken record instead of skipping it; what is left out by rule is none",
    )
    command.add_argument("--bpe", type=Path, metavar="FILE", help="measure texts in tokens of this bpe.model")
    add_left_limit(command)
    command.set_defaults(command=run_source, make=make, pictures="link", stopped=GOES_ON)
    return command


def _files(command: argparse.ArgumentParser, what: str = "the source's files, in any number") -> None:
    command.add_argument("files", type=Path, nargs="+", metavar="FILE", help=what)


def _variants(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--variants",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="of the samples that are asked in the manner of a hidden task (default: %(default)s)",
    )


def _pictures(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--images", type=Path, required=True, metavar="DIR", help=what)
    command.add_argument(
        "--pictures",
        choices=IMAGE_MODES,
        default="link",
        help="link the source's pictures, copy them, or pad them to squares (default: %(default)s)",
    )


def _translation(command: argparse.ArgumentParser) -> None:
    choice = command.add_mutually_exclusive_group()
    choice.add_argument(
        "--translations", type=Path, metavar="FILE", help="texts with their translations: .tsv, .csv or JSON lines"
    )
    choice.add_argument(
        "--translator", metavar="MODULE:FUNCTION", help="a function from a list of texts to a list of translations"
    )
    command.add_argument(
        "--cache", type=Path, metavar="FILE", help="where translations are kept (default: translations.sqlite in DIR)"
    )


def _sberquad(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.sberquad import SberQuAD

    return SberQuAD(tuple(arguments.files), arguments.seed, arguments.variants)


def _muserc(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.muserc import MuSeRC

    return MuSeRC(tuple(arguments.files), arguments.seed, arguments.variants)


def _mathematics(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.mathematics.source import Mathematics, passed_over

    if not arguments.files and arguments.generate < 1:
        raise ValueError("mathematics: no problems to convert; name text files, or give --generate N")
    for folder in filter(Path.is_dir, arguments.files):
        tell_passed_over(folder, passed_over(folder), "the modules of the contest")
    return Mathematics(
        tuple(arguments.files), arguments.generate, arguments.seed, arguments.variants, arguments.most_digits
    )


def _coco(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.coco import Coco

    _demand_translator(arguments)
    return Coco(
        tuple(arguments.files),
        arguments.images,
        arguments.seed,
        arguments.translations,
        arguments.translator,
        arguments.cache,
        arguments.variants,
    )


def _visual_genome(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.visual_genome import VisualGenome

    if arguments.per_picture < 0:
        raise ValueError(f"--per-picture must not be negative, got {arguments.per_picture}")
    _demand_translator(arguments)
    return VisualGenome(
        tuple(arguments.files),
        arguments.image_data,
        arguments.images,
        arguments.seed,
        arguments.per_picture,
        arguments.translations,
        arguments.translator,
        arguments.cache,
        arguments.variants,
    )


def _demand_translator(arguments: argparse.Namespace) -> None:
    if arguments.cache is not None and arguments.translator is None:
        say("data_prep: --cache has no effect without --translator")


def _texts(arguments: argparse.Namespace) -> DataSource:
    from data_prep.sources.start import TextInPictures

    return TextInPictures(
        arguments.source,
        tuple(arguments.files),
        arguments.images,
        arguments.seed,
        arguments.variants,
        arguments.most_characters,
    )


def run_source(arguments: argparse.Namespace) -> int:
    """Convert a source, say what came of it, and return the exit status: 1 if broken records were skipped."""
    from data_prep.pipeline import ConversionSettings, run

    conversion = ConversionSettings(
        splitting=Splitting(arguments.validation_share, arguments.split_seed),
        workers=arguments.workers,
        strict=arguments.strict,
        image_mode=arguments.pictures,
        bpe=arguments.bpe,
        left_limit=left_limit(arguments),
    )
    source = arguments.make(arguments)
    counts = run(source, arguments.out, conversion)
    skipped = ", ".join(f"{name} {count}" for name, count in sorted(counts.skipped.items())) or "none"
    show(f"read {counts.read}, used {counts.used}, skipped {sum(counts.skipped.values())} ({skipped})")
    for name, count in sorted(counts.written.items()):
        show(f"{name}: {counted(count, 'sample')}")
    if not counts.used:
        show("no sample came of it")
    left_out = sum(counts.skipped.values()) - counts.faults
    if left_out:
        show(f"left out by rule: {counted(left_out, 'record')}, named in skipped.jsonl")
    if counts.faults:
        show(f"broken: {counted(counts.faults, 'record')}, named in skipped.jsonl; --strict refuses the first one")
    show(f"cards: {', '.join(str(arguments.out / task / 'card.md') for task in source.tasks)}")
    return 1 if counts.faults else 0
