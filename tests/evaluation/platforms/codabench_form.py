"""Codabench's form of a competition, and how its worker lays things: as its documentation and its worker have them.

Sources: Yaml-Structure and Competition-Bundle-Structure of the platform's documentation; the unpacker of version 2 and
`compute_worker.py` of its repository.
"""

import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

# Section -> key -> (type, whether it must be there).
KEYS: dict[str, dict[str, tuple[type | tuple[type, ...], bool]]] = {
    "competition": {
        "version": (int, True),
        "title": (str, True),
        "image": (str, True),
        "terms": (str, True),
        "pages": (list, True),
        "tasks": (list, True),
        "phases": (list, True),
        "leaderboards": (list, True),
        "solutions": (list, False),
        "description": (str, False),
        "registration_auto_approve": (bool, False),
        "docker_image": (str, False),
        "make_programs_available": (bool, False),
        "make_input_data_available": (bool, False),
        "enable_detailed_results": (bool, False),
    },
    "pages": {"title": (str, True), "file": (str, True)},
    "tasks": {
        "index": (int, True),
        "name": (str, True),
        "scoring_program": (str, True),
        "description": (str, False),
        "reference_data": (str, False),
        "input_data": (str, False),
    },
    "solutions": {"index": (int, True), "tasks": (list, True), "path": (str, True)},
    "phases": {
        "name": (str, True),
        "start": (date, True),
        "tasks": (list, True),
        "end": (date, False),
        "index": (int, False),
        "description": (str, False),
        "max_submissions_per_day": (int, False),
        "execution_time_limit": (int, False),
        "public_data": (str, False),
        "accepts_only_result_submissions": (bool, False),
    },
    "leaderboards": {
        "title": (str, True),
        "key": (str, True),
        "columns": (list, True),
        "submission_rule": (str, False),
    },
    "columns": {
        "title": (str, True),
        "key": (str, True),
        "index": (int, True),
        "sorting": (str, False),
        "precision": (int, False),
    },
}
SECTIONS: dict[str, tuple[str, ...]] = dict.fromkeys(KEYS, ())
"""The sections that stand in each; where a phase or a solution names tasks, these are numbers."""
SECTIONS["competition"] = ("pages", "tasks", "solutions", "phases", "leaderboards")
SECTIONS["leaderboards"] = ("columns",)
RULES = "Add Add_And_Delete Add_And_Delete_Multiple Force_Last Force_Latest_Multiple Force_Best"
CHOICES = {
    "submission_rule": tuple(RULES.split()),
    "sorting": ("asc", "desc"),
    "version": (2,),
}
FILES = ("image", "terms", "file", "scoring_program", "reference_data", "input_data", "path", "public_data")


def problems(section: str, value: dict[str, Any], names: set[str]) -> Iterator[str]:
    """What is wrong with a section, and those in it; `names` are the files of the bundle."""
    known = KEYS[section]
    yield from (f"{section}: no {key}" for key, (_, needed) in known.items() if needed and key not in value)
    for key, entry in value.items():
        if key not in known:
            yield f"{section}: {key} is no key of it"
        elif not isinstance(entry, known[key][0]):
            yield f"{section}: {key} is {entry!r}"
        elif entry in CHOICES.get(key, (entry,)) and key in FILES and entry not in names:
            yield f"{section}: {key} names {entry}, which is not in the bundle"
        elif entry not in CHOICES.get(key, (entry,)):
            yield f"{section}: {key} can not be {entry!r}"
        elif key in SECTIONS[section]:
            for part in entry:
                yield from problems(key, part, names)
    if section in ("phases", "solutions") and not set(value["tasks"]) <= {0}:
        yield f"{section}: a task that there is not"


def competition_of(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        found: dict[str, Any] = yaml.safe_load(archive.read("competition.yaml").decode("utf-8"))
        assert list(problems("competition", found, set(archive.namelist()))) == []
    return found


def laid_out(bundle: Path, app: Path) -> list[str]:
    """Lay the bundle and its own solution as the worker does for a scoring; return the command that it starts."""
    competition = competition_of(bundle)
    (task,), (solution,) = competition["tasks"], competition["solutions"]
    parts = {
        "program": task["scoring_program"],
        "input/ref": task["reference_data"],
        "input/res": solution["path"],
    }
    with zipfile.ZipFile(bundle) as archive:
        for place, name in parts.items():
            (app / place).mkdir(parents=True)
            with archive.open(name) as stream, zipfile.ZipFile(stream) as part:
                part.extractall(app / place)
    (app / "output").mkdir()
    command: str = yaml.safe_load((app / "program/metadata.yaml").read_text("utf-8"))["command"]
    return command.split(" ")
