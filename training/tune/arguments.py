"""The arguments of commands that read the settings of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

# Option -> the setting that it is short for.
SETTINGS_BY_OPTION = {
    "weights": "weights",
    "output": "output",
    "seed": "seed",
    "emissions": "emissions.file",
    "country": "emissions.country",
}


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings file, `key=value` settings, and options for those settings that other programs have as well."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="settings (YAML), also the organisers' file"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings to change, such as steps=100")
    for option, metavar in zip(SETTINGS_BY_OPTION, ("DIR", "DIR", "N", "FILE", "CODE"), strict=True):
        parser.add_argument(f"--{option}", metavar=metavar, help=f"the same as {SETTINGS_BY_OPTION[option]}={metavar}")


def overrides_of(options: argparse.Namespace) -> list[str]:
    """Return all settings of a command line as `key=value`; options come last."""
    given = {key: getattr(options, option) for option, key in SETTINGS_BY_OPTION.items()}
    return [*options.overrides, *(f"{key}={value}" for key, value in given.items() if value is not None)]
