"""Errors that a user can mend: what they say, the code that stays the same, and that they cross processes whole."""

import copy
import pickle
from pathlib import Path

import pytest

from errors import ErrorCode, UserError, bare_reason, described, reason_of


class SettingsError(UserError):
    """A plain one."""


class VQGANConfigError(UserError):
    """With letters that belong together."""


class ShapeError(UserError):
    """With arguments and data of its own."""

    def __init__(self, path: Path, sides: tuple[int, int], *, wanted: int) -> None:
        super().__init__(f"it is {sides[0]} x {sides[1]}", f"make it {wanted} wide", where=str(path))
        self.sides = sides


class Colour(ErrorCode):
    RED = ("it is red", "paint it")


SHAPE = ShapeError(Path("a.png"), (2, 3), wanted=4)
NO_FILE = FileNotFoundError(2, "No such file or directory", "a.json")


@pytest.mark.parametrize(
    ("error", "text", "reason", "line"),
    [
        (SettingsError("wrong"), "wrong", "wrong", "[SETTINGS] wrong"),
        (SettingsError("wrong", "mend it"), "wrong; mend it", "wrong", "[SETTINGS] wrong; mend it"),
        (SettingsError("wrong", where="a.yaml"), "a.yaml: wrong", "a.yaml: wrong", "[SETTINGS] a.yaml: wrong"),
        (VQGANConfigError("no"), "no", "no", "[VQGAN_CONFIG] no"),
        (
            SHAPE,
            "a.png: it is 2 x 3; make it 4 wide",
            "a.png: it is 2 x 3",
            "[SHAPE] a.png: it is 2 x 3; make it 4 wide",
        ),
    ],
)
def test_an_error_says_where_what_and_what_to_do(error: UserError, text: str, reason: str, line: str) -> None:
    assert (str(error), error.reason, described(error)) == (text, reason, line)


@pytest.mark.parametrize("error", [SettingsError("wrong", "mend it", where="a"), SHAPE])
def test_an_error_crosses_processes_whole(error: UserError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (str(twin), twin.__dict__) == (str(error), error.__dict__)


@pytest.mark.parametrize(
    ("error", "reason", "bare"),
    [
        (NO_FILE, "a.json: No such file or directory", "No such file or directory"),
        (FileNotFoundError(2, "No such file or directory", b"a"), "a: No such file or directory", None),
        (OSError(28, "No space left on device"), "No space left on device", "No space left on device"),
        (OSError(5, "Input/output error", 7), "Input/output error", "Input/output error"),  # 7: a descriptor
        (OSError("only words"), "only words", "only words"),
        (KeyError(), "KeyError", "KeyError"),
        (ValueError("no digits"), "no digits", "no digits"),
    ],
)
def test_reasons_are_words_for_people(error: Exception, reason: str, bare: str | None) -> None:
    assert reason_of(error) == reason
    assert bare is None or bare_reason(error) == bare


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NO_FILE, "[FILE_NOT_FOUND] a.json: No such file or directory"),
        (OSError(28, "No space left on device"), "[OS] No space left on device"),
    ],
)
def test_errors_of_the_system_have_codes_too(error: OSError, line: str) -> None:
    assert described(error) == line


def test_a_kind_of_error_has_a_meaning_and_a_remedy() -> None:
    assert (Colour.RED.name, Colour.RED.meaning, Colour.RED.remedy) == ("RED", "it is red", "paint it")
