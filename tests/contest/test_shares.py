"""Which share of the work a host does, and whether all shares are there and belong together."""

import argparse
import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.shares import (
    Share,
    ShareError,
    at_work,
    begin_share,
    choose_share,
    read_share,
    read_shares,
    require_no_shares,
    take_file,
)

ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX")


def slurm(*values, step="1"):
    return {**dict(zip(ARRAY, values, strict=False)), "SLURM_ARRAY_TASK_STEP": step}


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, (0, 1)),
        (slurm("0", "4", "0", "3"), (0, 4)),
        (slurm("3", "4", "0", "3"), (3, 4)),
        (slurm("1", "4", "1", "4"), (0, 4)),
        (slurm("4", "4", "1", "4"), (3, 4)),
        (slurm("14", "3", "10", "18", step="4"), (1, 3)),
        (slurm("2", "3"), (2, 3)),
        ({"JOB_COMPLETION_INDEX": "5", "JOB_COMPLETION_COUNT": "6"}, (5, 6)),
        ({"SLURM_JOB_ID": "12"}, (0, 1)),
    ],
)
def test_environment_names_the_share(environment, share, capsys):
    chosen = choose_share(None, environment)
    assert (chosen.number, chosen.count) == share
    said = capsys.readouterr().err
    assert (f"share {share[0]}/{share[1]}, from " in said) == (share[1] > 1)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (slurm("3", "2", "1", "3"), "not evenly numbered"),  # --array=1,3
        (slurm("7", "3", "1", "7"), "not evenly numbered"),  # --array=1,2,7
        (slurm("3", "2", "0", "1"), "not evenly numbered"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_COUNT=''"),
        (slurm("x", "2"), "SLURM_ARRAY_TASK_ID='x'"),
        ({"JOB_COMPLETION_INDEX": "3"}, "JOB_COMPLETION_COUNT is not"),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETION_COUNT": "3"}, "no share 3/3"),
        ({"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETION_COUNT": "0"}, "no share 0/0"),
    ],
)
def test_environment_that_names_no_share_is_refused(environment, words):
    with pytest.raises(ShareError) as refused:
        choose_share(None, environment)
    assert words in str(refused.value)


def test_option_goes_before_the_environment(capsys):
    chosen = choose_share(read_share("0/1"), slurm("3", "4", "0", "3"))
    assert chosen.is_whole
    assert choose_share(read_share("1/2"), slurm("3", "4", "0", "3")) == Share(1, 2)
    assert capsys.readouterr().err == "share 1/2, from --shard\n"


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/4", "0/0", "1/2/3", "0/100000", "1 / 2", "٠/٢", "a/b"])
def test_bad_options_are_refused(text):
    if text == "٠/٢":  # digits of another script are digits
        assert read_share(text) == Share(0, 2)
        return
    with pytest.raises(argparse.ArgumentTypeError):
        read_share(text)


@given(st.integers(1, 50), st.integers(0, 500))
def test_shares_take_each_piece_once_and_evenly(count, pieces):
    taken = [[index for index in range(pieces) if Share(number, count).takes(index)] for number in range(count)]
    assert sorted(index for share in taken for index in share) == list(range(pieces))
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


@given(st.integers(1, 9), st.text())
def test_a_name_belongs_to_one_share(count, name):
    assert sum(Share(number, count).takes_key(name) for number in range(count)) == 1


def test_names_are_spread_by_a_rule_that_stays():
    assert [Share(number, 4).takes_key("images/1.jpg") for number in range(4)] == [False, False, True, False]
    counts = [sum(Share(number, 4).takes_key(str(name)) for name in range(4000)) for number in range(4)]
    assert all(900 < count < 1100 for count in counts)


def finished(output, count, **agreed):
    for number in range(count):
        record = begin_share(output, Share(number, count), "fetch")
        replace(record, ended="finished", agreed=agreed, result={"number": number}).write()
    return output


def test_shares_that_are_all_there_are_read_in_order(tmp_path):
    records = read_shares(finished(tmp_path, 11, seed=1), "fetch")
    assert [record.result["number"] for record in records] == list(range(11))


def edit(output, number, count, **changes):
    path = Share(number, count).folder(output) / "share.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def remove(output):
    shutil.rmtree(output / "share-00001-of-00003")


def copy_share(output):
    remove(output)
    shutil.copytree(output / "share-00000-of-00003", output / "share-00001-of-00003")


def add_foreign(output):
    shutil.copytree(output / "share-00000-of-00003", output / "share-00000-of-00002")
    edit(output, 0, 2, of=2)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove, "share 1/3: not there"),
        (copy_share, "share-00001-of-00003 holds share 0/3: that share is there twice"),
        (add_foreign, "is foreign: it is of 3 shares"),
        (lambda output: edit(output, 1, 3, ended=""), "share 1/3 has not ended"),
        (lambda output: edit(output, 1, 3, ended="time limit"), "share 1/3 ended early (time limit)"),
        (lambda output: edit(output, 2, 3, agreed={"seed": 2, "a": 3}), "share 2/3 differs from share 0/3 in a, seed"),
        (lambda output: edit(output, 2, 3, code={"fbc2": "0.9"}), "share 2/3 is of other code (fbc2 0.9"),
        (lambda output: edit(output, 2, 3, share="?"), "share.json is damaged"),
        (lambda output: (output / "share-00002-of-00003" / "share.json").unlink(), "the share was not begun"),
        (lambda output: [shutil.rmtree(path) for path in output.iterdir()], "holds no shares"),
    ],
)  # fmt: skip
def test_shares_that_do_not_belong_together_are_named(tmp_path, spoil, words):
    finished(tmp_path, 3, seed=1)
    spoil(tmp_path)
    with pytest.raises(ShareError) as refused:
        read_shares(tmp_path, "fetch")
    assert words in str(refused.value)


def test_another_number_of_shares_is_refused_from_the_start(tmp_path):
    finished(tmp_path, 3)
    with pytest.raises(ShareError, match="of another number of shares"):
        begin_share(tmp_path, Share(0, 4), "fetch")
    with pytest.raises(ShareError, match="all of the work is asked for"):
        require_no_shares(tmp_path)


def test_share_goes_on_with_the_code_it_was_begun_with(tmp_path):
    finished(tmp_path, 2)
    edit(tmp_path, 0, 2, code={"fbc2": "0.9", "source_sha256": "abc"})
    with pytest.raises(ShareError, match=r"begun by other code \(fbc2 0.9, source abc\)"):
        begin_share(tmp_path, Share(0, 2), "fetch")


def test_one_process_at_a_time_does_a_share(tmp_path):
    record = begin_share(tmp_path, Share(0, 2), "fetch")
    with at_work(record), pytest.raises(ShareError, match="is being done by another process"), at_work(record):
        pass
    with at_work(record):
        pass


def test_file_taken_from_a_share_is_the_same_and_links_stay_links(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "taken").write_text("old")
    take_file(tmp_path / "one", tmp_path / "taken")
    take_file(tmp_path / "link", tmp_path / "taken link")
    assert (tmp_path / "taken").read_text() == "1"
    assert (tmp_path / "taken link").readlink().name == "one"
