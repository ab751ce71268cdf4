"""Answers chosen among a sample's own options, by how probable the model finds each of them behind the sample.

Source: zero-shot classification of the RUDOLPH family, and Holtzman et al., Surface Form Competition (2021), for what a
sum over tokens does to long options. Which score and which form of the answer are best, `benchmarks/answers.py` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

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

    Raises ValueError for a value that there is not.

    """

    score: OptionScore = "mean"
    answer: OptionAnswer = "text"

    def __post_init__(self) -> None:
        for name, known in (("score", get_args(OptionScore)), ("answer", get_args(OptionAnswer))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    def best(self, likelihoods: Sequence[Likelihood]) -> int:
        """Number of the likeliest option; of equal ones the first."""
        scores = [each.mean if self.score == "mean" else each.total for each in likelihoods]
        return max(range(len(scores)), key=scores.__getitem__)

    def written(self, option: Option) -> str:
        """The answer that names an option."""
        if not option.marker or self.answer == "text":
            return option.text
        return option.marker if self.answer == "marker" else f"{option.marker} {option.text}"


def choose_options(
    model: Rudolph,
    vocabulary: Vocabulary,
    left_ids: Tensor,
    codes: Tensor,
    options: Sequence[AnswerOptions],
    choice: OptionChoice,
) -> list[str]:
    """Answer each sample of a batch with one of its options: left_ids `[batch, L]`, codes `[batch, I]`.

    All options of a batch are scored behind one prefill. Raises `NonFiniteLogitsError` for an overflow.
    """
    template = vocabulary.right_template()
    candidates = [[_ids(option.text, vocabulary) for option in of_sample.options] for of_sample in options]
    found = log_likelihoods(model, left_ids, codes, template, candidates)
    return [
        choice.written(of_sample.options[choice.best(likelihoods)])
        for of_sample, likelihoods in zip(options, found, strict=True)
    ]


def what_is_cut(options: AnswerOptions, vocabulary: Vocabulary) -> str:
    """What of a sample's options can not count as it stands, in words; empty where all of them do."""
    room = vocabulary.config.r_text_seq_length - len(vocabulary.right_template())
    longest = max(len(vocabulary.pieces(option.text)) for option in options.options)
    too_long = f"an option of {longest} tokens counts by its first {room} only" if longest > room else ""
    return "; ".join(filter(None, (options.cut, too_long)))


def _ids(text: str, vocabulary: Vocabulary) -> list[int]:
    """Ids of an option as an answer would have them; what no answer can hold is cut, as in training, with its EOS."""
    room = vocabulary.config.r_text_seq_length - len(vocabulary.right_template())
    return [*vocabulary.pieces(text), EOS][:room]
