"""The command line of the submission. Only the named command is imported: `doctor` needs no package."""

from __future__ import annotations

from functools import partial

from contest.command_line import ENDED_EARLY, WITH_FAULTS, Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="submission",
    description="What runs in the organisers' container, and what makes it ready for that.",
    commands={
        "run": Command("submission.commands.run", "answer all samples of an input file"),
        "merge": Command("submission.commands.merge", "put the shares of a run together, done with --shard"),
        "preview": Command(
            "submission.commands.preview",
            "show what a run answered: a table of some samples, a contact sheet of the pictures",
            quiet=False,
        ),
        "pack": Command("submission.commands.pack", "make the archive that is uploaded", quiet=False),
        "check": Command(
            "submission.commands.check", "look for mistakes in an archive, a folder or predictions", quiet=False
        ),
        "doctor": Command(
            "submission.commands.doctor", "say what would go wrong with a run on this machine", quiet=False
        ),
    },
    old_options={"--out": "--output"},
    import_remedy="`python -m submission doctor` shows what is missing",
    statuses={
        WITH_FAULTS: "done, and problems are named: of samples, of what was checked, or of this machine",
        ENDED_EARLY: "run: ended early, by the time limit, a full disk, a changed input, or a lost device or process",
    },
)

main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
