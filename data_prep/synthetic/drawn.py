"""What every task's module returns: a drawn sample."""

from __future__ import annotations

from dataclasses import dataclass

from contest.items import Item
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.signs import Sign


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample before it is written.

    `items`: the input; an image item has the content "" until the writer has named its file.
    `answers`: every acceptable text answer, the canonical one first; empty when the answer is the picture itself.
    `picture`: the description of the one picture, or None for a text task.
    `kind`: the sort of question within the task, for tests and reports.
    `grade`: how hard it is; never written into the input.
    """

    items: tuple[Item, ...]
    answers: tuple[str, ...]
    picture: Scene | Sign | None
    kind: str
    grade: Grade

    def __post_init__(self) -> None:
        images = sum(item.type == "image" for item in self.items)
        if images > 1 or (images == 1 and self.picture is None):
            raise ValueError(
                f"{images} image item(s) but picture is {self.picture!r} in a sample of kind {self.kind!r}"
            )
        if not self.items:
            raise ValueError(f"a sample of kind {self.kind!r} has no items")
        if not self.answers and (self.picture is None or images):
            raise ValueError(f"a sample of kind {self.kind!r} has neither a text answer nor a picture as its answer")
