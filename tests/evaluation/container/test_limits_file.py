"""The limits: the contest's, and what a file changes of them."""

import json
from pathlib import Path

import pytest

from evaluation.container.errors import LimitsFileError
from evaluation.container.limits import RunLimits, read_limits


def test_the_default_is_the_contests() -> None:
    limits = RunLimits()
    assert (limits.seconds, limits.cpus, limits.memory, limits.gpus) == (18_000, 3, 100 * 10**9, 1)
    assert (limits.archive, limits.image) == (15 * 10**9, 25 * 10**9)


def test_a_file_names_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(json.dumps({"seconds": 0.5, "gpus": 0}))
    assert read_limits(path) == RunLimits(seconds=0.5, gpus=0)


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
        ('{"seconds": 1%s}' % ("0" * 400), "seconds: a number of more than twenty digits is more than any machine"),
        ('{"seconds": 1%s}' % ("0" * 5000), "a number has more digits than can be read"),
        ('{"seconds": 1e300}', "seconds: 1e+300 is more than any machine could keep; at most 100000000"),
        ('{"seconds": -1%s}' % ("0" * 400), "seconds: a number of more than twenty digits is no limit"),
        ('{"cpus": false}', "cpus: False is no limit"),
        ('{"cpus": 1e9}', "cpus: 1000000000.0 is more than"),
        ('{"processes": 10000000}', "processes: 10000000 is more than"),
        ('{"memory": 10000000000000000}', "memory: 10000000000000000 is more than"),
        ('{"checking": null}', "checking: null is no limit"),
        ('{"scoring": [[1]]}', "scoring: a list of 1 is no limit"),
        ('{"seconds": "%s"}' % ("5" * 100), "is no limit"),
        ("[" * 100_000, "nested too deeply"),
        ('{"seconds": ' + '{"a": ' * 100_000, "nested too deeply"),
        ('{"seconds": 1, "seconds": 2}', "twice: seconds"),
        ('{"\\u001b[2J\\n": 1}', r"unknown: \x1b[2J\n;"),
        ("null", "unknown: null"),
        (" " * 1_000_001, "has more than 1000000 bytes"),
    ],
)
def test_a_bad_file_is_refused_by_name(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(content)
    with pytest.raises(LimitsFileError) as raised:
        read_limits(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_bytes(b'\xef\xbb\xbf{"seconds": 7}')
    assert read_limits(path).seconds == 7
    path.write_bytes(b'{"seconds": "\xff"}')
    with pytest.raises(LimitsFileError, match="byte 13 is not UTF-8"):
        read_limits(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(LimitsFileError, match="can not be read"):
        read_limits(tmp_path / "none.json")
