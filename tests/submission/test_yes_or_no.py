"""Which questions yes or no answers, whatever the passage says, and which ask for more."""

import pytest

from submission.answer_options import find_options

PASSAGE = "Нина живёт в Омске. Павел живёт в Самаре."

CLOSED: list[tuple[str, list[str]]] = [
    ("somebody unnamed", ["Кто-нибудь есть на картинке? Ответь да или нет."]),
    ("what one thinks", ["Как ты думаешь, круг красный? Ответь да или нет."]),
    ("a question word behind a comma", [PASSAGE, "Верно ли, что Нина знает, где живёт Павел?"]),
    ("a passage that asks too", ["Да или нет? Никто не знал.", "Живёт ли Нина в Омске?"]),
]

OPEN: list[tuple[str, list[str]]] = [
    ("a question word at the beginning", ["Он крикнул: да или нет! Все молчали.", "Кто кричал?"]),
    (
        "a preposition before the word",
        ["Да или нет? Никто не знал.", "А в каком городе это было?"],
    ),
    ("another form of the word", ["Да или нет? Никто не знал.", "Какими были глаза Нины?"]),
    ("the word at the end", ["Да или нет? Никто не знал.", "Нина ждала кого?"]),
    ("the question in its item", ["Да или нет, решай. Нина молчала. Почему она молчала?"]),
    ("and a task", ["Да или нет? Никто не знал.", "Назови героя."]),
    ("true or false in a passage", ["Правда или ложь, решай сам. Так сказал Павел.", "Сколько слов сказал Павел?"]),
    ("a title with the particle, and a task", ["Есть ли жизнь на Марсе?", "Опишите картинку."]),
]


@pytest.mark.parametrize("texts", [row[1] for row in CLOSED], ids=[row[0] for row in CLOSED])
def test_yes_or_no_answers_it(texts: list[str]) -> None:
    found = find_options(texts)
    assert found is not None
    assert [(option.marker, option.text) for option in found.options] == [("", "да"), ("", "нет")]
    assert list(found.texts) == texts


@pytest.mark.parametrize("texts", [row[1] for row in OPEN], ids=[row[0] for row in OPEN])
def test_an_open_question_is_not_answered_yes_or_no(texts: list[str]) -> None:
    assert find_options(texts) is None
