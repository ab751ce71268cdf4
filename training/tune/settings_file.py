"""Reads the YAML of a settings file, whatever a stranger's file holds. Knows nothing of what settings mean."""

from __future__ import annotations

from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from contest.stand_ins import HEAD_BYTES, stand_in
from errors import bare_reason
from training.tune.errors import SettingsError

LARGEST_BYTES = 2**20
LARGEST_VALUES = 10_000  # settings have a few dozen; a few lines of aliases of aliases stand for billions
DEEPEST = 32


def load_settings_file(path: Path) -> DictConfig:
    """Return what the file holds: an object. Raises `SettingsError`, naming the file and what is wrong with it."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
        if (found := stand_in(data[:HEAD_BYTES])) is not None:
            raise SettingsError(f"{path}: {found}")
        if len(data) > LARGEST_BYTES:
            raise SettingsError(f"{path}: is larger than a settings file can be ({LARGEST_BYTES >> 20} MiB)")
        text = data.decode("utf-8-sig")
        _demand_small(text)
        loaded = OmegaConf.create(text)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such settings file") from error
    except OSError as error:
        raise SettingsError(f"{path}: {bare_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except _UnfitError as error:
        raise SettingsError(f"{path}: {error}") from error
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"{path}: {in_words(error)}") from error
    if not isinstance(loaded, DictConfig):
        raise SettingsError(f"{path}: does not hold `key: value` lines")
    return loaded


def in_words(error: Exception) -> str:
    """Return what the libraries say of a value, in the words of who wrote the settings."""
    if isinstance(error, RecursionError):
        return f"is nested more than {DEEPEST} deep"
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "integer string conversion" in first:
        return "a number has thousands of digits"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return f"{error.problem or first}" + (f", line {mark.line + 1}" if mark is not None else "")
    if isinstance(error, OmegaConfBaseException):
        key = error.full_key
        if isinstance(error, InterpolationKeyError):
            return f"{key}: {first}"
        if isinstance(error, ConfigKeyError):
            return f"unknown key {key}"
        if isinstance(error, MissingMandatoryValue):
            return f"{key or first.rpartition(' ')[2]}: is not set"
        if isinstance(error, ValidationError) and key:
            return f"{key}: {first}"
    return first


class _UnfitError(Exception):
    """YAML that no settings file needs."""


def _demand_small(text: str) -> None:
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
