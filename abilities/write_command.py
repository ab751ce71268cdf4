"""Command line: `python -m abilities write TEXT`: RUDOLPH as a language model."""

from __future__ import annotations

import argparse

from abilities.failures import explained, require_finite
from abilities.options import add_shared_arguments, add_tokens_argument, chosen_device, require_drafts
from abilities.tokens import TOKENS
from contest.command_line import DONE, whole
from contest.console import note, one_line, say, show
from models.named_folders import existing_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("text", metavar="TEXT", help="how each text begins, in Russian; may be empty")
    add("--count", type=whole(least=1), default=3, metavar="N", help="texts, at most (default: 3)")
    add("--drafts", type=whole(least=1), default=16, metavar="N", help="drawn, of which the best stay (default: 16)")
    add(
        "--length",
        type=whole(least=1),
        metavar="TOKENS",
        help="of a text at most, its beginning and three marks included (default: what the network has room for)",
    )
    add_tokens_argument(parser)
    add_shared_arguments(parser)
    parser.set_defaults(run=run, keeps=("json",))


@explained
def run(options: argparse.Namespace) -> int:
    """Go on with the text; a line for each distinct draft, the least perplexing first."""
    require_drafts(options.drafts, options.count, "text")

    import torch

    from abilities.progress import passes_shown
    from abilities.viewer import load_writer
    from contest.writing import write_json
    from models.rudolph.left_text import generate_texts

    folder, device = existing_weights(options.weights), chosen_device(options.device)
    model, vocabulary = load_writer(folder, device, getattr(torch, options.dtype))
    note(f"writing {options.drafts}: {options.text}")
    with passes_shown(model, "writing", None):
        written = generate_texts(
            model,
            vocabulary,
            options.text,
            options.drafts,
            special=TOKENS[options.tokens].write,
            pieces_only=True,
            early_stop=options.length,
            seed=options.seed,
            batch=options.batch,
        )
    require_finite(torch.tensor([one.perplexity for one in written]), "the perplexities of the texts")
    kept = written[: options.count]
    for one in kept:
        show(one_line(one.text))
    if not kept:
        say("every draft was empty")
    if options.json is not None:
        texts = [{"text": one.text, "drafts": one.count, "perplexity": one.perplexity} for one in kept]
        about = {"beginning": options.text, "seed": options.seed, "drafts": options.drafts}
        write_json(options.json, {**about, "texts": texts}, indent=1)
    return DONE
