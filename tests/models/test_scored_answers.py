"""Answers kept to a graph of tokens: always a path of it, beside others that are free; and how likely they are."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.counting import Counting
from models.rudolph import Rudolph
from models.rudolph.decoding import answer
from models.rudolph.likelihood import log_likelihoods
from models.rudolph.sampling import Sampling
from models.rudolph.scored_answers import NO_NODE, ScoredAnswer, TokenGraph, scored_answers
from models.rudolph.vocabulary import BOS, EOS

GREEDY, FREE = Sampling(top_k=1), Sampling(temperature=1.5, top_k=60, top_p=0.95)
# Words 10 11, 12, 13 14 15 and 12 again, one behind the other, at most two of them.
WORDS = ((10, 11), (12,), (13, 14, 15), (12,))
PATHS = {(10, 11), (12,), (13, 14, 15), (10, 11, 12), (12, 13, 14, 15), (13, 14, 15, 12)}


def line(words: tuple[tuple[int, ...], ...] = WORDS, most_words: int = 2) -> TokenGraph:
    nodes = [(token, place == 0, place == len(word) - 1) for word in words for place, token in enumerate(word)]
    ids, begins, ends = zip(*nodes, strict=True)
    before = tuple((place - 1 if place else NO_NODE, NO_NODE) for place in range(len(ids)))
    return TokenGraph(ids, before, begins, ends, begins, most_words)


def asked(model: Rudolph, batch: int, steps: int = 9) -> tuple[Tensor, Tensor, list[int], Tensor]:
    config, generator = model.config, torch.Generator().manual_seed(11)
    left = torch.randint(4, config.bpe_vocab, (batch, config.l_text_seq_length), generator=generator)
    codes = torch.randint(0, config.image_vocab_size, (batch, config.image_seq_length), generator=generator)
    return left, codes, [BOS, config.bpe_vocab + 1], torch.rand(batch, steps, generator=generator)


def ask(
    model: Rudolph, graphs: list[TokenGraph | None], rows: slice = slice(None), steps: int = 9, how: Sampling = FREE
) -> list[ScoredAnswer]:
    left, codes, template, numbers = asked(model, len(graphs), steps)
    allowed = slice(EOS, model.config.bpe_vocab)
    return scored_answers(
        model, left[rows], codes[rows], template, how, numbers[rows], allowed=allowed, token_graphs=graphs[rows]
    )


def test_an_answer_is_a_path_of_its_graph_and_others_are_as_they_were(golden_rudolph: Rudolph) -> None:
    graphs = [line() if row % 3 else None for row in range(48)]
    said = ask(golden_rudolph, graphs)
    left, codes, template, numbers = asked(golden_rudolph, len(graphs))
    free = answer(golden_rudolph, left, codes, template, FREE, numbers, allowed=slice(EOS, 256))
    paths = [tuple(each.ids[:-1]) for each, graph in zip(said, graphs, strict=True) if graph is not None]
    assert set(paths) == PATHS  # and each of them comes
    for each, graph, ids in zip(said, graphs, free, strict=True):
        if graph is None:
            assert (each.ids, each.departed) == (ids, False)
        else:
            assert each.ids[-1] == EOS
            assert each.departed == (each.ids != ids)


@pytest.mark.parametrize("size", [1, 5])
def test_batches_change_no_answer(golden_rudolph: Rudolph, size: int) -> None:
    graphs = [line() if row % 3 else None for row in range(12)]
    whole = ask(golden_rudolph, graphs)
    parts = [each for start in range(0, 12, size) for each in ask(golden_rudolph, graphs, slice(start, start + size))]
    for one, other in zip(whole, parts, strict=True):
        assert (one.ids, one.departed) == (other.ids, other.departed)
        assert one.likelihood.total == pytest.approx(other.likelihood.total, abs=1e-3)


def test_a_score_is_what_the_likelihood_of_the_answer_is(golden_rudolph: Rudolph) -> None:
    graphs = [line(), None, line(), None]
    left, codes, template, numbers = asked(golden_rudolph, 4)
    said = scored_answers(
        golden_rudolph,
        left,
        codes,
        template,
        FREE,
        numbers,
        allowed=slice(golden_rudolph.config.bpe_vocab),
        token_graphs=graphs,
    )
    found = log_likelihoods(golden_rudolph, left, codes, template, [[each.ids] for each in said])
    for each, (likelihood,) in zip(said, found, strict=True):
        assert each.likelihood.tokens == likelihood.tokens == len(each.ids)
        assert each.likelihood.total == pytest.approx(likelihood.total, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "steps", "expected"),
    [
        (((20, 21, 22),), 3, {(20, 21, 22)}),  # no step is left for EOS
        (((20,), (21, 22)), 2, {(20, EOS), (20,)}),  # the second word has no room: the answer ends before it
        (((20, 21, 22),), 2, {()}),  # nor has the first
        (((20, 21),), 9, {(20, 21, EOS)}),
    ],
)
def test_too_few_steps_cut_no_word(
    golden_rudolph: Rudolph, words: tuple[tuple[int, ...], ...], steps: int, expected: set[tuple[int, ...]]
) -> None:
    whole = line(words)
    graph = replace(whole, starts=(True, *[False] * (len(whole.ids) - 1)))
    said = ask(golden_rudolph, [graph] * 16, steps=steps)
    assert {tuple(each.ids) for each in said} == expected
    assert all(each.likelihood.tokens == len(each.ids) for each in said)


def test_a_graph_costs_the_rows_without_one_nothing(golden_rudolph: Rudolph) -> None:
    def cost(graphs: list[TokenGraph | None]) -> Counting:
        with Counting() as counted:
            ask(golden_rudolph, graphs, steps=3)
        return counted

    one, eight = cost([line()]), cost([line(), *[None] * 7])
    free_one, free_eight = cost([None]), cost([None] * 8)
    passes = [each.operations["linear"] + each.operations["addmm"] for each in (one, eight, free_one, free_eight)]
    assert len(set(passes)) == 1
    # A graph's own tensors are as large in any batch, but for three of a number a row and a step.
    assert eight.bytes - free_eight.bytes == pytest.approx(one.bytes - free_one.bytes, abs=3 * 3 * 8 * 8 * 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends": (True,)}, "needs all parts"),
        ({"starts": (False, False)}, "a node to start with"),
        ({"ids": (EOS, 5)}, "none of them EOS"),
        ({"most_words": 0}, "a word at least"),
    ],
)
def test_a_graph_that_can_not_be_is_refused(change: dict[str, object], message: str) -> None:
    parts = {
        "ids": (5, 6), "before": ((-1, -1), (0, -1)), "starts": (True, False), "ends": (True, True),
        "begins_word": (True, True), "most_words": 2,
    }  # fmt: skip
    TokenGraph(**parts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        TokenGraph(**parts | change)  # type: ignore[arg-type]


def test_ids_that_are_not_allowed_are_refused(golden_rudolph: Rudolph) -> None:
    given = (golden_rudolph, *asked(golden_rudolph, 1)[:3], GREEDY, asked(golden_rudolph, 1)[3])
    for allowed in (slice(EOS, 13), slice(EOS + 1, 200)):
        with pytest.raises(ValueError, match="must allow EOS and all ids"):
            scored_answers(*given, allowed=allowed, token_graphs=[line()])
