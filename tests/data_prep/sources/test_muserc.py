"""MuSeRC: free answers and options from true and false answers; every rule of leaving out is counted."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.check.rules import options_in
from data_prep.sources.muserc import without_marks
from tests.data_prep.conversions import convert, write_lines

PASSAGE = "(1) Кошка спала на печи. (2) В 1990 году (и позже) её звали Муркой. (3) Хозяйка (2) пила чай."


def answers(*pairs):
    return [{"idx": i, "text": text, "label": label} for i, (text, label) in enumerate(pairs)]


QUESTIONS = [
    ("Где спала кошка?", answers(("На печи.", 1), ("на столе", 0), ("Во дворе.", 0), ("в лесу", 0), ("в доме", 0))),
    ("Как звали кошку?", answers(("Мурка", 1), ("Муркой", 1), ("мурка", 0), ("Жучка", 0))),
    ("Кто пил чай?", answers(("хозяйка", 1))),
    ("Кто ел?", answers(("кот", 0), ("пёс", 0))),
    ("Что в наборе?", answers(("a) соль; b) сахар", 1), ("мука", 0))),
    ("Тест?", answers(("да", -1), ("нет", -1))),
]


def passages(text=PASSAGE, questions=QUESTIONS):
    return {
        "idx": 0,
        "passage": {
            "text": text,
            "questions": [
                {"idx": i, "question": asked, "answers": given} for i, (asked, given) in enumerate(questions)
            ],
        },
    }


@pytest.fixture
def made(tmp_path):
    file = write_lines(tmp_path / "train.jsonl", [passages()])
    return convert(tmp_path / "out", "muserc", file, "--validation-share", 0)


def test_questions_become_free_answers_and_options(made):
    assert made.status == 0
    assert made.printed.startswith("read 6, used 4, skipped 2 (NO_TRUE_ANSWER 1, UNANSWERED 1)\n")
    assert made.card("textqa")["tasks"]["textqa"]["kinds"] == {"free answer": 4, "options": 2}
    free = [truth.texts for _, truth, source in made.task("textqa") if source["kind"] == "free answer"]
    assert free == [("На печи",), ("Мурка", "Муркой"), ("хозяйка",), ("a) соль; b) сахар",)]


def test_options_are_one_true_and_up_to_three_false_answers(made):
    chosen = [
        (options_in([item.content for item in items]), truth.texts)
        for items, truth, source in made.task("textqa")
        if source["kind"] == "options"
    ]
    where, name = chosen
    assert len(where[0].values) == 4
    assert "На печи" in where[0].values
    assert set(where[0].values) < {"На печи", "на столе", "Во дворе", "в лесу", "в доме"}
    assert sorted(name[0].values)[0] == "Жучка"  # "мурка", false, is "Мурка", true, in lower case
    assert len(name[0].values) == 2
    for options, (marker, value, both) in chosen:
        assert dict(zip(options.markers, options.values, strict=True))[marker] == value
        assert both == f"{marker} {value}"


def test_sentence_numbers_go_and_other_brackets_stay(made):
    items, _, _ = made.task("textqa")[0]
    text = " ".join(item.content for item in items)
    assert "Кошка спала на печи. В 1990 году (и позже) её звали Муркой. Хозяйка (2) пила чай." in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1) Раз. (2)Два.", "Раз. Два."),
        ("Раз (1812).", "Раз (1812)."),
        ("(1) Раз (3). (2) Два. (3) Три.", "Раз (3). Два. Три."),
        (f"(1) Раз ({'2' * 5000}).", f"Раз ({'2' * 5000})."),
        ("", ""),
    ],
)
def test_marks_are_counted_in_their_turn(text, expected):
    assert without_marks(text) == expected


def test_other_published_form_gives_the_same(tmp_path, made):
    form = passages()["passage"]
    file = write_lines(tmp_path / "flat.jsonl", [{"id": 0, **form}])
    assert convert(tmp_path / "flat", "muserc", file, "--validation-share", 0).task("textqa") == made.task("textqa")


def test_rows_of_single_answers_are_put_together_again(tmp_path, made):
    rows = [
        {"paragraph": PASSAGE, "question": asked, "answer": answer["text"], "label": answer["label"],
         "idx": {"paragraph": 0, "question": number, "answer": answer["idx"]}}
        for number, (asked, given) in enumerate(QUESTIONS)
        for answer in given
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    again = convert(tmp_path / "rows", "muserc", tmp_path / "train.parquet", "--validation-share", 0)
    assert again.task("textqa") == made.task("textqa")
    assert [reason for _, reason in again.skipped("textqa")] == ["NO_TRUE_ANSWER", "UNANSWERED"]
    pq.write_table(pa.table({"other": [1]}), tmp_path / "other.parquet")
    assert convert(tmp_path / "other", "muserc", tmp_path / "other.parquet").skipped("textqa") == [
        ("row 0", "FIELD_TYPE")
    ]


def test_claims_say_yes_of_true_and_no_of_false_answers(tmp_path):
    values = [passages(f"(1) Это текст {i} о кошке.", QUESTIONS[:1]) for i in range(60)]
    out = convert(tmp_path / "out", "muserc", write_lines(tmp_path / "t.jsonl", values), "--variants", 1)
    claims = [(items, truth.texts) for items, truth, source in out.all("textqa") if source["kind"] == "claim"]
    assert len(claims) == 60
    for items, texts in claims:
        assert (("на печи" in items[-1].content.lower()) or ("На печи" in items[-2].content)) is (texts == ("да",))
    assert {texts for _, texts in claims} == {("да",), ("нет",)}


def test_what_is_broken_is_named_by_line_and_question(tmp_path):
    broken = [
        ("Без ответов?", None),
        ("", answers(("да", 1))),
        ("Метка?", answers(("да", 2))),
        ("Метка словом?", [{"text": "да", "label": "1"}]),
        ("Пустой ответ?", answers(("да", 1), (" . ", 0))),
        ("Не объект?", ["да"]),
    ]
    file = tmp_path / "b.jsonl"
    write_lines(file, [passages(questions=broken), {"idx": 1}, {"passage": {"text": " ", "questions": []}}, passages()])
    file.write_text(file.read_text("utf-8") + "{\n", "utf-8")
    made = convert(tmp_path / "out", "muserc", file)
    assert made.status == 1
    assert made.skipped("textqa") == [
        ("line 1, question 0", "FIELD_TYPE"),
        ("line 1, question 1", "EMPTY_TEXT"),
        ("line 1, question 2", "LABEL_UNKNOWN"),
        ("line 1, question 3", "FIELD_TYPE"),
        ("line 1, question 4", "EMPTY_TEXT"),
        ("line 1, question 5", "FIELD_TYPE"),
        ("line 2", "FIELD_MISSING"),
        ("line 3", "EMPTY_TEXT"),
        ("line 4, question 3", "NO_TRUE_ANSWER"),
        ("line 4, question 5", "UNANSWERED"),
        ("line 5", "NOT_JSON"),
    ]
    assert convert(tmp_path / "strict", "muserc", file, "--strict").status == 2


def test_check_asks_no_span_of_a_free_answer(made):
    from data_prep.__main__ import main

    assert main(["check", str(made.folder)]) == 0
