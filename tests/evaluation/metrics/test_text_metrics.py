"""Mode strict of TextQA, MathQA and TRitW, and the notes of both modes."""

import pytest

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from evaluation.metrics import mathqa, text_recognition, textqa
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Mode
from evaluation.metrics.defects import DEFECTS
from evaluation.metrics.errors import AttemptAbortedError, NothingToScoreError
from evaluation.metrics.mathqa import MathQA
from evaluation.metrics.text_recognition import TextRecognition
from evaluation.metrics.textqa import TextQA
from tests.evaluation.metrics.cases import case

TRAIN = ["b", "на поезде", "b на поезде"]
MINUS_THREE = ["d", "-3", "d -3"]


@pytest.mark.parametrize(
    ("answer", "references", "score"),
    [
        ("юго западный", ["юго-западный"], 1.0),
        ("кот, собака", ["кот,собака"], 1.0),
        ("Аврора", ["«Аврора»"], 1.0),
        ("25 лет", ["двадцать пять лет"], 1.0),
        ("03 секунды", ["0,3 секунды"], 0.4),
        ("", ["в лесу"], 0.0),
        ("!!!", ["..."], 1.0),
        ("b", TRAIN, 1.0),
        ("B", TRAIN, 1.0),
        ("b)на поезде", TRAIN, 1.0),
        ("b) на лодке", TRAIN, 1.0),
        ("F. на лодке", ["f", "на поезде", "f на поезде"], 1.0),
        ("c) на поезде", TRAIN, 0.8),
        ("the answer is b", TRAIN, 0.4),
        ("это b", TRAIN, 2 / 3),
        ("Bergen", TRAIN, 0.0),
        ("e", ["компания Tesla Motors"], 0.0),
        ("a cat", ["a dog"], 0.5),
    ],
)
def test_textqa_by_the_rules(answer: str, references: list[str], score: float) -> None:
    assert textqa.strict_details(answer, references).score == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "references", "score"),
    [
        ("3,5", ["b", "3.5", "b 3.5"], 1.0),
        ("35", ["b", "3.5", "b 3.5"], 0.0),
        ("0.5", ["b", "1/2", "b 1/2"], 1.0),
        ("12", ["b", "1/2", "b 1/2"], 0.0),
        ("10000", ["c", "10,000", "c 10,000"], 0.0),
        ("− 3", MINUS_THREE, 1.0),
        ("минус три", MINUS_THREE, 1.0),
        ("-3.0", MINUS_THREE, 1.0),
        ("3", MINUS_THREE, 0.0),
        ("D) -3", MINUS_THREE, 1.0),
        ("D.", MINUS_THREE, 1.0),
        ("d) не знаю", MINUS_THREE, 1.0),
        ("f) не знаю", ["f", "-3", "f -3"], 1.0),
        ("d) 5", MINUS_THREE, 0.0),
        ("b) -3", MINUS_THREE, 0.0),
        ("Ответ: d", MINUS_THREE, 0.0),
        ("двадцать один", ["a", "21", "a 21"], 1.0),
        ("", MINUS_THREE, 0.0),
    ],
)
def test_mathqa_by_the_rules(answer: str, references: list[str], score: float) -> None:
    assert mathqa.strict_details(answer, references).score == score


@pytest.mark.parametrize(
    ("answer", "references", "score"),
    [
        ("аптека", ["АПТЕКА"], 1.0),
        ("кафе Уют", ["Кафе «Уют»"], 1.0),
        ("улица\nМира", ["улица  Мира"], 1.0),
        ("и\u0306од", ["йод"], 1.0),
        ("8 800 555", ["8-800-555"], 1.0),
        ("коты", ["кот"], 0.75),
        ("3", ["три"], 0.0),
        ("бор", ["Хлеб", "Хор"], 2 / 3),
        ("...", ["хор"], 0.0),
        ("", [""], 0.0),
    ],
)
def test_recognition_by_the_rules(answer: str, references: list[str], score: float) -> None:
    assert text_recognition.strict_details(answer, references).score == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("module", [textqa, mathqa, text_recognition])
def test_more_references_never_score_less_in_strict(module) -> None:  # type: ignore[no-untyped-def]
    for answer in ("b", "b) на лодке", "-3", "", "кот"):
        few, many = (module.strict_details(answer, references).score for references in (TRAIN, TRAIN + MINUS_THREE))
        assert 0 <= few <= many <= 1


SCORERS = {"textqa": textqa.score_cases, "mathqa": mathqa.score_cases, "text_recognition": text_recognition.score_cases}


@pytest.mark.parametrize(
    ("task", "references", "answer", "defects"),
    [
        ("textqa", TRAIN, "на поезде", []),
        ("textqa", ["юго-западный"], "юго западный", [7]),
        ("textqa", ["«Аврора»"], "Аврора", [7]),
        ("textqa", ["двадцать пять"], "25", [9]),
        ("textqa", ["компания Tesla Motors"], "Tesla", [10]),
        ("textqa", TRAIN, "Правильный вариант это b", [10]),
        ("textqa", "b", "b", [5]),
        ("mathqa", MINUS_THREE, "-3", []),
        ("mathqa", ["b", "3.5", "b 3.5"], "35", [8]),
        ("mathqa", ["b", "1/2", "b 1/2"], "0.5", [8]),
        ("mathqa", MINUS_THREE, "−3", [8]),
        ("mathqa", MINUS_THREE, "d) 5", [10]),
        ("mathqa", ["a", "25", "a 25"], "двадцать пять", [9]),
        ("mathqa", ["«да»"], "да", [7]),
        ("text_recognition", ["хор"], "хор", []),
        ("text_recognition", ["хор"], "бор", []),
        ("text_recognition", ["хор"], "Хор!", [6]),
    ],
)
def test_official_says_which_defect_struck(task: str, references: list[str], answer: str, defects: list[int]) -> None:
    _, notes = SCORERS[task]([case(references, answer)], "official")
    assert [note.defect for note in notes] == defects
    assert set(defects) <= set(DEFECTS)


@pytest.mark.parametrize("task", SCORERS)
def test_official_uses_the_answer_before_again_and_says_so(task: str) -> None:
    cases = [case(["хор"], "хор"), case(["хор"], sample_id="1")]
    scores, notes = SCORERS[task](cases, "official")
    assert scores == [1.0, 1.0]
    assert [(note.sample_id, note.defect) for note in notes] == [("1", 2)]
    assert SCORERS[task](cases, "strict")[0] == [1.0, 0.0]


@pytest.mark.parametrize("task", SCORERS)
def test_a_missing_answer_in_both_modes(task: str) -> None:
    sound = case(["хор"], "хор")
    missing = Case("7", sound.truth, None)
    with pytest.raises(AttemptAbortedError, match=r"sample '7'.*lack 1 of 2 ids") as caught:
        SCORERS[task]([sound, missing], "official")
    assert caught.value.defect == 3
    scores, notes = SCORERS[task]([sound, missing], "strict")
    assert scores == [1.0, 0.0]
    assert [note.sample_id for note in notes] == ["7"]


@pytest.mark.parametrize("task", SCORERS)
def test_strict_takes_the_ground_truth_in_every_shape(task: str) -> None:
    answer = Sample("0", (Item("image", "images/0.png"), Item("text", "хор")))
    bare = GroundTruth("0", (References("text", ("хор",), is_bare_string=True),), is_bare_item=True)
    later = GroundTruth("0", (References("image", ("0.png",)), References("text", ("бор", "хор"))))
    assert SCORERS[task]([Case("0", bare, answer), Case("0", later, answer)], "strict") == ([1.0, 1.0], [])
    nothing = Case("0", GroundTruth("0", (References("image", ("0.png",)),)), answer)
    scores, notes = SCORERS[task]([nothing], "strict")
    assert (scores, notes[0].message) == ([0.0], "the ground truth has no text: scored 0")


@pytest.mark.parametrize("task", SCORERS)
def test_an_answer_without_text_is_named(task: str) -> None:
    pictured = Case("0", case(["хор"]).truth, Sample("0", (Item("image", "images/0.png"),)))
    modes: tuple[Mode, ...] = ("official", "strict")
    for mode in modes:
        scores, notes = SCORERS[task]([pictured], mode)
        assert scores == [0.0]
        assert [note.message for note in notes] == ["the answer has no item of type text: scored as an empty text"]


@pytest.mark.parametrize("task", ["textqa", "mathqa"])
@pytest.mark.parametrize("odd", ["\U00017000", "не" * 2000 + "кот"], ids=["tangut", "prefixes"])
def test_a_word_without_lemma_voids_official_only(odd: str, task: str) -> None:
    cases = [case(["хор"], "хор"), case([odd], odd, sample_id="7")]
    scores, notes = SCORERS[task](cases, "official")
    assert scores == [0.0, 0.0]
    assert [(note.sample_id, note.defect, note.voids_task) for note in notes] == [("7", 1, True)]
    assert "pymorphy has no lemma" in notes[0].message
    assert SCORERS[task](cases, "strict") == ([1.0, 1.0], [])


@pytest.mark.parametrize("metric", [TextQA(mode="strict"), MathQA(mode="strict"), TextRecognition(mode="strict")])
def test_strict_has_no_mean_of_nothing(metric: TaskMetric) -> None:
    metric.update([], [])
    with pytest.raises(NothingToScoreError, match=f"{metric.name}: there is no sample"):
        metric.result()


def test_lemmas_are_a_switch_of_recognition_in_strict_only() -> None:
    cases = [case(["кот"], "Коты")]
    plain, lemmas = TextRecognition(mode="strict"), TextRecognition(mode="strict", lemmas=True)
    for metric in (plain, lemmas):
        metric.update(cases, [0])
    assert (plain.result().score, lemmas.result().score) == (0.75, 1.0)
    assert plain.signature() == "text_recognition|mode:strict|lemmas:none|v:1"
    assert lemmas.signature() == "text_recognition|mode:strict|lemmas:pymorphy3-2.0.6|v:1"
    with pytest.raises(ValueError, match="lemmas belong to strict"):
        TextRecognition(mode="official", lemmas=True)


def test_signatures_name_the_installed_lemmatiser() -> None:
    import pymorphy3

    assert TextQA().signature() == f"textqa|mode:official|lemmas:pymorphy3-{pymorphy3.__version__}|v:1"
    assert MathQA(mode="strict").signature() == f"mathqa|mode:strict|lemmas:pymorphy3-{pymorphy3.__version__}|v:1"
