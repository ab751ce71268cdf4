"""Validation: the evaluator's own scores of greedy answers, and the loss that training minimises, on held-out data."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from evaluation.metrics.cases import Mode
from models.rudolph import Rudolph, named
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import PAD, Vocabulary
from tests.models.recorded import StandInRecorder
from tests.training.small_world import TINY
from training.tune import validation
from training.tune.data.examples import Example
from training.tune.settings import TaskSettings
from training.tune.validation import score_answers, segment_losses, validate

TASKS = {
    "textqa": TaskSettings(weight=2.0, left=0.5, image=0.0, right=1.0),
    "generation": TaskSettings(weight=1.0, left=0.02, image=1.0, right=3.0),
}


class Letters:
    """A tokenizer whose pieces are single letters."""

    def encode(self, text: str) -> list[int]:
        return [4 + ord(letter) % 200 for letter in text]

    def decode(self, ids: Sequence[int], ignore: Sequence[int] = ()) -> str:
        return "".join(chr(97 + number % 26) for number in ids if number not in ignore)


def examples(task: str) -> list[Example]:
    rng = np.random.default_rng(1)
    made = []
    for number in range(5):
        codes = None if task == "textqa" else rng.integers(0, 16, 64).astype(np.uint16)
        references = ("ответ" * (number % 3 + 1), "иначе") if task == "textqa" else ()
        made.append(Example(str(number), f"вопрос номер {number} " * (number + 1), references, codes))
    return made


@pytest.fixture(scope="module")
def model() -> Rudolph:
    torch.manual_seed(0)
    return Rudolph(TINY).train()


VOCABULARY = Vocabulary(Letters(), TINY)
HELD_OUT = {task: examples(task) for task in TASKS}


def rows(task: str) -> torch.Tensor:
    """The examples as the model is trained on them, with the unknown-task tokens."""
    made = []
    for example in HELD_OUT[task]:
        codes = torch.zeros(64) if example.codes is None else torch.from_numpy(example.codes.astype("int64"))
        right = torch.full((24,), PAD)
        if example.references:
            right = VOCABULARY.encode_right(example.references[0])
        made.append(torch.cat((VOCABULARY.encode_left(example.left), codes, right)).long())
    return torch.stack(made)


def test_its_loss_is_that_of_the_network_on_the_same_rows(model: Rudolph) -> None:
    found = validate(model, VOCABULARY, HELD_OUT, TASKS, "official", batch_size=2)
    assert model.training  # left as it was, and dropout was off meanwhile:
    model.eval()
    with torch.inference_mode():
        textqa, _ = model.loss(rows("textqa"), 0.5, 0.0, 1.0, mode="corrected")
        # Generation has no references: its right text is no target, whatever it weighs.
        generation, _ = model.loss(rows("generation"), 0.02, 1.0, 0.0, mode="corrected")
    model.train()
    assert found.tasks["textqa"].loss == pytest.approx(float(textqa), rel=1e-5)
    assert found.tasks["generation"].loss == pytest.approx(float(generation), rel=1e-5)
    assert found.loss == pytest.approx(2.0 * float(textqa) + float(generation), rel=1e-5)
    assert found.tasks["textqa"].segments.keys() == {"left", "right"}
    assert found.tasks["generation"].segments.keys() == {"left", "image"}


def test_the_size_of_its_batches_changes_nothing(model: Rudolph) -> None:
    model.eval()
    one, all_at_once = (
        segment_losses(model, VOCABULARY, HELD_OUT["textqa"], ["left", "right"], size) for size in (1, 5)
    )
    model.train()
    assert one == pytest.approx(all_at_once, rel=1e-5)


def test_replayed_steps_give_the_same_answers(monkeypatch: pytest.MonkeyPatch, model: Rudolph) -> None:
    monkeypatch.setattr("models.rudolph.step_graphs.LEAST_CALLS", 1)
    monkeypatch.setattr("models.rudolph.step_graphs.WARM_UP_CALLS", 1)
    graphs = StepGraphs(StandInRecorder())
    expected, found = (
        validate(model, VOCABULARY, HELD_OUT, TASKS, "strict", batch_size=2, graphs=each) for each in (None, graphs)
    )
    assert found == expected
    assert (graphs.captured, graphs.problem) == (3, "")  # of batches of 2, 2 and 1
    assert graphs.replayed > 3


def test_a_task_without_text_answers_has_no_score(model: Rudolph) -> None:
    found = validate(model, VOCABULARY, HELD_OUT, TASKS, "strict")
    generation, textqa = found.tasks["generation"], found.tasks["textqa"]
    assert (generation.score, generation.exact_match, generation.answers) == (None, None, ())
    assert textqa.score is not None
    assert found.score == textqa.score
    assert [answered.example.id for answered in textqa.answers] == ["0", "1", "2", "3", "4"]


def held_out(*references: str) -> Example:
    return Example("7", "вопрос", references, None)


@pytest.mark.parametrize(
    ("task", "mode", "answer", "references", "score"),
    [
        ("textqa", "official", "старый маяк у моря", ("старый маяк",), 2 / 3),
        ("drill_textqa", "official", "старый маяк у моря", ("старый маяк",), 2 / 3),
        ("mathqa", "official", "b) 5", ("b", "5", "b 5"), 1.0),
        ("mathqa", "strict", "6", ("b", "5", "b 5"), 0.0),
        ("drill_mathqa", "strict", "5", ("5",), 1.0),
        ("vqa", "strict", "4 кошки", ("3 кошки",), 0.875),
        ("captioning", "strict", "На окне сидит кот!", ("Коты сидят на окнах",), 1.0),
        ("captioning", "official", "Кот сидит на окне", ("Коты сидят на окнах",), 0.9921875),
        ("text_recognition", "official", "хор.", ("ХОР", "хор"), 0.75),
        ("text_recognition", "strict", "хор.", ("ХОР",), 1.0),
    ],
)
def test_answers_are_scored_by_the_evaluator(
    task: str, mode: Mode, answer: str, references: tuple[str, ...], score: float
) -> None:
    scores, problem = score_answers(task, [held_out(*references)], [answer], mode)
    assert scores == [pytest.approx(score)]
    assert problem is None


def test_empty_answer_is_scored_as_submitted() -> None:
    (scores, _), (written, _) = (
        score_answers("text_recognition", [held_out("пустая")], [text], "official") for text in ("", "пустая строка")
    )
    assert scores == written
    assert scores is not None
    assert scores[0] > 0


def test_a_task_without_a_metric_has_exact_match_alone() -> None:
    assert score_answers("poetry", [held_out("a")], ["a"], "official") == (None, None)


TANGUT = "\U00017000"  # pymorphy raises on this letter, and so do the organisers' scripts


def test_abort_of_the_official_scripts_stops_nothing() -> None:
    scores, problem = score_answers("vqa", [held_out("кот")], [TANGUT], "official")
    assert scores is None
    assert problem is not None
    assert "sample '7'" in problem
    assert "the organisers' scripts stop here" in problem


def test_zero_of_the_official_scripts_is_named() -> None:
    scores, problem = score_answers("textqa", [held_out("кот"), held_out("маяк")], ["кот", TANGUT], "official")
    assert scores == [0.0, 0.0]
    assert problem is not None
    assert "the whole task is 0" in problem


@pytest.mark.parametrize(("gigabytes", "at_once"), [(80, 48), (21, 12), (1, 1)])
def test_as_many_are_validated_at_once_as_memory_holds(
    monkeypatch: pytest.MonkeyPatch, gigabytes: int, at_once: int
) -> None:
    with torch.device("meta"):
        large = Rudolph(named("2.7B-FBC2"))
    monkeypatch.setattr(validation, "free_bytes", lambda device: gigabytes * 2**30)
    assert validation.fitting_batch(large) == at_once
