"""RUDOLPH's dimensions: the published constructor keywords, validated, and the published sizes by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Protocol, TypeVar

from models.files import ModelFileError, bounded_int, names_problem, read_json_object, shown
from models.rudolph.geometry import Geometry


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


C = TypeVar("C", bound=Dataclass)


class ConfigError(ModelFileError):
    """A configuration that no RUDOLPH can have; says which field and why."""


# What a field's annotation asks of its value, which may come from a file.
_KINDS: dict[str, tuple[type | UnionType, str]] = {
    "int": (int, "a whole number"),
    "float": (int | float, "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "a string"),
    "int | None": (int | None, "a whole number or nothing"),
}

# Bounds of whole numbers, least and most: several times the largest published, and small enough that no mask and no
# table is allocated which no machine holds. A sequence is at most 2048 + 64^2 + 2048 long.
_BOUNDS = {
    "num_layers": (1, 1024),
    "hidden_size": (1, 65_536),
    "num_attention_heads": (1, 4096),
    "vocab_size": (1, 4_000_000),
    "l_text_seq_length": (1, 2048),
    "image_tokens_per_dim": (1, 64),
    "r_text_seq_length": (1, 2048),
    "image_vocab_size": (1, 1_000_000),
    "text_special_tokens": (0, 1_000_000),
    "image_special_tokens": (0, 1_000_000),
    "kernel_size": (1, 255),
    "last_kernel_size": (1, 255),
}


def check_fields(config: Any, bounds: Mapping[str, tuple[int, int]]) -> None:
    """Raise `ConfigError` for the first field of a configuration (a `Geometry`) with a value that it can not have."""
    for field in fields(config):
        value, (kind, word) = getattr(config, field.name), _KINDS[str(field.type)]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{field.name} must be {word}, not {shown(value)}")
    for name, least_and_most in bounds.items():
        problem = bounded_int(name, getattr(config, name), *least_and_most)
        if problem is not None:
            raise ConfigError(problem)
    for name in ("embedding_dropout_prob", "attention_dropout_prob", "output_dropout_prob"):
        if not 0.0 <= getattr(config, name) < 1.0:
            raise ConfigError(f"{name} must lie in [0, 1), not {shown(getattr(config, name))}")
    if not 0.0 <= config.init_method_std < math.inf:
        raise ConfigError(f"init_method_std must be a finite number from 0, not {shown(config.init_method_std)}")
    if config.hidden_size % config.num_attention_heads:
        raise ConfigError(
            f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads {config.num_attention_heads}"
        )
    if config.mlp_activation not in ("gelu", "gelu_jit"):
        raise ConfigError(
            f"mlp_activation must be 'gelu' or 'gelu_jit' (the same formula), not {shown(config.mlp_activation)}"
        )


@dataclass(frozen=True)
class Config(Geometry):
    """Dimensions of a RUDOLPH, under the keywords of the published constructor.

    `vocab_size` counts the BPE pieces and one padding id per left-text position, as published; `text_vocab` adds the
    special tokens and is what the published code calls `model.vocab_size` at run time. `embedding_dropout_prob` is kept
    for the checkpoint's sake: the published forward pass never applies it, and neither does ours.
    `cogview_pb_relax` changes rounding only (Ding et al., CogView, 2021): softmax does not see a subtracted constant.

    Raises `ConfigError` naming the field.
    """

    num_layers: int
    hidden_size: int
    num_attention_heads: int
    vocab_size: int
    l_text_seq_length: int = 64
    image_tokens_per_dim: int = 16
    r_text_seq_length: int = 64
    image_vocab_size: int = 8192
    text_special_tokens: int = 0
    image_special_tokens: int = 0
    kernel_size: int = 7
    last_kernel_size: int = 9
    embedding_dropout_prob: float = 0.1
    attention_dropout_prob: float = 0.1
    output_dropout_prob: float = 0.1
    cogview_sandwich_layernorm: bool = True
    cogview_pb_relax: bool = True
    is_bool_mask: bool = True
    mlp_activation: str = "gelu_jit"
    gradient_checkpointing: int | None = None
    init_method_std: float = 0.02

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS)
        if self.vocab_size <= self.l_text_seq_length:
            raise ConfigError("vocab_size must exceed l_text_seq_length: it holds the left padding ids and the BPE")

    def save(self, path: Path) -> None:
        """Write the keywords as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


_PUBLISHED = Config(num_layers=24, hidden_size=1024, num_attention_heads=16, vocab_size=16448)
_LARGE = replace(
    _PUBLISHED,
    num_layers=32,
    hidden_size=2560,
    num_attention_heads=32,
    vocab_size=16768,
    l_text_seq_length=384,
    image_tokens_per_dim=24,
    r_text_seq_length=128,
    text_special_tokens=1024,
    image_special_tokens=1024,
)
SIZES: dict[str, Config] = {
    "350M": replace(_PUBLISHED, text_special_tokens=384, image_special_tokens=384),
    "1.3B": replace(
        _PUBLISHED,
        hidden_size=2048,
        vocab_size=16512,
        l_text_seq_length=128,
        image_tokens_per_dim=32,
        r_text_seq_length=128,
        kernel_size=9,
        last_kernel_size=11,
        text_special_tokens=2048,
        image_special_tokens=64,
    ),
    "2.7B": _LARGE,
    "2.7B-FBC2": _LARGE,
}


def configured(keywords: Mapping[str, Any], kind: type[C], sizes: Mapping[str, C], noun: str) -> C:
    """Return the configuration of constructor keywords, or of a published one's `name` (a `noun`) with overrides.

    Raises `ConfigError` naming the field.
    """
    changes = {name: value for name, value in keywords.items() if name != "name"}
    needed = [field.name for field in fields(kind) if field.default is MISSING and "name" not in keywords]
    problem = names_problem(changes, needed, (field.name for field in fields(kind)))
    if problem is not None:
        raise ConfigError(problem)
    if "name" not in keywords:
        return kind(**changes)
    name = keywords["name"]
    if not isinstance(name, str) or name not in sizes:
        raise ConfigError(f"unknown {noun} {shown(name)}", f"known {noun}s: {', '.join(sizes)}")
    return replace(sizes[name], **changes)


def read_configured(path: Path, kind: type[C], sizes: Mapping[str, C], noun: str) -> C:
    """Read a file of what `configured` takes, as JSON. Raises `ConfigError` naming the file and the field."""
    try:
        keywords = read_json_object(path)
    except ModelFileError as error:
        raise ConfigError(error.reason, error.remedy) from error
    try:
        return configured(keywords, kind, sizes, noun)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.reason}", error.remedy) from error


def named(name: str) -> Config:
    """Return a published size: 350M, 1.3B, 2.7B or 2.7B-FBC2. Raises `ConfigError` listing the names."""
    return described({"name": name})


def described(keywords: Mapping[str, Any]) -> Config:
    """Return the configuration of keywords, or of `{"name": "2.7B-FBC2"}` with overrides. Raises `ConfigError`."""
    return configured(keywords, Config, SIZES, "size")


def read_config(path: Path) -> Config:
    """Read a file of what `described` takes, as JSON. Raises `ConfigError` naming the file and the field."""
    return read_configured(path, Config, SIZES, "size")
