"""Files as they lie on people's disks: what stands in for them, how tables are written, where pictures are put."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.sources.coco import part_of
from tests.data_prep.conversions import convert, paint, write_document, write_lines

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"5e" * 32 + b"\nsize 29707814\n"
FETCH = "a Git LFS pointer stands in for the file; fetch it with `git lfs pull`"
STAND_INS = {
    "pointer": (POINTER, FETCH),
    "page": (b"<!DOCTYPE html>\n<html>", "an HTML page stands in for the file; download it again"),
    "nothing": (b"", "the file is empty; fetch it again"),
    "archive": (b"PK\x03\x04\x14\0", "the file is a ZIP archive; unpack it first"),
}
FILES = [
    ("sberquad", "train.parquet"),
    ("sberquad", "train.json"),
    ("sberquad", "train.csv"),
    ("muserc", "train.jsonl"),
    ("mathematics", "algebra__linear_1d.txt"),
    ("coco", "captions.json"),
    ("visual-genome", "question_answers.json"),
    ("start", "labels.tsv"),
    ("sberidp", "labels.txt"),
]


def options(source, folder, data=None):
    pictures = ["--images", folder] if source in ("coco", "visual-genome", "start", "sberidp") else []
    return [*pictures, *(["--image-data", data] if source == "visual-genome" else [])]


@pytest.mark.parametrize("what", STAND_INS)
@pytest.mark.parametrize(("source", "name"), FILES)
def test_every_source_names_what_stands_in_for_its_file(tmp_path, source, name, what):
    file = tmp_path / name
    file.write_bytes(STAND_INS[what][0])
    refused = convert(tmp_path / "out", source, file, *options(source, tmp_path, file))
    assert refused.status == 2
    assert refused.errors.startswith(f"data_prep {source}: error [SOURCE] {file}: {STAND_INS[what][1]}")
    assert refused.errors.count("\n") == 1
    assert not (tmp_path / "out").exists()  # and nothing is begun


@pytest.mark.parametrize("option", ["--translations", "--image-data", "--bpe"])
def test_files_beside_the_source_s_are_named_too(tmp_path, option):
    questions = write_document(tmp_path / "q.json", [])
    pointer = tmp_path / "pointer.jsonl"
    pointer.write_bytes(POINTER)
    given = {"--image-data": write_document(tmp_path / "i.json", []), option: pointer}
    flat = [value for pair in given.items() for value in pair]
    refused = convert(tmp_path / "out", "visual-genome", questions, "--images", tmp_path, *flat)
    assert refused.status == 2
    assert str(pointer) in refused.errors
    if option != "--bpe":  # models.bpe names it itself
        assert FETCH in refused.errors


def test_picture_and_a_part_of_a_task_folder_are_named_too(tmp_path):
    (tmp_path / "a.jpg").write_bytes(POINTER)
    file = write_document(tmp_path / "t.json", {"a.jpg": "АПТЕКА"})
    made = convert(tmp_path / "out", "start", file, "--images", tmp_path)
    assert made.status == 1
    assert f"the picture can not be opened: {tmp_path}/a.jpg: a Git LFS pointer stands in for the file" in made.errors


@pytest.mark.parametrize(
    ("source", "content", "said"),
    [
        ("muserc", "a,b\n1,2\n", "it begins with 'a,b'; JSON documents, JSON lines (.jsonl, .ndjson) and Parquet"),
        ("coco", "a,b\n1,2\n", "it begins with 'a,b'; a JSON document is read"),
        ("start", "a.jpg АПТЕКА", "it begins with 'a.jpg АПТЕКА'; tables (.csv, .tsv, .txt), JSON lines"),
        ("muserc", '{"a": 1}\n{"a": 2}\n', "if each line is a document, call the file .jsonl"),
    ],
)
def test_file_of_another_form_is_told_which_forms_are_read(tmp_path, source, content, said):
    file = tmp_path / "data.dat"
    file.write_text(content, "utf-8")
    refused = convert(tmp_path / "out", source, file, *options(source, tmp_path))
    assert refused.status == 2
    assert said in refused.errors


def test_bytes_that_are_no_text_in_a_parquet_file_are_named(tmp_path):
    texts = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    pq.write_table(pa.table({"context": texts}), tmp_path / "t.parquet")
    refused = convert(tmp_path / "out", "sberquad", tmp_path / "t.parquet")
    assert refused.status == 2
    assert "t.parquet, rows 0 to 0: hold a value that can not be read" in refused.errors


# Tables of text in pictures

NAMES = ["c.jpg", "a b.jpg", "d/e.png"]
TEXTS = ["АПТЕКА, 24 часа", "Хлеб и молоко", 'Кафе "Ёлка"']


@pytest.fixture
def signs(tmp_path):
    for number, name in enumerate(NAMES):
        paint(tmp_path / "images" / name, size=(40 + number, 10))
    return tmp_path / "images"


PAIRS = list(zip(NAMES, TEXTS, strict=True))
TABLES = {
    "spaces.txt": "".join(f"{name} {text}\n" for name, text in PAIRS),
    "several_spaces.txt": "".join(f"{name}   {text}\n" for name, text in PAIRS),
    "colons.txt": "".join(f"{name}: {text}\n" for name, text in PAIRS),
    "tabs.txt": "".join(f"{name}\t{text}\n" for name, text in PAIRS),
    "header.txt": "File Name\tLabel\n" + "".join(f"{name}\t{text}\n" for name, text in PAIRS),
    "semicolons.csv": "".join(f"{name};{text}\r\n" for name, text in PAIRS),
    "header.csv": "\ufeffimage-name;text\r\n" + "".join(f"{name};{text}\r\n" for name, text in PAIRS),
    "tabs.csv": "".join(f"{name}\t{text}\n" for name, text in PAIRS),
    "bars.csv": "".join(f"{name}|{text}\n" for name, text in PAIRS),
    "commas.tsv": "".join(f"{name},{text}\n" for name, text in PAIRS),
    "unquoted.csv": "".join(f"{name},{text}\n" for name, text in PAIRS),
    "quoted.csv": "".join('{},"{}"\n'.format(name, text.replace('"', '""')) for name, text in PAIRS),
    "icdar.txt": "".join('{}, "{}"\n'.format(name, text.replace('"', '""')) for name, text in PAIRS),
    "quoted_name.txt": "".join(f'"{name}" {text}\n' for name, text in PAIRS),
}


@pytest.mark.parametrize("name", TABLES)
def test_names_and_labels_with_spaces_and_marks(tmp_path, signs, name):
    file = tmp_path / name
    file.write_bytes(TABLES[name].encode())
    made = convert(tmp_path / "out", "sberidp", file, "--images", signs, "--validation-share", 0)
    assert made.status == 0, made.errors
    samples = made.task("text_recognition")
    assert [truth.texts for _, truth, _ in samples] == [(text,) for text in TEXTS]
    assert [source["group"] for _, _, source in samples] == [f"sberidp:{name}" for name in NAMES]


def test_names_without_ending_are_read(tmp_path):
    for number in (1, 2):
        paint(tmp_path / "images" / f"{number}", size=(40 + number, 10), format="PNG")
    for name, mark in (("t.tsv", "\t"), ("t.txt", " ")):
        (tmp_path / name).write_text(f"1{mark}Хлеб, молоко\n2{mark}24\n", "utf-8")
        made = convert(tmp_path / mark.strip() / name[2:], "start", tmp_path / name, "--images", tmp_path / "images")
        assert [truth.texts for _, truth, _ in made.all("text_recognition")] == [("Хлеб, молоко",), ("24",)]


def test_row_with_extra_cell_is_named(tmp_path, signs):
    (tmp_path / "t.csv").write_text("file,text,width\nc.jpg,АПТЕКА,9\nc.jpg,Хлеб, молоко,9\n", "utf-8")
    made = convert(tmp_path / "out", "start", tmp_path / "t.csv", "--images", signs)
    assert made.status == 1
    assert made.skipped("text_recognition") == [("line 3", "FIELD_TYPE")]
    assert "4 columns where 3 are expected" in made.errors


# COCO 2017, whose pictures' names do not tell their part of the set, and Visual Genome


def annotations(name, address):
    picture = {"id": 802, "file_name": name, "coco_url": address, "height": 8, "width": 12}
    return {"images": [picture], "annotations": [{"id": 1, "image_id": 802, "caption": "Кухня с белой плитой."}]}


@pytest.mark.parametrize(
    ("where", "file", "address"),
    [
        ("val2017/", "captions_val2017.json", "http://images.cocodataset.org/val2017/000000000802.jpg"),
        ("val2017/", "mine.json", "http://images.cocodataset.org/val2017/000000000802.jpg"),
        ("val2017/", "captions_val2017.json", None),
        ("train2017/", "captions_train2017.json", "http://images.cocodataset.org/train2017/000000000802.jpg"),
        ("", "captions_val2017.json", "http://images.cocodataset.org/val2017/000000000802.jpg"),
    ],
)
def test_pictures_of_2017_are_found_in_their_part_or_flat(tmp_path, where, file, address):
    paint(tmp_path / "coco" / where / "000000000802.jpg")
    document = write_document(tmp_path / file, annotations("000000000802.jpg", address))
    made = convert(tmp_path / "out", "coco", document, "--images", tmp_path / "coco")
    assert made.status == 0, made.errors
    assert (made.folder / "captioning" / "images" / "000000000802.jpg").exists()


@pytest.mark.parametrize("address", [7, "", "http://[", "../../etc/x.jpg", "http://x/..//a.jpg", "x"])
def test_address_that_names_no_part_is_none(address):
    assert part_of({"coco_url": address}, "captions.json") == ""


@pytest.mark.parametrize("where", ["VG_100K/", ""])
def test_visual_genome_pictures_in_folders_or_flat(tmp_path, where):
    paint(tmp_path / "vg" / where / "5.jpg")
    data = [{"image_id": 5, "url": "https://cs.stanford.edu/people/rak248/VG_100K/5.jpg", "coco_id": None}]
    asked = [{"id": 5, "qas": [{"qa_id": 1, "image_id": 5, "question": "Что это?", "answer": "Кот."}]}]
    image_data = write_document(tmp_path / "image_data.json", data)
    questions = write_document(tmp_path / "question_answers.json", asked)
    made = convert(
        tmp_path / "out", "visual-genome", questions, "--image-data", image_data, "--images", tmp_path / "vg"
    )
    assert made.status == 0, made.errors


# Tables of translations

CAPTIONS = ["An all white kitchen. ", "A dog\nwatching tv\n", "Two  cats", "A cafe\u0301 table"]
SAID = ["Вся белая кухня.", "Собака смотрит телевизор", "Две кошки", "Столик в кафе"]
CLEANED = ["An all white kitchen.", "A dog watching tv", "Two cats", "A caf\u00e9 table"]


@pytest.mark.parametrize("texts", [CAPTIONS, CLEANED])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "semicolons.csv", "tsv"])
def test_translation_table_of_raw_or_cleaned_texts(tmp_path, texts, ending):
    table = tmp_path / f"table.{ending}"
    mark = {"csv": ",", "semicolons.csv": ";"}.get(ending, "\t")
    if ending == "jsonl":
        write_lines(table, [{"text": text, "translation": said} for text, said in zip(texts, SAID, strict=True)])
    else:
        lines = [f'"{text}"{mark}"{said}"\n' for text, said in zip(texts, SAID, strict=True)]
        table.write_text("".join(lines), "utf-8")
    paint(tmp_path / "802.jpg")
    value = annotations("802.jpg", None)
    value["annotations"] = [{"id": i, "image_id": 802, "caption": text} for i, text in enumerate(CAPTIONS)]
    document = write_document(tmp_path / "captions.json", value)
    made = convert(tmp_path / "out", "coco", document, "--images", tmp_path, "--translations", table)
    assert made.status == 0, made.errors
    ((_, truth, _),) = made.all("captioning")
    assert truth.texts == tuple(SAID)


def test_very_text_is_found_before_one_that_is_cleaned(tmp_path):
    table = write_lines(
        tmp_path / "t.jsonl",
        [{"text": "Two cats ", "translation": "Коты вдвоём"}, {"text": "Two cats", "translation": "Две кошки"}],
    )
    paint(tmp_path / "802.jpg")
    value = annotations("802.jpg", None)
    value["annotations"][0]["caption"] = "Two cats"
    document = write_document(tmp_path / "captions.json", value)
    made = convert(tmp_path / "out", "coco", document, "--images", tmp_path, "--translations", table)
    assert [truth.texts for _, truth, _ in made.all("captioning")] == [("Две кошки",)]


@pytest.mark.parametrize("text", ["What is it? A cat.", "What is  it A cat. ", "What is it A cat."])
def test_table_may_have_questions_and_answers_side_by_side(tmp_path, text):
    paint(tmp_path / "VG_100K" / "5.jpg")
    data = [{"image_id": 5, "url": "https://x/VG_100K/5.jpg", "coco_id": None}]
    asked = [{"id": 5, "qas": [{"qa_id": 1, "image_id": 5, "question": "What is  it", "answer": "A cat. "}]}]
    image_data = write_document(tmp_path / "image_data.json", data)
    questions = write_document(tmp_path / "question_answers.json", asked)
    table = write_lines(tmp_path / "t.jsonl", [{"text": text, "translation": "Что это? Кот."}])
    made = convert(
        *(tmp_path / "out", "visual-genome", questions, "--image-data", image_data, "--images", tmp_path),
        *("--translations", table),
    )
    assert made.status == 0, made.errors
    assert [truth.texts for _, truth, _ in made.all("vqa")] == [("Кот",)]


@pytest.mark.parametrize(("ending", "content"), [("tsv", "один столбец\n"), ("csv", f'"{"x" * (1 << 24)}x",y\n')])
def test_table_of_translations_that_is_none_is_named(tmp_path, ending, content):
    table = tmp_path / f"table.{ending}"
    table.write_text(content, "utf-8")
    document = write_document(tmp_path / "captions.json", annotations("802.jpg", None))
    refused = convert(tmp_path / "out", "coco", document, "--images", tmp_path, "--translations", table)
    assert refused.status == 2
    assert f"{table}" in refused.errors


# SberQuAD's first form

RIVER = 'Голоцен начался 11,7 тыс. лет назад.\nС XX века началось "развитие" генетики.'
FIRST = [
    ("1094", "46544", RIVER, "Когда началось развитие?", "С XX века"),
    ("1094", "46545", RIVER, "Что начался?", "Голоцен"),
    ("1094", "46544", RIVER, "Когда началось развитие?", "XX века"),
]
HEADER = ("paragraph_id", "question_id", "paragraph", "question", "answer")


def csv_text(rows, mark=","):
    return "".join(mark.join('"{}"'.format(cell.replace('"', '""')) for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", csv_text([HEADER, *FIRST])),
        ("train_bom.csv", "\ufeff" + csv_text([HEADER, *FIRST], ";")),
        ("order.csv", csv_text([tuple(reversed(row)) for row in (HEADER, *FIRST)])),
        (
            "hub.csv",
            csv_text(
                [
                    ("id", "title", "context", "question", "answers"),
                    ("1", "t", RIVER, FIRST[0][3], "{'text': ['С XX века', 'XX века'], 'answer_start': [37, 39]}"),
                    ("2", "t", RIVER, FIRST[1][3], json.dumps({"text": ["Голоцен"], "answer_start": [0]})),
                ]
            ),
        ),
    ],
)
def test_sberquad_table_with_several_answers(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    made = convert(tmp_path / "out", "sberquad", tmp_path / name, "--validation-share", 0)
    assert made.status == 0, made.errors
    assert [truth.texts for _, truth, _ in made.task("textqa")] == [("С XX века", "XX века"), ("Голоцен",)]
    passage = " ".join(RIVER.split())
    assert all(passage in " ".join(item.content for item in items) for items, _, _ in made.task("textqa"))


def test_rows_of_the_first_form_that_can_not_be_used_are_named(tmp_path):
    rows = [HEADER, FIRST[0], ("1", "2", RIVER), ("1", "2", RIVER, "Где?", "в Омске"), ("1", "2", RIVER, "Кто?", "")]
    (tmp_path / "t.csv").write_text(csv_text(rows), "utf-8")
    made = convert(tmp_path / "out", "sberquad", tmp_path / "t.csv")
    assert made.status == 1
    assert made.skipped("textqa") == [
        ("line 5", "FIELD_MISSING"),
        ("line 7 (id 2)", "ANSWER_ABSENT"),
        ("line 9 (id 2)", "UNANSWERED"),
    ]


def test_questions_without_answers_are_no_fault(tmp_path):
    (tmp_path / "t.csv").write_text(csv_text([HEADER[:4], FIRST[0][:4]]), "utf-8")
    made = convert(tmp_path / "out", "sberquad", tmp_path / "t.csv")
    assert made.status == 0
    assert made.skipped("textqa") == [("line 3 (id 46544)", "UNANSWERED")]
    assert "no sample came of it\nleft out by rule: 1 record, named in skipped.jsonl\n" in made.printed


def test_table_without_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(csv_text(FIRST), "utf-8")
    refused = convert(tmp_path / "out", "sberquad", tmp_path / "t.csv")
    assert refused.status == 2
    assert "a table needs paragraph, question and answer" in refused.errors
