"""Typed errors of settings. Knows nothing of what settings mean."""

from pathlib import Path


class SettingsError(ValueError):
    """A setting that cannot be used; says which file, which key and what would be right."""


def make_out(out: Path) -> None:
    """Make the folder of a run. Raises `SettingsError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"out: {out}: the folder can not be made ({error.strerror}); choose another") from error
