"""The world on disk: contest files that the contest's own readers accept, whose parts belong together."""

import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.errors import ContestError
from contest.pictures import check_pictures, open_picture, resolve_picture
from contest.reading import read_ground_truth, read_ids, read_input
from contest.tasks import OPEN_TASKS, TASKS, task_by_id
from data_prep.__main__ import main
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import GRADES
from data_prep.synthetic.instructions import INSTRUCTIONS, text_item
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.signs import Sign
from data_prep.synthetic.world import MAKERS, draw
from data_prep.synthetic.writer import Amounts, write_world

AMOUNTS = Amounts(train=12, validation=6, test=9)
KEYS = tuple(task.key for task in TASKS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthetic") / "world"
    write_world(directory, seed=7, amounts=AMOUNTS, task_keys=KEYS)
    return directory


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_world_has_all_twelve_tasks():
    assert tuple(MAKERS) == KEYS


def test_folders_and_files(world):
    assert sorted(path.name for path in world.iterdir()) == sorted([*(task.key for task in OPEN_TASKS), "test"])
    for task in OPEN_TASKS:
        names = [f"{task.key}_{split}{part}.json" for split in ("train", "val") for part in ("", "_answer", "_grade")]
        assert sorted(path.name for path in (world / task.key).iterdir()) == sorted([*names, "images"])
    test_names = {"input.json", "images", "ids.json", "ground_truth.json", "grades.json"}
    assert {path.name for path in (world / "test").iterdir()} == test_names


@pytest.mark.parametrize("task", OPEN_TASKS, ids=lambda task: task.key)
@pytest.mark.parametrize(("split", "amount"), [("train", 12), ("val", 6)])
def test_task_folder(world, task, split, amount):
    folder = world / task.key
    samples = read_input(folder / f"{task.key}_{split}.json")
    answers = read_ground_truth(folder / f"{task.key}_{split}_answer.json")
    grades = read_json(folder / f"{task.key}_{split}_grade.json")
    assert list(samples) == list(answers) == list(grades) == [str(index) for index in range(amount)]
    assert Counter(grades.values()) == dict.fromkeys(GRADES, amount // 3)
    for sample_id, answer in answers.items():
        (item,) = answer.items
        assert item.type == ("image" if task.kind == "text_to_image" else "text")
        for content in (*samples[sample_id].images, *answer.images):
            assert open_picture(resolve_picture(folder, content)).size == (64, 64)


def test_every_picture_of_a_folder_is_named_once(world):
    for task in OPEN_TASKS:
        named = []
        for split in ("train", "val"):
            named += [
                path
                for sample in read_input(world / task.key / f"{task.key}_{split}.json").values()
                for path in sample.images
            ]
            answers = read_ground_truth(world / task.key / f"{task.key}_{split}_answer.json")
            named += [path for answer in answers.values() for path in answer.images]
        assert len(named) == len(set(named))
        assert {f"images/{path.name}" for path in (world / task.key / "images").iterdir()} == set(named)


def test_test_set(world):
    samples = read_input(world / "test" / "input.json")
    truths = read_ground_truth(world / "test" / "ground_truth.json")
    ids = read_ids(world / "test" / "ids.json")
    grades = read_json(world / "test" / "grades.json")
    assert list(samples) == list(truths) == list(ids) == list(grades) == [str(index) for index in range(9 * 12)]
    assert Counter(ids.values()) == dict.fromkeys(range(12), 9)
    assert Counter((ids[key], grades[key]) for key in ids) == {
        (task.id, grade): 3 for task in TASKS for grade in GRADES
    }
    assert len({ids[str(index)] for index in range(12)}) > 3, "tasks are shuffled"
    for sample_id, task_id in ids.items():
        kind = task_by_id(task_id).kind
        assert samples[sample_id].has_image == (kind == "image_to_text")
        assert bool(truths[sample_id].images) == (kind == "text_to_image")
        assert not set(samples[sample_id].images) & set(truths[sample_id].images)
    assert check_pictures(samples.values(), world / "test") == ()


def test_nothing_in_the_input_tells_task_grade_or_answer(world):
    raw = (world / "test" / "input.json").read_text(encoding="utf-8")
    assert not any(word in raw for word in [*GRADES, *(task.key for task in TASKS), "grade", "answer"])
    for sample_id, sample in read_input(world / "test" / "input.json").items():
        assert sample_id.isdigit()
        assert all(path.removeprefix("images/").removesuffix(".jpg").isdigit() for path in sample.images)


def test_pictures_are_jpeg_without_chroma_subsampling(world):
    picture = (world / "captioning" / "images" / "00001.jpg").read_bytes()
    assert picture[:2] == b"\xff\xd8"
    frame = picture.index(b"\xff\xc0")
    assert picture[frame + 11] == 0x11, "the luma component is sampled 1 x 1: 4:4:4"


def test_same_seed_writes_same_bytes(tmp_path):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_world(tmp_path / name, seed, Amounts(2, 1, 2), KEYS)

    def contents(name):
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return [(str(path.relative_to(tmp_path / name)), path.read_bytes()) for path in files]

    assert contents("one") == contents("same")
    assert contents("one") != contents("other")


def test_larger_world_begins_as_a_smaller_one(tmp_path, world):
    write_world(tmp_path / "small", 7, Amounts(5, 2, 0), ["vqa"])
    small, large = (read_input(root / "vqa" / "vqa_train.json") for root in (tmp_path / "small", world))
    assert all(large[sample_id] == sample for sample_id, sample in small.items())
    assert not (tmp_path / "small" / "test").exists()


@settings(max_examples=60)
@given(st.sampled_from(KEYS), st.integers(0, 10**9), st.sampled_from(["train", "val", "test"]), st.integers(0, 10**6))
def test_sample_depends_on_its_own_name_alone(key, seed, split, index):
    random.seed(index)
    drawn = draw(key, seed, split, index)
    draw(key, seed + 1, split, index)
    assert draw(key, seed, split, index) == drawn
    assert drawn.grade == GRADES[index % 3]
    assert all(answer == answer.strip() != "" for answer in drawn.answers)
    assert all(
        item.content == item.content.strip() and (item.content != "") == (item.type == "text") for item in drawn.items
    )


def test_splits_and_seeds_differ():
    def texts(seed, split):
        return [draw("captioning", seed, split, index).answers for index in range(20)]

    assert len({str(texts(seed, split)) for seed in (0, 1) for split in ("train", "val", "test")}) == 6


@pytest.mark.parametrize("key", ["captioning", "hidden4"])
def test_captioning_has_its_picture_second(key):
    for index in range(60):
        assert [item.type for item in draw(key, 0, "test", index).items] == ["text", "image"]


@pytest.mark.parametrize("key", ["generation", "hidden3"])
def test_generation_has_its_caption_second(key):
    lengths = Counter()
    for index in range(60):
        items = draw(key, 0, "test", index).items
        lengths[len(items)] += 1
        if len(items) == 2:
            assert items[0].content in INSTRUCTIONS[key]
    assert set(lengths) == {1, 2}


def test_pictures_belong_to_their_tasks():
    assert {type(draw(key, 0, "test", index).picture) for key in ("vqa", "generation") for index in range(9)} == {Scene}
    assert {
        type(draw(key, 0, "test", index).picture) for key in ("text_recognition", "hidden6") for index in range(9)
    } == {Sign}
    assert {
        draw(key, 0, "test", index).picture for key in ("textqa", "mathqa", "hidden1", "hidden2") for index in range(9)
    } == {None}


@pytest.mark.parametrize(
    ("items", "answers", "complaint"),
    [
        ((), ("да",), "no items"),
        ((text_item("Нарисуй."),), (), "neither a text answer nor a picture"),
    ],
)
def test_samples_that_ask_or_answer_nothing_are_refused(items, answers, complaint):
    with pytest.raises(ValueError, match=complaint):
        Drawn(items, answers, None, "test", "easy")


def test_command_line(tmp_path, capsys):
    out = str(tmp_path / "world")
    arguments = [
        "synthetic",
        "--output",
        out,
        "--train",
        "2",
        "--validation",
        "1",
        "--test",
        "1",
        "--tasks",
        "vqa,hidden6",
    ]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "world").iterdir()) == ["test", "vqa"]
    assert sorted(read_ids(tmp_path / "world" / "test" / "ids.json").values()) == [4, 11]
    assert capsys.readouterr() == ("", ""), "quiet when not at a terminal"
    assert main(arguments) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tasks", "vqa,poetry"], "poetry"),
        (["--grades", "easy,odd"], "--grades: there is no odd; name some of easy, middle, hard"),
        (["--tasks", "vqa,vqa"], "twice"),
    ],
)
def test_command_line_says_what_is_wrong(tmp_path, capsys, arguments, complaint):
    assert main(["synthetic", "--output", str(tmp_path / "world"), *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "world").exists()


def test_unknown_tasks_raise_the_contests_error(tmp_path):
    with pytest.raises(ContestError):
        write_world(tmp_path / "world", 0, AMOUNTS, ["poetry"])
