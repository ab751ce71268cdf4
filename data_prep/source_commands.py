"""Command lines of the published data sets: the options that they share, and each one's own."""

from __future__ import annotations

import argparse
import os
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import UsageError, number, seed, whole
from contest.console import counted, say, show
from contest.shares import add_shard, choose_share
from data_prep.arguments import GOES_ON, add_measuring, add_output, left_limit, say_passed_over
from data_prep.records import IMAGE_MODES, DataSource, SkipReason
from data_prep.split import DEFAULT_SHARE, Splitting

if TYPE_CHECKING:
    from data_prep.counts import Counts
    from data_prep.translation import Translation

MOST_WORKERS = 1024
share = number(least=0, most=1)


def add_questions(command: argparse.ArgumentParser) -> None:
    """Add the options of `sberquad` and `muserc`."""
    _add_shared(command, _questions)
    _add_files(command)


def add_mathematics(command: argparse.ArgumentParser) -> None:
    """Add the options of `mathematics`."""
    _add_shared(command, _mathematics)
    command.add_argument("files", type=Path, nargs="*", metavar="FILE", help="text files, or folders of them")
    command.add_argument(
        "--generate",
        type=whole(least=0),
        default=0,
        metavar="N",
        help="have the mathematics_dataset package make N problems of each module",
    )
    command.add_argument(
        "--most-digits", type=whole(least=1), default=6, metavar="N", help="leave out problems with longer numbers"
    )


def add_coco(command: argparse.ArgumentParser) -> None:
    """Add the options of `coco`."""
    _add_shared(command, _coco)
    _add_files(command, "captions_train2014.json, captions_val2017.json and their like")
    _add_images(command, "the folder with the pictures, or with train2014/, val2017/ and the like")
    _add_translation(command)


def add_visual_genome(command: argparse.ArgumentParser) -> None:
    """Add the options of `visual-genome`."""
    _add_shared(command, _visual_genome)
    _add_files(command, "question_answers.json")
    command.add_argument("--image-data", type=Path, required=True, metavar="FILE", help="image_data.json")
    _add_images(command, "the folder that holds VG_100K/ and VG_100K_2/")
    command.add_argument(
        "--per-picture",
        type=whole(least=0),
        default=0,
        metavar="N",
        help="questions taken of a picture, at random; 0 takes all",
    )
    _add_translation(command)


def add_texts(command: argparse.ArgumentParser) -> None:
    """Add the options of `start` and `sberidp`."""
    _add_shared(command, _texts)
    _add_files(command, "annotations")
    _add_images(command, "the folder that the annotations' file names are relative to")
    command.add_argument(
        "--most-characters", type=whole(least=1), default=200, metavar="N", help="leave out longer texts"
    )


def _add_shared(command: argparse.ArgumentParser, make: Callable[[argparse.Namespace], DataSource]) -> None:
    """Add what all sources take; `make` makes the source of the options."""
    reasons = "; ".join(reason.meaning for reason in SkipReason if not reason.is_fault)
    left_out = textwrap.fill(f"Left out by rule, and counted, with exit status 0: {reasons}.", 100)
    command.epilog = f"{left_out}\n\n{command.epilog}"
    add_output(command)
    command.add_argument("--seed", type=seed, default=0, help="of the wording")
    command.add_argument(
        "--validation-share",
        type=share,
        default=DEFAULT_SHARE,
        metavar="SHARE",
        help="of the documents or pictures, from 0 to 1; give all picture sources the same",
    )
    command.add_argument("--split-seed", type=seed, default=0, help="give all sources the same")
    command.add_argument(
        "--workers", type=whole(least=1, most=MOST_WORKERS), default=1, metavar="N", help="processes that convert"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="refuse the first broken record instead of skipping it; what is left out by rule is not broken",
    )
    command.add_argument(
        "--variants",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="of the samples, from 0 to 1, that are asked in the manner of a hidden task",
    )
    add_measuring(command)
    add_shard(command)
    command.set_defaults(run=run_source, make=make, pictures="link", when_stopped=GOES_ON, keeps=("output",))


def _add_files(command: argparse.ArgumentParser, what: str = "the source's files, in any number") -> None:
    command.add_argument("files", type=Path, nargs="+", metavar="FILE", help=what)


def _add_images(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--images", type=Path, required=True, metavar="DIR", help=what)
    command.add_argument(
        "--pictures",
        choices=IMAGE_MODES,
        default="link",
        help="link the source's pictures, copy them, or pad them to squares",
    )


def _add_translation(command: argparse.ArgumentParser) -> None:
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


def _questions(options: argparse.Namespace) -> DataSource:
    from data_prep.sources.muserc import MuSeRC
    from data_prep.sources.sberquad import SberQuAD

    kind = SberQuAD if options.command == "sberquad" else MuSeRC
    return kind(tuple(options.files), options.seed, options.variants)


def _mathematics(options: argparse.Namespace) -> DataSource:
    from data_prep.sources.mathematics.source import Mathematics, passed_over

    if not options.files and not options.generate:
        raise UsageError("there are no problems to convert", "name text files, or give --generate N")
    for folder in filter(Path.is_dir, options.files):
        say_passed_over(folder, passed_over(folder), "the modules of the contest")
    return Mathematics(tuple(options.files), options.generate, options.seed, options.variants, options.most_digits)


def _coco(options: argparse.Namespace) -> DataSource:
    from data_prep.sources.coco import Coco

    return Coco(tuple(options.files), options.images, options.seed, _translation(options), options.variants)


def _visual_genome(options: argparse.Namespace) -> DataSource:
    from data_prep.sources.visual_genome import VisualGenome

    return VisualGenome(
        tuple(options.files),
        options.image_data,
        options.images,
        options.seed,
        options.per_picture,
        _translation(options),
        options.variants,
    )


def _translation(options: argparse.Namespace) -> Translation:
    """Return where translations come from; a cache that has no effect is named."""
    from data_prep.translation import Translation

    if options.cache is not None and options.translator is None:
        say("data_prep: --cache has no effect without --translator")
    return Translation(options.translations, options.translator, options.cache)


def _texts(options: argparse.Namespace) -> DataSource:
    from data_prep.sources.start import TextInPictures

    return TextInPictures(
        options.command, tuple(options.files), options.images, options.seed, options.variants, options.most_characters
    )


def run_source(options: argparse.Namespace) -> int:
    """Convert a source, say what came of it, and return the exit status: 1 if broken records were skipped."""
    from data_prep.pipeline import ConversionSettings, run

    conversion = ConversionSettings(
        splitting=Splitting(options.validation_share, options.split_seed),
        workers=options.workers,
        strict=options.strict,
        image_mode=options.pictures,
        bpe=options.bpe,
        left_limit=left_limit(options),
    )
    source = options.make(options)
    share = choose_share(options.shard, os.environ)
    counts = run(source, options.output, conversion, share)
    say_counts(counts)
    if share.is_whole:
        show(f"cards: {', '.join(str(options.output / task / 'card.md') for task in source.tasks)}")
    else:
        output = shlex.quote(str(options.output))
        show(f"{share} is done; when all are: python -m data_prep merge --output {output}")
    return 1 if counts.faults else 0


def say_counts(counts: Counts) -> None:
    """Show what became of a source's records."""
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
