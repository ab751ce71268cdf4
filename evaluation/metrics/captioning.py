"""ImageCaptioning: half METEOR with the references, half ruCLIP score with the picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import razdel

from contest.checking import described, is_unicode
from evaluation.metrics.answers import ScriptError, require_unicode
from evaluation.metrics.base import TaskScore
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.clip_score import ClipNetwork, score_captions
from evaluation.metrics.english_numbers import number_words_to_digits
from evaluation.metrics.errors import TRUTH_DEFECT
from evaluation.metrics.meteor import align_best, align_from_end, meteor_score
from evaluation.metrics.meteor_tasks import MeteorMetric, TextComparison, score_official, score_strict
from evaluation.metrics.normalisation import LEMMAS, MAX_CACHED, strict_form, strict_words
from evaluation.metrics.spaced_quotations import without_spaces_in_quotations
from evaluation.metrics.stems import nltk_stem, snowball_stem
from evaluation.metrics.treebank import word_tokens
from evaluation.metrics.wordnet import NO_WORDNET, WordNet
from evaluation.progress import Progress, silent

OFFICIAL_GAMMA = 0.5
"""Weight of the penalty in the organisers' script, which the formula of the rules has not (defect 13)."""

# Their list of opening marks names `}` where `{` was meant, so that `{` stays.
_DELETED = {ord(mark): None for mark in ",.!?:;%)]}(["}
_UNKNOWN = "@@UNKNOWN@@"


def official_comparison(answer: str, reference: str, wordnet: WordNet = NO_WORDNET) -> TextComparison:
    """Compare as the organisers' script does: METEOR with its penalty, over words that keep their form (defect 6).

    English number words become digits in the answer only.

    >>> official_comparison("Кот сидит на окне", "Коты сидят на окнах").score
    0.9921875
    """
    form, tokens = _official_tokens(answer, is_answer=True)
    reference_form, words = _official_tokens(reference, is_answer=False)
    alignment = align_from_end(tokens, words, nltk_stem, wordnet)
    score = meteor_score(alignment, gamma=OFFICIAL_GAMMA)
    return TextComparison(score, form, reference_form, tokens, words, alignment)


def strict_comparison(answer: str, reference: str, wordnet: WordNet = NO_WORDNET) -> TextComparison:
    """Compare by the rules: METEOR without penalty, over lemmas without punctuation, numerals as digits.

    >>> strict_comparison("На окне сидит кот!", "Коты сидят на окнах").score
    1.0
    """
    tokens, words = _strict_tokens(answer), _strict_tokens(reference)
    alignment = align_best(tokens, words, snowball_stem, wordnet)
    forms = strict_form(answer), strict_form(reference)
    return TextComparison(meteor_score(alignment, gamma=0), *forms, tokens, words, alignment)


def score_cases(cases: Sequence[Case], mode: Mode, wordnet: WordNet = NO_WORDNET) -> tuple[list[float], list[Note]]:
    """Score the METEOR half of cases in order, by `score_official` or, in mode `strict`, by `score_strict`.

    Raises AttemptAbortedError in mode `official`, where the organisers' script raises, or if an answer is missing.
    """
    if mode == "strict":
        return score_strict(cases, partial(strict_comparison, wordnet=wordnet))
    return score_official(
        cases,
        partial(official_comparison, wordnet=wordnet),
        partial(_affected_by, wordnet=wordnet),
        _answer_text,
        _reference_text,
        reads_answer_first=False,
    )


class Captioning(MeteorMetric):
    """Mean of (METEOR + ruCLIP score) / 2 over the ground truth's ids.

    Args:
        clip: the network for texts and pictures.
        mode: `official` or `strict`.
        wordnet: where synonyms come from.
        comparable: whether the network is the contest's.
        progress: hears how far it has come.

    """

    name = "captioning"

    def __init__(
        self,
        *,
        clip: ClipNetwork,
        mode: Mode = "official",
        wordnet: WordNet = NO_WORDNET,
        comparable: bool = True,
        progress: Progress = silent,
    ) -> None:
        super().__init__(mode=mode, wordnet=wordnet)
        self._clip, self.comparable, self._progress = clip, comparable, progress

    def settings(self) -> Mapping[str, str]:
        """Return where lemmas and synonyms come from, and name the network."""
        lemmas = {"lemmas": LEMMAS} if self.mode == "strict" else {}
        return {**lemmas, "wordnet": self.wordnet.name, "clip": self._clip.name}

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Return the mean of both halves a case, and notes on both. Raises AttemptAbortedError, NeedsInputError."""
        halves, notes = self._score_halves(cases)
        return [(meteor + clip) / 2 for meteor, clip in halves], notes

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases; `indices` are their places in the ground truth. Raises AttemptAbortedError, NeedsInputError."""
        halves, notes = self._score_halves(cases)
        self.keep(cases, indices, [(meteor + clip) / 2 for meteor, clip in halves], notes, halves)

    def result(self) -> TaskScore:
        """Return what all samples come to, with the means of both halves as parts."""
        halves = {one.index: one.details for one in self.samples}  # a sample that two processes scored counts once
        means = {
            name: math.fsum(pair[half] for pair in halves.values()) / len(halves)
            for half, name in enumerate(("meteor", "clip") if halves else ())
        }
        return replace(super().result(), parts=means)

    def _score_halves(self, cases: Sequence[Case]) -> tuple[list[tuple[float, float]], list[Note]]:
        meteor, notes = score_cases(cases, self.mode, self.wordnet)
        clip, clip_notes = score_captions(cases, self.mode, self._clip, progress=self._progress)
        # Both halves name an answer that is missing or unsound: once is enough.
        return list(zip(meteor, clip, strict=True)), list(dict.fromkeys([*notes, *clip_notes]))


def _answer_text(content: Any) -> str:
    if not isinstance(content, str):
        raise ScriptError(f"the answer's content is {described(content)}, not a string")
    require_unicode(content)
    return content


def _reference_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ScriptError(f"a reference is {described(value)}, not a string", defect=TRUTH_DEFECT)
    if not is_unicode(value):
        raise ScriptError("a reference holds half a surrogate pair, which can not be printed", defect=TRUTH_DEFECT)
    return value


def _official_tokens(text: str, *, is_answer: bool) -> tuple[str, tuple[str, ...]]:
    """Return the text as the organisers' script cleans it, and its tokens."""
    tokens = tuple(map(_plain_token, text.split()))
    if "" not in tokens:
        return " ".join(tokens), tokens
    form = _official_form(text, is_answer=is_answer)
    return form, word_tokens(number_words_to_digits(form) if is_answer else form)


@lru_cache(maxsize=MAX_CACHED)
def _plain_token(chunk: str) -> str:
    """Return the token of a chunk without white space; an empty string if their rules might look beyond the chunk.

    They do not where letters and digits are left that make one token, which is no part of an English numeral.
    """
    letters = chunk.translate(_DELETED)
    token = _tokenise(letters) if letters.isalnum() else ""
    is_plain = token.isalnum() and word_tokens(token) == (token,) and number_words_to_digits(token) == token
    return token if is_plain else ""


@lru_cache(maxsize=MAX_CACHED)
def _official_form(text: str, *, is_answer: bool) -> str:
    """Return the text as the organisers' script cleans it: some marks deleted, tokens joined by a space, lower case."""
    text = without_spaces_in_quotations(text.strip().translate(_DELETED))
    text = text.replace("' s", "'s").replace(" 's", "'s").strip()
    if is_answer:
        text = text.replace(_UNKNOWN, "<unk>")
    return _tokenise(text)


def _tokenise(text: str) -> str:
    return " ".join(token.text for token in razdel.tokenize(text)).lower()


def _strict_tokens(text: str) -> tuple[str, ...]:
    return tuple(number_words_to_digits(strict_form(text)).split())


def _affected_by(
    answer: str, references: Sequence[str], best: TextComparison, wordnet: WordNet
) -> Iterator[tuple[int, str]]:
    """Name the defects but for which the answer would have another score: each is corrected alone, and scored again.

    Those of the alignment are judged on the best reference alone.
    """
    assert best.alignment is not None, "captions are always aligned"
    if best.score and best.alignment.matches:
        yield 13, f"without the penalty the score would be {meteor_score(best.alignment, gamma=0):.3g}"
    words = strict_words(answer)
    alignments = [align_from_end(words, strict_words(reference), nltk_stem, wordnet) for reference in references]
    corrected = max(meteor_score(alignment, gamma=OFFICIAL_GAMMA) for alignment in alignments)
    if corrected != best.score:
        yield 6, f"in the normal form that the rules name the score would be {corrected:.3g}"
    aligned = align_best(best.answer_tokens, best.reference_tokens, nltk_stem, wordnet)
    if len(aligned.matches) != len(best.alignment.matches):
        yield 15, f"with synonyms of one synset {len(aligned.matches)} words would match"
    elif aligned.chunks != best.alignment.chunks:
        yield 14, f"the alignment with the fewest crossings has {aligned.chunks} chunks, not {best.alignment.chunks}"
