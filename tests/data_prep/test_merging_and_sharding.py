"""Several folders become one, folders become shards: every sample arrives, pictures and all, and a leak is refused."""

import pytest

from contest.shards import find_shards, read_pictures, read_shard
from data_prep import sharding
from data_prep.__main__ import main
from tests.data_prep.conversions import ConvertedFolder, convert, paint, write_document, write_lines


@pytest.fixture
def sets(tmp_path):
    """Two sets of signs with a picture of the same name, and one of questions."""
    for name, colour, texts in (
        ("start", "red", {"a.jpg": "АПТЕКА"}),
        ("sberidp", "blue", {"a.jpg": "ХЛЕБ", "b.jpg": "24"}),
    ):
        for place, file in enumerate(texts):
            paint(tmp_path / f"{name}_images" / file, colour, size=(20 + place, 10))
        table = write_document(tmp_path / f"{name}.json", texts)
        convert(tmp_path / name, name, table, "--images", tmp_path / f"{name}_images", "--validation-share", 0)
    row = {"id": 1, "context": "Живёт в Твери.", "question": "Где?", "answers": [{"text": "в Твери"}]}
    convert(tmp_path / "sberquad", "sberquad", write_lines(tmp_path / "q.jsonl", [row]), "--validation-share", 1)
    return [tmp_path / name for name in ("start", "sberidp", "sberquad")]


def merged(tmp_path, sets):
    out = tmp_path / "merged"
    assert main(["merge", *map(str, sets), "--output", str(out)]) == 0
    return out


def test_all_samples_arrive_with_pictures_and_groups(tmp_path, sets, capsys):
    out = merged(tmp_path, sets)
    assert "text_recognition train: 3 samples\n" in capsys.readouterr().out
    made = ConvertedFolder(0, "", "", out)
    signs = made.task("text_recognition")
    assert [truth.texts for _, truth, _ in signs] == [("АПТЕКА",), ("ХЛЕБ",), ("24",)]
    assert [source["group"] for _, _, source in signs] == ["start:a.jpg", "sberidp:a.jpg", "sberidp:b.jpg"]
    pictures = [item.content for items, _, _ in signs for item in items if item.type == "image"]
    assert pictures == ["images/0_a.jpg", "images/1_a.jpg", "images/1_b.jpg"]
    contents = {(out / "text_recognition" / name).read_bytes() for name in pictures}
    assert len(contents) == 3
    assert len(made.task("textqa", "val")) == 1
    assert made.task("textqa", "train") == []
    assert main(["check", str(out)]) == 0


def nested(tmp_path, *names):
    """A task folder with two pictures of different colours at these places in it."""
    folder = tmp_path / "nested" / "generation"
    for name, colour in zip(names, ("red", "blue"), strict=True):
        paint(folder / name, colour)
    prompts = {str(i): [{"type": "text", "content": name}] for i, name in enumerate(names)}
    write_document(folder / "generation_train.json", prompts)
    answers = {str(i): [{"type": "image", "content": name}] for i, name in enumerate(names)}
    write_document(folder / "generation_train_answer.json", answers)
    for part in ("", "_answer"):
        write_document(folder / f"generation_val{part}.json", {})
    return folder.parent


def test_pictures_of_one_name_in_two_folders_stay_two(tmp_path):
    out = merged(tmp_path, [nested(tmp_path, "images/a/1.png", "images/b/1.png")])
    pictures = [truth.images[0] for _, truth, _ in ConvertedFolder(0, "", "", out).task("generation")]
    assert pictures == ["images/0_a_1.png", "images/0_b_1.png"]
    assert len({(out / "generation" / name).read_bytes() for name in pictures}) == 2


def test_two_pictures_that_would_get_one_name_are_refused(tmp_path, capsys):
    folder = nested(tmp_path, "images/a/1.png", "images/a_1.png")
    assert main(["merge", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "images/a_1.png: another picture is called 0_a_1.png too" in capsys.readouterr().err


def test_merging_writes_over_nothing(tmp_path, sets):
    out = merged(tmp_path, sets)
    assert main(["merge", *map(str, sets), "--output", str(out)]) == 2


def test_document_on_both_sides_is_refused(tmp_path, sets, capsys):
    row = {"id": 2, "context": "Живёт в Твери.", "question": "Кто?", "answers": [{"text": "живёт"}]}
    convert(tmp_path / "other", "sberquad", write_lines(tmp_path / "o.jsonl", [row]), "--validation-share", 0)
    assert main(["merge", str(sets[2]), str(tmp_path / "other"), "--output", str(tmp_path / "out")]) == 2
    assert "stands in training and in validation" in capsys.readouterr().err
    assert not (tmp_path / "out" / "textqa").exists()


@pytest.mark.parametrize("beside", [False, True])
def test_shards_hold_the_folder_s_samples(tmp_path, sets, beside):
    folder, out = merged(tmp_path, sets), tmp_path / "shards"
    arguments = ["--rows", "2", *(["--pictures-beside"] if beside else [])]
    assert main(["shards", str(folder), "--output", str(out), *arguments]) == 0
    files = find_shards(out / "text_recognition", "text_recognition", "train")
    assert [file.name for file in files] == [f"text_recognition_train-0000{i}-of-00002.parquet" for i in range(2)]
    rows = [row for file in files for row in read_shard(file, "text_recognition")]
    assert [row.truth.texts for row in rows] == [("АПТЕКА",), ("ХЛЕБ",), ("24",)]
    data = [data for file in files for _, data in read_pictures(file, range(2))]
    for row, packed in zip(rows, data, strict=True):
        original = (folder / "text_recognition" / row.sample.images[0]).read_bytes()
        assert packed == (None if beside else original)
        assert (out / "text_recognition" / row.sample.images[0]).exists() is beside
    assert find_shards(out / "textqa", "textqa", "train") == []
    assert len(find_shards(out / "textqa", "textqa", "val")) == 1


def test_shards_go_on_after_a_kill(tmp_path, sets, monkeypatch):
    folder, out = merged(tmp_path, sets), tmp_path / "shards"
    whole, written = sharding.write_shard, []

    def dies(path, task, rows):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        whole(path, task, rows)

    with monkeypatch.context() as patch:
        patch.setattr(sharding, "write_shard", dies)
        assert main(["shards", str(folder), "--output", str(out), "--rows", "1"]) == 130
    first = written[0].stat().st_mtime_ns
    assert main(["shards", str(folder), "--output", str(out), "--rows", "1"]) == 0
    assert written[0].stat().st_mtime_ns == first
    rows = [
        row.truth.texts
        for file in find_shards(out / "text_recognition", "text_recognition", "train")
        for row in read_shard(file, "text_recognition")
    ]
    assert rows == [("АПТЕКА",), ("ХЛЕБ",), ("24",)]


def test_faulty_folder_is_refused_before_anything_is_written(tmp_path, sets, capsys):
    (sets[0] / "text_recognition" / "text_recognition_train_answer.json").write_text("{}", "utf-8")
    for command in ("merge", "shards"):
        assert main([command, str(sets[0]), "--output", str(tmp_path / command)]) == 2
        assert "sample 0 has no answer" in capsys.readouterr().err
    assert not list((tmp_path / "shards").rglob("*.parquet"))
    with pytest.raises(SystemExit, match="2"):
        main(["shards", str(sets[2]), "--output", str(tmp_path / "s"), "--rows", "0"])
    assert "argument --rows: must be a whole number from 1, not '0'" in capsys.readouterr().err
    assert main(["shards", str(tmp_path), "--output", str(tmp_path / "s")]) == 2
    assert "has several folders of text_recognition: merge them first" in capsys.readouterr().err
