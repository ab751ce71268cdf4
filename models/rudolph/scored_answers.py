"""Answers with how probable they are, each kept to a graph of tokens where it has one, in one batch with the others.

A graph says which rows of tokens an answer may be. All graphs of a batch lie one behind the other in flat tensors: a
step costs each of their tokens a comparison, and a row without a graph nothing. Knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.decoding import answer
from models.rudolph.likelihood import Likelihood
from models.rudolph.sampling import Sampling, sample_token
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import EOS

NO_NODE = -1


@dataclass(frozen=True)
class TokenGraph:
    """Rows of tokens that an answer may be: paths of nodes, each of which is a token.

    Attributes:
        ids: the token of each node, none of them EOS.
        before: of each node, which two may come right before it; `NO_NODE` where there are fewer.
        starts: whether a node may be the first one.
        ends: whether a node may be the last one: EOS may follow it.
        begins_word: whether its token begins a word; so do all tokens of the same id.
        most_words: how many words a path has at most.

    Raises ValueError for parts of different lengths, or a graph in which nothing starts.

    """

    ids: tuple[int, ...]
    before: tuple[tuple[int, int], ...]
    starts: tuple[bool, ...]
    ends: tuple[bool, ...]
    begins_word: tuple[bool, ...]
    most_words: int

    def __post_init__(self) -> None:
        parts = (self.before, self.starts, self.ends, self.begins_word)
        if any(len(part) != len(self.ids) for part in parts):
            raise ValueError(f"each of {len(self.ids)} nodes needs all parts, not {[len(part) for part in parts]}")
        if not any(self.starts) or EOS in self.ids or self.most_words < 1:
            raise ValueError("a graph needs a node to start with, none of them EOS, and a word at least")


@dataclass(frozen=True)
class ScoredAnswer:
    """An answer: its ids, its likelihood as `log_likelihoods` has it, and whether its graph decided anything.

    Where it did not, `departed` is False and the answer is what it would have been without. An answer that no path of
    its graph fits, because its steps were too few for a word, has no ids.
    """

    ids: list[int]
    likelihood: Likelihood
    departed: bool = False


def scored_answers(
    model: Rudolph,
    left_ids: Tensor,
    codes: Tensor,
    template: Sequence[int],
    sampling: Sampling,
    uniforms: Tensor,
    *,
    allowed: slice,
    token_graphs: Sequence[TokenGraph | None],
    graphs: StepGraphs | None = None,
) -> list[ScoredAnswer]:
    """What `answer` gives for each row, kept to its graph where it has one, and how likely it is.

    Shapes and errors as there; `allowed` must have EOS and the graphs' ids. A likelihood is spread over `allowed`.
    An answer that the steps cut off in a word of its graph ends with the word before.
    """
    steps = uniforms.shape[1]
    text_ids = range(*allowed.indices(model.config.text_vocab))
    wanted = {EOS}.union(*(graph.ids for graph in token_graphs if graph is not None))
    if text_ids.step != 1 or not wanted <= set(text_ids):
        raise ValueError(f"{allowed} must allow EOS and all ids of the graphs")
    device = model.text_embeddings.weight.device
    kept = [row for row, graph in enumerate(token_graphs) if graph is not None]
    graphed = [graph for graph in token_graphs if graph is not None]
    within = _WithinGraphs(kept, graphed, text_ids, device) if kept else None
    choice = _Choice(sampling, uniforms.to(device), within)
    drawn = answer(model, left_ids, codes, template, sampling, uniforms, allowed=allowed, choose=choice, graphs=graphs)
    lengths, departed = [len(ids) for ids in drawn], [False] * len(drawn)
    if within is not None:
        for row, last_end, changed in zip(kept, within.last_end.tolist(), within.departed.tolist(), strict=True):
            lengths[row] = lengths[row] if EOS in drawn[row] else last_end
            departed[row] = changed
    counted = torch.arange(steps, device=device) < torch.tensor(lengths, device=device)[:, None]
    totals = (choice.scores * counted).sum(1).tolist()
    return [
        ScoredAnswer(ids[:length], Likelihood(total, length), changed)
        for ids, length, total, changed in zip(drawn, lengths, totals, departed, strict=True)
    ]


class _Choice:
    """Draws the tokens of a batch and keeps their log-probabilities, `scores` `[batch, steps]`."""

    def __init__(self, sampling: Sampling, uniforms: Tensor, within: _WithinGraphs | None) -> None:
        self.sampling, self.uniforms, self.within = sampling, uniforms, within
        self.scores = torch.zeros(uniforms.shape, device=uniforms.device)
        self._texts = torch.arange(len(uniforms), device=uniforms.device)  # that are left in the batch

    def __call__(self, logits: Tensor, place: Tensor) -> Tensor:
        """Rows of the head that are drawn, see `Choose`."""
        numbers = self.uniforms.index_select(1, place)[:, 0]
        drawn = sample_token(logits, self.sampling, numbers)
        if self.within is not None:
            drawn = self.within.draw(logits, drawn, self.sampling, numbers, place)
        logits_drawn = logits.gather(1, drawn[:, None])[:, 0].float()
        scores = logits_drawn - logits.float().logsumexp(-1)
        self.scores.index_put_((self._texts, place), scores)
        return drawn

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the texts of the batch, see `Choose`."""
        self.uniforms, self._texts = self.uniforms[rows], self._texts[rows]
        if self.within is not None:
            self.within.keep(self._texts)


class _WithinGraphs:
    """Draws the tokens of those rows of a batch, `kept`, that have a graph: each has a slot in what is `[slots]`.

    All graphs' nodes lie one behind the other in what is `[nodes]`. `last_end` says after how many steps an answer
    could last end, `departed` whether another token was drawn than without the graph. A step changes them in place.
    """

    def __init__(
        self, kept: Sequence[int], graphs: Sequence[TokenGraph], text_ids: range, device: torch.device
    ) -> None:
        sizes = [len(graph.ids) for graph in graphs]
        nowhere = sum(sizes)  # a node behind all others, which is never reached
        before, offset = list[list[int]](), 0
        for graph, size in zip(graphs, sizes, strict=True):
            before += [[nowhere if node == NO_NODE else offset + node for node in pair] for pair in graph.before]
            offset += size

        def flat(parts: Iterable[Sequence[int]], dtype: torch.dtype) -> Tensor:
            return torch.tensor([each for part in parts for each in part], dtype=dtype, device=device)

        self._slot = flat(([slot] * size for slot, size in enumerate(sizes)), torch.int64)
        self._ids = flat((graph.ids for graph in graphs), torch.int64)
        self._before = torch.tensor(before, dtype=torch.int64, device=device)  # [nodes, 2]
        self._begins = flat((graph.begins_word for graph in graphs), torch.bool)
        self._ends = flat((graph.ends for graph in graphs), torch.bool)
        self._next = flat((graph.starts for graph in graphs), torch.bool)
        self._most_words = torch.tensor([graph.most_words for graph in graphs], device=device)
        self._text_ids = text_ids
        self._row_of = self._slot * len(text_ids) + self._ids - text_ids.start  # in [slots, rows of the head], flat
        self._kept = torch.tensor(kept, device=device)
        self._words = torch.zeros(len(kept), dtype=torch.int64, device=device)
        self._may_end = torch.zeros(len(kept), dtype=torch.bool, device=device)
        self._over = torch.zeros(len(kept), dtype=torch.bool, device=device)
        self.last_end = torch.zeros(len(kept), dtype=torch.int64, device=device)
        self.departed = torch.zeros(len(kept), dtype=torch.bool, device=device)
        self._places, self._slots = self._kept, torch.arange(len(kept), device=device)  # of those left in the batch

    def keep(self, texts: Tensor) -> None:
        """Go on with these texts alone, int64. Waits for the device, as a batch that shrinks has just before."""
        self._places, self._slots = (texts[:, None] == self._kept).nonzero(as_tuple=True)

    def draw(self, logits: Tensor, free: Tensor, sampling: Sampling, numbers: Tensor, place: Tensor) -> Tensor:
        """What is drawn by logits `[rows, n]`, where `free` `[rows]` would be without the graphs."""
        if not len(self._places):
            return free
        following = self._next & ~(self._begins & (self._words >= self._most_words)[self._slot])
        counts = torch.zeros(len(self._kept) * len(self._text_ids), dtype=torch.int32, device=logits.device)
        open_rows = counts.index_add_(0, self._row_of, following.int()).view(len(self._kept), -1) > 0
        # An answer that is over goes on to be computed for a while, and must find something that it may draw.
        open_rows[:, EOS - self._text_ids.start] = self._may_end | ~self._any(following)
        places, slots = self._places, self._slots
        masked = logits[places].masked_fill(~open_rows[slots], float("-inf"))
        kept = sample_token(masked, sampling, numbers[places])
        self.departed[slots] |= (kept != free[places]) & ~self._over[slots]
        tokens = torch.full((len(self._kept),), EOS, device=logits.device)
        tokens[slots] = kept + self._text_ids.start
        self._advance(following & (self._ids == tokens[self._slot]), place)
        self._over |= tokens == EOS
        return free.index_copy(0, places, kept)

    def _advance(self, matched: Tensor, place: Tensor) -> None:
        """Go on to what follows the nodes that were drawn, `[nodes]`."""
        self._words += self._any(matched & self._begins)
        self._may_end.copy_(self._any(matched & self._ends))
        self.last_end.copy_(torch.where(self._may_end, place + 1, self.last_end))
        self._next.copy_(F.pad(matched, (0, 1))[self._before].any(1))

    def _any(self, nodes: Tensor) -> Tensor:
        """Of each slot whether any of its nodes is among some: bool `[nodes]` -> bool `[slots]`."""
        counts = torch.zeros(len(self._kept), dtype=torch.int32, device=nodes.device)
        return counts.index_add_(0, self._slot, nodes.int()) > 0
