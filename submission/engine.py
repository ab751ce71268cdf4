"""One batch of each phase: input pictures to codes, texts to answers, texts to pictures.

A sample's random numbers depend on (seed, phase, sample id) alone, so that batches change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.pixels import to_bytes
from models.rudolph import Config, Rudolph
from models.rudolph.best_of_n import Scorer, best_of_n_uniforms, choose, perplexity_scorer
from models.rudolph.decoding import answer, generate_image, generate_images, several_answers
from models.rudolph.likelihood import Likelihood
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.scored_answers import ScoredAnswer, TokenGraph, scored_answers
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.window_width import WindowWidth
from submission.answer_options import AnswerOptions, Option, find_options
from submission.asked_forms import NUMBERS, asked_form, has_number, one_character
from submission.choosing import OptionChoice, OptionsQuery, ask_options, what_is_cut
from submission.crops import Reading
from submission.devices import wait_asleep
from submission.lengths import WHAT_IS_WRITTEN, asked_length, length_of
from submission.loading import Networks
from submission.profiles import Profile
from submission.prompts import left_ids, left_text
from submission.rescue import compute_rescuing
from submission.ruclip_scores import ruclip_scorer
from submission.spans import kept_to_spans, spans_of
from submission.statements import Statement, find_statement, follows

Asked = TypeVar("Asked")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Query:
    """A sample as the model is asked: id, texts, codes `[I]` of its picture or of one `drawn` for it (None: zeros)."""

    id: str
    texts: tuple[str, ...]
    codes: Tensor | None = None
    drawn: bool = False


@dataclass(frozen=True)
class FirstAsking:
    """How likely a sample's options were when it was asked as it stands: what a second asking goes on from."""

    options: AnswerOptions
    likelihoods: tuple[Likelihood, ...]


@dataclass(frozen=True)
class GeneratedText:
    """An answer, and what of the sample's options could not count for it, in words; empty where all of them did.

    `first` is there where the profile asks such a sample again (`Engine.ask_again`).
    """

    text: str
    cut: str = ""
    first: FirstAsking | None = None


@dataclass(frozen=True)
class GeneratedImage:
    """A generated picture: its codes int64 `[I]` and its pixels uint8 `[H, W, 3]`."""

    codes: Tensor
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class _Chosen:
    """A query that is answered with one of its options: the texts that it is asked with, and how to ask it again."""

    query: Query
    options: AnswerOptions
    texts: tuple[str, ...]


_NUMBERS = tuple(Option("", number) for number in NUMBERS)


@dataclass
class Engine:
    """Networks, profile and seed; counts tokens sampled (`steps`), and what overflowed in float16.

    `window` says how many codes of a picture are computed at once, and counts the passes that this takes; `graphs` may
    capture steps, and counts those.
    `rescued` are the answers and pictures that were computed in bfloat16 instead, `not_finite` the logits that were
    infinite or undefined in them.
    """

    networks: Networks
    profile: Profile
    seed: int
    window: WindowWidth = field(default_factory=lambda: WindowWidth((1,)))
    graphs: StepGraphs = field(default_factory=StepGraphs)
    steps: int = 0
    rescued: int = 0
    not_finite: int = 0

    @property
    def config(self) -> Config:
        """RUDOLPH's dimensions."""
        return self.networks.rudolph.config

    @torch.inference_mode()
    def encode(self, sample_ids: Sequence[str], pixels: Sequence[Tensor]) -> list[Tensor]:
        """Input pictures, each `[3, side, side]` in [0, 1] -> codes, each int64 `[I]` on the CPU."""
        if not sample_ids:
            return []
        images = torch.stack(list(pixels)).to(self.networks.device)  # [b, 3, side, side]
        if self.profile.noisy_picture_codes:
            numbers = uniforms(self.seed, sample_ids, "codes", self.config.image_seq_length)
            codes = self.networks.vqgan.sample_codes(images, numbers.to(images.device))
        else:
            codes = self.networks.vqgan.encode(images)
        wait_asleep(codes.device)
        return list(codes.cpu())

    def answer(self, queries: Sequence[Query]) -> list[GeneratedText]:
        """First answers to a batch of queries; an answer without text becomes the profile's.

        Where the profile chooses among options, and a query has some, one of them is the answer.
        """
        options = [self.options_of(query) for query in queries]
        chosen = [
            _Chosen(query, found, query.texts)
            for query, found in zip(queries, options, strict=True)
            if found is not None
        ]
        free = [query for query, found in zip(queries, options, strict=True) if found is None]
        by_options, freely = iter(self._by_options(chosen)), iter(map(GeneratedText, self._freely(free)))
        return [next(freely if found is None else by_options) for found in options]

    def ask_again(self, queries: Sequence[Query], first: Sequence[FirstAsking | None]) -> list[str]:
        """Better answers to queries whose first ones said that they may be asked again.

        `first` are those first askings; where one is None, as in a restarted run, it is done anew.
        """
        known = dict(enumerate(first))
        unknown = [row for row, asking in known.items() if asking is None]
        if unknown:
            answers = self.answer([queries[row] for row in unknown])
            known.update((row, said.first) for row, said in zip(unknown, answers, strict=True))
        askings = [known[row] for row in range(len(queries))]
        told: dict[int, str] = {}
        waiting: list[tuple[int, _Chosen]] = []
        for row, (query, asking) in enumerate(zip(queries, askings, strict=True)):
            if asking is None:
                raise ValueError(f"sample {query.id!r} is not asked again")
            statement = self._statement(query, asking.options)
            if statement is not None:
                (follows_from,) = self._rescuing(self._follows, [statement])
                yes, no = (option.text for option in asking.options.options)
                if follows_from is not None:
                    told[row] = yes if follows_from else no
            if row not in told:
                waiting.append((row, _Chosen(query, asking.options, asking.options.texts)))
        second = self._rescuing(self._ask_options, [each for _, each in waiting])
        for (row, each), likelihoods in zip(waiting, second, strict=True):
            asking = askings[row]
            assert asking is not None
            told[row] = self._written(each.options, asking.likelihoods, likelihoods)
        return [told[row] for row in range(len(queries))]

    def _by_options(self, chosen: Sequence[_Chosen]) -> list[GeneratedText]:
        answers = []
        for each, likelihoods in zip(chosen, self._rescuing(self._ask_options, chosen), strict=True):
            first = FirstAsking(each.options, likelihoods) if self._asks_again(each) else None
            cut = what_is_cut(each.options, self.networks.vocabulary)
            answers.append(GeneratedText(self._written(each.options, likelihoods), cut, first))
        return answers

    def _asks_again(self, each: _Chosen) -> bool:
        if self._statement(each.query, each.options) is not None:
            return True
        choice = self.profile.options
        assert choice is not None
        return choice.twice and not self._left_ids_of(each.texts).equal(self._left_ids_of(each.options.texts))

    def _statement(self, query: Query, options: AnswerOptions) -> Statement | None:
        if not self.profile.statements or query.codes is not None or options.form != "yes or no":
            return None
        return find_statement(query.texts)

    def _written(self, options: AnswerOptions, *askings: Sequence[Likelihood]) -> str:
        choice = self.profile.options
        assert choice is not None
        return choice.written(options.options[choice.best(*askings)])

    def _freely(self, queries: Sequence[Query]) -> list[str]:
        """Generated answers; where the profile does so, lengths that are counted, and others in the asked form."""
        counted = {
            row: length
            for row, query in enumerate(queries)
            if self.profile.lengths and query.codes is not None and (length := asked_length(query.texts)) is not None
        }
        asked = [
            replace(query, texts=(WHAT_IS_WRITTEN,)) if row in counted else query for row, query in enumerate(queries)
        ]
        answers = dict(enumerate(self._said(asked)))
        lengths = {
            row: length_of(length, answers[row])
            for row, length in counted.items()
            if answers[row] != self.profile.empty_answer
        }
        found = {row: length for row, length in lengths.items() if length is not None}
        uncounted = [row for row in counted if row not in found]  # these are asked as they stand after all
        answers.update(zip(uncounted, self._said([queries[row] for row in uncounted]), strict=True))
        others = [row for row in range(len(queries)) if row not in found]
        formed = self._in_asked_form([queries[row] for row in others], [answers[row] for row in others])
        answers.update(zip(others, formed, strict=True))
        answers.update(found)
        return [answers[row] for row in range(len(queries))]

    def _said(self, queries: Sequence[Query]) -> list[str]:
        graphs = [self._spans_of(query) for query in queries]
        if any(graphs):
            ids = [each.ids for each in kept_to_spans(self._scored, list(zip(queries, graphs, strict=True)))]
        else:
            ids = self._rescuing(self._answer_ids, queries)
            self.steps += sum(map(len, ids))
        return [self.networks.vocabulary.decode(row) or self.profile.empty_answer for row in ids]

    def _scored(self, asked: Sequence[tuple[Query, TokenGraph | None]]) -> list[ScoredAnswer]:
        answers = self._rescuing(self._scored_answers, asked)
        self.steps += sum(len(each.ids) for each in answers)
        return answers

    def _spans_of(self, query: Query) -> TokenGraph | None:
        """The spans that may answer a query; None where any text may."""
        if not self.profile.spans or (query.codes is not None and not query.drawn):
            return None
        if self.profile.options is None and find_options(query.texts) is not None:
            return None  # where the profile chooses among options, such a query does not come here
        return spans_of(query.texts, self.networks.vocabulary, self.profile.spans)

    def _in_asked_form(self, queries: Sequence[Query], free: Sequence[str]) -> list[str]:
        """Bring answers to the form that is asked for where the profile does so."""
        answers = list(free)
        numberless: list[tuple[int, _Chosen]] = []
        for row, (query, said) in enumerate(zip(queries, answers, strict=True)):
            form = asked_form(query.texts) if self.profile.asked_forms else None
            if form not in self.profile.asked_forms:
                continue
            if form == "character":
                answers[row] = one_character(said, query.texts)
            elif not has_number(said):
                options = AnswerOptions(_NUMBERS, query.texts, "listed")
                numberless.append((row, _Chosen(query, options, query.texts)))
        likelihoods = self._rescuing(self._ask_options, [each for _, each in numberless])
        for (row, _), of_numbers in zip(numberless, likelihoods, strict=True):
            answers[row] = NUMBERS[OptionChoice("sum").best(of_numbers)]
        return answers

    def options_of(self, query: Query) -> AnswerOptions | None:
        """The options that a query is answered with one of; None where it is answered freely."""
        return None if self.profile.options is None else find_options(query.texts)

    def read(self, queries: Sequence[Query]) -> list[Reading]:
        """Free answers to a batch of queries as they stand, with how likely they are."""
        answers = self._scored([(query, None) for query in queries])
        texts = [self.networks.vocabulary.decode(each.ids) for each in answers]
        return [
            Reading(text or self.profile.empty_answer, each.likelihood.mean if text else float("-inf"))
            for text, each in zip(texts, answers, strict=True)
        ]

    def several_texts(self, queries: Sequence[Query], sampling: Sampling, numbers: range) -> list[list[str]]:
        """Answers of some numbers to each query, 0 being the one that `answer` gives; one without text is empty."""
        ids = self._rescuing(lambda model, part: self._several_ids(model, part, sampling, numbers), queries)
        self.steps += sum(len(row) for of_query in ids for row in of_query)
        return [[self.networks.vocabulary.decode(row) for row in of_query] for of_query in ids]

    def likelihoods(self, queries: Sequence[Query], texts: Sequence[Sequence[str]]) -> list[tuple[Likelihood, ...]]:
        """How likely each of its texts is as the answer to a query."""
        offered = [AnswerOptions(tuple(Option("", text) for text in of_query), (), "listed") for of_query in texts]
        chosen = [_Chosen(query, options, query.texts) for query, options in zip(queries, offered, strict=True)]
        return self._rescuing(self._ask_options, chosen)

    def generate(self, queries: Sequence[Query]) -> list[GeneratedImage]:
        """Generate a picture for each query of a batch, by its texts alone."""
        codes = self._rescuing(self._generate_codes, queries)
        self.steps += sum(map(len, codes))
        pixels = self.render(codes)
        return [GeneratedImage(row, rgb) for row, rgb in zip(codes, pixels, strict=True)]

    @torch.inference_mode()
    def render(self, codes: Sequence[Tensor]) -> list[NDArray[np.uint8]]:
        """Codes, each `[I]` -> pixels, each uint8 `[H, W, 3]`."""
        return list(to_bytes(self.networks.vqgan.decode(torch.stack([row.long() for row in codes]))))

    def best_of_n(
        self, queries: Sequence[Query], best: Sequence[Tensor], numbers: range
    ) -> list[tuple[GeneratedImage, bool]]:
        """Generate the pictures of some numbers for each query, and choose among them and the best one so far.

        Returns each query's picture, and whether it is another one than before. Pictures are ranked by ruCLIP if there
        is one, else by RUDOLPH's own perplexity; of equal ones the earlier stays.
        """
        generated = self._rescuing(lambda model, part: self._more_codes(model, part, numbers), queries)
        self.steps += sum(codes.numel() for codes in generated)
        candidates = torch.stack(
            [torch.cat([first[None].long().cpu(), more]) for first, more in zip(best, generated, strict=True)]
        )  # [b, 1 + n, I]
        chosen, places = choose(self._scorer, [left_text(query.texts).strip() for query in queries], candidates)
        pixels = self.render(list(chosen))
        return [
            (GeneratedImage(codes, rgb), place > 0) for codes, rgb, place in zip(chosen, pixels, places, strict=True)
        ]

    @property
    def _scorer(self) -> Scorer:
        if self.networks.ruclip is not None:
            return ruclip_scorer(self.networks.ruclip, self.render)
        return perplexity_scorer(self.networks.rudolph, self.networks.vocabulary)

    def _more_codes(self, model: Rudolph, queries: Sequence[Query], numbers: range) -> list[Tensor]:
        ids = [query.id for query in queries]
        random = best_of_n_uniforms(self.seed, ids, "image", self.config.image_seq_length, numbers)
        left = self._left_ids(queries)
        given = model, left, self.profile.image, random
        return list(generate_images(*given, window=self.window, graphs=self.graphs).cpu())

    def _left_ids(self, queries: Sequence[Query]) -> Tensor:
        return torch.stack([self._left_ids_of(query.texts) for query in queries])  # [b, L]

    def _left_ids_of(self, texts: Sequence[str]) -> Tensor:
        return left_ids(texts, self.networks.vocabulary, self.profile.shorten_passage)

    def _codes(self, queries: Sequence[Query]) -> Tensor:
        zeros = torch.zeros(self.config.image_seq_length, dtype=torch.int64)
        return torch.stack([zeros if query.codes is None else query.codes.long() for query in queries])  # [b, I]

    def _ask_options(self, model: Rudolph, chosen: Sequence[_Chosen]) -> list[tuple[Likelihood, ...]]:
        codes = self._codes([each.query for each in chosen])
        asked = [
            OptionsQuery(each.options, self._left_ids_of(each.texts), of_picture)
            for each, of_picture in zip(chosen, codes, strict=True)
        ]
        return ask_options(model, self.networks.vocabulary, asked)

    def _follows(self, model: Rudolph, statements: Sequence[Statement]) -> list[bool | None]:
        return [follows(model, self.networks.vocabulary, statement) for statement in statements]

    def _answer_ids(self, model: Rudolph, queries: Sequence[Query]) -> list[list[int]]:
        return answer(model, *self._asked(queries), allowed=self._allowed, graphs=self.graphs)

    def _scored_answers(self, model: Rudolph, asked: Sequence[tuple[Query, TokenGraph | None]]) -> list[ScoredAnswer]:
        given, kept_to = self._asked([query for query, _ in asked]), [graph for _, graph in asked]
        return scored_answers(model, *given, allowed=self._allowed, token_graphs=kept_to, graphs=self.graphs)

    @property
    def _allowed(self) -> slice:
        return slice(self.profile.first_allowed_id, self.config.bpe_vocab)

    def _asked(self, queries: Sequence[Query]) -> tuple[Tensor, Tensor, list[int], Sampling, Tensor]:
        """What a batch of answers is drawn by: left ids, codes, template, sampling, random numbers."""
        template = self.networks.vocabulary.right_template()
        steps = self.config.r_text_seq_length - len(template)
        numbers = uniforms(self.seed, [query.id for query in queries], "answer", steps)
        return self._left_ids(queries), self._codes(queries), template, self.profile.text, numbers

    def _several_ids(
        self, model: Rudolph, queries: Sequence[Query], sampling: Sampling, numbers: range
    ) -> list[list[list[int]]]:
        template = self.networks.vocabulary.right_template()
        steps = self.config.r_text_seq_length - len(template)
        random = best_of_n_uniforms(self.seed, [query.id for query in queries], "answer", steps, numbers)
        left, codes = self._left_ids(queries), self._codes(queries)
        given = model, left, codes, template, sampling, random
        return several_answers(*given, allowed=self._allowed, graphs=self.graphs)

    def _generate_codes(self, model: Rudolph, queries: Sequence[Query]) -> list[Tensor]:
        numbers = uniforms(self.seed, [query.id for query in queries], "image", self.config.image_seq_length)
        left = self._left_ids(queries)
        given = model, left, self.profile.image, numbers
        return list(generate_image(*given, window=self.window, graphs=self.graphs).cpu())

    def _rescuing(
        self, compute: Callable[[Rudolph, Sequence[Asked]], list[Result]], queries: Sequence[Asked]
    ) -> list[Result]:
        """Compute in the chosen precision; in float16, rows that overflow are computed in bfloat16 instead."""
        results, rescued = compute_rescuing(self.networks, compute, queries)
        self.rescued += rescued.rows
        self.not_finite += rescued.logits
        return results
