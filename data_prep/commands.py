"""Command lines of the real sources: the options they share, and each one's own. Knows only which source each makes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from contest.writing import write_json
from data_prep.check.checking import check
from data_prep.check.page import write_page
from data_prep.check.table import table, to_wire
from data_prep.merging import merge
from data_prep.pictures import LAYINGS
from data_prep.pipeline import Conversion, run
from data_prep.records import Source
from data_prep.sharding import write_shards
from data_prep.sources.coco import Coco
from data_prep.sources.mathematics.source import Mathematics
from data_prep.sources.muserc import MuSeRC
from data_prep.sources.sberquad import SberQuAD
from data_prep.sources.start import TextInPictures
from data_prep.sources.visual_genome import VisualGenome
from data_prep.split import DEFAULT_SHARE, Splitting
from models.bpe import BPE

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_sources(commands: Commands) -> None:
    """Add a subcommand for every real source."""
    sberquad = _source(commands, "sberquad", "TextQA from SberQuAD: JSON, JSON lines or Parquet", _sberquad)
    _files(sberquad)
    _variants(sberquad)
    muserc = _source(commands, "muserc", "TextQA from MuSeRC: JSON lines or Parquet", _muserc)
    _files(muserc)
    _variants(muserc)
    mathematics = _source(commands, "mathematics", "MathQA from DeepMind Mathematics, in Russian", _mathematics)
    mathematics.add_argument("files", type=Path, nargs="*", metavar="FILE", help="text files, or folders of them")
    mathematics.add_argument(
        "--generate",
        type=int,
        default=0,
        metavar="N",
        help="have the mathematics_dataset package make N of each module",
    )
    mathematics.add_argument(
        "--most-digits", type=int, default=6, metavar="N", help="leave longer numbers out (default: %(default)s)"
    )
    _variants(mathematics)
    _add_picture_sources(commands)


def _add_picture_sources(commands: Commands) -> None:
    coco = _source(commands, "coco", "ImageGeneration and ImageCaptioning from COCO captions", _coco)
    _files(coco, "captions_train2014.json and its like")
    _pictures(coco, "the folder with the pictures, or with train2014/ and val2014/")
    _translation(coco)
    _variants(coco)
    genome = _source(commands, "visual-genome", "VisualQA from Visual Genome's questions", _visual_genome)
    _files(genome, "question_answers.json")
    genome.add_argument("--image-data", type=Path, required=True, metavar="FILE", help="image_data.json")
    _pictures(genome, "the folder that holds VG_100K/ and VG_100K_2/")
    genome.add_argument(
        "--per-picture", type=int, default=0, metavar="N", help="questions taken of a picture, at random (0: all)"
    )
    _translation(genome)
    _variants(genome)
    for name in ("start", "sberidp"):
        texts = _source(commands, name, "text recognition from annotated pictures: tables, COCO-Text, COCO", _texts)
        _files(texts, "annotations")
        _pictures(texts, "the folder that the annotations' file names are relative to")
        texts.add_argument(
            "--most-characters",
            type=int,
            default=200,
            metavar="N",
            help="leave longer texts out (default: %(default)s)",
        )
        _variants(texts)
        texts.set_defaults(source=name)


def add_check(commands: Commands) -> None:
    """Add the subcommand that checks task folders."""
    text = "check task folders: the format, pictures, answers, options, leaks between training and validation"
    command = commands.add_parser("check", help=text, description=text)
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page with samples to look at")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    command.add_argument("--bpe", type=Path, metavar="FILE", help="measure texts in tokens of this bpe.model")
    command.add_argument(
        "--left-limit", type=int, default=384, metavar="TOKENS", help="of a left text (default: %(default)s)"
    )
    command.set_defaults(command=run_check)


def add_folder_tools(commands: Commands) -> None:
    """Add the subcommands that make other folders of task folders."""
    text = "make one set of task folders of several, such as those of SberQuAD and MuSeRC"
    command = commands.add_parser("merge", help=text, description=text)
    command.add_argument("directories", type=Path, nargs="+", metavar="DIR", help="task folders, or folders of them")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the task folders go")
    command.set_defaults(command=run_merge)
    text = "pack task folders into Parquet shards, for more samples than one JSON file should have"
    command = commands.add_parser("shards", help=text, description=text)
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the shards go")
    command.add_argument("--rows", type=int, default=20_000, help="samples of a shard (default: %(default)s)")
    command.add_argument(
        "--pictures-beside", action="store_true", help="link the folder of pictures instead of packing their bytes"
    )
    command.set_defaults(command=run_shards)


def run_merge(arguments: argparse.Namespace) -> int:
    """Merge folders and say what came of it."""
    for name, count in merge(arguments.directories, arguments.out).items():
        print(f"{name}: {count} samples")
    return 0


def run_shards(arguments: argparse.Namespace) -> int:
    """Write shards and say how many."""
    written = write_shards(arguments.directory, arguments.out, arguments.rows, not arguments.pictures_beside)
    for name, count in written.items():
        print(f"{name}: {count} shards")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Check folders, print the table, and return the exit status: 1 if a rule was broken that is no mere warning."""
    bpe = None if arguments.bpe is None else BPE(arguments.bpe)
    report = check(arguments.directory, bpe, arguments.left_limit)
    print(table(report))
    if arguments.json is not None:
        write_json(arguments.json, to_wire(report))
    if arguments.html is not None:
        write_page(report, arguments.html)
        print(f"\npage: {arguments.html}")
    return 1 if report.errors else 0


def _source(
    commands: Commands, name: str, text: str, make: Callable[[argparse.Namespace], Source]
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the task folders go")
    command.add_argument("--seed", type=int, default=0, help="of the wording (default: %(default)s)")
    command.add_argument(
        "--validation-share",
        type=float,
        default=DEFAULT_SHARE,
        metavar="SHARE",
        help="of the documents or pictures; give all picture sources the same (default: %(default)s)",
    )
    command.add_argument("--split-seed", type=int, default=0, help="give all sources the same (default: %(default)s)")
    command.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    command.add_argument("--strict", action="store_true", help="refuse the first broken record instead of skipping it")
    command.add_argument("--bpe", type=Path, metavar="FILE", help="measure texts in tokens of this bpe.model")
    command.add_argument(
        "--left-limit", type=int, default=384, metavar="TOKENS", help="of a left text (default: %(default)s)"
    )
    command.set_defaults(command=run_source, make=make, pictures="link")
    return command


def _files(command: argparse.ArgumentParser, what: str = "the source's files, in any number") -> None:
    command.add_argument("files", type=Path, nargs="+", metavar="FILE", help=what)


def _variants(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--variants",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="of the samples that are asked in the manner of a hidden task (default: %(default)s)",
    )


def _pictures(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--images", type=Path, required=True, metavar="DIR", help=what)
    command.add_argument(
        "--pictures",
        choices=LAYINGS,
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


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text}")
    return share


def _sberquad(arguments: argparse.Namespace) -> Source:
    return SberQuAD(tuple(arguments.files), arguments.seed, arguments.variants)


def _muserc(arguments: argparse.Namespace) -> Source:
    return MuSeRC(tuple(arguments.files), arguments.seed, arguments.variants)


def _mathematics(arguments: argparse.Namespace) -> Source:
    if not arguments.files and arguments.generate < 1:
        raise ValueError("mathematics: name text files, or give --generate N")
    return Mathematics(
        tuple(arguments.files), arguments.generate, arguments.seed, arguments.variants, arguments.most_digits
    )


def _coco(arguments: argparse.Namespace) -> Source:
    return Coco(
        tuple(arguments.files),
        arguments.images,
        arguments.seed,
        arguments.translations,
        arguments.translator,
        arguments.cache,
        arguments.variants,
    )


def _visual_genome(arguments: argparse.Namespace) -> Source:
    if arguments.per_picture < 0:
        raise ValueError(f"--per-picture must not be negative, got {arguments.per_picture}")
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


def _texts(arguments: argparse.Namespace) -> Source:
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
    conversion = Conversion(
        splitting=Splitting(arguments.validation_share, arguments.split_seed),
        workers=arguments.workers,
        strict=arguments.strict,
        laying=arguments.pictures,
        bpe=arguments.bpe,
        left_limit=arguments.left_limit,
    )
    source = arguments.make(arguments)
    tally = run(source, arguments.out, conversion)
    skipped = ", ".join(f"{name} {count}" for name, count in sorted(tally.skipped.items())) or "none"
    print(f"read {tally.read}, used {tally.used}, skipped {sum(tally.skipped.values())} ({skipped})")
    for name, count in sorted(tally.written.items()):
        print(f"{name}: {count} samples")
    print(f"cards: {', '.join(str(arguments.out / task / 'card.md') for task in source.tasks)}")
    return 1 if tally.faults else 0
