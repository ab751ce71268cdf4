"""Text to RUDOLPH's ids and back: special tokens, fixed lengths, templates.

Layout of the text ids (rudolph.md 2 to 4): BPE pieces, then special tokens, then one padding id per left position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from models.rudolph.config import Config

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIAL_TOKENS = (
    "<LT_UNK>",
    "<RT_UNK>",
    "<LT_T2I>",
    "<LT_I2T>",
    "<LT_T2T>",
    "<RT_I2T>",
    "<LT_TQA>",
    "<RT_TQA>",
    "<LT_MQA>",
    "<RT_MQA>",
    "<LT_VQA>",
    "<RT_VQA>",
    "<LT_CAP>",
    "<RT_CAP>",
    "<LT_GEN>",
    "<LT_REC>",
    "<RT_REC>",
)
EMPTY_ANSWER = "пустая строка"  # what the published inference says when nothing was generated


class Tokenizer(Protocol):
    """What this module needs of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Return the piece ids of a text."""
        ...

    def decode(self, ids: Sequence[int], ignore: Sequence[int] = ()) -> str:
        """Return the text of piece ids; raises ValueError for an id that is neither a piece nor ignored."""
        ...


class Vocabulary:
    """Encodes texts to fixed lengths of ids and decodes generated ids, for one configuration and tokenizer."""

    def __init__(self, tokenizer: Tokenizer, config: Config) -> None:
        self.tokenizer = tokenizer
        self.config = config
        # Without special tokens (the first 350M), padding ids are in their place, and texts begin with BOS alone.
        names = SPECIAL_TOKENS if config.text_special_tokens else ()
        self.special = {name: config.bpe_vocab + i for i, name in enumerate(names)}
        self._ignored = (EOS, BOS, UNK, PAD, -1, *self.special.values())

    def pieces(self, text: str, *, lower_case: bool = True) -> list[int]:
        """BPE ids of a text, stripped and, but for a few published templates, lower-cased, without special tokens."""
        return self.tokenizer.encode((text.lower() if lower_case else text).strip())

    def beginning(self, special: str) -> list[int]:
        """BOS and the special token, where the vocabulary has some. Raises KeyError for one that is unknown."""
        if special not in SPECIAL_TOKENS:
            raise KeyError(special)
        return [BOS, self.special[special]] if self.special else [BOS]

    def _encode(self, text: str, special: str, length: int, *, lower_case: bool = True) -> Tensor:
        ids = [*self.beginning(special), *self.pieces(text, lower_case=lower_case), EOS][:length]
        return torch.tensor(ids + [PAD] * (length - len(ids)), dtype=torch.int64)

    def encode_left(self, text: str, special: str = "<LT_UNK>", *, lower_case: bool = True) -> Tensor:
        """Ids of a left text: int64 `[L]`, padded with 0; a text that is too long is cut and loses its EOS."""
        return self._encode(text, special, self.config.l_text_seq_length, lower_case=lower_case)

    def encode_right(self, text: str, special: str = "<RT_UNK>") -> Tensor:
        """Ids of a right text: int64 `[R]`, padded with 0; a text that is too long is cut and loses its EOS."""
        return self._encode(text, special, self.config.r_text_seq_length)

    def right_template(self, text: str = "", special: str = "<RT_UNK>") -> list[int]:
        """Ids that an answer starts with: BOS, the special token and the template's pieces, without EOS."""
        return [*self.beginning(special), *self.pieces(text)][: self.config.r_text_seq_length]

    @property
    def left_capacity(self) -> int:
        """How many BPE pieces a left text may have before it is cut (BOS, EOS and a special token take places)."""
        return max(0, self.config.l_text_seq_length - len(self.beginning(SPECIAL_TOKENS[0])) - 1)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated ids: cut after the first EOS, special tokens dropped, stripped; may be empty.

        Raises ValueError for an id that is no piece and no known special token, as the published decoder does.
        """
        kept = list(ids)
        if EOS in kept:
            kept = kept[: kept.index(EOS)]
        return self.tokenizer.decode(kept, self._ignored).strip()
