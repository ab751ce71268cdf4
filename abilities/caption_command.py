"""Command line: `python -m abilities caption PICTURE ...`."""

from __future__ import annotations

import argparse

from abilities.failures import explained, require_finite
from abilities.options import add_viewing_arguments, chosen_device, require_drafts
from abilities.tokens import TOKENS
from contest.command_line import DONE, whole
from contest.console import note, one_line, show
from models.named_folders import existing_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--count", type=whole(least=1), default=1, metavar="N", help="captions a picture, at most")
    parser.add_argument(
        "--drafts", type=whole(least=1), default=16, metavar="N", help="texts drawn, of which the best are kept"
    )
    parser.add_argument("--template", default="", metavar="TEXT", help="how every caption begins")
    add_viewing_arguments(parser)
    parser.set_defaults(run=run, keeps=("json",))


@explained
def run(options: argparse.Namespace) -> int:
    """Caption each picture; a line for each caption, the best first."""
    require_drafts(options.drafts, options.count, "caption")

    import torch

    from abilities.progress import passes_shown
    from abilities.viewer import load_viewer
    from contest.writing import write_json
    from models.rudolph.abilities import caption_image
    from models.rudolph.step_graphs import StepGraphs

    viewer = load_viewer(
        existing_weights(options.weights), chosen_device(options.device), getattr(torch, options.dtype)
    )
    graphs = StepGraphs.automatic(chosen_device(options.device))
    codes = [viewer.codes(path) for path in options.pictures]  # all of them: what is no picture is said at once
    tokens = TOKENS[options.tokens]
    entries = []
    for number, (path, seen) in enumerate(zip(options.pictures, codes, strict=True), 1):
        note(f"captioning {number} of {len(codes)}")
        with passes_shown(viewer.model, "captioning", None, graphs):
            captions = caption_image(
                viewer.model,
                viewer.vocabulary,
                seen,
                options.count,
                drafts=options.drafts,
                right_template=options.template,
                left_special=tokens.look,
                right_special=tokens.tell,
                ranking_special=tokens.draw,
                seed=options.seed,
                batch=options.batch,
                graphs=graphs,
            )
        require_finite(torch.tensor([caption.score for caption in captions]), f"the scores of captions of {path}")
        for caption in captions:
            show(f"{one_line(str(path))}\t{one_line(caption.text)}")
        kept = [{"text": one.text, "drafts": one.count, "score": one.score} for one in captions]
        entries.append({"file": str(path), "captions": kept})
    if options.json is not None:
        write_json(options.json, {"seed": options.seed, "drafts": options.drafts, "pictures": entries}, indent=1)
    return DONE
