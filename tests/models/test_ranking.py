"""Ranking and zero-shot classification: the published API's numbers, and the laws of the scores."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.ranking import classify, mean_perplexity, rank_images, rank_texts, scaled_scores
from models.rudolph.vocabulary import Vocabulary

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
CLASSES = ["кошка", "собака", "дом", "красный поезд", "луна"]
TEXTS = ["кошка", "красный дом", "собака бежит", "море", "поезд едет"]


def api_calls(name: str) -> list[dict[str, Any]]:
    return [
        call for call in json.loads((GOLDEN / "inference_golden.json").read_text())["api_calls"] if call["name"] == name
    ]


def close(found: Tensor, expected: list[float], relative: float = 1e-4) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=relative)


@pytest.fixture(scope="module")
def codes() -> Tensor:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        return torch.from_numpy(arrays["rudolph_api/codebooks"])  # [5, I]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_pictures_ranked_by_a_text_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, codes: Tensor, batch: int
) -> None:
    (call,) = api_calls("ru-dolph self_reranking_by_text")
    ranking = rank_images(golden_rudolph, golden_vocabulary, "красный дом", codes, batch=batch)
    close(ranking.text_perplexity, call["result"][0])
    close(ranking.image_perplexity, call["result"][1])
    close(ranking.scores, call["result"][2])
    assert ranking.best(3) == [2, 0, 3]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_texts_ranked_by_a_picture_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor, batch: int
) -> None:
    (call,) = api_calls("ru-dolph self_reranking_by_image")
    ranking = rank_texts(golden_rudolph, golden_vocabulary, TEXTS, golden_picture, batch=batch)
    close(ranking.text_perplexity, call["result"][0])
    close(ranking.image_perplexity, call["result"][1])
    close(ranking.scores, call["result"][2])
    assert ranking.best(2) == [0, 3]


def test_zero_shot_classes_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor
) -> None:
    expected = api_calls("ru-dolph zs_clf")[1]["result"]
    found = classify(golden_rudolph, golden_vocabulary, CLASSES, golden_picture)
    assert (found.label, found.name) == (expected["label"], expected["class"])
    close(found.scores, expected["scores"])


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 9])
def test_a_class_s_perplexity_does_not_depend_on_the_batch(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor, batch: int
) -> None:
    """The published code crashed where a chunk was smaller, and scored later chunks with the first one's left texts."""

    def run(names: list[str], size: int) -> Tensor:
        return classify(
            golden_rudolph,
            golden_vocabulary,
            names,
            golden_picture,
            right_template="на картинке {}",
            left_template="{}",
            batch=size,
        ).perplexity

    close(run(CLASSES, batch), [float(run([name], 1)) for name in CLASSES])


def test_perplexity_is_the_mean_of_exponents_over_counted_positions() -> None:
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.25, 0.75]]]))
    assert mean_perplexity(logits, torch.tensor([[1, 1, 1]])).tolist() == pytest.approx([(2 + 10 + 4 / 3) / 3])
    assert mean_perplexity(logits, torch.tensor([[1, 0, 1]]), ignored=0).tolist() == pytest.approx([(2 + 4 / 3) / 2])
    assert math.isnan(mean_perplexity(logits, torch.tensor([[0, 0, 0]]), ignored=0).item())


@pytest.mark.parametrize(
    ("text", "image", "weight", "expected"),
    [
        ([1.0, 2.0, 4.0], [5.0, 7.0, 6.0], 0.5, [0.0, 1.5, 2.0]),  # minimum 0, median 1 in each
        ([3.0], [4.0], 0.95, [0.0]),  # a single candidate: the published scaling gives NaN
        ([2.0, 2.0, 2.0], [1.0, 3.0, 2.0], 0.0, [0.0, 2.0, 1.0]),
        ([2.0, 2.0, 4.0], [1.0, 1.0, 1.0], 1.0, [0.0, 0.0, 1.0]),  # median at the minimum: scaled by the maximum
    ],
)
def test_scores(text: list[float], image: list[float], weight: float, expected: list[float]) -> None:
    assert scaled_scores(torch.tensor(text), torch.tensor(image), weight).tolist() == pytest.approx(expected)


perplexities = st.lists(st.floats(1.0, 1e6, width=32), min_size=1, max_size=9)


@settings(deadline=None)
@given(perplexities, st.floats(0.0, 1.0), st.data())
def test_scores_are_finite_not_negative_and_follow_a_reordering(
    values: list[float], weight: float, data: st.DataObject
) -> None:
    order = torch.tensor(data.draw(st.permutations(range(len(values)))))
    text = torch.tensor(values)
    image = text.flip(0)
    scores = scaled_scores(text, image, weight)
    assert bool((scores >= 0).all())
    assert bool(scores.isfinite().all())
    torch.testing.assert_close(scaled_scores(text[order], image[order], weight), scores[order])


def test_nothing_to_rank_is_an_error(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor
) -> None:
    with pytest.raises(ValueError, match="no texts"):
        rank_texts(golden_rudolph, golden_vocabulary, [], golden_picture)
    with pytest.raises(ValueError, match="no pictures"):
        rank_images(golden_rudolph, golden_vocabulary, "дом", golden_picture[None][:0])
    with pytest.raises(ValueError, match="no classes"):
        classify(golden_rudolph, golden_vocabulary, [], golden_picture)
