"""Command line: `python -m abilities rank PICTURE ... --text TEXT ...`: how well pictures and texts fit."""

from __future__ import annotations

import argparse

from abilities.failures import explained, require_finite
from abilities.options import add_viewing_arguments, chosen_device
from abilities.tokens import TOKENS
from contest.command_line import DONE, UsageError
from contest.console import one_line, show
from models.named_folders import existing_weights

WEIGHT_OF_TEXT = {"text": 1.0, "picture": 0.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Rank several pictures by one text, or several texts by one picture: the best first."
    parser.add_argument(
        "--text",
        dest="texts",
        action="append",
        required=True,
        metavar="TEXT",
        help="a text; may be repeated",
    )
    parser.add_argument(
        "--by",
        choices=("both", *WEIGHT_OF_TEXT),
        default="both",
        help="how perplexing RUDOLPH finds the text, the picture, or both, weighted as published (default: both)",
    )
    add_viewing_arguments(parser)
    parser.set_defaults(run=run, keeps=("json",))


@explained
def run(options: argparse.Namespace) -> int:
    """Rank; a line for each candidate with its score, the lower the better."""
    texts = [text.strip() for text in options.texts]
    if not all(texts):
        raise UsageError("a text to rank by, or to rank, is empty", "say something with --text")
    if (len(options.pictures) > 1) == (len(texts) > 1):
        raise UsageError(
            f"{len(options.pictures)} pictures and {len(texts)} texts can not be ranked: of one there must be several, "
            "of the other one",
            "give several pictures and one --text, or one picture and --text several times",
        )

    import torch

    from abilities.viewer import load_viewer
    from contest.writing import write_json
    from models.rudolph.ranking import IMAGE_RANKING_TEXT_WEIGHT, TEXT_RANKING_TEXT_WEIGHT, rank_images, rank_texts

    folder, device = existing_weights(options.weights), chosen_device(options.device)
    viewer = load_viewer(folder, device, getattr(torch, options.dtype))
    codes = torch.stack([viewer.codes(path) for path in options.pictures])
    tokens, many_pictures = TOKENS[options.tokens], len(options.pictures) > 1
    usual = IMAGE_RANKING_TEXT_WEIGHT if many_pictures else TEXT_RANKING_TEXT_WEIGHT
    weight = WEIGHT_OF_TEXT.get(options.by, usual)
    if many_pictures:
        ranking = rank_images(
            viewer.model,
            viewer.vocabulary,
            texts[0],
            codes,
            left_special=tokens.look,
            right_special=tokens.tell,
            text_weight=weight,
            batch=options.batch,
        )
    else:
        ranking = rank_texts(
            viewer.model,
            viewer.vocabulary,
            texts,
            codes[0],
            left_special=tokens.draw,
            text_weight=weight,
            batch=options.batch,
        )
    perplexities = torch.stack((ranking.text_perplexity, ranking.image_perplexity))
    require_finite(perplexities, "the perplexities of the texts and pictures")
    names = [str(path) for path in options.pictures] if many_pictures else texts
    entries = []
    for index in ranking.best(len(names)):
        score = float(ranking.scores[index])
        show(f"{one_line(names[index])}\t{score:.4g}")
        of_text, of_picture = perplexities[:, index].tolist()
        entry = {"text_perplexity": of_text, "picture_perplexity": of_picture, "score": score}
        entries.append({"picture" if many_pictures else "text": names[index], **entry})
    if options.json is not None:
        by = {"text": texts[0]} if many_pictures else {"picture": str(options.pictures[0])}
        write_json(options.json, {**by, "by": options.by, "ranking": entries}, indent=1)
    return DONE
