"""Special tokens that weights were trained with, by what is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskTokens:
    """The special token in front of each text.

    Attributes:
        draw: of a left text that is drawn, or ranked by a picture.
        look: of the left text in front of a picture that is looked at.
        tell: of the right text behind such a picture.
        write: of a left text that is gone on with.

    """

    draw: str
    look: str
    tell: str
    write: str


TOKENS = {
    "fine-tuned": TaskTokens("<LT_GEN>", "<LT_CAP>", "<RT_CAP>", "<LT_GEN>"),
    "pre-trained": TaskTokens("<LT_T2I>", "<LT_I2T>", "<RT_I2T>", "<LT_T2T>"),
}
