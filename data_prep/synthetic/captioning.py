"""ImageCaptioning: an instruction, then a scene; every caption of the scene is a reference."""

from __future__ import annotations

import random

from data_prep.synthetic.captions import captions
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import image_item, with_instruction
from data_prep.synthetic.scenes import draw_scene


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A captioning sample; its picture is the second item, where the organisers' scorer looks for it."""
    scene = draw_scene(rng, grade)
    items = with_instruction(rng, "captioning", [image_item()])
    return Drawn(items, captions(scene), scene, f"{len(scene.groups)} kinds", grade)
