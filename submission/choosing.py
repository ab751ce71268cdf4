"""Answers chosen among a sample's own options, by how probable the model finds each of them behind the sample.

Source: zero-shot classification of the RUDOLPH family, and Holtzman et al., Surface Form Competition (2021), for what a
sum over tokens does to long options. Which score and which form of the answer are best, `benchmarks/answers.py` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.likelihood import Likelihood, log_likelihoods
from models.rudolph.vocabulary import EOS, Vocabulary
from submission.answer_options import AnswerOptions, Option

OptionScore: TypeAlias = Literal["mean", "sum"]
OptionAnswer: TypeAlias = Literal["text", "marker", "both"]


@dataclass(frozen=True)
class OptionChoice:
    """How an option is chosen and written.

    Attributes:
        score: what the options are compared by: the mean of their tokens' log-probabilities, or the sum.
        answer: what is written of the best one; an option without a marker is always written as its text.
        twice: whether the sample is also asked without its list, and both scores count: a model may be drawn to what
            stands in the list, and to its order.

    Raises ValueError for a value that there is not.

    """

    score: OptionScore = "mean"
    answer: OptionAnswer = "text"
    twice: bool = False

    def __post_init__(self) -> None:
        for name, known in (("score", get_args(OptionScore)), ("answer", get_args(OptionAnswer))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    def best(self, *askings: Sequence[Likelihood]) -> int:
        """Number of the option that is likeliest in all askings together; of equal ones the first."""
        scores = [
            sum(each.mean if self.score == "mean" else each.total for each in of_option)
            for of_option in zip(*askings, strict=True)
        ]
        return max(range(len(scores)), key=scores.__getitem__)

    def written(self, option: Option) -> str:
        """The answer that names an option."""
        if not option.marker or self.answer == "text":
            return option.text
        return option.marker if self.answer == "marker" else f"{option.marker} {option.text}"


@dataclass(frozen=True)
class OptionsQuery:
    """A sample with options as it is asked: its left text's ids `[L]`, and its picture's codes `[I]`."""

    options: AnswerOptions
    left_ids: Tensor
    codes: Tensor


def ask_options(
    model: Rudolph, vocabulary: Vocabulary, queries: Sequence[OptionsQuery]
) -> list[tuple[Likelihood, ...]]:
    """How likely each option of each sample of a batch is, all scored behind one prefill.

    Raises `NonFiniteLogitsError` (rows of the batch) for an overflow.
    """
    candidates = [[_ids(option.text, vocabulary) for option in query.options.options] for query in queries]
    # Options that the tokenizer or the cut makes equal are scored once: rounding must not choose between them.
    different = [list(dict.fromkeys(of_sample)) for of_sample in candidates]
    codes = torch.stack([query.codes for query in queries])  # [batch, I]
    template = vocabulary.right_template()
    found = log_likelihoods(model, torch.stack([query.left_ids for query in queries]), codes, template, different)
    by_ids = [dict(zip(ids, of_sample, strict=True)) for ids, of_sample in zip(different, found, strict=True)]
    return [tuple(scores[ids] for ids in of_sample) for scores, of_sample in zip(by_ids, candidates, strict=True)]


def what_is_cut(options: AnswerOptions, vocabulary: Vocabulary) -> str:
    """What of a sample's options can not count as it stands, in words; empty where all of them do."""
    room = vocabulary.config.r_text_seq_length - len(vocabulary.right_template())
    longest = max(len(vocabulary.pieces(option.text)) for option in options.options)
    too_long = f"an option of {longest} tokens counts by its first {room} only" if longest > room else ""
    return "; ".join(filter(None, (options.cut, too_long)))


def _ids(text: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Ids of an option as an answer would have them; what no answer can hold is cut, as in training, with its EOS."""
    room = vocabulary.config.r_text_seq_length - len(vocabulary.right_template())
    return (*vocabulary.pieces(text), EOS)[:room]
