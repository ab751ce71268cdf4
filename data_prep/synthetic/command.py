"""The command line of the synthetic world."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from contest.command_line import UsageError, seed, whole
from contest.console import say, show
from contest.shares import add_shard, choose_share, require_no_shares
from contest.tasks import TASKS
from data_prep.arguments import add_output
from data_prep.synthetic.grades import GRADES

DRILLS = "drill_textqa,drill_mathqa,drill_copying,drill_retelling,drill_vqa,drill_picture_facts"
VARIANTS = "variant_textqa,variant_vqa,variant_captioning,variant_text_recognition"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `synthetic`."""
    add_output(command, "a new or empty directory")
    command.add_argument("--seed", type=seed, default=0, help="of all that is drawn by chance")
    count = whole(least=0)
    command.add_argument("--train", type=count, default=3000, metavar="N", help="training samples of each task")
    command.add_argument("--validation", type=count, default=300, metavar="N", help="validation samples of each task")
    command.add_argument("--test", type=count, default=120, metavar="N", help="test samples of each task")
    command.add_argument(
        "--tasks",
        default=",".join(task.key for task in TASKS),
        metavar="A,B,...",
        help=f"keys of the tasks to write, or of drills for training: {DRILLS}",
    )
    command.add_argument(
        "--grades",
        metavar="A,B,...",
        help="grades that take turns in the training split; name one often to have more of it "
        f"(default: {','.join(GRADES)})",
    )
    command.add_argument(
        "--other-questions",
        action="store_true",
        help=f"write other questions of the named tasks too, for training, none of a hidden kind: {VARIANTS}",
    )
    add_shard(command)
    again = "a share goes on from here; else empty the directory, or name another, before it is started again"
    command.set_defaults(run=run_synthetic, when_stopped=again, keeps=("output",))


def run_synthetic(options: argparse.Namespace) -> int:
    """`synthetic`: write the world."""
    from data_prep.shares import WORLD, shares_folder
    from data_prep.synthetic.drills import DRILLS
    from data_prep.synthetic.shares import write_share
    from data_prep.synthetic.writer import Amounts, write_world

    grades = GRADES if options.grades is None else tuple(options.grades.split(","))
    unknown = sorted(set(grades) - set(GRADES))
    if unknown:
        raise UsageError(f"--grades: there is no {', '.join(unknown)}", f"name some of {', '.join(GRADES)}")
    if options.grades is not None and not options.train:
        say("data_prep: --grades has no effect without training samples")
    keys = [key for key in options.tasks.split(",") if key]
    if not keys:
        raise UsageError("--tasks names no task", "leave it out to have all of them")
    if len(set(keys)) != len(keys):
        raise UsageError(f"--tasks names a task twice: {options.tasks}", "name each once")
    tasks, drills = [key for key in keys if key not in DRILLS], [key for key in keys if key in DRILLS]
    if options.other_questions:
        offered = VARIANTS.split(",")
        variants = [f"variant_{key}" for key in tasks if f"variant_{key}" in offered]
        if not variants:
            raise UsageError(
                "--other-questions: none of the named tasks has any", "name textqa, vqa, captioning or text_recognition"
            )
        drills += variants
    amounts = Amounts(options.train, options.validation, options.test, grades)
    share = choose_share(options.shard, os.environ)
    if not share.is_whole:
        write_share(options.output, options.seed, amounts, tasks, drills, share)
        output = shlex.quote(str(options.output))
        show(f"{share} is done; when all are: python -m data_prep merge --output {output}")
        return 0
    require_no_shares(shares_folder(options.output, WORLD))
    write_world(options.output, options.seed, amounts, tasks, drills)
    if sys.stdout.isatty():
        folders = sorted(str(path) for path in options.output.glob("*/"))
        show(f"written: {', '.join(folders) or 'nothing, every amount is 0'}")
    return 0
