"""Settings of all tests: property tests look at no clock, and draw the same examples every time and everywhere.

New examples are drawn where slow tests are asked for (`-m slow`): every property test is one of them there.
"""

import re
import signal
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import is_hypothesis_test, settings

DEAREST = (
    "tests/test_readme.py",
    "tests/submission/test_endings.py",
    "tests/training/test_distributed.py",
    "tests/training/test_image_encoder.py",
    "tests/training/test_co2_report.py",
)
"""Files that take a processor more than 15 s, dearest first."""

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None, derandomize=False)


def draws_new_examples(marker_expression: str) -> bool:
    return re.search(r"(?<!not )\bslow\b", marker_expression) is not None


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("new" if draws_new_examples(config.option.markexpr) else "same")
    # A shell starts what runs in its background deaf to interrupts, and nohup what it runs to the end of the terminal;
    # tests send both to themselves and to their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if draws_new_examples(config.option.markexpr):
        for item in items:
            if is_hypothesis_test(getattr(item, "obj", None)):
                item.add_marker("slow")
    items.sort(key=order(items))


def order(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[int, int]]:
    """Return what puts files that take long first, so that in the end no process waits for another's long file.

    Those are the dearest, and then those of few tests: each of these starts a program, or trains.
    """
    counts = Counter(item.location[0] for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        file = item.location[0]
        return (DEAREST.index(file) if file in DEAREST else len(DEAREST)), counts[file]

    return place
