"""START and SberIDP: every layout gives the same samples; words in reading order; signs padded to squares."""

import json

import pytest
from PIL import Image

from data_prep.sources.text_layouts import in_reading_order
from tests.data_prep.conversions import convert, paint, write_document, write_lines

TEXTS = {"a.jpg": "АПТЕКА", "shop/b.jpg": "Хлеб и молоко", "c.jpg": "24"}
WORDS = {
    "a.jpg": [("АПТЕКА", [2, 2, 9, 4])],
    "shop/b.jpg": [("молоко", [2, 30, 20, 10]), ("и", [30, 9, 4, 10]), ("Хлеб", [2, 10, 20, 10])],
    "c.jpg": [("24", [1, 1, 5, 5])],
}


def table(path, mark, header=True):
    rows = ["image,height,text".replace(",", mark)] if header else []
    rows += [f"{name}{mark}{'8' + mark if header else ''}{text}" for name, text in TEXTS.items()]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def corners(box):
    left, top, wide, tall = box
    return [left, top, left + wide, top, left + wide, top + tall, left, top + tall]


def coco_text(shape):
    annotations = [(name, text, box) for name, words in WORDS.items() for text, box in words]
    return {
        "info": {"version": "1"},
        "imgs": {name.upper(): {"id": name.upper(), "file_name": name, "width": 9, "set": "train"} for name in WORDS},
        "anns": {
            str(i): {"id": i, "image_id": name.upper(), "utf8_string": text, "legibility": "legible", **shape(box)}
            for i, (name, text, box) in enumerate(annotations)
        },
        "imgToAnns": {name.upper(): [0] for name in WORDS},
    }


def coco_translation():
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(WORDS)],
        "categories": [{"id": 1, "name": "text"}],
        "annotations": [
            {"id": 10 * i + j, "image_id": i, "bbox": box, "attributes": {"translation": text}}
            for i, words in enumerate(WORDS.values())
            for j, (text, box) in enumerate(words)
        ],
    }


def text_ocr():
    value = coco_text(lambda box: {"points": corners(box)})
    value["img2Anns"] = value.pop("imgToAnns")
    for picture in value["imgs"].values():
        picture["filename"] = picture.pop("file_name")
    return value


LAYOUTS = {
    "header.csv": lambda path: table(path, ","),
    "bare.csv": lambda path: table(path, ",", header=False),
    "header.tsv": lambda path: table(path, "\t"),
    "object.json": lambda path: write_document(path, TEXTS),
    "list.json": lambda path: write_document(path, [{"file_name": n, "label": t} for n, t in TEXTS.items()]),
    "lines.jsonl": lambda path: write_lines(path, [{"image": n, "text": t} for n, t in TEXTS.items()]),
    "coco_text.json": lambda path: write_document(path, coco_text(lambda box: {"bbox": box})),
    "textocr.json": lambda path: write_document(path, text_ocr()),
    "coco.json": lambda path: write_document(path, coco_translation()),
}


@pytest.fixture
def images(tmp_path):
    for number, name in enumerate(TEXTS):
        paint(tmp_path / "images" / name, size=(40 + number, 10))
    return tmp_path / "images"


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_samples(tmp_path, images, name):
    file = LAYOUTS[name](tmp_path / name)
    made = convert(tmp_path / "out", "start", file, "--images", images, "--validation-share", 0)
    assert made.status == 0, made.errors
    samples = made.task("text_recognition")
    assert [truth.texts for _, truth, _ in samples] == [(text,) for text in TEXTS.values()]
    assert [source["group"] for _, _, source in samples] == [f"start:{name}" for name in TEXTS]
    assert [item.content for items, _, _ in samples for item in items if item.type == "image"] == [
        "images/a.jpg",
        "images/shop_b.jpg",
        "images/c.jpg",
    ]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([("б", (9, 0, 5, 5)), ("а", (0, 1, 5, 5))], "а б"),
        ([("низ", (0, 20, 9, 5)), ("верх", (50, 0, 9, 5))], "верх низ"),
        ([("два", (20, 3, 9, 10)), ("раз", (0, 0, 9, 10)), ("три", (0, 12, 9, 10))], "раз два три"),
        ([("крупно", (0, 0, 50, 40)), ("мелко", (60, 30, 9, 8))], "крупно мелко"),
        ([("б", None), ("а", (0, 0, 1, 1))], "б а"),
        ([], ""),
    ],
)
def test_words_are_read_by_line_and_then_from_the_left(words, text):
    assert in_reading_order(words) == text


def test_wide_signs_become_squares(tmp_path, images):
    file = write_document(tmp_path / "t.json", TEXTS)
    made = convert(tmp_path / "out", "sberidp", file, "--images", images, "--pictures", "pad")
    with Image.open(next(made.folder.rglob("shop_b.jpg"))) as picture:
        assert picture.size == (41, 41)
    assert {source["group"].split(":")[0] for _, _, source in made.all("text_recognition")} == {"sberidp"}


def test_variants_ask_about_the_letters_of_a_word(tmp_path, images):
    seen = set()
    for seed in range(6):
        file = write_document(tmp_path / "t.json", TEXTS)
        made = convert(tmp_path / str(seed), "start", file, "--images", images, "--variants", 1, "--seed", seed)
        for items, truth, source in made.all("text_recognition"):
            asked = next(item.content for item in items if item.type == "text")
            if source["kind"] == "about the word":
                seen.add((asked, truth.texts))
    assert seen == {("С какой буквы начинается слово?", ("А",)), ("Сколько букв в слове?", ("6", "шесть"))}


def test_every_broken_entry_is_named(tmp_path, images):
    value = coco_text(lambda box: {"bbox": box})
    value["imgs"]["NO"] = {"file_name": "../no.jpg"}
    value["imgs"]["GONE"] = {"file_name": "gone.jpg"}
    value["imgs"]["DARK"] = {"file_name": "dark.jpg"}
    value["anns"] |= {
        "20": {"image_id": "C.JPG", "utf8_string": "рано", "bbox": [1, 2, 3]},
        "21": {"image_id": "C.JPG", "utf8_string": 5},
        "22": {"image_id": "NOBODY", "utf8_string": "чей", "bbox": [1, 2, 3, 4]},
        "23": {"image_id": "C.JPG", "utf8_string": "стёрто", "legibility": "illegible", "bbox": [1, 2, 3, 4]},
        "24": {"image_id": "GONE", "utf8_string": "где", "points": [[1, 2], [3, 4]]},
        "25": {"image_id": "GONE", "utf8_string": "где", "points": [1, 2, 3]},
        "26": {"image_id": "DARK", "utf8_string": ""},
        "27": {"image_id": "C.JPG", "utf8_string": "даль", "bbox": [10**400, 2, 3, 4]},
        "28": {"image_id": "C.JPG", "utf8_string": "даль", "points": [1, 2, 3, float("1e300")]},
        "\ud800": {"image_id": "NOBODY", "utf8_string": "чей"},
    }
    value["imgs"]["\ud800"] = {"file_name": "half.jpg"}
    file = tmp_path / "t.json"
    file.write_text(json.dumps(value), "utf-8")
    made = convert(tmp_path / "out", "start", file, "--images", images)
    assert made.status == 1
    assert made.skipped("text_recognition") == [
        ("imgs[NO]", "FIELD_TYPE"),
        ("imgs[\\ud800]", "NOT_UTF8"),
        ("anns[20]", "FIELD_TYPE"),
        ("anns[21]", "FIELD_TYPE"),
        ("anns[25]", "FIELD_TYPE"),
        ("anns[27]", "FIELD_TYPE"),
        ("anns[28]", "FIELD_TYPE"),
        ("anns[22]", "PICTURE_UNKNOWN"),
        ("anns[\\ud800]", "PICTURE_UNKNOWN"),
        ("anns[23]", "NOT_LEGIBLE"),
        ("image GONE", "PICTURE_MISSING"),
        ("anns[26]", "NOT_LEGIBLE"),
        ("image DARK", "NO_CAPTION"),
    ]
    assert len(made.all("text_recognition")) == 3
    assert convert(tmp_path / "strict", "start", file, "--images", images, "--strict").status == 2


def test_every_broken_row_of_a_table_is_named(tmp_path, images):
    file = tmp_path / "t.tsv"
    file.write_text("image\ttext\na.jpg\tАПТЕКА\nb.jpg\n\t да\nc.jpg\t \nc.jpg\t24\nc.jpg\tчаса\n", "utf-8")
    made = convert(tmp_path / "out", "start", file, "--images", images, "--validation-share", 0)
    assert made.skipped("text_recognition") == [
        ("line 3", "FIELD_MISSING"),
        ("line 4", "FIELD_TYPE"),
        ("line 5", "EMPTY_TEXT"),
    ]
    assert [truth.texts for _, truth, _ in made.task("text_recognition")] == [("АПТЕКА",), ("24 часа",)]


@pytest.mark.parametrize("value", [[1], {"a.jpg": 5}, {"a.jpg": {"x": 1}}, [{"file": "a.jpg"}], [{"text": "да"}]])
def test_unknown_layout_is_said_entry_by_entry(tmp_path, images, value):
    file = tmp_path / "t.json"
    file.write_text(json.dumps(value), "utf-8")
    made = convert(tmp_path / "out", "start", file, "--images", images)
    assert made.status == 1
    assert made.printed.startswith("read 1, used 0, skipped 1 ")


def test_long_texts_are_left_out_by_rule(tmp_path, images):
    file = write_document(tmp_path / "t.json", {"a.jpg": "очень длинный текст"})
    made = convert(tmp_path / "out", "start", file, "--images", images, "--most-characters", 10)
    assert made.status == 0
    assert made.skipped("text_recognition") == [("image a.jpg", "TEXT_TOO_LONG")]
