"""How many codes a pass computes: what is chosen by the speeds that were measured, and when one by one."""

import pytest
import torch

from models.rudolph import Rudolph
from models.rudolph.decoding import generate_image
from models.rudolph.window_width import WindowWidth
from tests.models.test_many_codes import FREE, left_of, numbers_of


def speeds(width: WindowWidth, rows: int, codes_a_second: dict[int, float], blocks: int = 12) -> list[int]:
    """Which widths are tried when these are their speeds."""
    tried = []
    for _ in range(blocks):
        now, _ = width.next(rows)
        width.measured(rows, now, 100, 100 / codes_a_second[now])
        tried.append(now)
    return tried


@pytest.mark.parametrize(
    ("codes_a_second", "tried"),
    [
        ({1: 10, 2: 15, 4: 20, 8: 30, 16: 25}, [4, 8, 16, 8, 8]),
        ({1: 10, 2: 15, 4: 20, 8: 18, 16: 25}, [4, 8, 2, 4, 4]),
        ({1: 30, 2: 25, 4: 20, 8: 18, 16: 15}, [4, 8, 2, 1, 1]),
        ({1: 10, 2: 15, 4: 20, 8: 30, 16: 45}, [4, 8, 16, 16, 16]),
    ],
)
def test_the_fastest_width_is_climbed_to(codes_a_second: dict[int, float], tried: list[int]) -> None:
    width = WindowWidth()
    assert speeds(width, 3, codes_a_second)[:5] == tried
    assert width.best(3) == tried[-1]
    assert width.best(100) == tried[-1]  # until it is measured itself


@pytest.mark.parametrize(("rows", "processor", "gpu"), [(1, 16, 16), (3, 4, 16), (8, 2, 16), (17, 1, 4), (200, 1, 1)])
def test_the_first_width_suits_the_batch_and_the_device(rows: int, processor: int, gpu: int) -> None:
    assert WindowWidth.automatic(torch.device("cpu")).best(rows) == processor
    assert WindowWidth.automatic(torch.device("cuda")).best(rows) == gpu


def test_a_machine_that_becomes_busier_changes_the_choice() -> None:
    width = WindowWidth()
    speeds(width, 3, {1: 10, 2: 15, 4: 20, 8: 30, 16: 25})
    assert speeds(width, 3, {1: 10, 2: 15, 4: 20, 8: 2, 16: 25}, 4)[-1] == 16


def test_a_width_that_was_measured_too_slow_is_tried_anew() -> None:
    width = WindowWidth()
    speeds(width, 3, {1: 10, 2: 15, 4: 20, 8: 1, 16: 1})
    assert width.best(3) == 4
    assert speeds(width, 3, {1: 10, 2: 15, 4: 20, 8: 40, 16: 30}, 40)[-1] == 8


def test_a_long_measurement_counts_more_than_a_short_one() -> None:
    width = WindowWidth()
    width.measured(3, 4, 100, 10.0)
    width.measured(3, 8, 160, 10.0)
    width.measured(3, 8, 1, 1.0)  # the machine was busy for a moment
    assert width.best(3) == 8
    width.measured(3, 8, 10, 10.0)
    assert width.best(3) == 4


@pytest.mark.parametrize(
    ("rows", "measured", "expected"),
    [
        (8, {}, False),  # begins with two codes of each row
        (16, {}, True),
        (16, {1: 10}, False),  # two codes are tried once
        (16, {1: 10, 2: 9}, True),
        (16, {1: 10, 2: 11}, False),
        (17, {1: 10}, True),
        (8, {1: 10, 2: 9}, True),
        (8, {2: 9}, False),
    ],
)
def test_windows_are_tried_once_where_one_by_one_came_first(
    rows: int, measured: dict[int, int], expected: bool
) -> None:
    width = WindowWidth()
    for now, codes_a_second in measured.items():
        width.measured(rows, now, codes_a_second, 1.0)
    assert width.one_by_one(rows) is expected
    for fixed in (1, 4):
        assert WindowWidth((fixed,)).one_by_one(rows) is (fixed == 1)


def test_where_one_by_one_is_fastest_pictures_are_drawn_so(golden_rudolph: Rudolph) -> None:
    width = WindowWidth()
    speeds(width, 2, {1: 1e9, 2: 2e8, 4: 1e8, 8: 5e7, 16: 1e7})
    generate_image(golden_rudolph, left_of(golden_rudolph, 2), FREE, numbers_of(2, 36), window=width)
    assert (width.passes, width.codes) == (70, 70)
