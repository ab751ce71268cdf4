"""The bundled tiny models: small, strictly loadable, and able to do on fresh samples what their card says they can."""

from pathlib import Path

import pytest
import torch

from data_prep.synthetic.captions import captions
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.world import draw
from data_prep.synthetic.writer import paint
from models.pixels import to_pixels
from submission.engine import Engine, Query
from submission.loading import Networks, load_networks
from submission.profiles import TUNED

WEIGHTS = Path(__file__).parents[1] / "weights"
FRESH_SEED = 4711
SAMPLES = 30


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(WEIGHTS, torch.device("cpu"), torch.float32)


def test_the_three_models_take_at_most_12_mb() -> None:
    files = [WEIGHTS / "bpe.model", *(WEIGHTS / "vqgan").iterdir(), *(WEIGHTS / "rudolph").iterdir()]
    assert sum(file.stat().st_size for file in files) <= 12_000_000


@pytest.mark.parametrize(
    ("task", "least"), [("textqa", 0.95), ("mathqa", 0.9), ("vqa", 0.9), ("captioning", 0.9), ("text_recognition", 0.9)]
)
def test_easy_samples_are_answered(networks: Networks, task: str, least: float) -> None:
    """Exact match on samples of the easy grade; drawn from a seed that no training used. The same on every run."""
    drawn = [draw(task, FRESH_SEED, "test", 3 * index) for index in range(SAMPLES)]
    assert {sample.grade for sample in drawn} == {"easy"}
    engine = Engine(networks, TUNED, seed=0)
    queries = []
    for index, sample in enumerate(drawn):
        codes = None
        if sample.picture is not None:
            (codes,) = engine.encode([str(index)], [to_pixels(paint(sample.picture), networks.side)])
        texts = tuple(item.content for item in sample.items if item.type == "text")
        queries.append(Query(str(index), texts, codes))
    answers = [said.text for said in engine.answer(queries)]
    right = [
        answer.lower() in {reference.lower() for reference in sample.answers}
        for answer, sample in zip(answers, drawn, strict=True)
    ]
    assert sum(right) / len(right) >= least, answers


def test_easy_prompts_are_drawn(networks: Networks) -> None:
    """A round trip: the model's caption of its own drawing is one of those that the scene asked for has."""
    scenes, queries = [], []
    for index in range(SAMPLES):
        sample = draw("generation", FRESH_SEED, "test", 3 * index)
        assert isinstance(sample.picture, Scene)
        scenes.append(sample.picture)
        queries.append(Query(str(index), tuple(item.content for item in sample.items)))
    engine = Engine(networks, TUNED, seed=0)
    drawn = enumerate(engine.generate(queries))
    asked = [Query(str(index), ("Опиши изображение.",), drawing.codes) for index, drawing in drawn]
    told = [said.text for said in engine.answer(asked)]
    right = [text.lower() in map(str.lower, captions(scene)) for text, scene in zip(told, scenes, strict=True)]
    assert sum(right) / len(right) >= 0.7, told
