"""Tables by sample id are to their users what dicts and sets are, in a few bytes a sample."""

import copy
import pickle
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from benchmarks.run_memory import write_samples
from contest import spool as spool_module
from contest.stored_samples import stored_input, with_picture
from models.rudolph.likelihood import Likelihood
from submission import tables as tables_module
from submission.answer_options import AnswerOptions, Option
from submission.engine import FirstAsking
from submission.first_askings import FirstAskings
from submission.journal import Journal
from submission.recorded_images import CodesTable, ImageTable, JournalChangedError, JournalLine, RecordedImage
from submission.tables import LEAST_WASTE, CountsTable, IdSet, SampleIds, TextTable, Union, known_to

IDS = [f"sample{number}" for number in range(40)]
TEXTS = ["", "да", "дом 🙂", "\ud800", "x" * 3000]


@pytest.mark.parametrize("seed", range(5))
def test_a_text_table_is_a_dict(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "HELD_BYTES", 5000)
    rng, ids = random.Random(seed), SampleIds(IDS[:10], tmp_path if seed % 2 else None)
    table, expected = TextTable(ids), {}
    copies: list[tuple[TextTable, dict[str, str]]] = []
    for step in range(600):
        key = rng.choice(IDS)
        if rng.random() < 0.8:
            table[key] = expected[key] = rng.choice(TEXTS)
        elif key in expected:
            del table[key], expected[key]
        else:
            with pytest.raises(KeyError):
                del table[key]
        if step % 150 == 7:
            copies.append((table.copy(), dict(expected)))
        assert (table.get(key), key in table, len(table)) == (expected.get(key), key in expected, len(expected))
    assert table == expected
    assert list(table) == [key for key in ids if key in expected]
    assert all(copy == before for copy, before in copies)
    assert "nobody" not in table
    assert "nobody" not in list(ids)


def test_replaced_texts_are_dropped() -> None:
    table = TextTable(SampleIds())
    for number in range(1000):
        table["0"], table["1"] = f"{number}" + "x" * 1000, "stays"
    assert table == {"0": "999" + "x" * 1000, "1": "stays"}
    assert table.spool.size <= 2 * LEAST_WASTE


def interrupted(work: Callable[[], object], line: int) -> None:
    """Do some work on tables, which an exception interrupts before a line, counted from 0, if it has as many."""
    left, before = line, sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in (tables_module.__file__, spool_module.__file__):
            return None
        left -= event == "line"
        if left < 0:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_is_interrupted_loses_no_other_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(spool_module, "HELD_BYTES", 100)
    monkeypatch.setattr(tables_module, "LEAST_WASTE", 0)  # what is replaced is dropped as often as can be
    rng, ids = random.Random(seed), SampleIds(IDS[:10], tmp_path)
    table, members, expected = TextTable(ids), IdSet(ids), dict[str, str]()
    for step in range(300):
        key, text, line = rng.choice(IDS[:15]), f"{step} " + "x" * rng.randrange(60), rng.randrange(600)
        if rng.random() < 0.8:
            interrupted(lambda key=key, text=text: table.__setitem__(key, text), line)  # type: ignore[misc]
            assert table.get(key) in (expected.get(key), text)
            interrupted(lambda key=key: members.add(key), line // 25)  # type: ignore[misc]
        else:
            interrupted(lambda key=key: table.pop(key, None), line)  # type: ignore[misc]
            assert table.get(key) in (expected.get(key), None)
            interrupted(lambda key=key: members.discard(key), line // 25)  # type: ignore[misc]
        expected.pop(key, None)
        if key in table:
            expected[key] = table[key]
        assert (table, len(table), len(members)) == (expected, len(expected), len(list(members)))
        if step % 50 == 7:
            kept, before = table.copy(), dict(expected)
    assert kept == before
    assert table.spool.size < 2000  # it has moved, where nobody interrupted that


ASKING = FirstAsking(
    AnswerOptions((Option("а", "да"), Option("", "нет \ud800")), ("Это дом?", "🙂"), "yes or no", "cut here"),
    (Likelihood(-1 / 3, 2), Likelihood(float("-inf"), 0)),
)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (FirstAskings, [ASKING, FirstAsking(AnswerOptions((Option("1", "x"),), (), "marked"), ())]),  # type: ignore[arg-type]
        (CountsTable, [{"дом": 2, "": 1, "\ud800": 1}, {}]),
    ],
)
def test_values_come_back_from_their_bytes(table: type[FirstAskings], values: list[FirstAsking]) -> None:
    kept = table(SampleIds())
    kept.update((str(number), value) for number, value in enumerate(values))
    assert list(kept.values()) == values
    assert [list(value) for value in kept.values() if isinstance(value, dict)] == [  # in their order
        list(value) for value in values if isinstance(value, dict)
    ]


@pytest.mark.parametrize("codes", [[], [0, 8191], [5, 40_000]])
def test_codes_come_back_from_their_bytes(codes: list[int]) -> None:
    table = CodesTable(SampleIds(["a"]))
    table["a"] = torch.tensor(codes, dtype=torch.int64)
    assert table["a"].tolist() == codes
    assert table["a"].element_size() == (4 if 40_000 in codes else 2)
    table["a"][:] = 0  # a copy
    assert table.pop("a").tolist() == codes
    assert not table


def test_samples_are_chosen_by_what_tables_know(tmp_path: Path) -> None:
    write_samples(tmp_path / "input", 6, 0.5)
    with stored_input(tmp_path / "input/input.json") as found:
        samples = found.samples
        for source in (samples, list(samples)):  # by their rows, and by their ids
            ids = SampleIds(samples.ids)
            members, texts = IdSet(ids, (samples[row].id for row in (1, 4))), TextTable(ids)
            texts[samples[5].id] = "x"
            assert [each.id[-1] for each in known_to(members, source)] == ["1", "4"]
            assert [each.id[-1] for each in known_to(members, source[3:], False)] == ["3", "5"]
            assert [each.id[-1] for each in known_to(texts, source)] == ["5"]
            assert [each.id[-1] for each in with_picture(source)] == ["1", "3", "5"]
            assert [each.id[-1] for each in with_picture(source[2:], False)] == ["2", "4"]
        assert {type(copy.deepcopy(samples[1].id)), type(pickle.loads(pickle.dumps(samples[1].id)))} == {str}
        others = samples.only([5, 2])  # have rows of their own
        assert [ids.known_row(each.id) for each in others] == [5, 2]
        assert [SampleIds(others.ids).known_row(samples[row].id) for row in range(6)] == [-1, -1, 1, -1, -1, 0]
        assert [(each.id[-1], each.has_image, each.texts) for each in others] == [
            ("5", True, samples[5].texts), ("2", False, samples[2].texts)]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_an_id_set_is_a_set(seed: int) -> None:
    rng, members, expected = random.Random(seed), IdSet(SampleIds(IDS[:10]), IDS[5:15]), set(IDS[5:15])
    for _ in range(200):
        key = rng.choice(IDS)
        members.add(key)
        expected.add(key)
        if rng.random() < 0.5:
            members.discard(key)
            expected.discard(key)
        assert (key in members, len(members)) == (key in expected, len(expected))
    assert members == expected
    assert members | {"more"} == expected | {"more"}
    assert members - expected == set()
    both = Union(members, {"more", *IDS[:3]}, frozenset(IDS[:20]))
    everything = expected | {"more", *IDS[:20]}
    assert (set(both), len(both), "more" in both, "nobody" in both) == (everything, len(everything), True, False)


def test_pictures_are_read_where_they_stand(tmp_path: Path) -> None:
    table, rows = ImageTable(SampleIds(["a"])), {"a": [7, 40_000], "b": [], "c": [1, 2, 3]}
    with Journal(tmp_path) as journal:
        journal.resume({"seed": 0})
        for number, (key, codes) in enumerate(rows.items()):
            image = RecordedImage(torch.tensor(codes, dtype=torch.int64), 2**32 - 1 - number, number + 1)
            journal.add_image(key, image)
            assert image.line is not None
            table[key] = image
        table["held"] = RecordedImage(torch.tensor([5]), 9)  # no journal has it
        known = journal.resume({"seed": 0}, table.ids)
    assert {key: image.codes.tolist() for key, image in table.items()} == {**rows, "held": [5]}
    assert [(image.crc, image.num_images) for image in table.values()][2] == (2**32 - 3, 3)
    assert {key: image.codes.tolist() for key, image in known.images.items()} == rows
    del table["b"], table["held"]
    assert (list(table), len(table), "b" in table, table.get("held")) == (["a", "c"], 2, False, None)

    path = tmp_path / "journal.jsonl"
    for text in (path.read_bytes()[:-1].replace(b"4294967293", b"1"), path.read_bytes()[:40], None):
        path.write_bytes(text) if text is not None else path.unlink()
        with pytest.raises(JournalChangedError, match=r"journal\.jsonl: a picture's line at byte \d+ can not be read"):
            _ = table["c"].codes


@pytest.mark.parametrize(
    "record",
    [
        '"codes": [1, true], "crc32": 5, "draws": 1',
        '"codes": [1, -1], "crc32": 5, "draws": 1',
        '"codes": [1, 2147483648], "crc32": 5, "draws": 1',
        '"codes": [1], "crc32": -5, "draws": 1',
        '"codes": [1], "crc32": 4294967296, "draws": 1',
        '"codes": [1], "crc32": 5, "draws": 4294967296',
    ],
)
def test_records_that_no_run_writes_end_a_journal(tmp_path: Path, record: str) -> None:
    with Journal(tmp_path) as journal:
        journal.resume({"seed": 0})
        journal.add_image("a", RecordedImage(torch.tensor([1]), 5))
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write(f'{{"phase": "draw", "id": "b", {record}}}\n')
    with Journal(tmp_path) as journal:
        assert list(journal.resume({"seed": 0}).images) == ["a"]


def test_a_line_names_its_place() -> None:
    with pytest.raises(JournalChangedError, match="at byte 3"):
        JournalLine(Path("/nowhere/journal.jsonl"), 3).codes(0)
