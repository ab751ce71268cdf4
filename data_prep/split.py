"""Training or validation, decided by the document or picture that a sample comes from. Knows no source and no file.

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
    """How groups are split. Two folders are free of leaks between them only if both numbers agree.

    Raises ValueError for a share outside [0, 1].
    """

    share: float = DEFAULT_SHARE
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"--validation-share must lie in [0, 1], got {self.share}")

    def side(self, group: str) -> Split:
        """The split that a group belongs to."""
        digest = hashlib.blake2b(f"{self.seed}|{group}".encode(), digest_size=8).digest()
        return "val" if int.from_bytes(digest, "big") < self.share * _HASHES else "train"


def document_group(text: str) -> str:
    """Name of the group of a text: the same for texts that differ only in case and white space."""
    folded = " ".join(text.lower().split())
    return f"text:{hashlib.blake2b(folded.encode(), digest_size=12).hexdigest()}"
