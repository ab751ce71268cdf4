"""The hidden variants stay unseen: no wording or kind of theirs occurs in what weights are trained on."""

import re
from pathlib import Path

import pytest

from data_prep.__main__ import main
from data_prep.synthetic.captions import captions, content
from data_prep.synthetic.facts import ATTRIBUTES
from data_prep.synthetic.instructions import INSTRUCTIONS
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.world import DRILLS, MAKERS, VARIANTS, draw
from submission.asked_forms import asked_form
from submission.lengths import asked_length
from submission.statements import find_statement

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
OPEN = tuple(key for key in (*MAKERS, *DRILLS, *VARIANTS) if not key.startswith("hidden"))
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


@pytest.mark.parametrize("key", VARIANTS)
def test_no_variant_is_of_a_hidden_kind(key: str) -> None:
    for index in range(3 * SAMPLES):
        drawn = draw(key, 3, "train", index)
        asked = [item.content for item in drawn.items if item.type == "text"]
        question = " ".join(asked).lower()
        assert find_statement(asked) is None, f"H1: {question}"
        assert drawn.answers, f"H3: {question}"
        if isinstance(drawn.picture, Scene):
            assert not re.search(r"слев|справ|сверху|снизу|в центре", question), f"H4: {question}"
            whole = [*captions(drawn.picture), content(drawn.picture)]
            assert not [text for text in whole if text in question or text in drawn.answers], f"H5: {question}"
        elif drawn.picture is not None:
            assert asked_form(asked) is None, f"H6: {question}"
            assert asked_length(asked) is None, f"H6: {question}"
            assert not re.search(r"букв|цифр|длин", question), f"H6: {question}"
        else:
            # H1 gives a person a value; H2 asks what a number becomes.
            last = asked[-1].lower()
            values = [value.lower() for attribute in ATTRIBUTES for value in attribute.values if len(value) > 3]
            assert drawn.kind in ("words", "letters") or not [value for value in values if value in last], f"H1: {last}"
            assert not re.search(r"стало|осталось|вместе|поровну", question), f"H2: {question}"


@pytest.mark.parametrize("key", VARIANTS)
def test_answers_of_variants_cannot_be_told_without_looking(key: str) -> None:
    """Of yes and no, neither is said in more than six of ten; of options, the right one stands in every place."""
    drawn = [draw(key, 4, "train", index) for index in range(3 * SAMPLES)]
    decided = [each.answers[0] for each in drawn if each.answers[0] in ("да", "нет")]
    assert not decided or 0.4 < decided.count("да") / len(decided) < 0.6
    marked = [each.answers[0] for each in drawn if each.answers[0] in "abcd" and len(each.answers) == 3]
    assert not marked or all(0.15 < marked.count(letter) / len(marked) < 0.45 for letter in "abc")


def test_variants_are_written_only_where_asked_for(tmp_path: Path) -> None:
    amounts = ("--train", "3", "--validation", "1", "--test", "2", "--tasks", "textqa,hidden1,mathqa")
    for folder, more in (("plain", ()), ("with", ("--other-questions",))):
        assert main(["synthetic", "--output", str(tmp_path / folder), *amounts, *more]) == 0
    plain, varied = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.json")}
        for name in ("plain", "with")
    )
    assert {path.parts[0] for path in varied} - {path.parts[0] for path in plain} == {"variant_textqa"}
    assert {path: varied[path] for path in plain} == plain
    assert main(["synthetic", "--output", str(tmp_path / "none"), *amounts[:-1], "mathqa", "--other-questions"]) == 2
