"""How samples are worded: instructions apart, merged and absent; items in varying order; options that stay options."""

import random
from collections import Counter
from pathlib import Path

import pytest

from contest.tasks import OPEN_TASKS
from data_prep.instructions import INSTRUCTIONS, instructed, text_item
from data_prep.records import SourcePicture
from data_prep.tasks import bare_picture, drawing, options_of, passage_question, picture_question, rng_of

PICTURE = SourcePicture(Path("x.jpg"), "x.jpg")


def shape(items, bank, texts):
    """Where the instruction stands, and the order of the known texts and the picture."""
    order = []
    form = "absent"
    for item in items:
        content = item.content
        if item.type == "image":
            order.append("image")
            continue
        if content in INSTRUCTIONS[bank]:
            form = "first" if item is items[0] else "last" if item is items[-1] else "between"
            continue
        for instruction in INSTRUCTIONS[bank]:
            if content.startswith(f"{instruction} "):
                form, content = "merged", content.removeprefix(f"{instruction} ")
        order.append("+".join(name for name, text in texts.items() if text in content))
    return form, tuple(order)


def shapes(make, bank, **texts):
    return Counter(shape(make(random.Random(seed)), bank, texts) for seed in range(1500))


def test_textqa_in_all_its_forms():
    found = shapes(lambda rng: passage_question(rng, "Текст.", "Вопрос?"), "textqa", p="Текст.", q="Вопрос?")
    forms = Counter(form for (form, _), count in found.items() for _ in range(count))
    orders = Counter(order for (_, order), count in found.items() for _ in range(count))
    assert set(forms) == {"first", "last", "merged", "absent"}
    assert set(orders) == {("p", "q"), ("q", "p"), ("p+q",)}
    assert min(forms.values()) > 50
    assert min(orders.values()) > 100


def test_options_come_after_passage_and_question():
    found = shapes(
        lambda rng: passage_question(rng, "Текст.", "Вопрос?", "a) x; b) y"), "textqa options", p="Текст.", q="Вопрос?",
        o="a) x",
    )  # fmt: skip
    assert {order[-1] for _, order in found} == {"o"}


def test_picture_stands_anywhere_among_the_texts():
    found = shapes(lambda rng: picture_question(rng, PICTURE, "Вопрос?", "a) x; b) y"), "vqa", q="Вопрос?", o="a) x")
    assert {order for _, order in found} == {("image", "q", "o"), ("q", "image", "o"), ("q", "o", "image")}


@pytest.mark.parametrize("bank", ["captioning", "text_recognition"])
def test_bare_picture_is_never_without_an_instruction(bank):
    found = shapes(lambda rng: bare_picture(rng, bank, PICTURE), bank)
    assert set(found) == {("first", ("image",)), ("last", ("image",))}


def test_drawing_asks_with_or_without_instruction():
    found = shapes(lambda rng: drawing(rng, "Кот."), "generation", c="Кот.")
    assert {form for form, _ in found} == {"first", "last", "merged", "absent"}
    assert {order for _, order in found} == {("c",)}


def test_every_open_task_has_a_bank_of_different_instructions():
    for task in OPEN_TASKS:
        assert len(INSTRUCTIONS[task.key]) >= 8
    for bank in INSTRUCTIONS.values():
        assert len(set(bank)) == len(bank)
        assert all(text[0].isupper() and text[-1] in ".?" for text in bank)


def test_unknown_bank_is_an_error():
    with pytest.raises(KeyError):
        instructed(random.Random(0), "no bank", [text_item("x")])


@pytest.mark.parametrize("value", ["соль; перец", "a) соль", "вариант b) верен"])
def test_ambiguous_value_makes_no_options(value):
    assert options_of(random.Random(0), value, ["нет"]) is None
    assert options_of(random.Random(0), "да", [value]) is None


def test_record_s_draws_depend_on_seed_and_identity_alone():
    assert rng_of(1, "a", "b").random() == rng_of(1, "a", "b").random()
    assert len({rng_of(seed, *key).random() for seed in (1, 2) for key in (("a", "b"), ("a", "c"), ("b", "a"))}) == 6
