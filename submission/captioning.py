"""More captions of a picture, and the best of all so far: drawn by the engine, compared as the profile says."""

from __future__ import annotations

from collections.abc import Sequence

from models.rudolph.ranking import rank_texts
from submission.captions import CaptionChoice, DrawnCaptions, best_of, consensus
from submission.engine import Engine, Query
from submission.ruclip_scores import ruclip_scores

RANKED_AT_ONCE = 4  # by the picture that they make: passes of whole sequences


def more_captions(
    engine: Engine, choice: CaptionChoice, queries: Sequence[Query], so_far: Sequence[DrawnCaptions], numbers: range
) -> list[DrawnCaptions]:
    """Draw the captions of some numbers for each query, 0 being its answer's, and choose among all so far.

    What comes of a sample is a function of how many it has had: what was compared before need not be drawn again.
    Raises ValueError where the choice is ruCLIP's and the engine has none.
    """
    texts = engine.several_texts(queries, choice.text, numbers)
    drawn = [before.with_more(of_query) for before, of_query in zip(so_far, texts, strict=True)]
    if choice.score == "consensus":
        return [each.chosen(consensus(each.said)) if any(each.said) else each for each in drawn]
    candidates = [each.candidates(before) for each, before in zip(drawn, so_far, strict=True)]
    compared = [row for row, of_query in enumerate(candidates) if len(of_query) > 1]
    scores = _scores(engine, choice, [queries[row] for row in compared], [candidates[row] for row in compared])
    best = [of_query[0] if of_query else each.best for each, of_query in zip(drawn, candidates, strict=True)]
    for row, of_query in zip(compared, scores, strict=True):
        best[row] = best_of(candidates[row], of_query)
    return [each.chosen(text) for each, text in zip(drawn, best, strict=True)]


def _scores(
    engine: Engine, choice: CaptionChoice, queries: Sequence[Query], texts: Sequence[Sequence[str]]
) -> list[list[float]]:
    """Scores of each query's captions: the higher, the better."""
    if choice.score == "likelihood":
        return [[each.mean for each in of_query] for of_query in engine.likelihoods(queries, texts)]
    score = _by_picture if choice.score == "picture" else _by_ruclip
    return [score(engine, query, of_query) for query, of_query in zip(queries, texts, strict=True)]


def _by_picture(engine: Engine, query: Query, texts: Sequence[str]) -> list[float]:
    """How probable each caption, as a text to be drawn, makes the picture."""
    if query.codes is None:
        raise ValueError(f"sample {query.id!r} has no picture to compare captions by")
    model, vocabulary = engine.networks.rudolph, engine.networks.vocabulary
    ranking = rank_texts(model, vocabulary, texts, query.codes.long(), left_special="<LT_UNK>", batch=RANKED_AT_ONCE)
    return [-value for value in ranking.image_perplexity.tolist()]


def _by_ruclip(engine: Engine, query: Query, texts: Sequence[str]) -> list[float]:
    if query.codes is None or engine.networks.ruclip is None:
        raise ValueError(f"sample {query.id!r} has no picture to compare captions by, or there is no ruCLIP")
    return ruclip_scores(engine.networks.ruclip, texts, engine.render([query.codes])[0])
