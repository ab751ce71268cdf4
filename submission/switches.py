"""What a run can switch on beside its profile (`submission run --with`): fields of `Profile` that are off in both.

To add one: its field in `profiles.py`, and its line here; the command line, its help, `run.json` and what counts as
another run when one is started again follow from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from submission.captions import CaptionChoice


@dataclass(frozen=True)
class Switch:
    """A field of `Profile`, what it is where it is switched on, and what that does, for `--help`."""

    field: str
    value: object
    help: str


SWITCHES: Mapping[str, Switch] = {
    "spans": Switch("spans", 12, "a question about a passage is answered with a run of its words"),
    "crops": Switch("crops", True, "the text in a picture that is not square is read in several squares of it"),
    "captions": Switch("captions", CaptionChoice(), "of nine captions the one that says most of what the others do"),
}


def switch_names(text: str) -> tuple[str, ...]:
    """Read names of switches, with commas between them. Raises ValueError for one that there is not."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name[:40] for name in names if name not in SWITCHES]
    if unknown or not names:
        wrong = repr(unknown[0]) if unknown else repr(text[:40])
        raise ValueError(f"{wrong} is no switch; there are {', '.join(SWITCHES)}")
    return names
