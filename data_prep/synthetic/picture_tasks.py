"""The tasks that a picture alone makes: drawing a caption, captioning a scene, reading a sign."""

from __future__ import annotations

import random

from data_prep.instructions import text_item
from data_prep.synthetic.captions import captions
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import image_item, with_instruction
from data_prep.synthetic.scenes import draw_scene
from data_prep.synthetic.signs import draw_sign


def make_generation(rng: random.Random, grade: Grade) -> Drawn:
    """ImageGeneration: one of a scene's captions, with or without an instruction; the answer is the picture."""
    scene = draw_scene(rng, grade)
    items = with_instruction(rng, "generation", [text_item(rng.choice(captions(scene)))])
    return Drawn(items, (), scene, f"{len(scene.groups)} kinds", grade)


def make_captioning(rng: random.Random, grade: Grade) -> Drawn:
    """ImageCaptioning: every caption is a reference; the picture is second, where the organisers' scorer looks."""
    scene = draw_scene(rng, grade)
    items = with_instruction(rng, "captioning", [image_item()])
    return Drawn(items, captions(scene), scene, f"{len(scene.groups)} kinds", grade)


def make_text_recognition(rng: random.Random, grade: Grade) -> Drawn:
    """TRitW: the answer is the sign's text in lower case."""
    sign = draw_sign(rng, grade)
    items = with_instruction(rng, "text_recognition", [image_item()])
    return Drawn(items, (sign.text,), sign, "number" if sign.text.isdigit() else "word", grade)
