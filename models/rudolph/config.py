"""RUDOLPH's dimensions: the published constructor keywords, validated, and the published sizes by name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType


class ConfigError(ValueError):
    """A configuration that no RUDOLPH can have; says which field and why."""


# What a field's annotation asks of its value, which may come from a file.
_KINDS: dict[str, tuple[type | UnionType, str]] = {
    "int": (int, "a whole number"),
    "float": (int | float, "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "a string"),
    "int | None": (int | None, "a whole number or nothing"),
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
                raise ConfigError(f"{field.name} must be {word}, not {value!r}")
        positive = (
            "num_layers hidden_size num_attention_heads vocab_size l_text_seq_length image_tokens_per_dim "
            "r_text_seq_length image_vocab_size kernel_size last_kernel_size"
        )
        for name in positive.split():
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("text_special_tokens", "image_special_tokens"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("embedding_dropout_prob", "attention_dropout_prob", "output_dropout_prob"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if not self.init_method_std >= 0.0:
            raise ConfigError(f"init_method_std must not be negative, not {self.init_method_std}")
        if self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.vocab_size <= self.l_text_seq_length:
            raise ConfigError("vocab_size must exceed l_text_seq_length: it holds the left padding ids and the BPE")
        if self.mlp_activation not in ("gelu", "gelu_jit"):
            raise ConfigError(
                f"mlp_activation must be 'gelu' or 'gelu_jit' (the same formula), not {self.mlp_activation}"
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
    if name not in SIZES:
        raise ConfigError(f"unknown size {name!r}; known sizes: {', '.join(SIZES)}")
    return SIZES[name]


def read_config(path: Path) -> Config:
    """Read a configuration file: the constructor keywords as JSON, or `{"name": "2.7B-FBC2"}` with overrides.

    Raises `ConfigError` naming the file and the field.
    """
    try:
        keywords = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; write the constructor keywords there as JSON") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON ({error})") from error
    if not isinstance(keywords, dict):
        raise ConfigError(f"{path}: expected a JSON object of constructor keywords, found {type(keywords).__name__}")
    name = keywords.pop("name", None)
    unknown = sorted(set(keywords) - {field.name for field in fields(Config)})
    if unknown:
        raise ConfigError(f"{path}: unknown keywords {', '.join(unknown)}")
    try:
        return replace(named(name), **keywords) if name is not None else Config(**keywords)
    except (ConfigError, TypeError) as error:  # TypeError: a keyword is missing
        raise ConfigError(f"{path}: {error}") from error
