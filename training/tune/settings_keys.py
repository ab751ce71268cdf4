"""The settings' keys: what each allows, in words; which had other names before; and the list that `--help` prints."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from training.tune.errors import SettingsError
from training.tune.settings import TaskSettings, TuneSettings

# Settings that have kept their name, and lay in one flat list before -> the part that they are in now.
_MOVED = {
    "data": "cache sampling batch reference special_probability workers prefetch",
    "model": "start scratch initialization",
    "optim": "schedule learning_rate warmup_steps decay_share final_rate_share beta1 beta2 weight_decay clip",
    "compute": "device dtype threads accumulate activation_checkpointing parallel",
    "checkpoint": "keep_last best",
}
# What settings were called when they were one flat list -> what they are called now.
OLD_KEYS: Mapping[str, str] = {
    **{name: f"{part}.{name}" for part, names in _MOVED.items() for name in names.split()},
    "out": "output",
    "data": "data.folder",
    "model": "model.params",
    "optimizer": "optim.name",
    "loss": "loss.kind",
    "validate_every": "validation.every",
    "validation_samples": "validation.samples",
    "checkpoint_every": "checkpoint.every",
    "watch.log_every": "logging.every",
    "watch.tensorboard": "logging.tensorboard",
    "watch.plots": "logging.plots",
    "watch.answers": "logging.answers",
    "watch.epoch_steps": "logging.epoch_steps",
    "watch.mode": "validation.mode",
}
_REFERENCE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}")  # one setting in the value of another
QUOTED_CHARACTERS = 40


def fields_of(kind: type) -> dict[str, FieldInfo]:
    """Return the fields of a pydantic dataclass."""
    fields: dict[str, FieldInfo] = kind.__pydantic_fields__  # type: ignore[attr-defined]
    return fields


def _fields(kind: type = TuneSettings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, found in fields_of(kind).items():
        if is_dataclass(found.annotation):
            assert isinstance(found.annotation, type)
            yield from _fields(found.annotation, f"{prefix}{name}.")
            continue
        yield prefix + name, found
        if name == "tasks":
            yield from _fields(TaskSettings, "tasks.NAME.")


FIELDS: Mapping[str, FieldInfo] = dict(_fields())
_MODEL_KEYS = frozenset(key.removeprefix("model.") for key in FIELDS if key.startswith("model."))


def present_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings, as YAML holds them, with the keys of today; those that have them already stay.

    Raises `SettingsError` for a setting that is there by both its names.
    """
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key == "watch" and isinstance(value, Mapping):
            for name, inner in value.items():
                _put(found, OLD_KEYS.get(f"watch.{name}", f"logging.{name}").split("."), inner)
        else:
            path = [key] if _is_part(key, value) else OLD_KEYS.get(key, str(key)).split(".")
            _put(found, path, value)
    return found


def _is_part(key: str, value: object) -> bool:
    """Whether a key that has another meaning than before has that of today."""
    if not isinstance(value, Mapping):
        return False
    return key in ("data", "loss") or (key == "model" and not _MODEL_KEYS.isdisjoint(value))


def _put(into: dict[str, Any], path: Sequence[str], value: Any, above: str = "") -> None:
    """Put a value at the end of a path of keys."""
    name, *rest = path
    key = f"{above}{name}"
    if rest or isinstance(value, Mapping):
        inside = into.setdefault(name, {})
        if not isinstance(inside, dict):
            raise SettingsError(f"{key}: is given twice, as a value and as settings of its own")
        for inner in [value] if rest else value:
            _put(inside, rest or [inner], value if rest else value[inner], f"{key}.")
        return
    if name in into:
        old = next((old for old, new in OLD_KEYS.items() if new == key), key)
        raise SettingsError(f"{key}: is given twice, also as {old}")
    into[name] = _REFERENCE.sub(_renamed, value) if isinstance(value, str) else value


def _renamed(reference: re.Match[str]) -> str:
    return f"${{{OLD_KEYS.get(reference[1], reference[1])}}}"


def flat(nested: Mapping[str, Any], prefix: str = "", whole: str | None = "model.params") -> dict[str, Any]:
    """Return the values of nested settings by dotted keys; those of the key `whole` stay together."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        key = f"{prefix}{name}"
        found |= flat(value, f"{key}.", whole) if isinstance(value, Mapping) and key != whole else {key: value}
    return found


def problem_of(error: Mapping[str, Any]) -> str:
    """Return what pydantic found, as `key: what is allowed, and what was given`."""
    place = [str(part) for part in error["loc"] if not isinstance(part, int)]
    key, known = ".".join(place), ".".join(["tasks", "NAME", *place[2:]] if place[0] == "tasks" else place)
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}{_nearest(key)}"
    if error["type"] == "missing":
        return f"{'data.folder' if key == 'data' else key}: is not set"
    if known not in FIELDS or place == ["tasks"]:
        return f"{key}: must hold settings of its own, `{key}: {{key: value}}`, not {_quoted(error['input'])}"
    return f"{key}: must be {allowed(FIELDS[known])}, not {_quoted(error['input'])}"


def _nearest(key: str) -> str:
    """Return a question for the known key that is most like an unknown one."""
    task = ".".join(key.split(".")[:2])
    known = [field.replace("tasks.NAME", task) for field in FIELDS] if key.startswith("tasks.") else list(FIELDS)
    ends = {field.rpartition(".")[2]: field for field in known}
    likely = difflib.get_close_matches(key, [*known, *OLD_KEYS, *ends], 1)
    likely = likely or difflib.get_close_matches(key.rpartition(".")[2], ends, 1)
    return f"; did you mean {OLD_KEYS.get(likely[0]) or ends.get(likely[0], likely[0])}?" if likely else ""


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[: QUOTED_CHARACTERS - 1]}…"


def allowed(field: FieldInfo) -> str:
    """Return what a setting may be, in words."""
    return in_words(field.annotation, field.metadata)


def in_words(kind: Any, metadata: Sequence[Any] = ()) -> str:
    """Return what a type allows, with the bounds of its metadata."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        kind, *own = parts
        return in_words(kind, [*metadata, *own])
    if origin in (Union, UnionType):
        return in_words(next(part for part in parts if part is not NoneType), metadata)
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return f"{'a whole' if kind is int else 'a'} number{_bounds(metadata)}"
    if origin is list:
        return "a list of two files, questions and answers"
    return "a text" if kind is str else "key: value pairs"


def _bounds(metadata: Sequence[Any]) -> str:
    found: dict[str, float] = {}
    for part in metadata:
        for one in part.metadata if isinstance(part, FieldInfo) else [part]:
            found |= {name: getattr(one, name) for name in ("ge", "gt", "le", "lt") if hasattr(one, name)}
    words = {"ge": " from {}", "gt": " above {}", "le": " to {}", "lt": " and below {}"}
    if "gt" in found:
        words["le"] = " and at most {}"
    return "".join(word.format(_figure(found[name])) for name, word in words.items() if name in found)


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def settings_help() -> str:
    """Return a list of all settings: key, default, what is allowed, and what it is for."""
    lines = ["settings (in the file nested by component; behind it as key=value, such as optim.clip=2):"]
    for key, field in FIELDS.items():
        made = field.default_factory is not None
        if field.is_required():
            default = "required"
        else:
            default = "none" if made or field.default in (None, MISSING) else f"default {_yaml(field.default)}"
        lines += [f"  {key}: {allowed(field)}; {default}", f"      {field.description}"]
    return "\n".join(lines)


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
