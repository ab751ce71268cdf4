"""Which options a sample offers, in whatever form people write them, and what looks like options but is none."""

import json
from pathlib import Path

import pytest

from submission.answer_options import MOST_OPTIONS, find_options

DEMO = Path(__file__).parents[2] / "demo"
YES_NO = [("", "да"), ("", "нет")]
PASSAGE = "Нина живёт в Омске. Павел живёт в Самаре."

# The items of a sample, the options in them, the items that are left.
RECOGNISED: list[tuple[str, list[str], list[tuple[str, str]], list[str]]] = [
    ("Latin letters", ["Найди x.", "a) 5; b) 4; c) -3"], [("a", "5"), ("b", "4"), ("c", "-3")], ["Найди x."]),
    (
        "behind a lead",
        ["Реши.", "2 + 2 = x. Найди x.", "Варианты: a) 4; b) 5"],
        [("a", "4"), ("b", "5")],
        ["Реши.", "2 + 2 = x. Найди x."],
    ),
    (
        "Cyrillic letters",
        ["Кто это?", "а) кот; б) пёс; в) ёж"],
        [("а", "кот"), ("б", "пёс"), ("в", "ёж")],
        ["Кто это?"],
    ),
    (
        "a Cyrillic a before a Latin b",
        ["Кто это?", "а) кот; b) пёс; с) ёж"],
        [("а", "кот"), ("b", "пёс"), ("с", "ёж")],
        ["Кто это?"],
    ),
    ("capitals", ["Кто это?", "A) кот B) пёс C) ёж"], [("A", "кот"), ("B", "пёс"), ("C", "ёж")], ["Кто это?"]),
    (
        "Cyrillic capitals with dots, a line each",
        ["Кто это?", "А. кот\nБ. пёс\nВ. ёж"],
        [("А", "кот"), ("Б", "пёс"), ("В", "ёж")],
        ["Кто это?"],
    ),
    ("in brackets", ["Кто это?", "(a) кот (b) пёс"], [("a", "кот"), ("b", "пёс")], ["Кто это?"]),
    ("in square brackets", ["Кто это?", "[1] кот [2] пёс"], [("1", "кот"), ("2", "пёс")], ["Кто это?"]),
    (
        "numbers with a bracket",
        ["Кто это?", "1) кот 2) пёс 3) ёж"],
        [("1", "кот"), ("2", "пёс"), ("3", "ёж")],
        ["Кто это?"],
    ),
    ("numbers with a dot, a line each", ["Кто это?\n1. кот\n2. пёс"], [("1", "кот"), ("2", "пёс")], ["Кто это?"]),
    (
        "numbers with a dot in one line",
        ["Кто это? 1. кот 2. пёс 3. ёж"],
        [("1", "кот"), ("2", "пёс"), ("3", "ёж")],
        ["Кто это?"],
    ),
    (
        "capital letters with a dot in one line",
        ["Кто это? A. кот B. пёс C. ёж"],
        [("A", "кот"), ("B", "пёс"), ("C", "ёж")],
        ["Кто это?"],
    ),
    ("one an item", ["Кто это?", "a) кот", "b) пёс", "c) ёж"], [("a", "кот"), ("b", "пёс"), ("c", "ёж")], ["Кто это?"]),
    ("one an item, with dots", ["Кто это?", "1. кот", "2. пёс"], [("1", "кот"), ("2", "пёс")], ["Кто это?"]),
    (
        "all in one item",
        [f"{PASSAGE} Где живёт Нина? a) в Омске b) в Самаре"],
        [("a", "в Омске"), ("b", "в Самаре")],
        [f"{PASSAGE} Где живёт Нина?"],
    ),
    (
        "all in one item, with a lead",
        ["Где живёт Нина? Варианты ответа: а) в Омске, б) в Самаре."],
        [("а", "в Омске"), ("б", "в Самаре")],
        ["Где живёт Нина?"],
    ),
    (
        "an equation before the list",
        ["Сколько будет 2 + 2 a) 3 b) 4"],
        [("a", "3"), ("b", "4")],
        ["Сколько будет 2 + 2"],
    ),
    (
        "before the question, in an item of their own",
        ["a) кот; b) пёс", "Кто на картинке?"],
        [("a", "кот"), ("b", "пёс")],
        ["Кто на картинке?"],
    ),
    (
        "before the question, with a lead",
        ["Варианты: 1. кот\n2. пёс", "Кто на картинке?"],
        [("1", "кот"), ("2", "пёс")],
        ["Кто на картинке?"],
    ),
    (
        "an instruction after the list",
        ["Кто это?", "a) кот\nb) пёс\nВыбери один ответ."],
        [("a", "кот"), ("b", "пёс")],
        ["Кто это?", "Выбери один ответ."],
    ),
    (
        "a sentence after the list",
        ["Кто это? a) кот; b) пёс. Выбери один ответ."],
        [("a", "кот"), ("b", "пёс")],
        ["Кто это? Выбери один ответ."],
    ),
    ("a cue after the list", ["Кто это?\na) кот\nb) пёс\nОтвет:"], [("a", "кот"), ("b", "пёс")], ["Кто это?"]),
    ("a list alone", ["a) кот; b) пёс"], [("a", "кот"), ("b", "пёс")], []),
    (
        "questions as options",
        ["Какой вопрос задан?", "a) Кто там?; b) Где он?"],
        [("a", "Кто там?"), ("b", "Где он?")],
        ["Какой вопрос задан?"],
    ),
    (
        "answers with dots and commas",
        ["Когда?", "a) на 0,3 секунды; b) в 1990 г."],
        [("a", "на 0,3 секунды"), ("b", "в 1990 г.")],
        ["Когда?"],
    ),
    (
        "sentences as options",
        ["Что верно?", "a) Кот спит.\nb) Пёс ест."],
        [("a", "Кот спит"), ("b", "Пёс ест")],
        ["Что верно?"],
    ),
    (
        "fractions and signs",
        ["Какое из чисел наибольшее?", "a) -1/2; b) 3/4; c) -7"],
        [("a", "-1/2"), ("b", "3/4"), ("c", "-7")],
        ["Какое из чисел наибольшее?"],
    ),
    (
        "unmarked behind a lead, semicolons",
        ["Какой цвет?", "Варианты: красный; синий"],
        [("", "красный"), ("", "синий")],
        ["Какой цвет?"],
    ),
    (
        "unmarked behind a lead, commas",
        ["Какой цвет? Варианты ответов: красный, синий, зелёный."],
        [("", "красный"), ("", "синий"), ("", "зелёный")],
        ["Какой цвет?"],
    ),
    (
        "unmarked behind a lead, or",
        ["Какой цвет? Выбери из: красный, синий или зелёный"],
        [("", "красный"), ("", "синий"), ("", "зелёный")],
        ["Какой цвет?"],
    ),
    (
        "unmarked behind a lead, a line each",
        ["Какой цвет?\nВарианты ответа:\n- красный\n- синий"],
        [("", "красный"), ("", "синий")],
        ["Какой цвет?"],
    ),
    (
        "unmarked behind a lead, an item each",
        ["Какой цвет?", "Варианты:", "красный", "синий"],
        [("", "красный"), ("", "синий")],
        ["Какой цвет?"],
    ),
    (
        "unmarked where one is to choose",
        ["Выбери правильный ответ.", "Какой цвет?", "красный; синий; зелёный"],
        [("", "красный"), ("", "синий"), ("", "зелёный")],
        ["Выбери правильный ответ.", "Какой цвет?"],
    ),
    (
        "unmarked lines where one is to choose",
        ["Какое из слов лишнее?", "кот\nпёс\nстол"],
        [("", "кот"), ("", "пёс"), ("", "стол")],
        ["Какое из слов лишнее?"],
    ),
    (
        "unmarked items where one is to choose",
        ["Выбери верный ответ. Кто это?", "кот", "пёс"],
        [("", "кот"), ("", "пёс")],
        ["Выбери верный ответ. Кто это?"],
    ),
    ("one option, said to be one", ["Кто это?", "Варианты: a) кот"], [("a", "кот")], ["Кто это?"]),
    (
        "small letters with a dot in one line",
        ["Кто автор? а. Пушкин; б. Гоголь; в. Чехов"],
        [("а", "Пушкин"), ("б", "Гоголь"), ("в", "Чехов")],
        ["Кто автор?"],
    ),
    (
        "after a colon, and a word on how to answer",
        ["Кто автор: Пушкин или Гоголь? Ответь одним словом."],
        [("", "Пушкин"), ("", "Гоголь")],
        ["Кто автор: Пушкин или Гоголь? Ответь одним словом."],
    ),
    (
        "after a colon, with a comma before the last",
        ["Какого цвета круг: красный, синий, или зелёный?"],
        [("", "красный"), ("", "синий"), ("", "зелёный")],
        ["Какого цвета круг: красный, синий, или зелёный?"],
    ),
    ("after a colon", ["Что больше: 3 или 7?"], [("", "3"), ("", "7")], ["Что больше: 3 или 7?"]),
    (
        "three after a colon",
        ["Какого цвета круг: красный, синий или зелёный?"],
        [("", "красный"), ("", "синий"), ("", "зелёный")],
        ["Какого цвета круг: красный, синий или зелёный?"],
    ),
    (
        "is it true",
        [PASSAGE, "Верно ли, что Нина живёт в Омске?"],
        YES_NO,
        [PASSAGE, "Верно ли, что Нина живёт в Омске?"],
    ),
    ("is it right", ["Правда ли, что кот спит?"], YES_NO, ["Правда ли, что кот спит?"]),
    ("a question with the particle", ["Есть ли на картинке круг?"], YES_NO, ["Есть ли на картинке круг?"]),
    (
        "another question with the particle",
        [f"{PASSAGE} Живёт ли Нина в Омске?"],
        YES_NO,
        [f"{PASSAGE} Живёт ли Нина в Омске?"],
    ),
    (
        "with a word on how to answer",
        ["Есть ли на картинке круг? Ответь одним словом."],
        YES_NO,
        ["Есть ли на картинке круг? Ответь одним словом."],
    ),
    ("or not", ["Это кошка или нет?"], YES_NO, ["Это кошка или нет?"]),
    (
        "an instruction to say yes or no",
        ["Ответь да или нет.", "Нина живёт в Омске."],
        YES_NO,
        ["Ответь да или нет.", "Нина живёт в Омске."],
    ),
    ("an instruction with a bar", ["Ответь (да/нет): на картинке круг"], YES_NO, ["Ответь (да/нет): на картинке круг"]),
    (
        "true or false",
        ["Верно или неверно?", "Нина живёт в Омске."],
        [("", "верно"), ("", "неверно")],
        ["Верно или неверно?", "Нина живёт в Омске."],
    ),
    (
        "a list of its own comes before the particle",
        ["Верно ли это?", "a) верно; b) неверно"],
        [("a", "верно"), ("b", "неверно")],
        ["Верно ли это?"],
    ),
]

NOT_RECOGNISED: list[tuple[str, list[str]]] = [
    ("a plain question", [PASSAGE, "Где живёт Нина?"]),
    (
        "letters in the prose of a passage",
        ["По закону а) труд свободен; б) цензура запрещена. Суд решает всё.", "Что запрещено?"],
    ),
    ("a list in a passage before its question", ["Договор включает: а) предмет; б) цену; в) срок. Что идёт первым?"]),
    ("letters of figures", ["На рисунках а) и б) показаны кошки."]),
    ("letters of figures and a question", ["На рисунках а) и б) показаны кошки.", "Кто показан?"]),
    ("a numbered recipe", ["1. Возьми муку. 2. Добавь воду. 3. Пеки час.", "Что добавить?"]),
    ("a recipe of lines", ["Рецепт хлеба:\n1. Возьми муку\n2. Добавь воду\n3. Пеки час", "Что добавить?"]),
    ("a recipe of lines and its question", ["1. Возьми муку\n2. Добавь воду\nЧто добавить?"]),
    ("a date", ["Встреча была 1.05.2020 и 2.06.2021.", "Когда была встреча?"]),
    ("a year at the end of a sentence", ["Он родился в 1. 2. стал врачом.", "Кем он стал?"]),
    ("initials", ["Стихи написал А. Б. Иванов.", "Кто написал стихи?"]),
    ("initials at the beginning", ["А. С. Пушкин родился в Москве.", "Где родился Пушкин?"]),
    ("brackets of an equation", ["Реши пример.", "(1) + (2) = x. Найди x."]),
    ("a function", ["f(a) = 2, g(b) = 3. Чему равно f(a) + g(b)?"]),
    ("one marker", ["См. пункт a) закона. О чём пункт?"]),
    ("a list that begins in the middle", ["Кто это?", "c) кот; d) пёс"]),
    ("semicolons in a passage", ["Нина живёт в Омске; Павел живёт в Туле.", "Где живёт Павел?"]),
    ("semicolons of a passage behind its question", ["Где живёт Павел?", "Нина живёт в Омске; Павел живёт в Туле."]),
    ("a caption to draw", ["Нарисуй картинку по описанию.", "красный круг; синий фон"]),
    ("a list to draw", ["Нарисуй по списку. Фон: белый. Фигура: круг, цвет: синий, количество: 1, место: сверху."]),
    ("an indirect question", ["Он не знал, придёт ли она. Она пришла.", "Кто пришёл?"]),
    (
        "a question that a passage asks itself",
        ["Верно ли это? Учёные спорят об этом уже много лет и не знают.", "О чём спорят учёные"],
    ),
    ("a question word before the particle", ["Кто знает, придёт ли она?"]),
    ("two things to choose between", ["Слева ли круг или справа?"]),
    ("an or in a sentence", ["Кот или пёс съел сыр. Кто съел сыр?"]),
    ("an or in a question", ["Кого больше, котов или псов, в тексте про котов и псов?"]),
    (
        "yes and no in a long sentence of a passage",
        ["Старик спросил внука, да или нет, но тот молчал весь вечер и думал о море.", "Кто молчал?"],
    ),
    ("words about options", ["В книге есть варианты ответов к задачам.", "Что есть в книге?"]),
    ("variants in prose", ["Варианты развития города обсуждали до вечера.", "Что обсуждали?"]),
    ("one unmarked word behind a lead", ["Кто это?", "Варианты: кот"]),
    ("letters of captions in a picture's legend", ["На картинке: 1 - кот, 2 - пёс. Кто под номером 1?"]),
    ("no texts", []),
    ("empty texts", ["", " "]),
    ("only markers in a row", ["a) b) c)"]),
]


@pytest.mark.parametrize(
    ("texts", "options", "left"), [row[1:] for row in RECOGNISED], ids=[row[0] for row in RECOGNISED]
)
def test_options_are_recognised(texts: list[str], options: list[tuple[str, str]], left: list[str]) -> None:
    found = find_options(texts)
    assert found is not None
    assert [(option.marker, option.text) for option in found.options] == options
    assert list(found.texts) == left
    assert found.cut == ""


@pytest.mark.parametrize("texts", [row[1] for row in NOT_RECOGNISED], ids=[row[0] for row in NOT_RECOGNISED])
def test_what_only_looks_like_options_is_none(texts: list[str]) -> None:
    assert find_options(texts) is None


# Lists with a fault: what is left of them, and what is said of the rest.
FAULTY: list[tuple[str, list[str], list[tuple[str, str]], str]] = [
    (
        "two are equal",
        ["Кто?", "a) кот; b) пёс; c) Кот"],
        [("a", "кот"), ("b", "пёс")],
        "option c) says what an earlier one does",
    ),
    ("all are equal", ["Кто?", "a) кот; b) кот"], [("a", "кот")], "option b) says what an earlier one does"),
    ("one is empty", ["Кто?", "a) ; b) пёс; c) кот"], [("b", "пёс"), ("c", "кот")], "option a) is empty"),
    ("the last is empty", ["Кто?", "a) кот; b)"], [("a", "кот")], "option b) is empty"),
    (
        "a marker comes twice",
        ["Кто?", "a) кот; a) пёс; b) ёж"],
        [("a", "кот"), ("a", "пёс"), ("b", "ёж")],
        "the markers contradict each other (a, a, b): their order counts",
    ),
    (
        "a marker is left out",
        ["Кто?", "a) кот; b) пёс; d) ёж"],
        [("a", "кот"), ("b", "пёс"), ("d", "ёж")],
        "the markers contradict each other (a, b, d): their order counts",
    ),
    (
        "forty",
        ["Кто?", "; ".join(f"{place}) зверь {place}" for place in range(1, 41))],
        [(str(place), f"зверь {place}") for place in range(1, MOST_OPTIONS + 1)],
        "only the first 32 of 40 options count",
    ),
]


@pytest.mark.parametrize(("texts", "options", "cut"), [row[1:] for row in FAULTY], ids=[row[0] for row in FAULTY])
def test_what_is_cut_from_a_list_is_told(texts: list[str], options: list[tuple[str, str]], cut: str) -> None:
    found = find_options(texts)
    assert found is not None
    assert [(option.marker, option.text) for option in found.options] == options
    assert found.cut == cut


def test_letters_and_digits_in_one_list_count_by_their_order() -> None:
    found = find_options(["Кто?", "a) кот; 2) пёс; в) ёж"])
    assert found is not None
    assert [option.text for option in found.options] == ["кот", "пёс", "ёж"]


def test_of_two_lists_the_last_one_counts() -> None:
    found = find_options(["Выбор: a) дом; b) сад. Кто это?", "a) кот; b) пёс"])
    assert found is not None
    assert [option.text for option in found.options] == ["кот", "пёс"]


def test_every_list_of_the_demo_is_recognised_and_holds_the_right_answer() -> None:
    samples, truth, ids = (
        json.loads((DEMO / name).read_text()) for name in ("input.json", "ground_truth.json", "ids.json")
    )
    listed = {key for key, items in samples.items() if any("b) " in item["content"] for item in items)}
    found = {
        key: find_options([item["content"] for item in items if item["type"] == "text"])
        for key, items in samples.items()
    }
    assert {key for key, options in found.items() if options and options.form == "marked"} == listed
    for key in listed:
        marker, right, _ = truth[key][0]["content"]
        assert (marker, right) in [(option.marker, option.text) for option in found[key].options], key
        assert not any("b) " in text for text in found[key].texts)
    yes_or_no = {key for key, options in found.items() if options and options.form == "yes or no"}
    assert {key for key, task in ids.items() if task == 6} <= yes_or_no
    assert {key for key in yes_or_no if truth[key][0]["content"][0] not in ("да", "нет")} == set()
    assert {options.form for options in found.values() if options} == {"marked", "yes or no"}
