"""COCO captions: a sample of each task a picture, translated or as they are, pictures linked, faults named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from data_prep.__main__ import main
from data_prep.check.rules import options_in
from tests.data_prep.conversions import convert, paint, tree, write_document, write_lines

CAPTIONS = {
    9: ["Кот сидит на столе.", "Кот  сидит\nна столе ", "Рыжий кот на кухне"],
    25: ["Два жирафа у дерева."],
    30: ["Ваза с цветами.", "Цветы в вазе"],
}


def name_of(number):
    return f"COCO_train2014_{number:012d}.jpg"


def document(captions=CAPTIONS):
    """In the published order: all pictures, then annotations of all pictures mixed."""
    images = [
        {
            "license": 5,
            "file_name": name_of(number),
            "coco_url": f"http://images.cocodataset.org/train2014/{name_of(number)}",
            "height": 8,
            "width": 12,
            "id": number,
        }
        for number in captions
    ]
    annotations = [
        {"image_id": number, "id": 1000 * place + number, "caption": texts[place]}
        for place in range(3)
        for number, texts in captions.items()
        if place < len(texts)
    ]
    return {
        "info": {"description": "COCO 2014"},
        "images": images,
        "licenses": [{"id": 1}],
        "annotations": annotations,
    }


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "train2014"
    paint(folder / name_of(9), "red")
    paint(folder / name_of(25), 120, mode="L")
    paint(folder / name_of(30), (0, 20, 40, 0), mode="CMYK")
    return folder


def run(tmp_path, images, value, *arguments):
    file = value if isinstance(value, Path) else write_document(tmp_path / "captions_train2014.json", value)
    return convert(tmp_path / "out", "coco", file, "--images", images, *arguments)


def test_picture_gives_a_drawing_and_a_caption(tmp_path, images):
    made = run(tmp_path, images, document(), "--validation-share", 0)
    assert made.status == 0
    captioning, generation = made.task("captioning"), made.task("generation")
    assert [source["group"] for _, _, source in captioning] == ["coco:9", "coco:25", "coco:30"]
    assert [truth.texts for _, truth, _ in captioning] == [
        ("Кот сидит на столе.", "Кот сидит на столе", "Рыжий кот на кухне"),
        ("Два жирафа у дерева.",),
        ("Ваза с цветами.", "Цветы в вазе"),
    ]
    for (items, truth, _), number in zip(generation, CAPTIONS, strict=True):
        assert truth.images == (f"images/{name_of(number)}",)
        assert any(" ".join(text.split()) in " ".join(i.content for i in items) for text in CAPTIONS[number])
    for items, _, _ in captioning:
        assert sorted(item.type for item in items) == ["image", "text"]


def test_pictures_are_links_that_open(tmp_path, images):
    made = run(tmp_path, images, document(), "--validation-share", 0)
    for task in ("captioning", "generation"):
        link = made.folder / task / "images" / name_of(25)
        assert link.is_symlink()
        assert Path(os.readlink(link)) == images / name_of(25)
    assert main(["check", str(made.folder)]) == 0


def test_pictures_are_copied_or_padded_on_request(tmp_path, images):
    copied = run(tmp_path / "a", images, write_document(tmp_path / "c.json", document()), "--pictures", "copy")
    name = next(copied.folder.rglob(name_of(25)))
    assert not name.is_symlink()
    assert name.read_bytes() == (images / name_of(25)).read_bytes()
    padded = run(tmp_path / "b", images, tmp_path / "c.json", "--pictures", "pad")
    with Image.open(next(padded.folder.rglob(name_of(9)))) as picture:
        assert picture.size == (12, 12)
        assert picture.getpixel((6, 6))[0] > 240
        assert all(abs(side - 127) < 4 for side in picture.getpixel((6, 0)))


def test_pictures_are_found_in_the_part_that_their_name_tells(tmp_path, images):
    assert run(tmp_path, images.parent, document()).status == 0


def two_pictures(tmp_path, *names):
    """Annotations of two pictures of different colours with these names."""
    for name, colour in zip(names, ("red", "blue"), strict=True):
        paint(tmp_path / "pictures" / name, colour)
    value = document({1: ["Кот"], 2: ["Пёс"]})
    for entry, name in zip(value["images"], names, strict=True):
        entry["file_name"] = name
    return value


def test_pictures_of_one_name_in_two_folders_stay_two(tmp_path):
    value = two_pictures(tmp_path, "a/1.png", "b/1.png")
    made = run(tmp_path, tmp_path / "pictures", value, "--validation-share", 0)
    pictures = [truth.images[0] for _, truth, _ in made.task("generation")]
    assert pictures == ["images/a_1.png", "images/b_1.png"]
    found = [Image.open(made.folder / "generation" / picture).getpixel((0, 0)) for picture in pictures]
    assert found == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize("image_mode", ["link", "copy", "pad"])
def test_two_pictures_that_would_get_one_name_are_refused(tmp_path, image_mode):
    value = two_pictures(tmp_path, "a/1.png", "a_1.png")
    refused = run(tmp_path, tmp_path / "pictures", value, "--pictures", image_mode)
    assert refused.status == 2
    assert "pictures/a_1.png: another picture is called a_1.png too; rename one of them" in refused.errors


def test_same_picture_falls_on_one_side_in_both_tasks(tmp_path):
    captions = {number: [f"Кадр {number} из фильма"] for number in range(1, 61)}
    for number in captions:
        paint(tmp_path / "pictures" / name_of(number), (number, 0, 0))
    made = run(tmp_path, tmp_path / "pictures", document(captions), "--validation-share", 0.3)
    sides = {
        task: [{source["group"] for _, _, source in made.task(task, split)} for split in ("train", "val")]
        for task in made.card("captioning")["tasks"]
    }
    assert sides["captioning"] == sides["generation"]
    assert 8 < len(sides["captioning"][1]) < 30


def test_two_workers_write_the_same_files(tmp_path):
    captions = {number: [f"Кадр {number}"] for number in range(1, 601)}
    for number in captions:
        paint(tmp_path / "pictures" / name_of(number), size=(1 + number % 9, 9))
    file = write_document(tmp_path / "captions.json", document(captions))
    alone = convert(tmp_path / "alone", "coco", file, "--images", tmp_path / "pictures")
    subprocess.run(
        [sys.executable, "-m", "data_prep", "coco", file, "--images", tmp_path / "pictures", "--workers", "2",
         "--output", tmp_path / "two"],
        cwd=Path(__file__).parents[3], check=True, capture_output=True,
    )  # fmt: skip
    files = tree(alone.folder)
    assert sum(name.endswith(".jpg") for name in files) == 1200
    assert tree(tmp_path / "two") == files


ENGLISH = {9: ["A cat on a table.", "The ginger cat"], 25: ["Two giraffes near 3 trees"], 30: ["A vase", "Flowers"]}
TABLE = {
    "A cat on a table.": "Кот на столе.",
    "The ginger cat": "The ginger кот",
    "Two giraffes near 3 trees": "Два жирафа у деревьев",
    "A vase": "Ваза",
}
DOUBTED = [
    ("annotations[1]", "TRANSLATION_DOUBTFUL"),  # the number is lost
    ("annotations[3]", "TRANSLATION_DOUBTFUL"),  # letters are not Cyrillic
    ("annotations[4]", "TRANSLATION_MISSING"),
    ("image 25", "NO_CAPTION"),
]


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_doubtful_translations_are_left_out(tmp_path, images, ending):
    table = tmp_path / f"table.{ending}"
    if ending == "jsonl":
        write_lines(table, [{"text": text, "translation": said} for text, said in TABLE.items()])
    else:
        mark = "\t" if ending == "tsv" else ","
        table.write_text("".join(f"{text}{mark}{said}\n" for text, said in TABLE.items()), "utf-8")
    made = run(tmp_path, images, document(ENGLISH), "--translations", table, "--validation-share", 0)
    assert made.status == 1
    assert sorted(made.skipped("captioning")) == DOUBTED
    assert [truth.texts for _, truth, _ in made.task("captioning")] == [("Кот на столе.",), ("Ваза",)]


@pytest.mark.parametrize(
    "line", ['{"text": "A vase", "translation": null}', '{"text": "\\ud800", "translation": "Ваза"}', "[" * 100_000]
)
def test_line_of_a_table_that_holds_no_pair_is_named(tmp_path, images, line):
    table = tmp_path / "table.jsonl"
    table.write_text(line, "utf-8")
    refused = run(tmp_path, images, document(ENGLISH), "--translations", table)
    assert refused.status == 2
    assert 'table.jsonl, line 1: is no {"text": ..., "translation": ...}' in refused.errors


# A translator that counts its calls in a file, and breaks down when told to.
TRANSLATOR = """
import json, os, pathlib
LOG = pathlib.Path(__file__).with_suffix(".log")
def translate(texts):
    if os.environ.get("BREAK_DOWN"):
        raise RuntimeError("no memory")
    with open(LOG, "a") as stream:
        stream.write("".join(f"{text}\\n" for text in texts))
    letters = str.maketrans("abcdefghijklmnopqrstuvwxyzAFT", "абцдефгхийклмнопярстуввхызАФТ")
    return [f"По-русски: {text.translate(letters)}" for text in texts]
def short(texts):
    return texts[1:]
def silent(texts):
    return None
def lazy(texts):
    return (text for text in texts)
def halved(texts):
    return ["\\ud800"] * len(texts)
"""


@pytest.fixture
def hook(tmp_path, monkeypatch):
    (tmp_path / "my_translator.py").write_text(TRANSLATOR, "utf-8")
    (tmp_path / "unfinished_translator.py").write_text("def translate(", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_translator", raising=False)
    return tmp_path / "my_translator.log"


def test_hook_cache_outlives_the_run(tmp_path, images, hook):
    arguments = [
        "--translator",
        "my_translator:translate",
        "--cache",
        tmp_path / "cache.sqlite",
        "--validation-share",
        0,
    ]
    made = run(tmp_path / "one", images, write_document(tmp_path / "c.json", document(ENGLISH)), *arguments)
    assert made.status == 0
    asked = sorted(text for texts in ENGLISH.values() for text in texts)
    assert sorted(hook.read_text("utf-8").splitlines()) == asked
    again = run(tmp_path / "two", images, tmp_path / "c.json", *arguments)
    assert sorted(hook.read_text("utf-8").splitlines()) == asked
    first, second = tree(made.folder), tree(again.folder)
    assert first == second


def test_failing_hook_is_named_and_run_resumes(tmp_path, images, hook, monkeypatch):
    monkeypatch.setenv("BREAK_DOWN", "1")
    refused = run(tmp_path, images, document(ENGLISH), "--translator", "my_translator:translate")
    assert refused.status == 2
    assert "my_translator:translate: raised RuntimeError: no memory" in refused.errors
    monkeypatch.delenv("BREAK_DOWN")
    assert run(tmp_path, images, document(ENGLISH), "--translator", "my_translator:translate").status == 0


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("my_translator:short", "gave 4 translations of 5 texts"),
        ("my_translator:silent", "my_translator:silent: gave a NoneType that is no list of texts"),
        ("my_translator:lazy", "my_translator:lazy: gave a generator that is no list of texts"),
        ("my_translator:halved", "my_translator:halved: gave a list that is no list of texts in Unicode"),
        ("unfinished_translator:translate", "there is no such function: SyntaxError: "),
        (".my_translator:translate", "there is no such function: TypeError: "),
        ("my_translator:nothing", "there is no such function"),
        ("no_such_module:translate", "there is no such function"),
        ("my_translator", 'name the translator as "module:function"'),
    ],
)
def test_hook_that_can_not_be_used_is_named(tmp_path, images, hook, name, named):
    refused = run(tmp_path, images, document(ENGLISH), "--translator", name)
    assert refused.status == 2
    assert named in refused.errors


def test_variant_offers_captions_of_other_pictures(tmp_path):
    captions = {number: [f"Кадр {number}", f"Снимок {number}"] for number in range(1, 31)}
    captions[7] = ["Кадр 8", "Снимок 8"]  # what another picture's captions say too is no wrong option
    for number in captions:
        paint(tmp_path / "pictures" / name_of(number), size=(number, 9))
    made = run(tmp_path, tmp_path / "pictures", document(captions), "--variants", 1, "--validation-share", 0)
    samples = made.task("captioning")
    assert len(samples) == 30
    for (items, truth, source), own in zip(samples, captions.values(), strict=True):
        options = options_in([item.content for item in items if item.type == "text"])
        assert source["kind"] == "caption choice"
        assert len(set(options.values)) == 4
        assert [value for value in options.values if value in own] == [truth.texts[1]]
    assert main(["check", str(made.folder)]) == 0


def test_every_broken_entry_is_named(tmp_path, images):
    value = document()
    (images / name_of(25)).unlink()
    (images / name_of(30)).write_bytes(b"no picture")
    value["images"] += [
        {"id": 40},
        {"id": 9, "file_name": "again.jpg"},
        "picture",
        {"id": 41, "file_name": "../../etc/passwd"},
        {"id": 42, "file_name": name_of(42)},
        {"id": "\ud800", "file_name": "x.jpg"},
        {"id": 43, "file_name": f"a_b_{'x' * 300}.jpg"},
    ]
    value["annotations"] += [
        {"image_id": 77, "id": 1, "caption": "Ничей"},
        {"image_id": 9, "id": 2, "caption": "  "},
        {"image_id": 9, "id": 3},
        {"image_id": True, "id": 4, "caption": "Чей?"},
        {"image_id": 9, "id": 5, "caption": "\ud800"},
        {"image_id": "\ud800", "id": 6, "caption": "Чей?"},
        {"image_id": 43, "id": 7, "caption": "Длинно"},
    ]
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(value), "utf-8")
    made = run(tmp_path, images, file)
    assert made.status == 1
    assert made.skipped("generation") == [
        ("images[3]", "FIELD_MISSING"),
        ("images[4]", "DUPLICATE_RECORD"),
        ("images[5]", "FIELD_TYPE"),
        ("images[6]", "FIELD_TYPE"),
        ("images[8]", "NOT_UTF8"),
        ("annotations[7]", "EMPTY_TEXT"),
        ("annotations[8]", "FIELD_MISSING"),
        ("annotations[9]", "FIELD_TYPE"),
        ("annotations[10]", "NOT_UTF8"),
        ("annotations[11]", "NOT_UTF8"),
        ("annotations[6]", "PICTURE_UNKNOWN"),
        ("image 25", "PICTURE_MISSING"),
        ("image 30", "PICTURE_UNUSABLE"),
        ("image 42", "NO_CAPTION"),
        ("image 43", "PICTURE_MISSING"),
    ]
    assert len(made.all("captioning")) == 1
    assert convert(tmp_path / "strict", "coco", file, "--images", images, "--strict").status == 2
