"""The text in a picture that is not square is read in several squares, after all first answers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import submission.scheduler as scheduler_module
from submission.crops import Reading, asks_what_is_written, best_readings
from submission.engine import Engine, Query
from submission.profiles import PROFILES, TUNED
from submission.squares import is_oblong, other_squares
from tests.submission.conftest import Finished, Start, Write, image, text
from tests.submission.test_resume import KILL
from tests.submission.test_sharding import assert_same_run, torchrun

BUNDLED = Path(__file__).parents[2] / "weights"
ASKED = "Что написано на картинке?"


@pytest.mark.parametrize(
    ("texts", "asks"),
    [
        ([ASKED], True),
        (["Распознай текст на картинке."], True),
        (["Прочитай надпись."], True),
        (["Какой текст написан на изображении?"], True),
        (["Какая надпись на фотографии?"], True),
        (["Выпиши текст с изображения."], True),
        (["Прочитай, что написано на вывеске."], True),
        (["Определи, какое слово изображено."], True),
        (["Что за текст на снимке?"], True),
        (["Перепиши текст, который видишь на картинке."], True),
        (["Посмотри на фото.", "ЧТО ЗДЕСЬ НАПИСАНО"], True),
        (["Что изображено на картинке?"], False),
        (["Какого цвета надпись?"], False),
        (["Сколько слов на вывеске?"], False),
        (["С какой буквы начинается слово?"], False),
        (["Что написано на картинке?", "a) стоп; b) вход"], False),
        (["Где это? Что написано на картинке?"], False),
        (["Прочитай текст и ответь на вопрос."], False),
        (["Определи слово, которое рифмуется с ним."], False),
        (["Назови число кругов на картинке."], False),
        (["слово " * 20 + ".", ASKED], False),
        ([], False),
        ([""], False),
    ],
)
def test_who_asks_what_is_written(texts: list[str], asks: bool) -> None:
    assert asks_what_is_written(texts) is asks


@pytest.mark.parametrize(
    ("size", "oblong"),
    [((60, 50), True), ((59, 50), False), ((50, 50), False), ((50, 60), True), ((1, 1), False), ((1, 3000), True)],
)
def test_a_picture_has_other_squares_where_it_is_not_nearly_square(size: tuple[int, int], oblong: bool) -> None:
    squares = other_squares(Image.new("RGB", size, (9, 9, 9)), 16)
    assert is_oblong(size) is oblong
    assert [tuple(square.shape) for square in squares] == [(3, 16, 16)] * (3 * oblong)


@pytest.mark.parametrize("tall", [False, True])
def test_the_squares_are_the_whole_and_both_ends(tall: bool) -> None:
    strip = Image.new("RGB", (48, 16), (0, 0, 0))
    for place, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        strip.paste(colour, (16 * place, 0, 16 * place + 16, 16))
    whole, first, last = other_squares(strip.transpose(Image.Transpose.TRANSPOSE) if tall else strip, 24)
    red, grey, blue = ([1.0, 0.0, 0.0], [1 / 3] * 3, [0.0, 0.0, 1.0])
    assert torch.allclose(first, torch.tensor(red)[:, None, None].expand(3, 24, 24))
    assert torch.allclose(last, torch.tensor(blue)[:, None, None].expand(3, 24, 24))
    lying = whole.transpose(1, 2) if tall else whole
    assert torch.allclose(lying[:, 12, [2, 21]].T, torch.tensor([red, blue]))
    assert torch.allclose(lying[:, [2, 21], 12].T, torch.tensor([grey, grey]), atol=0.01)  # padded with the mean


class Reader:
    """Says of codes what they are, and is the surer the larger they are."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, ids: Sequence[str], pixels: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [each.flatten()[:1] for each in pixels]

    def read(self, queries: Sequence[Query]) -> list[Reading]:
        self.batches.append(len(queries))
        codes = [float(query.codes) for query in queries if query.codes is not None]
        return [Reading(f"{code:g}", code if code >= 0 else float("-inf")) for code in codes]


def test_the_likeliest_reading_wins_and_of_equal_ones_the_first() -> None:
    def squares(*codes: float) -> list[torch.Tensor]:
        return [torch.tensor([[[code]]]) for code in codes]

    reader, queries = Reader(), [Query(name, (ASKED,), torch.tensor([3.0])) for name in "abcd"]
    queries[3] = replace(queries[3], codes=torch.tensor([-1.0]))  # nothing is read there
    found = best_readings(reader, queries, [squares(1, 5, 2), [], squares(3, 3, 3), squares(-2, -3, -4)])  # type: ignore[arg-type]
    assert found == ["5", "3", "3", "-1"]
    assert reader.batches == [4, 3, 3, 3]  # never more than a square of each


SIZES = {"wide": (90, 30), "tall": (30, 90), "square": (50, 50), "line": (3000, 1), "cut": (60, 50)}


@pytest.fixture
def source(write_input: Write) -> Path:
    content = {name: [image(f"images/{name}.png"), text(ASKED)] for name in SIZES}
    content["none"] = [image("images/none.png"), text(ASKED)]
    content["other"] = [image("images/wide.png"), text("Какого цвета?")]
    content["text"] = [text(ASKED)]
    folder = write_input(content)
    for number, (name, size) in enumerate(SIZES.items()):
        if name != "cut":
            picture = Image.effect_noise(size, 90).convert("RGB")
            picture.paste((40 * number, 200, 90), (0, 0, size[0] // 2, size[1]))
            picture.save(folder / "images" / f"{name}.png")
    return folder


def kinds(run: Finished) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record in run.journal[1:]:
        if record["phase"] == "answer":
            found.setdefault(record["id"], []).append("first" if "again" in record else "answer")
    return found


WEIGHTS = ("--weights", str(BUNDLED))


def test_first_answers_come_first_and_crops_afterwards_the_same_in_any_batch(
    submit: Start, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(source, *WEIGHTS, "--batch-size", "3")
    assert (run.status, run.report["profile"]["crops"]) == (1, True)
    assert {problem["sample_id"] for problem in run.report["problems"]} == {"cut", "none"}  # nothing new is said
    once = {name: ["answer"] for name in ("square", "other", "text")}
    assert kinds(run) == once | {name: ["first", "answer"] for name in ("wide", "tall", "line")}
    order = [record["id"] for record in run.journal[1:]]
    assert sorted(order[-3:]) == ["line", "tall", "wide"]  # when all have an answer, and "text" its picture
    assert run.report["phases"]["read crops"]["samples"] == 3
    one_by_one = submit(source, *WEIGHTS, "--batch-size", "1", output="again")
    assert one_by_one.predictions == run.predictions
    monkeypatch.setitem(PROFILES, "tuned", replace(TUNED, crops=False))
    plain = submit(source, *WEIGHTS, output="plain")
    assert "read crops" not in plain.report["phases"]
    differing = {name for name in run.predictions if run.predictions[name][0] != plain.predictions[name][0]}
    assert differing
    assert differing <= {"wide", "tall", "line", "cut"}


def test_a_killed_run_goes_on_to_the_same_readings(start: Start, submit: Start, source: Path) -> None:
    whole = submit(source, *WEIGHTS, "--batch-size", "2", output="whole")
    records = len(whole.journal) - 1
    killed = start(source, *WEIGHTS, "--batch-size", "2", sabotage=KILL.format(after=records - 1))
    assert killed.status == -9
    resumed = submit(source, *WEIGHTS, "--batch-size", "2")
    assert resumed.predictions == whole.predictions
    assert kinds(resumed) == kinds(whole)
    assert "read crops" not in submit(source, *WEIGHTS, "--batch-size", "2").report["phases"]


def test_a_picture_that_is_gone_by_then_leaves_the_first_answer(
    submit: Start, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    improve = scheduler_module.Scheduler._improve

    def without_picture(scheduler: Any) -> None:
        (source / "images" / "tall.png").unlink()
        improve(scheduler)

    monkeypatch.setattr(scheduler_module.Scheduler, "_improve", without_picture)
    run = submit(source, *WEIGHTS)
    (problem,) = [each for each in run.report["problems"] if each["phase"] == "read crops"]
    assert (problem["sample_id"], problem["instead"]) == ("tall", "its first answer stays")
    assert kinds(run)["tall"] == ["first"]
    assert kinds(run)["wide"] == ["first", "answer"]
    assert run.report["missing"] == {"answers": [], "pictures": []}


def test_nothing_is_read_again_where_all_pictures_are_square(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_input({str(number): [image("images/even.png"), text(ASKED)] for number in range(3)})
    Image.new("RGB", (50, 48), (9, 90, 9)).save(folder / "images" / "even.png")
    encode, encoded = Engine.encode, list[str]()
    monkeypatch.setattr(
        Engine, "encode", lambda engine, ids, pixels: (encoded.extend(ids), encode(engine, ids, pixels))[1]
    )
    run = submit(folder)
    assert (run.status, sorted(encoded)) == (0, ["0", "1", "2"])
    assert kinds(run) == {key: ["answer"] for key in "012"}


def test_the_published_inference_reads_one_square() -> None:
    assert {name: profile.crops for name, profile in PROFILES.items()} == {"tuned": True, "baseline": False}


@pytest.mark.slow
def test_several_processes_read_as_one_does(submit: Start, source: Path, tmp_path: Path) -> None:
    several = torchrun(2, BUNDLED, tmp_path / "several", source=source)
    assert_same_run(several, submit(source, *WEIGHTS, "--batch-size", "3", output="alone"))
