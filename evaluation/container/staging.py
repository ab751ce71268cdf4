"""Lays out what a submission sees beside it: the input and the pictures that it names, and nothing else.

The organisers' folder may hold references beside the questions; what `input.json` does not name is not shown. All are
copies, so that whatever a submission does to them, the originals stay as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from contest.items import Sample
from contest.limits import INPUT_NAME
from contest.pictures import resolve_picture
from evaluation.container.errors import HostError


def stage_input(input_json: Path, samples: Iterable[Sample], target: Path) -> None:
    """Make the folder `target` with copies of `input.json` and of its pictures, readable for everyone.

    Raises HostError if a picture is missing, ContestError if its path leads out of the folder, OSError.
    """
    target.mkdir()
    _copy(input_json, target / INPUT_NAME)
    for content in dict.fromkeys(content for sample in samples for content in sample.images):
        place = target / PurePosixPath(content)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(resolve_picture(input_json.parent, content, follow_links=True), place)
        except FileNotFoundError as error:
            raise HostError(f"the input names {content}, which is not there", "complete the input") from error


def _copy(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)
    place.chmod(0o644)
