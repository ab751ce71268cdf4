"""The command `reconstruction`: how well a picture tokenizer keeps pictures, by domain."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `reconstruction`."""
    add = parser.add_argument
    add("--originals", type=Path, required=True, metavar="DIR", help="folder of the pictures as they were")
    add("--reconstructions", type=Path, required=True, metavar="DIR", help="folder of what was made of their codes")
    add("--domains", type=Path, metavar="FILE", help="JSON {picture: [domain, ...]} (default: all pictures only)")
    add("--assets", type=Path, metavar="DIR", help="folder with the networks of the metrics")
    add("--json", type=Path, metavar="FILE", help="write the scores")
    parser.set_defaults(run=run, keeps=("json",))


def run(options: argparse.Namespace) -> int:
    """Score, write what was asked for, print the table."""
    from contest.command_line import DONE
    from contest.console import show
    from contest.writing import require_writable, write_json
    from evaluation.assets import Assets
    from evaluation.reconstruction.pairs import find_pairs, read_domains
    from evaluation.reconstruction.scoring import (
        Classifier,
        score_reconstructions,
        score_table,
        scores_to_json,
        signature,
    )
    from models.weights import find_weights

    if options.json:
        require_writable(options.json)
    pairs = find_pairs(options.originals, options.reconstructions)
    domains = read_domains(options.domains, [pair.name for pair in pairs]) if options.domains else {}
    assets = Assets.named(options.assets)
    network = assets.features("inception", has_substitute=False)
    assert assets.folder is not None, "a network was loaded from it"
    classifier = Classifier.from_file(find_weights(assets.folder / "inception"))
    scores = score_reconstructions(pairs, domains, network, classifier)
    lines = [score_table(scores), signature(network)]
    if options.json:
        write_json(options.json, scores_to_json(scores, network), indent=2)
        lines.append(f"result: {options.json}")
    show("\n".join(lines))
    return DONE
