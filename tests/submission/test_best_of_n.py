"""Several pictures a sample: the first of all samples first, then the best of more, ranked by the model itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import submission.deadline as deadline_module
import submission.engine as engine_module
from models.pixels import to_bytes
from models.ruclip import RuCLIP
from models.vqgan import load_vqgan
from submission.engine import Engine
from submission.planning import rounds
from tests.submission.conftest import Finished, Start, Write, image, look_the_same, text

RUCLIP = Path(__file__).resolve().parents[2] / "weights" / "ruclip"
SAMPLES = {
    "0": [text("красный дом стоит на горе и смотрит на реку")],
    "1": [image("images/red.png"), text("Что лежит под столом?")],
    "2": [text("дом")],
}


def drawn(run: Finished) -> list[tuple[str, int]]:
    return [(record["id"], record["draws"]) for record in run.journal[1:] if record["phase"] == "draw"]


def codes(run: Finished) -> dict[str, Any]:
    return {record["id"]: record["codes"] for record in run.journal[1:] if record["phase"] == "draw"}


@pytest.mark.parametrize(("draws", "stops"), [(1, []), (2, [2]), (4, [4]), (6, [4, 6]), (9, [4, 8, 9])])
def test_draws_come_in_rounds(draws: int, stops: list[int]) -> None:
    assert rounds(draws) == stops


def test_first_pictures_come_first(submit: Start, write_input: Write) -> None:
    run = submit(write_input(SAMPLES), "--draws", "6")
    assert run.status == 0, run.stderr
    assert drawn(run) == [("0", 1), ("2", 1), ("2", 4), ("0", 4), ("2", 6), ("0", 6)]  # then the shorter text first
    assert run.report["phases"]["improve"]["samples"] == 4
    assert run.report["phases"]["improve"]["steps"] == 2 * 5 * 36
    once = submit(write_input(SAMPLES), output="once")
    assert [items[0] for items in run.predictions.values()] == [items[0] for items in once.predictions.values()]
    assert run.pictures == once.pictures


def test_the_picture_that_is_ranked_best_is_written(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def choose(scorer: Any, texts: list[str], candidates: Any) -> Any:
        for asked, of_one in zip(texts, candidates, strict=True):
            seen[asked] = of_one
        return candidates[:, 2], [2] * len(texts)

    once = submit(write_input(SAMPLES), output="once")
    monkeypatch.setattr(engine_module, "choose", choose)
    run = submit(write_input(SAMPLES), "--draws", "3")
    assert set(seen) == {"дом", SAMPLES["0"][0]["content"]}
    of_two = seen["дом"]
    assert of_two.shape == (3, 36)
    assert of_two[0].tolist() == codes(once)["2"]  # the first draw is the one that a run without more would have made
    assert codes(run)["2"] == of_two[2].tolist()
    assert not look_the_same(run.output / "images" / "image_2.jpg", once.output / "images" / "image_2.jpg")


def test_ruclip_ranks_the_draws_where_it_is_given(
    submit: Start, write_input: Write, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[str, tuple[torch.Tensor, int]] = {}
    real = engine_module.choose

    def choose(scorer: Any, texts: list[str], candidates: torch.Tensor) -> Any:
        best, numbers = real(scorer, texts, candidates)
        chosen.update({text: (of_one, number) for text, of_one, number in zip(texts, candidates, numbers, strict=True)})
        return best, numbers

    monkeypatch.setattr(engine_module, "choose", choose)
    run = submit(write_input(SAMPLES), "--draws", "5", "--ruclip", str(RUCLIP))
    assert run.status == 0, run.stderr
    clip, vqgan = RuCLIP.from_directory(RUCLIP), load_vqgan(weights / "vqgan")
    assert run.report["ruclip_sha256"] == clip.weights_sha256
    for text_asked, (candidates, number) in chosen.items():
        pictures = [Image.fromarray(pixels) for pixels in to_bytes(vqgan.decode(candidates))]
        of_pictures = clip.image_latents(torch.stack([clip.preprocess(picture) for picture in pictures]))
        cosines = of_pictures @ clip.text_latents([text_asked])[0]
        assert cosines[number] == pytest.approx(cosines.max().item(), abs=1e-6)
    assert len(chosen) == 2


def test_a_missing_ruclip_is_named(submit: Start, write_input: Write, tmp_path: Path) -> None:
    run = submit(write_input(SAMPLES), "--draws", "2", "--ruclip", str(tmp_path / "none"))
    assert run.status == 2
    assert str(tmp_path / "none") in run.stderr
    assert set(run.predictions) == set(SAMPLES)


def test_more_draws_go_on_from_fewer(submit: Start, write_input: Write) -> None:
    source = write_input(SAMPLES)
    whole = submit(source, "--draws", "6", output="whole")
    for draws in ("1", "4", "6", "6"):
        run = submit(source, "--draws", draws)
    assert codes(run) == codes(whole)
    assert drawn(run) == drawn(whole)
    assert run.predictions == whole.predictions
    for name in whole.pictures:
        assert look_the_same(run.output / "images" / name, whole.output / "images" / name)


def test_a_draw_that_fails_leaves_the_first_picture(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = submit(write_input(SAMPLES), output="once")

    def fail(*arguments: Any) -> Any:
        raise RuntimeError("no more paint")

    monkeypatch.setattr(Engine, "best_of_n", fail)
    run = submit(write_input(SAMPLES), "--draws", "2")
    assert run.status == 1
    assert run.predictions == once.predictions
    assert "its first picture stays" in run.stderr
    assert run.report["missing"] == {"answers": [], "pictures": []}


def test_a_budget_is_spent_on_more_draws(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = [0.0]
    now = deadline_module.time.monotonic

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now() + sum(ahead)

    improve = Engine.best_of_n

    def slow(engine: Engine, *arguments: Any) -> Any:
        ahead.append(1500.0)
        return improve(engine, *arguments)

    monkeypatch.setattr(deadline_module, "time", Clock)
    monkeypatch.setattr(Engine, "best_of_n", slow)
    run = submit(write_input(SAMPLES), "--time-limit", "100000", "--time-budget", "4000", "--batch-size", "1")
    assert run.status == 0, run.stderr
    assert run.report["ended"] == "finished"
    assert drawn(run) == [("0", 1), ("2", 1), ("2", 4), ("0", 4), ("2", 8)]


def test_a_budget_that_is_over_leaves_the_draws_that_were_asked_for(submit: Start, write_input: Write) -> None:
    run = submit(write_input({"2": SAMPLES["2"]}), "--draws", "2", "--time-budget", "0.001")
    assert (run.status, drawn(run)) == (0, [("2", 1), ("2", 2)])


@pytest.mark.parametrize("option", ["--draws=0", "--draws=65", "--draws=x", "--time-budget=0", "--time-budget=nan"])
def test_numbers_that_are_none_are_refused(submit: Start, write_input: Write, option: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        submit(write_input(SAMPLES), option)
    assert stopped.value.code == 2
