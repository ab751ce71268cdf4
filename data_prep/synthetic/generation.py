"""ImageGeneration: a caption to draw; the answer is the scene's picture."""

from __future__ import annotations

import random

from data_prep.synthetic.captions import captions
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import text_item, with_instruction
from data_prep.synthetic.scenes import draw_scene


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A generation sample: one of the scene's captions, with or without an instruction."""
    scene = draw_scene(rng, grade)
    items = with_instruction(rng, "generation", [text_item(rng.choice(captions(scene)))])
    return Drawn(items, (), scene, f"{len(scene.groups)} kinds", grade)
