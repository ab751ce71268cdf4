"""SberQuAD: three forms of file give the same samples; answers are spans of their passage; what is broken is named."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.sources.reading import FieldError
from data_prep.sources.sberquad import SberQuAD, _spans
from tests.data_prep.conversions import convert, tree, write_document, write_lines

RIVER = "Город стоит на\u00a0Волге \u2014 главной реке края. Его основали в 1135 году."
WOOD = "Ёлки растут по всему Кавказу. Сосны\u2010великаны живут до 600 лет."
QUESTIONS = [
    ("Где стоит город?", "на\u00a0Волге", RIVER),
    ("Когда основан город?", "в 1135 году", RIVER),
    ("Что растёт по всему Кавказу?", "Ёлки", WOOD),
    ("Сколько живут сосны?", "до 600 лет", WOOD),
]


def answer(context, text):
    return {"text": [text], "answer_start": [context.index(text)]}


def rows():
    return [
        {"id": 100 + i, "title": "SberChallenge", "context": context, "question": asked, "answers": answer(context, a)}
        for i, (asked, a, context) in enumerate(QUESTIONS)
    ]


def nested():
    paragraphs = []
    for context in (RIVER, WOOD):
        qas = [
            {"id": i, "question": asked, "answers": [{"text": a, "answer_start": context.index(a)}]}
            for i, (asked, a, where) in enumerate(QUESTIONS)
            if where == context
        ]
        paragraphs.append({"context": context, "qas": qas})
    return {"version": "v1.0", "data": [{"title": "SberChallenge", "paragraphs": paragraphs}]}


def as_parquet(path):
    pq.write_table(pa.Table.from_pylist(rows()), path)
    return path


def as_nested(path):
    return write_document(path, nested())


def as_paragraphs(path):
    return write_document(path, [{"id": i, **p} for i, p in enumerate(nested()["data"][0]["paragraphs"])])


FORMS = {
    "table.parquet": as_parquet,
    "table.jsonl": lambda path: write_lines(path, rows()),
    "nested.json": as_nested,
    "paragraphs.json": as_paragraphs,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_published_form_gives_the_same_samples(tmp_path, name):
    file = FORMS[name](tmp_path / name)
    made = convert(tmp_path / "out", "sberquad", file, "--validation-share", 0)
    reference = convert(tmp_path / "reference", "sberquad", as_parquet(tmp_path / "r.parquet"), "--validation-share", 0)
    assert made.status == 0
    assert made.task("textqa") == reference.task("textqa")
    assert made.printed.startswith("read 4, used 4, skipped 0 (none)\n")


def test_answers_are_spans_of_the_cleaned_passage(tmp_path):
    made = convert(tmp_path / "out", "sberquad", as_parquet(tmp_path / "t.parquet"), "--validation-share", 0)
    texts = [" ".join(item.content for item in items) for items, _, _ in made.task("textqa")]
    assert [truth.texts for _, truth, _ in made.task("textqa")] == [
        ("на Волге",),
        ("в 1135 году",),
        ("Ёлки",),
        ("до 600 лет",),
    ]
    for text, (question, _, context) in zip(texts, QUESTIONS, strict=True):
        assert question in text
        assert context.replace("\u00a0", " ").replace("\u2010", "-") in text


# (context, answers, spans or the reason why there are none)
SPANS = [
    ("Живёт в Твери.", {"text": ["в Твери"], "answer_start": [6]}, ["в Твери"]),
    ("Живёт в Твери.", {"text": ["в Твери"], "answer_start": [2]}, ["в Твери"]),
    ("Живёт в Твери.", {"text": ["в Твери"]}, ["в Твери"]),
    ("Живёт в Твери.", [{"text": "В ТВЕРИ", "answer_start": -1}], ["в Твери"]),
    ("Растёт ёлка.", [{"text": "елка"}], ["ёлка"]),
    ("В 1990–1995 годах.", [{"text": "1990-1995"}], ["1990–1995"]),
    ("Роман «Мать» вышел.", [{"text": '"Мать"'}], ["«Мать»"]),
    ("Кот и который.", [{"text": "кот", "answer_start": 99}], ["Кот"]),
    ("Длина 5 км.", [{"text": "5\u00a0км"}, {"text": "длина"}], ["5 км", "Длина"]),
    ("Живёт в Твери.", [{"text": ""}], "UNANSWERED"),
    ("Живёт в Твери.", {"text": [], "answer_start": []}, "UNANSWERED"),
    ("Живёт в Твери.", [{"text": "в Омске", "answer_start": 6}], "ANSWER_ABSENT"),
    ("Живёт в Твери.", {"text": ["в"], "answer_start": []}, "FIELD_TYPE"),
    ("Живёт в Твери.", {"text": "в Твери"}, "FIELD_TYPE"),
    ("Живёт в Твери.", {"text": [7], "answer_start": [0]}, "FIELD_TYPE"),
    ("Живёт в Твери.", [{"text": "в", "answer_start": "6"}], "FIELD_TYPE"),
    ("Живёт в Твери.", [{"answer_start": 6}], "FIELD_MISSING"),
    ("Живёт в Твери.", None, "FIELD_TYPE"),
]


@pytest.mark.parametrize(("context", "answers", "expected"), SPANS)
def test_answers_are_found_in_the_passage_or_said_to_be_absent(context, answers, expected):
    if isinstance(expected, list):
        assert _spans(context, context, {"answers": answers}) == expected
    else:
        with pytest.raises(FieldError) as error:
            _spans(context, context, {"answers": answers})
        assert error.value.skip_reason.name == expected


BROKEN = [
    b'{"id": 1, "context": "\xff"}',
    b'{"id": 2, "context": ',
    b"[1, 2]",
    b'{"id": 3, "context": "", "question": "a?", "answers": []}',
    b'{"id": 4, "context": "a b", "question": 5, "answers": [{"text": "a"}]}',
    b'{"id": 5, "context": "a b", "question": "x?", "answers": [{"text": "q"}]}',
    b'{"id": 6, "context": "a b", "question": "x?"}',
    b'{"id": 7, "context": "a b", "qas": {"id": 1}}',
    b'{"id": 8, "context": "a \\ud800 b", "question": "x?", "answers": [{"text": "a"}]}',
    b'{"id": 9, "context": "a b", "question": "x?", "answers": [{"text": ""}]}',
]
REPORTED = [
    ("line 1", "NOT_UTF8"),
    ("line 2", "NOT_JSON"),
    ("line 3", "FIELD_TYPE"),
    ("line 4", "EMPTY_TEXT"),
    ("line 5 (id 4)", "FIELD_TYPE"),
    ("line 6 (id 5)", "ANSWER_ABSENT"),
    ("line 7 (id 6)", "FIELD_MISSING"),
    ("line 8", "FIELD_TYPE"),
    ("line 9", "NOT_UTF8"),
    ("line 10 (id 9)", "UNANSWERED"),
]


def test_broken_records_are_named_and_others_kept(tmp_path):
    file = tmp_path / "broken.jsonl"
    sound = [json.dumps(row, ensure_ascii=False).encode() for row in rows()]
    file.write_bytes(b"\n".join([*BROKEN, b"", *sound]) + b"\n")
    made = convert(tmp_path / "out", "sberquad", file)
    assert made.status == 1
    assert made.skipped("textqa") == REPORTED
    assert len(made.all("textqa")) == len(sound)
    assert f"[NOT_UTF8] {file}, line 1: " in made.errors
    assert not {"UNANSWERED", "ANSWER_ABSENT", "EMPTY_TEXT"} & set(re.findall("[A-Z_]{5,}", made.errors))  # no faults


@pytest.mark.parametrize("line", [3, 5, 9])  # an empty text, an answer that is not there, a blank answer
def test_published_oddities_are_left_out_by_rule(line, tmp_path):
    file = tmp_path / "published.jsonl"
    file.write_bytes(BROKEN[line] + b"\n" + json.dumps(rows()[0], ensure_ascii=False).encode() + b"\n")
    made = convert(tmp_path / "out", "sberquad", file, "--strict")
    assert (made.status, made.errors) == (0, "")
    assert "left out by rule: 1 record" in made.printed
    assert len(made.all("textqa")) == 1


def test_strict_refuses_first_broken_record(tmp_path):
    blank = tmp_path / "blank.jsonl"
    blank.write_bytes(BROKEN[-1] + b"\n")
    assert convert(tmp_path / "one", "sberquad", blank, "--strict").status == 0
    blank.write_bytes(BROKEN[-1] + b"\n" + BROKEN[1] + b"\n")
    refused = convert(tmp_path / "two", "sberquad", blank, "--strict")
    assert refused.status == 2
    assert f"data_prep sberquad: error [NOT_JSON] {blank}, line 2: " in refused.errors
    assert not (tmp_path / "two" / "textqa").exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "can not be read"),
        (b'{"data": [{"paragraphs": []}, {"par', "line 1, character 32: not JSON from here on"),
        (
            b'{"data": [\n{"paragraphs": []} {}]}',
            "line 2, character 20: not JSON from here on (Expecting ',' ",
        ),
        (b'"text"', "line 1, character 1: not JSON from here on"),
        (b'{"data": "\xff"}', "is not UTF-8"),
    ],
)
def test_unreadable_document_is_named_with_its_place(tmp_path, content, named):
    file = tmp_path / "data.json"
    if content is not None:
        file.write_bytes(content)
    refused = convert(tmp_path / "out", "sberquad", file)
    assert refused.status == 2
    assert str(file) in refused.errors
    assert named in refused.errors
    assert not (tmp_path / "out" / "textqa").exists()


def test_variants_ask_whether_an_answer_holds(tmp_path):
    paragraphs = [
        {"context": f"Дом номер {i} стоит на улице Мира, а рядом растёт старый дуб и течёт тихая река.",
         "qas": [{"id": i, "question": f"Где стоит дом номер {i}?", "answers": [{"text": "на улице Мира"}]}]}
        for i in range(200)
    ]  # fmt: skip
    file = write_document(tmp_path / "p.json", paragraphs)
    made = convert(tmp_path / "out", "sberquad", file, "--variants", 0.5)
    claims = [(items, truth.texts) for items, truth, source in made.all("textqa") if source["kind"] == "claim"]
    assert 60 < len(claims) < 140
    for items, texts in claims:
        claim = " ".join(item.content for item in items).split("река.", 1)[1]
        assert texts == (("да",) if "на улице Мира" in claim else ("нет",))
    assert {texts for _, texts in claims} == {("да",), ("нет",)}


def test_equal_contexts_share_a_side(tmp_path):
    values = []
    for i in range(300):
        context = f"Посёлок {i} основан в 19{i % 100:02d} году."
        for j, form in enumerate((context, context.upper(), context.replace(" ", "  "))):
            year = f"19{i % 100:02d}"
            values.append({"id": 3 * i + j, "context": form, "question": f"Когда {j}?", "answers": [{"text": year}]})
    file = write_lines(tmp_path / "rows.jsonl", values)
    made = convert(tmp_path / "out", "sberquad", file, "--validation-share", 0.3)
    train, val = ({source["group"] for _, _, source in made.task("textqa", split)} for split in ("train", "val"))
    assert not train & val
    assert len(train) + len(val) == 300
    assert 60 < len(val) < 120


def test_seed_changes_the_wording_and_nothing_else(tmp_path):
    file = write_lines(tmp_path / "rows.jsonl", rows())
    first, again, other = (
        convert(tmp_path / name, "sberquad", file, "--seed", seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert tree(first.folder) == tree(again.folder)
    assert [(truth, source) for _, truth, source in first.all("textqa")] == [
        (truth, source) for _, truth, source in other.all("textqa")
    ]
    assert [items for items, _, _ in first.all("textqa")] != [items for items, _, _ in other.all("textqa")]


def test_source_is_plain_data_for_the_workers(tmp_path):
    file = write_lines(tmp_path / "rows.jsonl", rows())
    source = SberQuAD((file,), seed=3)
    assert source.settings == {
        "files": [{"name": "rows.jsonl", "bytes": file.stat().st_size}],
        "seed": 3,
        "variants": 0.0,
    }
