"""Reads the settings of a run from YAML, whatever a stranger's file holds, with `key=value` overrides."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from contest.console import say
from contest.stand_ins import HEAD_BYTES, stand_in
from errors import bare_reason
from training.tune.errors import SettingsError
from training.tune.published_settings import is_published, translate
from training.tune.settings import TuneSettings, conflicts
from training.tune.settings_keys import present_form, problem_of
from training.tune.without_effect import without_effect

# (left, image, right) of the published trainer; a task that it does not know is weighed as `TaskSettings` says.
PUBLISHED_SEGMENTS: Mapping[str, tuple[float, float, float]] = {
    "textqa": (1.0, 0.01, 7.0),
    "mathqa": (1.0, 0.01, 7.0),
    "generation": (1.0, 7.0, 0.01),
    "captioning": (1.0, 1.0, 7.0),
    "vqa": (1.0, 1.0, 7.0),
    "text_recognition": (1.0, 1.0, 7.0),
}

LARGEST_BYTES = 2**20
LARGEST_VALUES = 10_000  # settings have a few dozen; a few lines of aliases of aliases stand for billions
DEEPEST = 32


def read_settings(path: Path, overrides: Sequence[str]) -> TuneSettings:
    """Read a settings file and apply `key=value` overrides, with dotted keys.

    Keys of when settings were one flat list are read too. The file may be one of the organisers' trainer; keys of
    theirs that have no meaning here are named on stderr.

    Raises `SettingsError` for a missing file, an unknown key, a wrong type or an impossible value.
    """
    loaded, remarks = load_settings_file(path), list[str]()
    if is_published(loaded):
        translated = translate(path, _plain(path, loaded))
        remarks, file = translated.remarks, translated.settings
    else:
        file = cast(dict[str, Any], OmegaConf.to_container(loaded))
    try:
        changes = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides))))
        given = OmegaConf.merge(*(OmegaConf.create(present_form(part)) for part in (file, changes)))
    except SettingsError as error:
        raise SettingsError(error.message, where=str(path)) from error
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # TypeError: of OmegaConf, for a list where there should be keys.
        raise SettingsError(_in_words(error), where=str(path)) from error
    plain = _plain(path, given)
    settings = _checked(path, plain)
    if os.environ.get("RANK", "0") == "0":  # of several processes, the first speaks
        for remark in [*remarks, *without_effect(plain, settings)]:
            say(f"{path}: {remark}")
    return settings


def _plain(path: Path, config: Any) -> dict[str, Any]:
    """Return the values, references to each other resolved."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(_in_words(error), where=str(path)) from error


def _checked(path: Path, plain: Mapping[str, Any]) -> TuneSettings:
    """Return the settings. Raises `SettingsError` naming the first key whose value cannot be used."""
    tasks = plain.get("tasks")
    if isinstance(tasks, dict):
        segments = ("left", "image", "right")
        tasks = {
            name: {**dict(zip(segments, PUBLISHED_SEGMENTS.get(name, ()), strict=False)), **values}
            if isinstance(values, dict)
            else values
            for name, values in tasks.items()
        }
        plain = {**plain, "tasks": tasks}
    try:
        settings = TypeAdapter(TuneSettings).validate_python(plain)
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda one: one["type"] != "unexpected_keyword_argument")
        raise SettingsError(problem_of(unknown_first[0]), where=str(path)) from error
    for key, problem in conflicts(settings):
        raise SettingsError(f"{key}: {problem}", where=str(path))
    return settings


def load_settings_file(path: Path) -> DictConfig:
    """Return what the file holds: an object. Raises `SettingsError`, naming the file and what is wrong with it."""
    where = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise SettingsError("no such settings file", where=where) from error
    except OSError as error:
        raise SettingsError(bare_reason(error), where=where) from error
    if (found := stand_in(data[:HEAD_BYTES])) is not None:
        raise SettingsError(str(found), where=where)
    if len(data) > LARGEST_BYTES:
        raise SettingsError(f"is larger than a settings file can be ({LARGEST_BYTES >> 20} MiB)", where=where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"is not UTF-8 (byte {error.start})", "save it as UTF-8", where=where) from error
    try:
        _require_small(text)
        loaded = OmegaConf.create(text)
    except (_UnfitError, OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(_in_words(error), where=where) from error
    if not isinstance(loaded, DictConfig):
        raise SettingsError("does not hold `key: value` lines", where=where)
    return loaded


def _in_words(error: Exception) -> str:
    """Return what the libraries say of a value, in the words of who wrote the settings."""
    if isinstance(error, RecursionError):
        return f"is nested more than {DEEPEST} deep"
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "integer string conversion" in first:
        return "a number has thousands of digits"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return f"{error.problem or first}" + (f", line {mark.line + 1}" if mark is not None else "")
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key or first.rpartition(' ')[2]}: is not set"
    if isinstance(error, InterpolationKeyError):
        return f"{error.full_key}: {first}"
    return first


class _UnfitError(Exception):
    """YAML that no settings file needs."""


def _require_small(text: str) -> None:
    """Raise `_UnfitError` for what would be too large or too deep once its aliases are written out, or has no end."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None, depth: int, above: frozenset[int]) -> int:
        if node is None:
            return 0
        if id(node) in above:
            raise _UnfitError(f"line {node.start_mark.line + 1}: a value holds itself")
        if depth > DEEPEST:
            raise _UnfitError(f"line {node.start_mark.line + 1}: is nested more than {DEEPEST} deep")
        if id(node) not in sizes:
            inside = above | {id(node)}
            parts: list[yaml.Node] = []
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                parts = list(node.value)
            sizes[id(node)] = 1 + sum(size(part, depth + 1, inside) for part in parts)
            if sizes[id(node)] > LARGEST_VALUES:
                raise _UnfitError(f"holds more than {LARGEST_VALUES} values, its aliases written out")
        return sizes[id(node)]

    size(root, 0, frozenset())
