"""Best of several pictures: draws of their own, the first of which is the single draw, and the choice among them."""

import math

import pytest
import torch
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.best_of_n import best_indices, best_of_n_uniforms, choose, perplexity_scorer
from models.rudolph.decoding import NonFiniteLogitsError, generate_image, generate_images
from models.rudolph.ranking import rank_images
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.vocabulary import Vocabulary

WARM = Sampling(temperature=1.2, top_k=60, top_p=0.95)
IDS = ["a", "b", "c"]
TEXTS = ["красный дом", "кошка", "поезд"]


@pytest.fixture(scope="module")
def left(golden_vocabulary: Vocabulary) -> Tensor:
    return torch.stack([golden_vocabulary.encode_left(text) for text in TEXTS])


def numbers(model: Rudolph, draws: range, ids: list[str] = IDS) -> Tensor:
    return best_of_n_uniforms(7, ids, "image", model.config.image_seq_length, draws)


def test_random_numbers_of_a_draw_are_its_own_and_those_of_draw_0_are_the_single_draw_s() -> None:
    drawn = best_of_n_uniforms(7, IDS, "image", 9, range(5))
    assert drawn.shape == (3, 5, 9)
    assert torch.equal(drawn[:, 0], uniforms(7, IDS, "image", 9))
    assert torch.equal(best_of_n_uniforms(7, ["c"], "image", 9, range(2, 4))[0], drawn[2, 2:4])
    assert len({tuple(row) for row in drawn.flatten(0, 1).tolist()}) == 15


def test_draw_0_of_several_is_the_single_draw(golden_rudolph: Rudolph, left: Tensor) -> None:
    single = generate_image(
        golden_rudolph, left, WARM, uniforms(7, IDS, "image", golden_rudolph.config.image_seq_length)
    )
    for draws in (1, 2, 5):
        several = generate_images(golden_rudolph, left, WARM, numbers(golden_rudolph, range(draws)))
        assert several.shape == (3, draws, golden_rudolph.config.image_seq_length)
        assert torch.equal(several[:, 0], single)


def test_a_draw_depends_on_neither_the_other_draws_nor_the_other_samples(golden_rudolph: Rudolph, left: Tensor) -> None:
    together = generate_images(golden_rudolph, left, WARM, numbers(golden_rudolph, range(6)))
    assert len({tuple(row) for row in together.flatten(0, 1).tolist()}) == 18
    later = generate_images(golden_rudolph, left, WARM, numbers(golden_rudolph, range(4, 6)))
    assert torch.equal(later, together[:, 4:])
    alone = generate_images(golden_rudolph, left[1:2], WARM, numbers(golden_rudolph, range(3), IDS[1:2]))
    assert torch.equal(alone, together[1:2, :3])


def test_a_prompt_holds_in_every_draw(golden_rudolph: Rudolph, left: Tensor) -> None:
    free = numbers(golden_rudolph, range(2))
    prompt = torch.full(free.shape, -1)
    prompt[1, 1, :4] = torch.tensor([5, 6, 7, 8])
    drawn = generate_images(golden_rudolph, left, WARM, free, prompt=prompt)
    assert drawn[1, 1, :4].tolist() == [5, 6, 7, 8]
    without = generate_images(golden_rudolph, left, WARM, free)
    assert torch.equal(drawn[[0, 2]], without[[0, 2]])


@pytest.mark.parametrize("draws", [1, 3])
def test_an_overflow_names_the_sample(golden_rudolph: Rudolph, left: Tensor, draws: int) -> None:
    model = Rudolph(golden_rudolph.config).eval()
    model.load_state_dict(golden_rudolph.state_dict())
    model.text_embeddings.weight.data[7] = float("inf")
    broken = left.clone()
    broken[1, 4] = 7
    with pytest.raises(NonFiniteLogitsError, match=r"rows \[1\]"):
        generate_images(model, broken, WARM, numbers(model, range(draws)))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[3.0, 1.0, 2.0]], [1]),
        ([[1.0, 1.0], [2.0, 1.0]], [0, 1]),  # of equals the first
        ([[math.nan, 5.0]], [1]),
        ([[math.nan, math.nan]], [0]),
        ([[math.inf, math.nan, -math.inf]], [2]),
    ],
)
def test_which_draw_is_the_best(scores: list[list[float]], expected: list[int]) -> None:
    assert best_indices(torch.tensor(scores)) == expected


def test_the_best_by_the_model_s_own_perplexity(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, left: Tensor
) -> None:
    codes = generate_images(golden_rudolph, left, WARM, numbers(golden_rudolph, range(4)))
    chosen, which = choose(perplexity_scorer(golden_rudolph, golden_vocabulary, batch=3), TEXTS, codes)
    best = [
        rank_images(golden_rudolph, golden_vocabulary, text, of).best(1)[0]
        for text, of in zip(TEXTS, codes, strict=True)
    ]
    assert which == best
    assert torch.equal(chosen, torch.stack([of[number] for of, number in zip(codes, best, strict=True)]))


def test_any_scorer_will_do_and_a_single_draw_needs_none() -> None:
    asked: list[list[str]] = []

    def sum_of_codes(texts: list[str], codes: Tensor) -> Tensor:
        asked.append(list(texts))
        return codes.sum(-1).float()

    codes = torch.tensor([[[3, 3], [1, 0], [2, 2]], [[0, 0], [9, 9], [0, 0]]])
    chosen, which = choose(sum_of_codes, ["x", "y"], codes)  # type: ignore[arg-type]
    assert (chosen.tolist(), which) == ([[1, 0], [0, 0]], [1, 0])
    chosen, which = choose(sum_of_codes, ["x", "y"], codes[:, 2:])  # type: ignore[arg-type]
    assert (chosen.tolist(), which) == ([[2, 2], [0, 0]], [0, 0])
    assert asked == [["x", "y"]]


def test_a_scorer_that_answers_in_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"scores must have shape \[2, 3\], not \[2\]"):
        choose(lambda texts, codes: torch.zeros(2), ["x", "y"], torch.zeros(2, 3, 4))
