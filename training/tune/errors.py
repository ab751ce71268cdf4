"""The error of settings."""

from pathlib import Path

from errors import UserError


class SettingsError(UserError):
    """A setting that cannot be used; says which file, which key and what would be right."""


def make_output(output: Path) -> None:
    """Make the folder of a run. Raises `SettingsError`."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"output: {output}: the folder can not be made ({error.strerror})", "choose another"
        ) from error
