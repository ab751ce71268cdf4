"""Visual Genome: questions joined with pictures, split as COCO is, short answers with their other forms."""

import pytest

from data_prep.__main__ import main
from data_prep.check.rules import options_in
from tests.data_prep.conversions import convert, paint, write_document

QUESTIONS = {
    1: [("Какого цвета машина?", "Красная."), ("Сколько людей?", "Три."), ("Где машина?", "На улице.")],
    2: [("Идёт дождь?", "Да."), ("Кто на лошади?", "Девочка.")],
    713: [("Что на столе?", "Торт с 2 свечами.")],
}
COCO_IDS = {1: None, 2: 9, 713: 25}


def questions(pairs=QUESTIONS):
    number = iter(range(1000, 100_000))
    return [
        {
            "id": picture,
            "qas": [
                {
                    "a_objects": [],
                    "question": q,
                    "image_id": picture,
                    "qa_id": next(number),
                    "answer": a,
                    "q_objects": [],
                }
                for q, a in entries
            ],
        }
        for picture, entries in pairs.items()
    ]


def image_data(coco_ids=COCO_IDS):
    folder = "https://cs.stanford.edu/people/rak248/VG_100K{}/{}.jpg"
    return [
        {"width": 12, "url": folder.format("_2" if picture % 2 else "", picture), "height": 8, "image_id": picture,
         "coco_id": coco_id, "flickr_id": None}
        for picture, coco_id in coco_ids.items()
    ]  # fmt: skip


@pytest.fixture
def images(tmp_path):
    for picture in COCO_IDS:
        paint(tmp_path / "vg" / f"VG_100K{'_2' if picture % 2 else ''}" / f"{picture}.jpg", (picture % 256, 0, 0))
    return tmp_path / "vg"


def run(tmp_path, images, asked, known, *arguments):
    write_document(tmp_path / "question_answers.json", asked)
    write_document(tmp_path / "image_data.json", known)
    return convert(
        tmp_path / "out", "visual-genome", tmp_path / "question_answers.json", "--image-data",
        tmp_path / "image_data.json", "--images", images, *arguments,
    )  # fmt: skip


def test_questions_and_answers_become_samples(tmp_path, images):
    made = run(tmp_path, images, questions(), image_data(), "--validation-share", 0)
    assert made.status == 0
    samples = made.task("vqa")
    assert [source["group"] for _, _, source in samples] == ["vg:1"] * 3 + ["coco:9"] * 2 + ["coco:25"]
    for (items, truth, source), (asked, answer) in zip(
        samples, [pair for pairs in QUESTIONS.values() for pair in pairs], strict=True
    ):
        texts = " ".join(item.content for item in items if item.type == "text")
        assert asked in texts
        assert not any(text.endswith(".") for text in truth.texts)
        if source["kind"] == "answer":
            assert truth.texts[0] == answer.rstrip(".")
        pictures = [item.content for item in items if item.type == "image"]
        assert len(pictures) == 1
        assert pictures[0].startswith("images/VG_100K_")
    assert main(["check", str(made.folder)]) == 0


def test_answer_forms_and_options_of_its_class(tmp_path, images):
    many = dict.fromkeys(COCO_IDS, QUESTIONS[1][:2] + QUESTIONS[2])
    seen = {}
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        made = run(folder, images, questions(many), image_data(), "--seed", seed)
        for items, truth, source in made.all("vqa"):
            texts = [item.content for item in items if item.type == "text"]
            key = next(asked for asked, _ in many[1] if asked in " ".join(texts))
            seen.setdefault((key, source["kind"]), []).append((options_in(texts), truth.texts))
    assert seen["Какого цвета машина?", "answer"][0][1] == (
        "Красная", "красный", "красная", "красное", "красные", "красного", "красной",
    )  # fmt: skip
    assert seen["Сколько людей?", "answer"][0][1] == ("Три", "3", "три")
    assert ("Кто на лошади?", "options") not in seen
    for options, _ in seen["Какого цвета машина?", "options"]:
        assert len(set(options.values)) == 4
        assert all(value.endswith(("ая", "яя")) for value in options.values)
    for options, texts in seen["Идёт дождь?", "options"]:
        assert sorted(options.values) == ["да", "нет"]
        assert texts[1] == "да"
    for options, texts in seen["Сколько людей?", "options"]:
        assert texts[1] == "три"
        assert len(set(options.values)) == 4


def test_variants_ask_about_closed_classes(tmp_path, images):
    many = dict.fromkeys(COCO_IDS, QUESTIONS[1])
    claims = set()
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        made = run(folder, images, questions(many), image_data(), "--seed", seed, "--variants", 1)
        for items, truth, source in made.all("vqa"):
            texts = " ".join(item.content for item in items if item.type == "text")
            assert (source["kind"] == "claim") is ("Где машина?" not in texts)
            if "Какого цвета машина?" in texts:
                assert truth.texts == (("да",) if "красная" in texts else ("нет",))
                claims.add(truth.texts)
    assert claims == {("да",), ("нет",)}


def test_number_of_questions_is_drawn_of_each_picture(tmp_path, images):
    made = run(tmp_path, images, questions(), image_data(), "--per-picture", 1)
    assert [source["group"] for _, _, source in made.all("vqa")] == ["vg:1", "coco:9", "coco:25"]
    refused = run(tmp_path, images, questions(), image_data(), "--per-picture", -1)
    assert refused.status == 2


def test_question_and_answer_are_translated_together(tmp_path, images):
    asked = {1: [("What color is the car?", "Red."), ("Where is it?", "Outside."), ("Who is it", "Mom")]}
    table = tmp_path / "table.tsv"
    table.write_text(
        "What color is the car? Red.\tКакого цвета машина? Красная.\n"
        "Where is it? Outside.\tГде это снаружи?\n"
        "Who is it? Mom\tКто это? Мама\n",
        "utf-8",
    )
    made = run(tmp_path, images, questions(asked), image_data(), "--translations", table, "--validation-share", 0)
    assert made.status == 0  # doubtful translations are left out by rule
    assert made.skipped("vqa") == [("[0] (image 1).qas[1]", "TRANSLATION_DOUBTFUL")]
    assert [truth.texts[-1].lower() for _, truth, _ in made.task("vqa")][1] == "мама"


def test_picture_of_both_sets_falls_where_coco_s_does(tmp_path):
    numbers = range(1, 81)
    for number in numbers:
        paint(tmp_path / "coco" / f"{number}.jpg", size=(number, 9))
        paint(tmp_path / "vg" / "VG_100K" / f"{number + 1000}.jpg", size=(number, 7))
    coco = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in numbers],
        "annotations": [{"image_id": number, "id": number, "caption": f"Снимок {number}"} for number in numbers],
    }
    data = [
        {"image_id": number + 1000, "coco_id": number, "url": f"https://x.org/VG_100K/{number + 1000}.jpg"}
        for number in numbers
    ]
    share = ("--validation-share", 0.3)
    captions = convert(
        tmp_path / "out", "coco", write_document(tmp_path / "c.json", coco), "--images", tmp_path / "coco", *share
    )
    asked = {number + 1000: [(f"Какой это номер: {number}?", "Первый.")] for number in numbers}
    made = run(tmp_path, tmp_path / "vg", questions(asked), data, *share)
    for split in ("train", "val"):
        groups = [{source["group"] for _, _, source in made.task(task, split)} for task in ("vqa", "captioning")]
        assert groups[0] == groups[1]
    assert captions.folder == made.folder
    assert main(["check", str(made.folder)]) == 0


def test_every_broken_entry_is_named(tmp_path, images):
    (images / "VG_100K" / "2.jpg").write_bytes(b"")
    asked = questions()
    asked[0]["qas"] += ["?", {"question": "А?"}, {"question": "", "answer": "Б."}, {"question": "В?", "answer": 3}]
    asked += [{"id": 99, "qas": []}, {"qas": []}, 7, {"id": 713}]
    data = [
        *image_data(),
        {"image_id": 5},
        {"image_id": 1, "url": "a/b.jpg"},
        {"image_id": 6, "url": "b.jpg"},
        {"image_id": 7, "url": "a/b.jpg", "coco_id": "9"},
        {"image_id": 8, "url": "http://[a/b.jpg"},
    ]
    made = run(tmp_path, images, asked, data)
    assert made.status == 1
    assert made.skipped("vqa") == [
        ("[3]", "FIELD_MISSING"),  # of image_data.json
        ("[4]", "DUPLICATE_RECORD"),
        ("[5]", "FIELD_TYPE"),
        ("[6]", "FIELD_TYPE"),
        ("[7]", "FIELD_TYPE"),
        ("[0].qas[3]", "FIELD_TYPE"),  # of question_answers.json
        ("[0].qas[4]", "FIELD_MISSING"),
        ("[0].qas[5]", "EMPTY_TEXT"),
        ("[0].qas[6]", "FIELD_TYPE"),
        ("[1] (image 2)", "PICTURE_UNUSABLE"),
        ("[1] (image 2)", "PICTURE_UNUSABLE"),
        ("[3]", "PICTURE_UNKNOWN"),
        ("[4]", "FIELD_MISSING"),
        ("[5]", "FIELD_TYPE"),
        ("[6]", "FIELD_MISSING"),
    ]
    assert len(made.all("vqa")) == 4
