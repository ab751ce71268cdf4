"""Statements behind a passage: what is one, the endings it is compared with, and answers that the passage gives."""

from pathlib import Path

import pytest
import torch

from data_prep.synthetic.world import draw
from models.rudolph import Rudolph
from models.rudolph.likelihood import Likelihood, left_log_likelihoods
from submission import statements
from submission.loading import load_networks
from submission.statements import Statement, endings_of, find_statement, follows

BUNDLED = Path(__file__).parents[2] / "weights"
PASSAGE = "Роман живёт в Уфе. Нина живёт в Омске."


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([PASSAGE, "Верно ли, что Роман живёт в Уфе?"], Statement(PASSAGE, "Роман живёт", "в Уфе")),
        ([f"{PASSAGE} Правда ли что Роман живёт в Уфе?"], Statement(PASSAGE, "Роман живёт", "в Уфе")),
        (["Ответь.", PASSAGE, "Верно, что она тут?"], None),  # nothing but an ending
        (["Верно ли, что Роман живёт в Уфе?"], None),  # nothing to follow from
        ([PASSAGE, "Живёт ли Роман в Уфе?"], None),
        (["Да.", PASSAGE, "Верно, что она живёт тут?"], Statement(f"Да. {PASSAGE}", "она", "живёт тут")),
        ([PASSAGE, "Верно ли, что " + "очень " * 50 + "далеко?"], None),
        ([PASSAGE, "Верно ли, что Роман живёт в Уфе"], None),
        ([PASSAGE, "Верно ли, что Роман живёт « … »?"], None),  # an ending without words
        ([PASSAGE, "Верно ли, что Роман не живёт в Уфе?"], None),
        ([], None),
    ],
)
def test_what_is_a_statement(texts: list[str], found: Statement | None) -> None:
    assert find_statement(texts) == found


def test_endings_are_the_words_of_sentences() -> None:
    assert endings_of("Роман живёт в Уфе. Нина: живёт «в Омске»!", "в Туле") == [
        "в туле", "роман живёт", "живёт в", "в уфе", "нина: живёт", "живёт «в", "в омске"
    ]  # fmt: skip
    assert endings_of("", "в Туле") == ["в туле"]


def test_a_statement_is_compared_with_other_endings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the passage has any, and there is room; of equal ones the statement's own counts."""
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    model, vocabulary = networks.rudolph, networks.vocabulary
    asked: list[tuple[str, list[str]]] = []
    likeliest = ["в уфе."]

    def score(model: Rudolph, prompt: list[int], candidates: list[tuple[int, ...]]) -> list[Likelihood]:
        texts = [vocabulary.decode(ids) for ids in candidates]
        asked.append((vocabulary.decode(prompt), texts))
        return [Likelihood(-1.0 - (text not in likeliest), 1) for text in texts]

    monkeypatch.setattr(statements, "left_log_likelihoods", score)

    def known(passage: str, head: str, ending: str) -> bool | None:
        return follows(model, vocabulary, Statement(passage, head, ending))

    assert (known(PASSAGE, "Роман живёт", "в Уфе"), known(PASSAGE, "Роман живёт", "в Омске")) == (True, False)
    assert asked[0] == (
        "роман живёт в уфе. нина живёт в омске. роман живёт",
        ["в уфе.", "роман живёт.", "живёт в.", "нина живёт.", "в омске."],
    )
    likeliest.clear()
    assert known(PASSAGE, "Роман живёт", "в Омске") is True
    asked.clear()
    assert known("Да", "Роман живёт", "в Омске") is None
    assert known(PASSAGE, "Роман " * 100 + "живёт", "в Уфе") is None
    assert asked == []


def test_the_bundled_model_knows_more_than_yes_and_no_tell() -> None:
    """By "да" and "нет" alone half of these are right; drawn from a seed that no training used."""
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    drawn = [draw("hidden1", 777001, "test", index) for index in range(60)]
    right = 0
    for sample in drawn:
        statement = find_statement([item.content for item in sample.items])
        assert statement is not None
        right += ("да" if follows(networks.rudolph, networks.vocabulary, statement) else "нет") in sample.answers
    assert right / len(drawn) >= 0.6, right


def test_left_texts_go_on_as_the_full_pass_says() -> None:
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    model, vocabulary = networks.rudolph, networks.vocabulary
    prompt = [*vocabulary.beginning("<LT_UNK>"), *vocabulary.pieces("роман живёт в уфе. роман живёт")]
    candidates = [vocabulary.pieces(text) for text in ("в уфе.", "в омске.", "нина", "в уфе. " * 8)]
    found = left_log_likelihoods(model, prompt, candidates)
    for candidate, likelihood in zip(candidates, found, strict=True):
        ids = torch.tensor([[*prompt, *candidate]])
        hidden = model.hidden(ids)[:, len(prompt) - 1 : -1]
        logits = model.head(hidden, slice(model.config.bpe_vocab)).float().log_softmax(-1)
        expected = logits.gather(-1, torch.tensor(candidate)[None, :, None]).sum()
        assert likelihood.tokens == len(candidate)
        assert likelihood.total == pytest.approx(expected.item(), abs=1e-3)
    assert left_log_likelihoods(model, prompt, []) == []
    with pytest.raises(ValueError, match="begins with 1 to 80 ids"):
        left_log_likelihoods(model, [], candidates)
