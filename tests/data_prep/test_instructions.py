"""The contest's forms: each one occurs, and what the organisers' scorer counts on holds."""

import random
from collections import Counter

import pytest

from contest.tasks import OPEN_TASKS
from data_prep.answer_forms import MARKERS, lettered_options
from data_prep.synthetic.instructions import (
    INSTRUCTIONS,
    image_item,
    text_item,
    with_instruction,
    with_picture_anywhere,
)


def forms(task_key, items):
    """How often an instruction stands apart, is merged into the first text, and is absent, in 1000 draws."""
    counted = Counter()
    for seed in range(1000):
        made = with_instruction(random.Random(seed), task_key, items)
        if made == tuple(items):
            counted["absent"] += 1
        elif made[1:] == tuple(items) and made[0].content in INSTRUCTIONS[task_key]:
            counted["apart"] += 1
        else:
            assert made[0].content.endswith(f" {items[0].content}")
            assert made[0].content.removesuffix(f" {items[0].content}") in INSTRUCTIONS[task_key]
            counted["merged"] += 1
    return counted


@pytest.mark.parametrize("task_key", sorted(set(INSTRUCTIONS) - {"captioning", "text_recognition"}))
def test_instructions_stand_apart_are_merged_or_absent(task_key):
    counted = forms(task_key, [text_item("Вопрос?"), text_item("a) да; b) нет")])
    assert min(counted.values()) > 50
    assert len(counted) == 3


@pytest.mark.parametrize("task_key", ["captioning", "text_recognition"])
def test_bare_picture_always_has_its_instruction_first(task_key):
    assert forms(task_key, [image_item()]) == {"apart": 1000}


def test_every_open_task_has_instructions():
    assert {task.key for task in OPEN_TASKS} <= set(INSTRUCTIONS)


def test_picture_stands_anywhere_among_texts():
    texts = [text_item("один"), text_item("два")]
    made = {with_picture_anywhere(random.Random(seed), texts) for seed in range(50)}
    assert {tuple(item.content for item in items) for items in made} == {
        ("", "один", "два"),
        ("один", "", "два"),
        ("один", "два", ""),
    }


def test_lettered_options_as_in_the_contest():
    made = {lettered_options(random.Random(seed), "в Казани", ["в Омске", "в Туле"]) for seed in range(200)}
    assert ("a) в Омске; b) в Казани; c) в Туле", ("b", "в Казани", "b в Казани")) in made
    assert ("Варианты: a) в Казани; b) в Омске; c) в Туле", ("a", "в Казани", "a в Казани")) in made
    assert len(made) == 12


def test_right_option_has_no_favourite_place():
    rng = random.Random(0)
    places = Counter(lettered_options(rng, "1", ["2", "3", "4"])[1][0] for _ in range(4000))
    assert set(places) == set(MARKERS[:4])
    assert all(abs(count - 1000) < 120 for count in places.values())


@pytest.mark.parametrize("wrong", [["1", "2"], ["2", "2"], list("23456789")])
def test_equal_or_too_many_options_are_refused(wrong):
    with pytest.raises(ValueError, match="options must be different"):
        lettered_options(random.Random(0), "1", wrong)
