"""What layers, masks and caches ask of a configuration. RUDOLPH and ruDALL-E, its ancestor, both answer."""

from __future__ import annotations

from typing import Literal, TypeAlias

MaskKind: TypeAlias = Literal["row", "col", "conv", "last_conv"]
MASK_KINDS: tuple[MaskKind, ...] = ("row", "col", "conv", "last_conv")


def layer_kind(layer: int, num_layers: int) -> MaskKind:
    """Kind of mask of a RUDOLPH's layer (0-based). The column rule comes first: a last layer may be a column layer."""
    if layer % 4 == 1:
        return "col"
    if layer == num_layers - 1:
        return "last_conv"
    return "conv" if layer % 4 == 3 else "row"


class Geometry:
    """Dimensions of a decoder of [left text | image | right text], and what follows from them.

    The defaults are RUDOLPH's. Subclasses are frozen dataclasses whose fields are the published keywords.
    """

    num_layers: int
    hidden_size: int
    num_attention_heads: int
    vocab_size: int
    image_tokens_per_dim: int
    image_vocab_size: int
    attention_dropout_prob: float
    output_dropout_prob: float
    mlp_activation: str
    cogview_sandwich_layernorm: bool
    is_bool_mask: bool
    gradient_checkpointing: int | None
    init_method_std: float

    @property
    def l_text_seq_length(self) -> int:
        """Positions that every later one sees: those of the left text."""
        raise NotImplementedError

    @property
    def r_text_seq_length(self) -> int:
        """Positions of the right text."""
        return 0

    @property
    def kernel_size(self) -> int:
        """Side of the window of a convolution layer."""
        raise NotImplementedError

    @property
    def last_kernel_size(self) -> int:
        """Side of the window of the last layer, where that is a `last_conv`."""
        return self.kernel_size

    @property
    def text_special_tokens(self) -> int:
        """Special tokens in the text table."""
        return 0

    @property
    def image_special_tokens(self) -> int:
        """Special tokens in the image table."""
        return 0

    @property
    def mask_kinds(self) -> tuple[MaskKind, ...]:
        """The masks that a checkpoint holds."""
        return MASK_KINDS

    @property
    def layer_kinds(self) -> tuple[MaskKind, ...]:
        """The mask of each layer."""
        return tuple(layer_kind(layer, self.num_layers) for layer in range(self.num_layers))

    @property
    def wraps(self) -> bool:
        """Whether a convolution's window goes on at the opposite border of the image."""
        return False

    @property
    def mask_keywords(self) -> str:
        """Which keywords the masks between image positions depend on, for a message."""
        return "kernel_size and last_kernel_size"

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
    def prompt_length(self) -> int:
        """How many ids stand before the image's codes."""
        return self.l_text_seq_length

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

    def kernel(self, kind: MaskKind) -> int:
        """Side of the window of a mask of this kind, where it has one."""
        return self.last_kernel_size if kind == "last_conv" else self.kernel_size
