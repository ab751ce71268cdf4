"""RUDOLPH's dimensions: the published constructor keywords, validated, and the published sizes by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any

from models.files import ModelFileError, bounded_int, names_problem, read_json_object, shown


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


@dataclass(frozen=True)
class Config:
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
        for field in fields(self):
            value, (kind, word) = getattr(self, field.name), _KINDS[str(field.type)]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise ConfigError(f"{field.name} must be {word}, not {shown(value)}")
        for name, bounds in _BOUNDS.items():
            problem = bounded_int(name, getattr(self, name), *bounds)
            if problem is not None:
                raise ConfigError(problem)
        for name in ("embedding_dropout_prob", "attention_dropout_prob", "output_dropout_prob"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie in [0, 1), not {shown(getattr(self, name))}")
        if not 0.0 <= self.init_method_std < math.inf:
            raise ConfigError(f"init_method_std must be a finite number from 0, not {shown(self.init_method_std)}")
        if self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.vocab_size <= self.l_text_seq_length:
            raise ConfigError("vocab_size must exceed l_text_seq_length: it holds the left padding ids and the BPE")
        if self.mlp_activation not in ("gelu", "gelu_jit"):
            raise ConfigError(
                f"mlp_activation must be 'gelu' or 'gelu_jit' (the same formula), not {shown(self.mlp_activation)}"
            )

    @property
    def bpe_vocab(self) -> int:
        """Number of BPE pieces: text ids below it are pieces, the special tokens start at it."""
        return self.vocab_size - self.l_text_seq_length

    @property
    def text_vocab(self) -> int:
        """Size of the text table: pieces, special tokens, left padding ids (the last `l_text_seq_length` of it)."""
        return self.vocab_size + self.text_special_tokens

    @property
    def image_vocab(self) -> int:
        """Size of the image table: VQGAN codes, then image special tokens."""
        return self.image_vocab_size + self.image_special_tokens

    @property
    def total_vocab(self) -> int:
        """Width of the logits: text first, then image."""
        return self.text_vocab + self.image_vocab

    @property
    def image_seq_length(self) -> int:
        """Number of image codes of a sample."""
        return self.image_tokens_per_dim**2

    @property
    def prefix_length(self) -> int:
        """Positions before the right text: left text and image."""
        return self.l_text_seq_length + self.image_seq_length

    @property
    def total_seq_length(self) -> int:
        """Length of a full sequence."""
        return self.prefix_length + self.r_text_seq_length

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

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


def named(name: str) -> Config:
    """Return a published size: 350M, 1.3B, 2.7B or 2.7B-FBC2. Raises `ConfigError` listing the names."""
    if not isinstance(name, str) or name not in SIZES:
        raise ConfigError(f"unknown size {shown(name)}", f"known sizes: {', '.join(SIZES)}")
    return SIZES[name]


def described(keywords: Mapping[str, Any]) -> Config:
    """Return the configuration of constructor keywords, or of a published size's `name` with overrides.

    Raises `ConfigError` naming the field.
    """
    changes = {name: value for name, value in keywords.items() if name != "name"}
    needed = [field.name for field in fields(Config) if field.default is MISSING and "name" not in keywords]
    problem = names_problem(changes, needed, (field.name for field in fields(Config)))
    if problem is not None:
        raise ConfigError(problem)
    return replace(named(keywords["name"]), **changes) if "name" in keywords else Config(**changes)


def read_config(path: Path) -> Config:
    """Read a configuration file: the constructor keywords as JSON, or `{"name": "2.7B-FBC2"}` with overrides.

    Raises `ConfigError` naming the file and the field.
    """
    try:
        keywords = read_json_object(path)
    except ModelFileError as error:
        raise ConfigError(error.reason, error.remedy) from error
    try:
        return described(keywords)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.reason}", error.remedy) from error
