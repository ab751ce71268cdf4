"""Sampling: the published filters, draws that are never out of range or filtered out, random numbers of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rudolph.sampling import (
    LARGEST_UNIFORM,
    Sampling,
    filtered_probabilities,
    sample_token,
    sample_token_and_tie,
    uniforms,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
CASES = json.loads((GOLDEN / "inference_golden.json").read_text())["filter"]
TIED = {
    1,
    2,
}  # rows whose likeliest tokens tie: which of these survive top-p is not defined, how many is (ours: low ids)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['top_k']}-{case['top_p']}-{case['temperature']}")
def test_published_filters(case: dict) -> None:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        logits, expected = torch.from_numpy(arrays["filter/logits"]), arrays[case["key"]]
    sampling = Sampling(case["temperature"], case["top_k"], case["top_p"])
    probabilities = filtered_probabilities(logits, sampling)
    assert (probabilities > 0).sum(-1).tolist() == case["kept"]
    np.testing.assert_allclose(probabilities.sort().values.numpy(), np.sort(expected), atol=1e-6)
    for row in set(range(len(expected))) - TIED:
        np.testing.assert_allclose(probabilities[row].numpy(), expected[row], atol=1e-6)


@pytest.mark.parametrize(
    ("sampling", "logits", "expected"),
    [
        (Sampling(top_k=2), [1.0, 3.0, 2.0, 2.0], [0, 1, 1, 1]),  # a tie with the k-th is kept
        (Sampling(top_k=9), [1.0, 3.0], [1, 1]),  # k beyond the vocabulary keeps all
        (Sampling(top_p=0.0), [1.0, 3.0, 2.0], [0, 1, 0]),  # at least one token
        (Sampling(top_p=0.5), [0.0, 0.0, -99.0], [1, 1, 0]),  # mass equal to p does not exceed it
        (Sampling(top_p=0.4), [0.0, 1.0, 1.0], [0, 1, 0]),  # of equals, the lower id
        (Sampling(top_k=2, top_p=0.6), [0.0, 0.0, 0.0, -9.0], [1, 1, 0, 0]),  # p counts the mass left by k
        (Sampling(temperature=0.01, top_p=0.99), [0.0, 0.1], [0, 1]),  # temperature comes first
    ],
)
def test_which_tokens_survive(sampling: Sampling, logits: list[float], expected: list[int]) -> None:
    probabilities = filtered_probabilities(torch.tensor([logits]), sampling)[0]
    assert (probabilities > 0).int().tolist() == expected
    assert probabilities.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("uniform", "expected"),
    [(0.0, 1), (0.2499, 1), (0.25, 2), (0.7499, 2), (0.75, 4), (LARGEST_UNIFORM, 4), (1.0, 4)],
)
def test_inverse_cdf_runs_in_the_order_of_the_ids(uniform: float, expected: int) -> None:
    logits = torch.tensor([[0.0, 0.25, 0.5, 0.0, 0.25, 0.0]]).log()
    assert sample_token(logits, Sampling(), torch.tensor([uniform])).tolist() == [expected]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_greedy_is_argmax_with_the_first_of_equals(dtype: torch.dtype) -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0], [5.0, 5.0, 5.0], [0.0, -1.0, 1.0]], dtype=dtype)
    assert sample_token(logits, Sampling(top_k=1, top_p=0.3), torch.tensor([0.99, 0.99, 0.0])).tolist() == [1, 0, 2]


def filtered_by_sorting_all(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The filters as their definitions say: every token sorted, those of equal probability by their ids."""
    scores = logits / sampling.temperature
    if 0 < sampling.top_k < scores.shape[-1]:
        scores[scores < scores.topk(sampling.top_k).values[..., -1:]] = float("-inf")
    ordered, ids = scores.softmax(-1).sort(descending=True, stable=True)
    before = torch.cat((torch.zeros_like(ordered[..., :1]), ordered.cumsum(-1)[..., :-1]), dim=-1)
    kept = torch.zeros_like(ordered).scatter(-1, ids, ordered.where(before <= sampling.top_p, 0.0))
    return kept / kept.sum(-1, keepdim=True)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(2, 200),
    levels=st.sampled_from([1, 2, 5, 1000]),
    top_k=st.integers(0, 220),
    top_p=st.floats(0.0, 0.999),
)
def test_sorting_only_the_likeliest_filters_as_sorting_all_does(
    seed: int, n: int, levels: int, top_k: int, top_p: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(0, levels, (3, n), generator=generator) / levels * 4.0  # few levels: many ties
    sampling = Sampling(1.0, top_k, top_p)
    assert torch.equal(filtered_probabilities(logits, sampling), filtered_by_sorting_all(logits.clone(), sampling))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.sampled_from([512, 513, 777, 1024, 1104]),
    kind=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64]),
    spread=st.floats(0.1, 10.0),
    top_k=st.sampled_from([0, 1, 2, 9, 70, 256, 511, 512, 1024]),
    top_p=st.sampled_from([0.0, 0.5, 0.9, 0.975, 0.999999, 1.0]),
)
def test_numpy_and_torch_sort_to_the_same_draws(
    seed: int, n: int, kind: torch.dtype, spread: float, top_k: int, top_p: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(3, n, generator=generator) * spread).to(kind)  # whole numbers: many ties
    logits, before = logits if kind.is_floating_point else logits.float(), logits.clone()
    sampling, numbers = Sampling(0.7, top_k, top_p), torch.rand(3, generator=generator)
    found = []
    for fewest in (512, 2000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("models.rudolph.sampling.FEWEST_SORTED", fewest)
            found.append((filtered_probabilities(logits, sampling), *sample_token_and_tie(logits, sampling, numbers)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(logits, before.to(logits.dtype))


def test_numpy_is_asked_for_no_few_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("partition", "sort"):
        original = getattr(np, name)
        monkeypatch.setattr(
            f"models.rudolph.sampling.np.{name}",
            lambda *args, name=name, original=original, **given: (asked.append(name), original(*args, **given))[1],
        )
    for n, top_k, expected in (
        (1024, 256, ["partition", "sort"]),
        (1024, 0, ["sort"]),
        (1024, 64, []),
        (8192, 256, []),
        (511, 256, []),
        (16384, 32, []),
        (8192, 1024, ["partition", "sort"]),
    ):
        asked.clear()
        filtered_probabilities(torch.randn(1, n), Sampling(1.0, top_k, 0.9))
        assert asked == expected


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 300),
    uniform=st.sampled_from([0.0, 1e-8, 0.5, LARGEST_UNIFORM, 1.0]) | st.floats(0.0, 1.0, width=32),
    top_k=st.integers(0, 400),
    top_p=st.floats(0.0, 1.0),
    spread=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_a_draw_is_always_a_token_that_survived(
    seed: int, n: int, uniform: float, top_k: int, top_p: float, spread: float
) -> None:
    logits = torch.randn(2, n, generator=torch.Generator().manual_seed(seed)) * spread
    sampling = Sampling(top_k=top_k, top_p=top_p)
    drawn = sample_token(logits, sampling, torch.full((2,), uniform))
    assert (filtered_probabilities(logits, sampling).gather(1, drawn[:, None]) > 0).all()


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(20_000, -1)
    numbers = uniforms(1, [str(i) for i in range(20_000)], "text", 1)[:, 0]
    share = sample_token(logits, Sampling(), numbers).bincount() / 20_000
    torch.testing.assert_close(share, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.01, rtol=0)


def test_a_row_without_numbers_still_gives_an_index_in_range() -> None:
    assert sample_token(torch.full((1, 5), float("nan")), Sampling(top_p=0.9), torch.tensor([0.5])).item() in range(5)


def test_random_numbers_depend_on_seed_stream_sample_and_step_alone() -> None:
    numbers = uniforms(7, ["a", "b", "c"], "image", 9)
    assert numbers.dtype == torch.float32
    assert numbers.shape == (3, 9)
    assert torch.equal(uniforms(7, ["c", "a"], "image", 9), numbers[[2, 0]])
    assert torch.equal(uniforms(7, ["b"], "image", 4), numbers[1:2, :4])
    for other in (uniforms(8, ["a"], "image", 9), uniforms(7, ["a"], "text", 9), uniforms(7, ["A"], "image", 9)):
        assert not torch.equal(other, numbers[:1])


def test_random_numbers_are_the_same_everywhere_and_for_ever() -> None:
    expected = [[0.38379967212677, 0.3248647451400757, 0.9376925230026245]]
    assert uniforms(0, ["sample"], "image", 3).tolist() == expected


def test_random_numbers_are_uniform_and_below_one() -> None:
    numbers = uniforms(3, [f"id {i}" for i in range(500)], "text", 100)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.01)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"temperature": 0.0}, "temperature must be positive.*top_k=1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": -1}, "top_k must not be negative"),
        ({"top_p": 1.1}, "top_p must lie in"),
        ({"top_p": float("nan")}, "top_p must lie in"),
    ],
)
def test_impossible_settings_are_refused(keywords: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Sampling(**keywords)


@pytest.mark.parametrize(
    ("uniform", "dtype", "drawn", "is_tie"),
    [
        (0.0, torch.float32, 0, False),
        (0.2499, torch.float32, 0, False),
        (0.25 - 1e-6, torch.float32, 0, True),
        (0.25 + 1e-6, torch.float32, 1, True),
        (0.2501, torch.float32, 1, False),
        (0.26, torch.float16, 1, True),
        (0.30, torch.float16, 1, False),
        (0.40, torch.bfloat16, 1, True),
        (LARGEST_UNIFORM, torch.float32, 3, False),
    ],
)
def test_a_number_at_the_edge_of_an_interval_is_a_near_tie(
    uniform: float, dtype: torch.dtype, drawn: int, is_tie: bool
) -> None:
    logits, numbers = torch.zeros(1, 4, dtype=dtype), torch.tensor([uniform])
    for token in (sample_token(logits, Sampling(), numbers), sample_token_and_tie(logits, Sampling(), numbers)[0]):
        assert token.tolist() == [drawn]
    assert sample_token_and_tie(logits, Sampling(), numbers)[1].tolist() == [is_tie]
    assert sample_token_and_tie(logits.float(), Sampling(), numbers, logits.dtype)[1].tolist() == [is_tie]


@pytest.mark.parametrize(
    ("second", "dtype", "is_tie"),
    [
        (1.0, torch.float32, True),
        (1.0 - 1e-5, torch.float32, True),
        (1.0 - 1e-4, torch.float32, False),
        (0.9, torch.float16, True),
        (0.5, torch.float16, False),
    ],
)
def test_two_logits_that_rounding_can_swap_are_a_near_tie(second: float, dtype: torch.dtype, is_tie: bool) -> None:
    logits = torch.tensor([[0.0, 1.0, second], [3.0, 0.0, 0.0]], dtype=dtype)
    drawn, ties = sample_token_and_tie(logits, Sampling(top_k=1), torch.zeros(2))
    assert drawn.tolist() == [1, 0]
    assert ties.tolist() == [is_tie, False]
