"""The command `metrics`."""

from __future__ import annotations

import argparse

from fetch.commands.shared import add_fetching


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `metrics`."""
    add_fetching(parser, "metrics")
