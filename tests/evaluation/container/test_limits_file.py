"""The limits: the contest's, and what a file changes of them."""

import json
from pathlib import Path

import pytest

from evaluation.container.errors import BadLimits
from evaluation.container.limits import Limits, read_limits


def test_the_default_is_the_contests() -> None:
    limits = Limits()
    assert (limits.seconds, limits.cpus, limits.memory, limits.gpus) == (18_000, 3, 100 * 10**9, 1)
    assert (limits.archive, limits.image) == (15 * 10**9, 25 * 10**9)


def test_a_file_names_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(json.dumps({"seconds": 0.5, "gpus": 0}))
    assert read_limits(path) == Limits(seconds=0.5, gpus=0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "unknown: list"),
        ('{"hours": 5}', "unknown: hours"),
        ('{"seconds": 0}', "seconds: 0 is no limit"),
        ('{"seconds": -1}', "seconds: -1 is no limit"),
        ('{"seconds": "5"}', "seconds: '5' is no limit"),
        ('{"seconds": 1e999}', "seconds: inf is no limit"),
        ('{"seconds": NaN}', "seconds: nan is no limit"),
        ('{"memory": true}', "memory: True is no limit"),
        ('{"memory": 1.5}', "memory: 1.5 is no limit"),
    ],
)
def test_a_bad_file_is_refused_by_name(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(content)
    with pytest.raises(BadLimits) as raised:
        read_limits(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadLimits, match="can not be read"):
        read_limits(tmp_path / "none.json")
