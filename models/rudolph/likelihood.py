"""How probable given right texts are, behind a left text and a picture: many candidates behind one prefill.

The prefill's keys and values stay as they are; candidates are short rows of tokens packed one behind the other, each of
which sees the prefill and what stands before it in its own candidate. Generates nothing; knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.caches import DenseCache, attention_bias
from models.rudolph.decoding import Head, forward_cached, forward_prompts, output_head, raise_unless_finite
from models.rudolph.sampling import count_not_finite
from models.rudolph.transformer import Attend, Rudolph

Candidate: TypeAlias = Sequence[int]  # ids behind the template; its EOS counts like any other

LOGIT_ROWS_AT_ONCE = 16  # positions whose logits lie in memory together, of each sample


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of one candidate: the sum over its tokens, and how many there are."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Log-likelihood a token; of no tokens 0."""
        return self.total / max(self.tokens, 1)


@dataclass(frozen=True)
class _Pass:
    """Candidates of one sample that are scored together: their numbers, and their ids one behind the other."""

    numbers: tuple[int, ...]
    ids: tuple[int, ...]
    places: tuple[int, ...]  # of each id in its candidate
    owners: tuple[int, ...]  # which candidate of the pass each id is of


def pass_tokens(model: Rudolph, template: Sequence[int]) -> int:
    """Ids of a sample that one pass takes: as many as an answer has, so that the cache needs no more room than one."""
    return model.config.r_text_seq_length - len(template)


@torch.inference_mode()
def log_likelihoods(
    model: Rudolph,
    left_ids: Tensor,
    codes: Tensor,
    template: Sequence[int],
    candidates: Sequence[Sequence[Candidate]],
) -> list[list[Likelihood]]:
    """Log-likelihoods of each sample's candidates as the text behind [left text | image | template].

    left_ids int64 `[batch, L]`; codes int64 `[batch, I]`; of each candidate at most R - len(template) ids, all of them
    BPE pieces, among which alone the probabilities are spread, as they are when an answer is drawn. One prefill serves
    all candidates of a sample; how many there are, and of which samples, changes no number beyond rounding.
    Raises ValueError for wrong shapes or ids, `NonFiniteLogitsError` (rows of left_ids) for an overflow.
    """
    config, batch, room = model.config, len(candidates), pass_tokens(model, template)
    _demand_shapes(model, left_ids, codes, batch)
    waiting = [list(_passes(of_sample, room, config.bpe_vocab)) for of_sample in candidates]
    found = [[Likelihood(0.0, 0) for _ in of_sample] for of_sample in candidates]
    longest = max((len(each.ids) for passes in waiting for each in passes), default=0)
    if not longest:
        return found
    device = model.text_embeddings.weight.device
    head = output_head(model, slice(config.bpe_vocab))
    fixed = torch.tensor(list(template), dtype=torch.int64, device=device).expand(batch, -1)
    start = config.prefix_length + len(template)
    cache = DenseCache(model.transformer, batch, start + longest)
    rest = torch.cat((codes.to(device), fixed), dim=1)
    first = F.log_softmax(forward_prompts(model, cache, left_ids, rest, head).float(), -1)  # [batch, pieces]
    not_finite = count_not_finite(first)
    alive = list(range(batch))
    for number in range(max(map(len, waiting))):
        going_on = [row for row, sample in enumerate(alive) if len(waiting[sample]) > number]
        if len(going_on) < len(alive):
            alive = [alive[row] for row in going_on]
            kept = torch.tensor(going_on, device=device)
            cache.keep(kept)
            first = first[kept]
        passes = [waiting[sample][number] for sample in alive]
        scores, overflows = _score(model, cache, head, first, passes, start)
        not_finite.index_add_(0, torch.tensor(alive, device=device), overflows)
        for sample, each, row in zip(alive, passes, scores.tolist(), strict=True):
            for place, candidate in enumerate(each.numbers):
                found[sample][candidate] = Likelihood(row[place], each.owners.count(place))
    raise_unless_finite(not_finite, model.text_embeddings.weight.dtype)
    return found


@torch.inference_mode()
def left_log_likelihoods(model: Rudolph, prompt: Sequence[int], candidates: Sequence[Candidate]) -> list[Likelihood]:
    """Log-likelihoods of candidates as what goes on behind the beginning of a left text, which training teaches too.

    `prompt` are the ids that the left text begins with, candidates ids of BPE pieces; the prompt and a candidate have
    at most L ids together. One prefill serves all candidates.
    Raises ValueError for wrong ids or an empty prompt, `NonFiniteLogitsError` (row 0) for an overflow.
    """
    config, start = model.config, len(prompt)
    room = config.l_text_seq_length - start
    if not prompt or room < 0 or not all(0 < token < config.text_vocab for token in prompt):
        raise ValueError(f"a left text begins with 1 to {config.l_text_seq_length} ids above 0, not {list(prompt)}")
    passes = list(_passes(candidates, room, config.bpe_vocab))
    found = [Likelihood(0.0, 0) for _ in candidates]
    if not passes:
        return found
    head = output_head(model, slice(config.bpe_vocab))
    ids = torch.tensor([list(prompt)], device=model.text_embeddings.weight.device)
    cache = DenseCache(model.transformer, 1, start + max(len(each.ids) for each in passes))
    first = F.log_softmax(forward_cached(model, cache, ids, 0, head).float(), -1)  # [1, pieces]
    not_finite = count_not_finite(first)
    for each in passes:
        scores, overflows = _score(model, cache, head, first, [each], start)
        not_finite += overflows
        for place, candidate in enumerate(each.numbers):
            found[candidate] = Likelihood(float(scores[0, place]), each.owners.count(place))
    raise_unless_finite(not_finite, model.text_embeddings.weight.dtype)
    return found


def _demand_shapes(model: Rudolph, left_ids: Tensor, codes: Tensor, batch: int) -> None:
    if model.training:
        raise ValueError("the model is in training mode, where dropout is active; call model.eval() first")
    config = model.config
    expected = {
        "left_ids": (left_ids, (batch, config.l_text_seq_length)),
        "codes": (codes, (batch, config.image_seq_length)),
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, not {list(tensor.shape)}")


def _passes(candidates: Sequence[Candidate], room: int, pieces: int) -> Iterator[_Pass]:
    """Put a sample's candidates, in their order, into as few passes of at most `room` ids as that takes."""
    together: list[int] = []
    for number, candidate in enumerate(candidates):
        if len(candidate) > room:
            raise ValueError(f"a candidate has at most {room} ids behind the template, not {len(candidate)}")
        if not all(0 <= token < pieces for token in candidate):
            raise ValueError(f"a candidate's ids must lie in [0, {pieces}), got {list(candidate)}")
        if together and sum(len(candidates[other]) for other in together) + len(candidate) > room:
            yield _packed(candidates, together)
            together = []
        together.append(number)
    if together:
        yield _packed(candidates, together)


def _packed(candidates: Sequence[Candidate], numbers: Sequence[int]) -> _Pass:
    tokens = [
        (token, place, owner) for owner, number in enumerate(numbers) for place, token in enumerate(candidates[number])
    ]
    ids, places, owners = (tuple(each[part] for each in tokens) for part in range(3))
    return _Pass(tuple(numbers), ids, places, owners)


def _score(
    model: Rudolph, cache: DenseCache, head: Head, first: Tensor, passes: Sequence[_Pass], start: int
) -> tuple[Tensor, Tensor]:
    """Sums of log-probabilities `[batch, candidates]` of one pass of each sample, and its counts of logits `[batch]`
    that were not finite. `first` are the log-probabilities behind the template, `start` is where a candidate begins."""
    device, length = first.device, max(len(each.ids) for each in passes)

    def padded(rows: Sequence[Sequence[int]], filling: int) -> Tensor:
        return torch.tensor([[*row, *[filling] * (length - len(row))] for row in rows], device=device).long()

    ids = padded([each.ids for each in passes], 0)  # [batch, length]
    places = padded([each.places for each in passes], 0)
    owners = padded([each.owners for each in passes], -1)
    hidden = _forward_packed(model, cache, ids, places, owners, start)
    # What a token is scored by stands before it: the template for a candidate's first one.
    scored = first.gather(1, ids)
    not_finite = torch.zeros(len(passes), dtype=torch.int64, device=device)
    for begin in range(0, length - 1, LOGIT_ROWS_AT_ONCE):
        stop = min(begin + LOGIT_ROWS_AT_ONCE, length - 1)
        logits = head(hidden[:, begin:stop])  # [batch, rows, pieces]
        counted = (places[:, begin + 1 : stop + 1] > 0) & (owners[:, begin + 1 : stop + 1] >= 0)
        not_finite += (count_not_finite(logits) * counted).sum(1)
        following = F.log_softmax(logits.float(), -1).gather(-1, ids[:, begin + 1 : stop + 1, None])[..., 0]
        scored[:, begin + 1 : stop + 1] = torch.where(counted, following, scored[:, begin + 1 : stop + 1])
    candidates = max(len(each.numbers) for each in passes)
    sums = scored.new_zeros(len(passes), candidates + 1)  # the last column takes what only fills up
    sums.scatter_add_(1, torch.where(owners < 0, candidates, owners), scored)
    return sums[:, :candidates], not_finite


def _forward_packed(
    model: Rudolph, cache: DenseCache, ids: Tensor, places: Tensor, owners: Tensor, start: int
) -> Tensor:
    """Hidden states `[batch, length, hidden]` of packed candidates, whose keys and values follow the prefill's."""
    config, length = model.config, ids.shape[1]
    right = start >= config.prefix_length
    table = model.r_text_pos_embeddings if right else model.l_text_pos_embeddings
    x = model.text_embeddings(ids) + table.weight[start - config.prefix_length * right + places]
    same = owners[:, :, None] == owners[:, None, :]
    own = same & (places[:, None, :] <= places[:, :, None])
    behind = torch.ones(len(ids), length, start, dtype=torch.bool, device=ids.device)
    bias = attention_bias(torch.cat((behind, own), dim=2)[:, None], x)  # [batch, 1, length, start + length]

    def attend(layer: int) -> Attend:
        def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys, values = cache.update(layer, start, key, value)
            return F.scaled_dot_product_attention(query, keys, values, attn_mask=bias)

        return attend_layer

    forward: Callable[[Tensor, Callable[[int], Attend]], Tensor] = model.transformer
    return forward(x, attend)
