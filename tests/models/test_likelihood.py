"""Candidates behind one prefill are scored as the full forward pass scores each of them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.rudolph import Rudolph, load_rudolph
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.likelihood import Likelihood, log_likelihoods
from models.rudolph.vocabulary import BOS, EOS

BUNDLED = Path(__file__).parents[2] / "weights" / "rudolph"


@pytest.fixture(scope="module", params=["golden", "bundled"])
def model(request: pytest.FixtureRequest, golden_rudolph: Rudolph) -> Rudolph:
    return golden_rudolph if request.param == "golden" else load_rudolph(BUNDLED, torch.device("cpu"), torch.float32)


def template(model: Rudolph) -> list[int]:
    return [BOS, model.config.bpe_vocab + 1]


def inputs(model: Rudolph, batch: int) -> tuple[Tensor, Tensor]:
    config, generator = model.config, torch.Generator().manual_seed(7)
    left = torch.randint(0, config.bpe_vocab, (batch, config.l_text_seq_length), generator=generator)
    codes = torch.randint(0, config.image_vocab_size, (batch, config.image_seq_length), generator=generator)
    return left, codes


def candidates(model: Rudolph, lengths: list[list[int]]) -> list[list[list[int]]]:
    generator = torch.Generator().manual_seed(3)
    return [
        [[*torch.randint(4, model.config.bpe_vocab, (length,), generator=generator).tolist(), EOS] for length in sample]
        for sample in lengths
    ]


@torch.no_grad()
def by_the_full_pass(model: Rudolph, left: Tensor, codes: Tensor, candidate: list[int]) -> float:
    ids = torch.cat([left, codes, torch.tensor([*template(model), *candidate])])[None]
    before = model.config.prefix_length + len(template(model)) - 1
    logits = model(ids)[0, before : before + len(candidate), : model.config.bpe_vocab]
    return float(logits.log_softmax(-1).gather(-1, torch.tensor(candidate)[:, None]).sum())


# Of samples with no candidate, one, and more than a pass takes, short and as long as an answer may be.
LENGTHS = [[3, 1, 2], [], [5], [0, 6, 6, 6, 2, 1, 4, 3, 5, 6, 6], [7, 7], [2]]


@pytest.mark.parametrize("texts", [[0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 1, 2]])
def test_one_prefill_gives_what_the_full_forward_pass_gives(model: Rudolph, texts: list[int]) -> None:
    left, codes = inputs(model, len(LENGTHS))
    left = left[texts]
    wanted = candidates(model, LENGTHS)
    found = log_likelihoods(model, left, codes, template(model), wanted)
    assert [len(sample) for sample in found] == [len(sample) for sample in LENGTHS]
    for row, sample in enumerate(wanted):
        for candidate, likelihood in zip(sample, found[row], strict=True):
            assert likelihood.tokens == len(candidate)
            expected = by_the_full_pass(model, left[row], codes[row], candidate)
            assert likelihood.total == pytest.approx(expected, abs=1e-4)
            assert likelihood.mean == pytest.approx(expected / len(candidate), abs=1e-4)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_batch_changes_nothing(model: Rudolph, batch: int) -> None:
    left, codes = inputs(model, len(LENGTHS))
    wanted = candidates(model, LENGTHS)
    whole = log_likelihoods(model, left, codes, template(model), wanted)
    parts: list[list[Likelihood]] = []
    for start in range(0, len(LENGTHS), batch):
        rows = slice(start, start + batch)
        parts += log_likelihoods(model, left[rows], codes[rows], template(model), wanted[rows])
    for one, other in zip(whole, parts, strict=True):
        assert [each.total for each in one] == pytest.approx([each.total for each in other], abs=1e-4)


def test_left_text_and_picture_are_read_once_whatever_is_asked(model: Rudolph, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[tuple[int, int]] = []
    forward = model.transformer.forward
    monkeypatch.setattr(
        model.transformer,
        "forward",
        lambda x, *given, **options: (tokens.append((x.shape[0], x.shape[1])), forward(x, *given, **options))[1],
    )
    room = model.config.r_text_seq_length - 2
    left, codes = inputs(model, 2)
    log_likelihoods(model, left, codes, template(model), candidates(model, [[1, 1, 1], [2]]))
    prefill = model.config.prefix_length + 2
    assert tokens == [(2, prefill), (2, 6)]  # three candidates of two ids are one row
    tokens.clear()
    log_likelihoods(model, left, codes, template(model), candidates(model, [[room - 1, room - 1, 0], [2]]))
    assert tokens == [(2, prefill), (2, room), (1, room), (1, 1)]  # who has no more candidates leaves the batch


def test_the_cache_is_no_larger_than_that_of_an_answer(model: Rudolph, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    from models.rudolph import likelihood

    cache = likelihood.DenseCache
    monkeypatch.setattr(
        likelihood,
        "DenseCache",
        lambda transformer, batch, positions: sizes.append(positions) or cache(transformer, batch, positions),
    )
    left, codes = inputs(model, 1)
    log_likelihoods(model, left, codes, template(model), candidates(model, [[model.config.r_text_seq_length - 3] * 9]))
    assert sizes == [model.config.total_seq_length]


def test_no_candidates_at_all_cost_nothing(model: Rudolph) -> None:
    left, codes = inputs(model, 2)
    assert log_likelihoods(model, left, codes, template(model), [[], [[]]]) == [[], [Likelihood(0.0, 0)]]
    assert Likelihood(0.0, 0).mean == 0.0


@pytest.mark.parametrize(("ids", "message"), [([4] * 1000, "at most"), ([-1], "must lie in"), ([10**6], "must lie in")])
def test_candidates_that_no_answer_could_be_are_refused(model: Rudolph, ids: list[int], message: str) -> None:
    left, codes = inputs(model, 1)
    with pytest.raises(ValueError, match=message):
        log_likelihoods(model, left, codes, template(model), [[ids]])


def test_wrong_shapes_are_refused(model: Rudolph) -> None:
    left, codes = inputs(model, 2)
    with pytest.raises(ValueError, match="codes must have shape"):
        log_likelihoods(model, left, codes[:1], template(model), [[], []])


def test_an_overflow_names_its_row(model: Rudolph, monkeypatch: pytest.MonkeyPatch) -> None:
    left, codes = inputs(model, 3)
    linear = model.to_logits[1]
    assert isinstance(linear, nn.Linear)
    token = 5
    monkeypatch.setattr(model.text_embeddings.weight, "data", model.text_embeddings.weight.data.clone())
    model.text_embeddings.weight.data[token] = float("inf")
    wanted = [[[4, EOS]], [[token, EOS]], [[4, EOS]]]
    left[left == token] = 6
    with pytest.raises(NonFiniteLogitsError) as caught:
        log_likelihoods(model, left, codes, template(model), wanted)
    assert caught.value.rows == (1,)
