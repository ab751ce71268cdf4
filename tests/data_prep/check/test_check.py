"""`python -m data_prep check`: a broken folder for every rule, a sound one that breaks none, the table and the page."""

import contextlib
import io
import json
import re

import pytest
from PIL import Image

from data_prep.__main__ import main
from data_prep.check.near import NearTexts
from data_prep.check.rules import Rule, options_in

PASSAGE = "Город Тверь стоит на берегу Волги, и первое упоминание о нём относится к двенадцатому веку."


def text(content):
    return {"type": "text", "content": content}


def image(name):
    return {"type": "image", "content": f"images/{name}"}


def write(folder, task, **files):
    """Write parts of a task folder; what is not given is empty, what is None is missing."""
    (folder / task / "images").mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        for part in ("", "_answer", "_source"):
            value = files.get(f"{split}{part}", {})
            if value is not None:
                path = folder / task / f"{task}_{split}{part}.json"
                path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "utf-8")


def paint(folder, name, colour):
    Image.new("RGB", (8, 8), colour).save(folder / "images" / name)


def check(*arguments):
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = main(["check", *map(str, arguments)])
    return status, printed.getvalue(), errors.getvalue()


def broken_rules(folder, *arguments):
    """{rule: count} of a folder, from the JSON result; the table says the same."""
    result = folder / "check.json"
    status, printed, _ = check(folder, "--json", result, *arguments)
    wire = json.loads(result.read_text("utf-8"))
    assert status == (1 if wire["errors"] else 0)
    for rule, count in wire["rules"].items():
        assert re.search(rf"^{rule} +{count}  ", printed, re.MULTILINE)
    return {rule: count for rule, count in wire["rules"].items() if count}, wire["findings"]


SOUND = {
    "train": {"0": [text("Ответь."), text(PASSAGE), text("На какой реке?")], "1": [text("a) да; b) нет; c) нет, дом")]},
    "train_answer": {
        "0": [{"type": "text", "content": ["волги"]}],
        "1": [{"type": "text", "content": ["b", "нет", "b нет"]}],
    },
    "val": {"0": [text("Лес шумел. Кто шумел?")]},
    "val_answer": {"0": {"type": "text", "content": "Лес"}},
}  # fmt: skip


def test_sound_folder_breaks_no_rule(tmp_path):
    write(tmp_path, "textqa", **SOUND)
    assert broken_rules(tmp_path) == ({}, [])


# (what is changed in the sound folder, rules broken)
DEFECTS = [
    ({"train": "{"}, {"FORMAT": 1, "PAIRS": 2}),
    ({"train_answer": None}, {"FORMAT": 1}),
    ({"train": {"0": [text(PASSAGE)], "1": [{"type": "sound"}]}}, {"FORMAT": 2, "PAIRS": 1}),
    ({"val": {"1": [text("Лес")]}}, {"PAIRS": 2}),
    ({"val": {"0": [text("Лес"), text(" ")]}}, {"EMPTY": 1}),
    ({"val_answer": {"0": [{"type": "text", "content": ["Лес", ""]}]}}, {"EMPTY": 1}),
    ({"val_answer": {"0": [text("Поле")]}}, {"PASSAGE": 1}),
    ({"val_answer": {"0": [text("да")]}}, {}),
    ({"val": {"0": [text("a) Лес; b) Лес")]}}, {"OPTIONS": 1}),
    ({"val": {"0": [text("a) Поле; b) Луг")]}}, {"OPTIONS": 1}),
    ({"val": {"0": [text("a) Поле; c) Лес; b) Луг")]}, "val_answer": {"0": [text("c")]}}, {"OPTIONS": 1}),
    ({"val": {"0": [text("a) Поле; b) Лес; d) Луг")]}}, {"OPTIONS": 1}),
    ({"val": {"0": [text("a) Поле; b) Лес")]}, "val_answer": {"0": [{"type": "text", "content": ["a", "Лес"]}]}},
     {"OPTIONS": 1}),
    ({"val": {"0": [text("Варианты: a) Поле; b) Лес")]}}, {}),
    ({"val": SOUND["train"], "val_answer": SOUND["train_answer"]}, {"TEXT_LEAK": 2}),
    ({"val": {"0": [text("Ответь на вопрос."), text(PASSAGE), text("Когда? Лес")]}}, {"NEAR_LEAK": 1}),
    ({"val": {"0": [text("Лес")], "1": [text("Лес")]}, "val_answer": {"0": [text("Лес")], "1": [text("Лес")]}},
     {"REPEATED": 1}),
    ({"train_source": {"0": {"group": "g"}, "1": {"group": "g"}}, "val_source": {"0": {"group": "g"}}},
     {"GROUP_LEAK": 1}),
    ({"train_source": {"0": "g"}}, {"FORMAT": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), DEFECTS)
def test_every_defect_breaks_its_rule_and_no_other(tmp_path, changes, expected):
    write(tmp_path, "textqa", **{**SOUND, **changes})
    assert broken_rules(tmp_path)[0] == expected


def test_long_texts_are_looked_for_only_with_a_tokenizer(tmp_path):
    write(tmp_path, "textqa", **SOUND)
    assert "LONG                -" in check(tmp_path)[1]
    bpe = "weights/bpe.model"
    assert broken_rules(tmp_path, "--bpe", bpe)[0] == {}
    assert broken_rules(tmp_path, "--bpe", bpe, "--left-limit", 20)[0] == {"LONG": 1}


@pytest.fixture
def pictures(tmp_path):
    """Two tasks over the same pictures: a.png trained on in both, b.png validated with."""
    for task in ("captioning", "generation"):
        write(tmp_path, task)
        paint(tmp_path / task, "a.png", "red")
        paint(tmp_path / task, "b.png", "blue")
    write(
        tmp_path,
        "captioning",
        train={"0": [text("Опиши."), image("a.png")]},
        train_answer={"0": [text("красный")]},
        train_source={"0": {"group": "coco:1", "kind": "caption"}},
        val={"0": [text("Опиши."), image("b.png")]},
        val_answer={"0": [text("синий")]},
        val_source={"0": {"group": "coco:2", "kind": "caption"}},
    )
    write(
        tmp_path,
        "generation",
        train={"0": [text("красный")]},
        train_answer={"0": [image("a.png")]},
        train_source={"0": {"group": "coco:1", "kind": "caption"}},
    )
    return tmp_path


def test_pictures_are_opened_to_their_end(pictures):
    assert broken_rules(pictures)[0] == {}
    (pictures / "captioning/images/b.png").write_bytes(b"no picture")
    (pictures / "generation/images/a.png").unlink()
    assert broken_rules(pictures)[0] == {"PICTURE": 2}


def test_damaged_picture_that_can_be_seen_is_named_too(pictures):
    path = pictures / "captioning/images/b.png"
    Image.new("RGB", (16, 16), "blue").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-2])
    rules, findings = broken_rules(pictures)
    assert rules == {"PICTURE": 1}
    assert findings[0]["detail"].endswith("can be seen")


def test_picture_leak_across_tasks(pictures):
    write(
        pictures,
        "generation",
        train={"0": [text("синий")]},
        train_answer={"0": [image("b.png")]},
        train_source={"0": {"group": "coco:2", "kind": "caption"}},
    )
    rules, findings = broken_rules(pictures)
    assert rules == {"GROUP_LEAK": 1, "PICTURE_LEAK": 1}
    assert all("captioning val, sample 0" in finding["detail"] for finding in findings)


def test_same_question_about_another_picture_is_no_leak(pictures):
    question = text("Какого цвета машина, которая стоит перед большим домом на картинке?")
    write(
        pictures,
        "captioning",
        train={"0": [question, image("a.png")]},
        train_answer={"0": [text("красный")]},
        val={"0": [question, image("b.png")]},
        val_answer={"0": [text("синий")]},
    )
    assert broken_rules(pictures)[0] == {}


def test_path_out_of_the_folder_is_refused(pictures):
    write(
        pictures, "generation", train={"0": [text("x")]}, train_answer={"0": [image("../../captioning/images/a.png")]}
    )
    assert broken_rules(pictures)[0] == {"PICTURE": 1}


def test_page_shows_samples_and_escapes_texts(pictures):
    write(
        pictures,
        "captioning",
        train={"0": [text("<script>alert(1)</script>"), image("a.png")], "1": [text("Опиши."), image("none.png")]},
        train_answer={"0": [text("красный")], "1": [text("")]},
    )
    page = pictures / "check.html"
    status, printed, _ = check(pictures, "--html", page)
    html = page.read_text("utf-8")
    assert status == 1
    assert f"page: {page}" in printed
    assert html.count("data:image/jpeg;base64,") == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>" not in html
    assert """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">""" in html
    assert "images/none.png: a picture does not exist" in html
    assert "красный" in html


def test_directory_without_task_folders_is_refused(tmp_path):
    status, _, errors = check(tmp_path)
    assert status == 2
    assert "has no task folder" in errors


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["a) да; b) нет"], ("да", "нет")),
        (["Варианты: a) 1; b) -2; c) 3/4; d) 0"], ("1", "-2", "3/4", "0")),
        (["Выбери: a) в Твери; b) в Омске", "Вопрос?"], ("в Твери", "в Омске")),
        (["Вопрос? a) дом (старый); b) дом, новый"], ("дом (старый)", "дом, новый")),
        (["Пункт a) договора."], None),
        (["нет вариантов"], None),
    ],
)
def test_options_are_read_as_they_are_written(texts, values):
    options = options_in(texts)
    assert (None if options is None else options.values) == values


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (PASSAGE, True),
        (PASSAGE.upper().replace(",", ""), True),
        (f"Прочитай. {PASSAGE}", True),
        (f"{PASSAGE} {PASSAGE[::-1]}", False),
        ("Город Тверь стоит на берегу Волги.", False),
        ("Совсем другой текст о совсем другом городе, в котором живут совсем другие люди и звери.", False),
    ],
)
def test_near_texts_share_most_of_their_words_in_their_order(text, near):
    texts = NearTexts()
    texts.add("7", PASSAGE)
    (found,) = texts.like([(text, text)])
    assert (found is not None) is near
    assert found is None or found[0] == "7"


def test_shared_template_is_not_near():
    template = "Задумали число, умножили его на {} и прибавили к нему {}. Получилось {}. Какое число задумали?"
    texts = NearTexts()
    for number in range(300):
        texts.add(str(number), template.format(number, number + 7, 3 * number))
    asked = [template.format(5000, 6000, 7000), template.format(42, 49, 126)]
    assert texts.like([(text, text) for text in asked]) == [None, ("42", 1.0)]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (
            "Маша купила 5 яблок по 20 рублей и 3 груши по 35 рублей. Сколько рублей она заплатила за покупку?",
            True,
        ),
        (
            "Маша купила 7 яблок по 15 рублей и 4 груши по 40 рублей. Сколько рублей она заплатила за покупку?",
            False,
        ),
        (
            "Маша купила 5 яблок по 20 рублей и 4 груши по 35 рублей. Сколько рублей она заплатила за покупку?",
            False,
        ),
        (
            "Маша купила -5 яблок по 2/0 рублей и 3,5 груши по 35 рублей. Сколько рублей она заплатила за всё?",
            False,
        ),
    ],
)
def test_problem_with_other_numbers_is_another_problem(text, near):
    texts = NearTexts()
    texts.add("0", "Маша купила 5 яблок по 20 рублей и 3 груши по 35 рублей. Сколько рублей она заплатила за всё?")
    (found,) = texts.like([(text, text)])
    assert (found is not None) is near


def test_one_footnote_does_not_make_another_passage():
    years = " ".join(f"В {year} году город снова горел и снова отстраивался." for year in range(1135, 1147))
    texts = NearTexts()
    texts.add("0", years)
    (found,) = texts.like([(f"{years} [17]", f"{years} [17]")])
    assert found[0] == "0"


# The longest text is the instruction, and the problem stands beside it, as mathematics has it.
INSTRUCTION = text("Реши задачу, сравни получившиеся числа между собой и выбери правильный вариант ответа из данных.")


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("Какое число больше: 234 или 165?", {"NEAR_LEAK": 1}),  # the same problem with other options
        ("Какое число больше: 1 или 1/3470?", {}),
    ],
)
def test_numbers_count_that_stand_beside_the_longest_text(tmp_path, problem, expected):
    given = {"0": [INSTRUCTION, text("Какое число больше: 234 или 165?"), text("a) 234; b) 165; c) 99")]}
    answers = {"0": [{"type": "text", "content": ["a"]}]}
    asked = {"0": [INSTRUCTION, text(problem), text("a) 1; b) 2; c) 3")]}
    write(tmp_path, "mathqa", train=asked, train_answer=answers, val=given, val_answer=answers)
    assert broken_rules(tmp_path)[0] == expected


def test_every_rule_has_a_meaning():
    assert all(len(rule.meaning) > 10 for rule in Rule)
