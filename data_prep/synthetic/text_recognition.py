"""TRitW: an instruction, then a sign; the answer is the sign's text in lower case."""

from __future__ import annotations

import random

from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import image_item, with_instruction
from data_prep.synthetic.signs import draw_sign


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A text recognition sample."""
    sign = draw_sign(rng, grade)
    items = with_instruction(rng, "text_recognition", [image_item()])
    return Drawn(items, (sign.text,), sign, "number" if sign.text.isdigit() else "word", grade)
