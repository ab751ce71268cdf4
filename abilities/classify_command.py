"""Command line: `python -m abilities classify PICTURE ... --classes A,B,...`."""

from __future__ import annotations

import argparse

from abilities.failures import explained, require_finite
from abilities.options import add_viewing_arguments, chosen_device
from abilities.tokens import TOKENS
from contest.command_line import DONE, UsageError
from contest.console import one_line, show
from models.named_folders import existing_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--classes", required=True, metavar="A,B,...", help="what a picture may show, in Russian")
    parser.add_argument("--template", default="{}", metavar="TEXT", help="the words round a class, which is {}")
    add_viewing_arguments(parser)
    parser.set_defaults(run=run, keeps=("json",))


@explained
def run(options: argparse.Namespace) -> int:
    """Choose the class under which each picture's text is likeliest; a line for each picture."""
    classes = _classes(options.classes)
    if options.template.count("{}") != 1 or set(options.template.replace("{}", "", 1)) & set("{}"):
        raise UsageError(f"--template {options.template!r} must have {{}} once, for the class, and no other braces")

    import torch

    from abilities.viewer import load_viewer
    from contest.writing import write_json
    from models.rudolph.ranking import classify

    viewer = load_viewer(
        existing_weights(options.weights), chosen_device(options.device), getattr(torch, options.dtype)
    )
    codes = [viewer.codes(path) for path in options.pictures]  # all of them: what is no picture is said at once
    tokens = TOKENS[options.tokens]
    entries = []
    for path, seen in zip(options.pictures, codes, strict=True):
        found = classify(
            viewer.model,
            viewer.vocabulary,
            classes,
            seen,
            right_template=options.template,
            left_special=tokens.look,
            right_special=tokens.tell,
            batch=options.batch,
        )
        require_finite(found.perplexity, f"the perplexities of the classes of {path}")
        show(f"{one_line(str(path))}\t{one_line(found.name)}")
        perplexities = dict(zip(classes, found.perplexity.tolist(), strict=True))
        entries.append({"file": str(path), "class": found.name, "perplexities": perplexities})
    if options.json is not None:
        write_json(options.json, {"template": options.template, "pictures": entries}, indent=1)
    return DONE


def _classes(given: str) -> list[str]:
    classes = [name.strip() for name in given.split(",")]
    if len(classes) < 2 or not all(classes):
        raise UsageError("--classes needs two names or more, none of them empty", "write them with commas between")
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise UsageError(f"--classes names {', '.join(twice)} more than once", "leave one of each")
    return classes
