"""The hidden variants stay unseen: no wording of theirs occurs in what the bundled weights are trained on."""

import pytest

from data_prep.synthetic.instructions import INSTRUCTIONS
from data_prep.synthetic.world import DRILLS, MAKERS, draw

SAMPLES = 300
# What each hidden variant cannot be asked without; one of its phrases stands in every sample of it.
PHRASES = {
    "hidden1": ("верно ли",),
    "hidden2": ("было", "у них вместе", "больше. сколько", "меньше. сколько"),
    "hidden3": ("фигура:",),
    "hidden4": ("опиши только",),
    "hidden5": ("какое описание подходит",),
    "hidden6": ("с какой буквы", "с какой цифры", "сколько букв", "сколько цифр"),
}
OPEN = tuple(key for key in (*MAKERS, *DRILLS) if not key.startswith("hidden"))
# "Реши задачу." is what people say before equations and before word problems.
SHARED_INSTRUCTIONS = {"Реши задачу."}


def texts(key: str, index: int) -> str:
    drawn = draw(key, 3, "train", index)
    return " ".join([*(item.content for item in drawn.items if item.type == "text"), *drawn.answers]).lower()


@pytest.mark.parametrize("key", PHRASES)
def test_every_hidden_sample_has_a_phrase_of_its_own(key: str) -> None:
    for index in range(SAMPLES):
        drawn = draw(key, 3, "test", index)
        asked = " ".join(item.content for item in drawn.items if item.type == "text").lower()
        assert any(phrase in asked for phrase in PHRASES[key]), asked


@pytest.mark.parametrize("key", OPEN)
def test_no_training_sample_has_a_hidden_phrase(key: str) -> None:
    phrases = [phrase for of_task in PHRASES.values() for phrase in of_task]
    for index in range(SAMPLES):
        said = texts(key, index)
        assert not [phrase for phrase in phrases if phrase in said], said


def test_instructions_of_hidden_variants_are_their_own() -> None:
    hidden, others = (
        {each for key, of_task in INSTRUCTIONS.items() if key.startswith("hidden") is is_hidden for each in of_task}
        for is_hidden in (True, False)
    )
    assert hidden & others == SHARED_INSTRUCTIONS
