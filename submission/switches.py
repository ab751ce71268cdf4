"""What a run can switch on beside its profile, by name (`submission run --with`): known without loading torch.

To add one: its field in `Profile`, a line here, which `--help` shows, and one in `profiles.SWITCHED`, which says what
the field is then. `run.json`, and what counts as another run when one is started again, follow from the field.
"""

from __future__ import annotations

from collections.abc import Mapping

SWITCHES: Mapping[str, str] = {
    "spans": "a question about a passage is answered with a run of its words",
    "captions": "nine captions of a picture, of which the one stays that --ruclip rates highest; without it, the one "
    "that says most of what the others do",
}


def switch_names(text: str) -> tuple[str, ...]:
    """Read names of switches, with commas between them. Raises ValueError for one that there is not."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name[:40] for name in names if name not in SWITCHES]
    if unknown or not names:
        wrong = repr(unknown[0]) if unknown else repr(text[:40])
        raise ValueError(f"{wrong} is no switch; there are {', '.join(SWITCHES)}")
    return names
