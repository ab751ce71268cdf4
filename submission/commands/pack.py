"""`submission pack`: write the archive for the organisers."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE
from contest.console import one_line, say, show
from contest.limits import GIGABYTE, MAX_ARCHIVE_BYTES
from models.named_folders import weights_folder
from submission.commands import ROOT, WEIGHTS_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `pack`."""
    add = parser.add_argument
    add("--weights", type=Path, required=True, metavar="DIR|ID", help=WEIGHTS_HELP)
    add("--output", type=Path, required=True, metavar="FILE.zip", help="the archive, replaced if it is there")
    add("--image", required=True, metavar="NAME", help="the image that metadata.json names, with its tag")
    parser.set_defaults(run=pack_command)


def pack_command(options: argparse.Namespace) -> int:
    """Write the archive, say its size and what was left out; return the exit status."""
    from contest.console import counted
    from submission.checks.checking import print_findings
    from submission.pack import MAX_NAMED, pack

    weights = weights_folder(options.weights)
    packed = pack(weights, options.output, options.image, ROOT)
    print_findings(packed.warnings)
    if packed.left_out:
        names = ", ".join(map(one_line, packed.left_out[:MAX_NAMED]))
        more = f" and {len(packed.left_out) - MAX_NAMED} more" if len(packed.left_out) > MAX_NAMED else ""
        say(f"left out of {weights}, as a run does not read them: {names}{more}")
    gigabytes = f"{packed.packed_bytes / GIGABYTE:.3f} GB packed, {packed.unpacked_bytes / GIGABYTE:.3f} GB unpacked"
    files = counted(packed.files, "file")
    show(f"{packed.path}: {files}, {gigabytes}, of {MAX_ARCHIVE_BYTES / GIGABYTE:g} GB")
    return DONE
