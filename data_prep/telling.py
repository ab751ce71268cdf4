"""What commands say of files and of numbers of things. Knows no command."""

from __future__ import annotations

from pathlib import Path

from contest.console import one_line, say

NAMED = 3  # files that were passed over


def tell_passed_over(directory: Path, files: list[Path], read: str) -> None:
    """Say which files of a folder are not read: how many, and the first names."""
    if files:
        names = ", ".join(one_line(str(file.relative_to(directory))) for file in files[:NAMED])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        say(f"data_prep: {directory}: passed over {counted(len(files), 'file')} ({names}{more}); read are {read}")


def counted(count: int, thing: str) -> str:
    """A number of things, such as "1 record" or "2 records"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
