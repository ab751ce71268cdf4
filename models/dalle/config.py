"""ruDALL-E's dimensions: the published constructor keywords, validated, and the published models by name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.files import shown
from models.rudolph.config import ConfigError, check_fields, read_configured
from models.rudolph.geometry import Geometry, MaskKind

KERNEL_SIZE = 11
VERSIONS = ("v3", "v2")

# As RUDOLPH's: several times the largest published, and small enough that no mask is allocated which no machine holds.
_BOUNDS = {
    "num_layers": (1, 1024),
    "hidden_size": (1, 65_536),
    "num_attention_heads": (1, 4096),
    "vocab_size": (1, 4_000_000),
    "text_seq_length": (1, 2048),
    "image_tokens_per_dim": (1, 64),
    "image_vocab_size": (1, 1_000_000),
}


@dataclass(frozen=True)
class Config(Geometry):
    """Dimensions of a ruDALL-E, under the keywords (and with the defaults) of the published constructor.

    `vocab_size` counts the BPE pieces and one padding id per text position. `hf_version` v2 (Malevich's second version,
    Emojich) puts BOS in front of the text once more and lets the convolution's window wrap round the border.
    `gradient_checkpointing` and `init_method_std` are RUDOLPH's keywords. `embedding_dropout_prob` is kept for the
    checkpoint's sake, and never applied; `cogview_pb_relax` changes rounding only.

    Raises `ConfigError` naming the field.
    """

    num_layers: int
    hidden_size: int
    num_attention_heads: int
    vocab_size: int
    embedding_dropout_prob: float = 0.1
    attention_dropout_prob: float = 0.1
    output_dropout_prob: float = 0.1
    text_seq_length: int = 128
    image_tokens_per_dim: int = 32
    image_vocab_size: int = 16384
    loss_img_weight: float = 7
    cogview_sandwich_layernorm: bool = False
    cogview_pb_relax: bool = False
    is_bool_mask: bool = True
    mlp_activation: str = "gelu_jit"
    hf_version: str = "v3"
    gradient_checkpointing: int | None = None
    init_method_std: float = 0.02

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS)
        if self.vocab_size <= self.text_seq_length:
            raise ConfigError("vocab_size must exceed text_seq_length: it holds the padding ids and the BPE")
        if not 0.0 <= self.loss_img_weight < float("inf"):
            raise ConfigError(f"loss_img_weight must be a finite number from 0, not {shown(self.loss_img_weight)}")
        if self.hf_version not in VERSIONS:
            raise ConfigError(f"hf_version must be one of {', '.join(VERSIONS)}, not {shown(self.hf_version)}")

    @property
    def doubles_bos(self) -> bool:
        """Whether BOS stands in front of the text once more."""
        return self.hf_version == "v2"

    @property
    def l_text_seq_length(self) -> int:
        """Positions that every later one sees. With BOS doubled, the text's last id is not among them."""
        return self.text_seq_length

    @property
    def prompt_length(self) -> int:
        """How many ids stand before the image's codes."""
        return self.text_seq_length + self.doubles_bos

    @property
    def kernel_size(self) -> int:
        """Side of the window of the convolution layer."""
        return KERNEL_SIZE

    @property
    def mask_kinds(self) -> tuple[MaskKind, ...]:
        """The masks that a checkpoint holds."""
        return ("row", "col", "conv")

    @property
    def layer_kinds(self) -> tuple[MaskKind, ...]:
        """The mask of each layer: only the last one is a convolution, unless it is a column layer."""
        last = self.num_layers - 1
        return tuple("col" if i % 4 == 1 else "conv" if i == last else "row" for i in range(self.num_layers))

    @property
    def wraps(self) -> bool:
        """Whether a convolution's window goes on at the opposite border of the image."""
        return self.hf_version == "v2"

    @property
    def mask_keywords(self) -> str:
        """Which keyword the masks between image positions depend on, for a message."""
        return "hf_version"

    def save(self, path: Path) -> None:
        """Write the keywords as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


_XL = Config(
    num_layers=24,
    hidden_size=2048,
    num_attention_heads=16,
    vocab_size=16384 + 128,
    image_vocab_size=8192,
    cogview_sandwich_layernorm=True,
    cogview_pb_relax=True,
)
_XXL = replace(_XL, num_layers=64, hidden_size=3840, num_attention_heads=60)
SIZES: dict[str, Config] = {
    "Malevich": _XL,
    "Malevich_v2": replace(_XL, hf_version="v2"),
    "Emojich": replace(_XL, hf_version="v2"),
    "Surrealist_XL": _XL,
    "Kandinsky": _XXL,  # ruDALL-E XXL under the name of its published weights
}


def read_config(path: Path) -> Config:
    """Read a configuration file: the constructor keywords as JSON, or `{"name": "Malevich"}` with overrides.

    Raises `ConfigError` naming the file and the field.
    """
    return read_configured(path, Config, SIZES, "model")
