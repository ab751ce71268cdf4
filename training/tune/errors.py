"""Typed errors of settings, and how an error of the system is told. Knows nothing of what settings mean."""

from pathlib import Path


class SettingsError(ValueError):
    """A setting that cannot be used; says which file, which key and what would be right."""


def reason_of(error: OSError) -> str:
    """Return an error of the system in words: the file, if it has one, and why; without its number."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def make_out(out: Path) -> None:
    """Make the folder of a run. Raises `SettingsError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"out: {out}: the folder can not be made ({error.strerror}); choose another") from error
