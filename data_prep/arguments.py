"""What options take, in the words of the command line. Knows no command."""

from __future__ import annotations

import argparse

MOST = 10**18  # of any count: more is a slip of the finger, and many things in Python end at 2**63
MOST_DIGITS = 40  # of any number: Python converts no more than 4,300


def whole(text: str) -> int:
    """A whole number that any count may be. Raises ArgumentTypeError."""
    number = seed(text)
    if abs(number) > MOST:
        raise argparse.ArgumentTypeError(f"must be at most {MOST}")
    return number


def seed(text: str) -> int:
    """A whole number of any size that people write. Raises ArgumentTypeError."""
    try:
        if len(text) > MOST_DIGITS:
            raise ValueError("too long")
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text[:MOST_DIGITS]!r}") from error


def number(text: str) -> float:
    """A number. Raises ArgumentTypeError."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text[:MOST_DIGITS]!r}") from error


def share(text: str) -> float:
    """A number from 0 to 1. Raises ArgumentTypeError."""
    found = number(text)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text[:MOST_DIGITS]}")
    return found
