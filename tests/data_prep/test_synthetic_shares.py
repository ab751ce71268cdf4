"""The synthetic world in shares, as on several hosts: merged, it is to the byte what one process writes."""

import json
import shutil

import pytest

from data_prep.__main__ import main
from tests.data_prep.conversions import convert, tree

AMOUNTS = ("--train", 7, "--validation", 3, "--test", 4)
TASKS = ("--tasks", "textqa,captioning,text_recognition,hidden3,hidden6,drill_vqa")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The world of one process."""
    folder = tmp_path_factory.mktemp("alone") / "out"
    assert main(["synthetic", "--output", str(folder), *map(str, (*AMOUNTS, *TASKS))]) == 0
    return tree(folder)


def share(out, number, count, *options):
    return main([*map(str, ("synthetic", "--output", out, *AMOUNTS, *TASKS, "--shard", f"{number}/{count}", *options))])


def visible(folder):
    """The files but for the shares."""
    return {name: data for name, data in tree(folder).items() if not name.startswith(".")}


@pytest.mark.parametrize("count", [2, 5])
def test_merged_shares_are_the_bytes_of_one_world(tmp_path, alone, count, capsys):
    out = tmp_path / "out"
    for number in range(count):
        assert share(out, number, count) == 0
    assert f"share {count - 1}/{count} is done" in capsys.readouterr().out
    assert main(["merge", "--output", str(out)]) == 0
    assert visible(out) == alone
    assert sorted(path.name for path in out.iterdir() if path.is_dir() and path.name[0] == ".") == [".synthetic.shares"]
    pictures = [len(list(folder.rglob("*.jpg"))) for folder in (out / ".synthetic.shares").iterdir()]
    assert sum(pictures) == len([name for name in alone if name.endswith(".jpg")])
    assert max(pictures) - min(pictures) <= 4, "one of each of the four folders with pictures"
    assert main(["merge", "--output", str(out)]) == 2, "the folders are there already"
    assert "captioning exists already" in capsys.readouterr().err


def test_killed_share_goes_on_where_it_was(tmp_path, alone, monkeypatch, capsys):
    from data_prep.synthetic import writer

    paint, painted = writer.paint, []

    def dying(picture):
        if len(painted) == 5:
            raise KeyboardInterrupt
        painted.append(picture)
        return paint(picture)

    out = tmp_path / "out"
    assert share(out, 0, 2) == 0
    with monkeypatch.context() as patch:
        patch.setattr(writer, "paint", dying)
        assert share(out, 1, 2) == 130
    assert "a share goes on from here" in capsys.readouterr().err
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 has not ended, or was killed" in capsys.readouterr().err
    monkeypatch.setattr(writer, "paint", lambda picture: (painted.append(picture), paint(picture))[1])
    assert share(out, 1, 2) == 0
    own = list((out / ".synthetic.shares/share-00001-of-00002").rglob("*.jpg"))
    assert len(painted) == len(own), "none was painted twice"
    assert main(["merge", "--output", str(out)]) == 0
    assert visible(out) == alone


def test_killed_merge_is_done_again(tmp_path, alone, monkeypatch):
    from data_prep.synthetic import shares

    out = tmp_path / "out"
    for number in range(2):
        assert share(out, number, 2) == 0
    replace, moved = shares.os.replace, []

    def dying(source, target):
        if len(moved) in (0, 3):
            moved.append("killed")
            raise KeyboardInterrupt
        moved.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("data_prep.synthetic.shares.os.replace", dying)
        assert [main(["merge", "--output", str(out)]) for _ in range(2)] == [130, 130]
    assert main(["merge", "--output", str(out)]) == 0
    assert visible(out) == alone


def test_what_does_not_belong_is_named(tmp_path, capsys):
    out = tmp_path / "out"
    assert share(out, 0, 2) == 0
    assert share(out, 0, 2, "--seed", 1) == 2
    assert "share 0/2 was begun with another seed" in capsys.readouterr().err
    assert share(out, 1, 2, "--seed", 1) == 0
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 differs from share 0/2 in seed" in capsys.readouterr().err
    assert convert(out, "synthetic", *AMOUNTS, *TASKS).status == 2
    shutil.rmtree(out / ".synthetic.shares/share-00001-of-00002")
    assert share(out, 1, 2) == 0
    world = out / ".synthetic.shares/share-00001-of-00002/world"
    texts = world / "textqa/textqa_train.json"
    before = texts.read_text()
    texts.write_text(json.dumps({**json.loads(before), "0": []}))
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 has other texts" in capsys.readouterr().err
    texts.write_text(before)
    next(iter(sorted(world.rglob("*.jpg")))).unlink()
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 lacks pictures: it has" in capsys.readouterr().err
    assert visible(out) == {}


def test_world_and_a_source_are_merged_together(tmp_path):
    from tests.data_prep.conversions import write_lines
    from tests.data_prep.test_pipeline import question

    out, rows = tmp_path / "out", write_lines(tmp_path / "rows.jsonl", [question(i) for i in range(300)])
    amounts = ("--train", "2", "--validation", "0", "--test", "0", "--tasks", "vqa")
    for number in ("0/2", "1/2"):
        assert main(["synthetic", "--output", str(out), *amounts, "--shard", number]) == 0
        assert main(["sberquad", str(rows), "--output", str(out), "--shard", number]) == 0
    assert main(["merge", "--output", str(out)]) == 0
    assert sorted({name.partition("/")[0] for name in visible(out)}) == ["textqa", "vqa"]
