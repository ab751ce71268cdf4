"""The way from (task, seed, split, index) to a drawn sample."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from data_prep.synthetic import hidden, hidden_text, mathqa, picture_tasks, textqa, vqa
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.drills import DRILLS
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.variants import VARIANTS

Maker: TypeAlias = Callable[[random.Random, Grade], Drawn]

MAKERS: Mapping[str, Maker] = {
    "textqa": textqa.make,
    "mathqa": mathqa.make,
    "generation": picture_tasks.make_generation,
    "captioning": picture_tasks.make_captioning,
    "vqa": vqa.make,
    "text_recognition": picture_tasks.make_text_recognition,
    "hidden1": hidden_text.make_statement,
    "hidden2": hidden_text.make_word_problem,
    "hidden3": hidden.make_drawing_from_list,
    "hidden4": hidden.make_part_description,
    "hidden5": hidden.make_caption_choice,
    "hidden6": hidden.make_sign_question,
}


def draw(task_key: str, seed: int, split: str, index: int, grades: Sequence[Grade] = GRADES) -> Drawn:
    """Sample `index` of a split, the same wherever and in whatever order it is drawn. `grades` take turns by index.

    Raises KeyError for a task, drill or variant that the world does not have.
    """
    makers = {**MAKERS, **DRILLS, **VARIANTS}
    rng = random.Random(f"{task_key}|{seed}|{split}|{index}")
    return makers[task_key](rng, grades[index % len(grades)])
