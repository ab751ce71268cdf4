"""What the three commands have in common."""

from __future__ import annotations

import argparse
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contest.console import counted
from models.named_folders import fetched_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fetch.fetching import PlannedFile
    from fetch.table import Fetchable, Kind


def add_fetching(parser: argparse.ArgumentParser, kind: Kind) -> None:
    """Give a parser the options of fetching, and the function that does it."""
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="what to fetch; without it, the names there are")
    add("--to", type=Path, metavar="DIR", help=f"folder for the files (default: {default_folder(kind, 'NAME')})")
    add("--revision", default="", metavar="REV", help="commit, tag or branch of its repository (default: the table's)")
    add("--endpoint", metavar="URL", help="the hub (default: HF_ENDPOINT, or https://huggingface.co)")
    add("--dry-run", action="store_true", help="ask the server, say what would be fetched, and fetch nothing")
    parser.set_defaults(
        run=partial(run, kind), when_stopped="what was fetched stays; run the same command again to go on"
    )


def default_folder(kind: Kind, name: str) -> Path:
    """Return where things go without --to: data here; the others where their names are looked for.

    The networks of the metrics share one folder, which is what --assets wants.
    """
    if kind == "data":
        return Path(f"data-{name}")
    return fetched_folder(kind, name if kind == "weights" else "assets")


def run(kind: Kind, options: argparse.Namespace) -> int:
    """List the names, or fetch one."""
    from contest.command_line import DONE
    from contest.console import note, show
    from fetch.fetching import Fetching
    from fetch.hub import Hub
    from fetch.table import named, table

    if options.name is None:
        rows = [found for (its_kind, _), found in table().items() if its_kind == kind]
        width = max(len(found.name) for found in rows)
        show("\n".join(f"{found.name:{width}}  {found.about}" for found in rows))
        return DONE
    fetchable = named(kind, options.name)
    folder = options.to or default_folder(kind, fetchable.name)
    fetching = Fetching(fetchable, folder, Hub(options.endpoint), options.revision)
    planned = fetching.plan()
    if options.dry_run:
        show(described(fetchable, planned, folder))
        return DONE
    laid = fetching.run(planned, note)
    then = fetchable.next.format(folder=shlex.quote(str(folder)), files=shlex.join(map(str, laid)))
    show(f"{fetchable.name}: {folder}; licence: {fetchable.licence}\nnext: {then}")
    return DONE


def described(fetchable: Fetchable, planned: Sequence[PlannedFile], folder: Path) -> str:
    """Return what would be fetched, a line each, and how much."""
    lines = [f"{fetchable.name}: {fetchable.about}; licence: {fetchable.licence}"]
    for each in planned:
        size = "size unknown" if each.size is None else f"{each.size:,} bytes"
        lines.append(f"{folder / each.remote.to}: {each.remote.source}, {'there already' if each.is_there else size}")
    lines += [f"{folder / name}: written" for name in fetchable.configs]
    missing = [each for each in planned if not each.is_there]
    total = sum(each.size or 0 for each in missing)
    lines.append(
        f"to fetch: {counted(len(missing), 'file')}, {total:,} bytes as far as sizes are known; nothing was fetched"
    )
    return "\n".join(lines)
