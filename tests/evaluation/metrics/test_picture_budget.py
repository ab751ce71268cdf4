"""Pictures that a submission drew are decoded within a budget of pixels, in every part of the evaluation."""

from pathlib import Path

import pytest
from PIL import ImageFile

from contest.limits import PIXELS_A_SAMPLE
from evaluation.metrics.cases import Case
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.generation import Generation
from evaluation.report.samples import Album
from tests.evaluation.metrics.cases import GOLDEN
from tests.evaluation.metrics.fake_clip import FakeClip
from tests.evaluation.metrics.fake_features import MeanColour
from tests.evaluation.metrics.picture_cases import image, picture_cases, text
from tests.picture_bombs import png_of_zeros

SAMPLES, FREE, SIDE = 12, 3_000_000, 2000
AFFORDED = (FREE + SAMPLES * PIXELS_A_SAMPLE) // SIDE**2


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the large pictures that are decoded, as they are."""
    names: list[str] = []
    load = ImageFile.ImageFile.load

    def noting(picture: ImageFile.ImageFile) -> object:
        if picture.size == (SIDE, SIDE) and picture.tile:
            names.append(Path(str(picture.filename)).name)
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", noting)
    monkeypatch.setattr("contest.decoding.FREE_PIXELS", FREE)
    return names


def bombs(folder: Path) -> list[Case]:
    """Cases of generation whose answers are large pictures and whose references are not."""
    (folder / "images").mkdir()
    bomb = png_of_zeros(SIDE, SIDE)
    for number in range(SAMPLES):
        (folder / "images" / f"{number}.png").write_bytes(bomb)
    (folder / "images" / "truth.png").write_bytes((GOLDEN / "images" / "00000.png").read_bytes())
    asked = {str(number): [text("Нарисуй."), text("кот")] for number in range(SAMPLES)}
    answers = {key: [text("кот"), image(f"{key}.png")] for key in asked}
    return picture_cases(asked, answers, dict.fromkeys(asked, "images/truth.png"), folder)


def test_strict_names_what_it_does_not_decode(tmp_path: Path, decoded: list[str]) -> None:
    cases = bombs(tmp_path)
    metric = Generation(mode="strict", clip=FakeClip(), features=MeanColour())
    metric.update(cases, range(SAMPLES))
    assert decoded == [f"{number}.png" for number in range(AFFORDED)] * 2, "for ruCLIP and for the distance"
    named = [note.sample_id for note in metric.result().notes if "PICTURES_TOO_LARGE_IN_ALL" in note.message]
    assert named == [str(number) for number in range(AFFORDED, SAMPLES)]


def test_official_stops_there(tmp_path: Path, decoded: list[str]) -> None:
    for case in (cases := bombs(tmp_path)):
        (tmp_path / "images" / f"truth{case.id}.png").write_bytes((tmp_path / "images" / "truth.png").read_bytes())
    asked = {case.id: [text("Нарисуй."), text("кот")] for case in cases}
    answers = {key: [text("кот"), image(f"{key}.png")] for key in asked}
    truths = {key: f"images/truth{key}.png" for key in asked}
    metric = Generation(mode="official", clip=FakeClip(), features=MeanColour())
    with pytest.raises(AttemptAbortedError, match="PICTURES_TOO_LARGE_IN_ALL"):
        metric.update(picture_cases(asked, answers, truths, tmp_path), range(SAMPLES))
    assert len(decoded) == 2 * AFFORDED


def test_thumbnails_have_a_budget_too(tmp_path: Path, decoded: list[str]) -> None:
    bombs(tmp_path)
    album = Album(pixels=2 * SIDE**2)
    made = [album.picture(tmp_path, f"images/{number}.png", follow_links=False) for number in range(SAMPLES)]
    assert decoded == ["0.png", "1.png"]
    assert [picture.uri is not None for picture in made] == [True] * 2 + [False] * (SAMPLES - 2)
    assert made[2].problem == "all pictures together have more pixels than are decoded of them: images/2.png"
