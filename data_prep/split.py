"""Training or validation, decided by the document or picture that a sample comes from.

The decision is a hash of the group's name: whatever is converted, when and in which order, a document or picture
always falls on the same side, and so no picture that two data sets share is trained on and validated with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")
DEFAULT_SHARE = 0.03
_HASHES = 1 << 64


@dataclass(frozen=True, slots=True)
class Splitting:
    """How groups are split: the share of validation, from 0 to 1, and a seed.

    Two folders are free of leaks between them only if both numbers agree.
    """

    share: float = DEFAULT_SHARE
    seed: int = 0

    def side(self, group: str) -> Split:
        """The split that a group belongs to."""
        digest = hashlib.blake2b(f"{self.seed}|{group}".encode(), digest_size=8).digest()
        return "val" if int.from_bytes(digest, "big") < self.share * _HASHES else "train"


def document_group(text: str) -> str:
    """Name of the group of a text: the same for texts that differ only in case and white space."""
    folded = " ".join(text.lower().split())
    return f"text:{hashlib.blake2b(folded.encode(), digest_size=12).hexdigest()}"
