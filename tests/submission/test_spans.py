"""A question about a passage is answered with a run of its words where that is switched on, whatever the batch."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.rudolph.scored_answers import NO_NODE, TokenGraph
from models.rudolph.vocabulary import Vocabulary
from submission import spans
from submission.engine import Engine, Query
from submission.loading import Networks, load_networks
from submission.profiles import BASELINE, PROFILES, TUNED, Profile
from submission.spans import find_passage, span_graph
from tests.submission.conftest import Start, Write, image, text
from tests.submission.test_sharding import assert_same_run, torchrun

BUNDLED = Path(__file__).parents[2] / "weights"
PASSAGE = "Наполеон вторгся в Россию в 1812 г., но был разбит. «Красный» бой (под Красным) решил всё!"
LONG = " ".join(f"В деревне номер {number} живёт кузнец Роман {number}." for number in range(120))


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(BUNDLED, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("texts", "passage"),
    [
        ([PASSAGE, "Кто вторгся в Россию?"], PASSAGE),
        (["Ответь на вопрос по тексту.", PASSAGE, "Кто вторгся в Россию?"], PASSAGE),
        (["Тебе даны текст и вопрос. Найди ответ.", "Кто вторгся в Россию?", PASSAGE], PASSAGE),
        ([f"Используя текст, ответь на вопрос. {PASSAGE} Кто вторгся в Россию?"], PASSAGE),
        ([f"{PASSAGE}\nКто вторгся в Россию?"], PASSAGE),
        (["Какой ответ на вопрос даёт этот текст?", "Роман любит мёд.", "Что любит Роман?"], "Роман любит мёд."),
        ([LONG, "Где живёт кузнец Роман 7?"], LONG),
        # No passage, or none that is asked about.
        (["Кто вторгся в Россию?"], None),
        (["Ответь на вопрос.", "Кто вторгся в Россию?"], None),
        (["Какой ответ на вопрос верен?", "Какой ответ верен?"], None),
        (["дом", "Кто стоит у дома?"], None),
        ([PASSAGE, "Сколько будет дважды два?"], None),
        ([PASSAGE, "Чем пахнет сирень?"], None),
        ([PASSAGE, "С какой буквы начинается слово «Россию»?"], None),
        (["У Романа было 5 яблок, он съел два.", "Сколько яблок у Романа?"], None),
        (["Дано уравнение: 3 * x = 12.", "Чему равен корень уравнения?"], None),
        ([PASSAGE], None),
        (["Нарисуй картинку по тексту.", "красный круг на белом фоне"], None),
        ([], None),
        ([" ", "?"], None),
    ],
)
def test_a_passage_is_what_a_question_is_asked_about(texts: list[str], passage: str | None) -> None:
    assert find_passage(texts) == passage


def paths(graph: TokenGraph, vocabulary: Vocabulary) -> set[str]:
    """The texts of all paths of a graph, which has as many words as it likes."""
    found, ways = set[str](), [[node] for node, starts in enumerate(graph.starts) if starts]
    while ways:
        way = ways.pop()
        if graph.ends[way[-1]]:
            ids = [graph.ids[node] for node in way]
            said = vocabulary.decode(ids)
            assert ids == vocabulary.pieces(said)  # as a training's answer has them
            found.add(said)
        ways += [[*way, node] for node, before in enumerate(graph.before) if way[-1] in before]
    return found


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("дом", {"дом"}),
        ("Кот, пёс", {"кот,", "кот", "кот, пёс", "пёс"}),
        ("кот (Мур)", {"кот", "кот (мур)", "кот (мур", "(мур)", "(мур", "мур)", "мур"}),
        ("кот — зверь.", {"кот", "кот — зверь.", "кот — зверь", "зверь.", "зверь"}),
        ("кот 猫 пёс", {"кот", "пёс"}),  # no vocabulary of ours has the sign
    ],
)
def test_spans_are_runs_of_whole_words_with_or_without_punctuation_at_their_ends(
    networks: Networks, passage: str, expected: set[str]
) -> None:
    graph = span_graph(passage, networks.vocabulary, 12)
    assert graph is not None
    assert paths(graph, networks.vocabulary) == expected
    assert NO_NODE in {node for pair in graph.before for node in pair}


@pytest.mark.parametrize("passage", ["猫 犬", "— — —", ""])
def test_a_passage_may_have_no_span(networks: Networks, passage: str) -> None:
    assert span_graph(passage, networks.vocabulary, 12) is None


SAMPLES: dict[str, list[str]] = {
    "plain": [PASSAGE, "Кто вторгся в Россию?"],
    "one word": ["Россия", "Кто вторгся в Россию?"],
    "cut": [LONG, "Где живёт кузнец Роман 7?"],
    "no passage": ["Кто вторгся в Россию?"],
    "options": [PASSAGE, "Кто вторгся в Россию?", "a) швед; b) турок"],
    "foreign": ["猫 犬 鳥 Роман", "Где Роман?"],
    "letter": [PASSAGE, "С какой буквы начинается слово «Россию»?"],
    "long word": ["Роман сказал " + "тарабарщина" * 40, "Что сказал Роман?"],
}
WITH = ("--with", "spans")
WITH_SPANS = ("plain", "cut", "foreign", "long word")


def is_span(answer: str, passage: str) -> bool:
    said, words = answer.split(), passage.lower().split()
    runs = [words[start : start + len(said)] for start in range(len(words) - len(said) + 1)]
    return any(said[1:-1] == run[1:-1] and answer in " ".join(run) for run in runs)


@pytest.mark.parametrize("profile", [TUNED, replace(BASELINE, name="sampled")], ids=["greedy", "sampled"])
@pytest.mark.parametrize("words", [1, 12])
def test_answers_are_spans_of_at_most_so_many_words(
    weights: Path, monkeypatch: pytest.MonkeyPatch, profile: Profile, words: int
) -> None:
    monkeypatch.setattr(spans, "MARGIN", float("inf"))
    networks = load_networks(weights, torch.device("cpu"), torch.float32)  # made-up weights: they would say anything
    engine = Engine(networks, replace(profile, spans=words), seed=0)
    free = Engine(networks, profile, seed=0)
    queries = [Query(name, tuple(texts)) for name, texts in SAMPLES.items()]
    said, others = engine.answer(queries), free.answer(queries)
    for query, answered, other in zip(queries, said, others, strict=True):
        if query.id not in WITH_SPANS:
            assert answered == other
        elif answered != other:  # who has no room for a word stays free
            assert is_span(answered.text, query.texts[0]), answered.text
            assert len(answered.text.split()) <= words
    differing = {query.id for query, one, other in zip(queries, said, others, strict=True) if one != other}
    assert {"plain", "cut"} <= differing
    one_by_one = [engine.answer([query])[0] for query in queries]
    assert one_by_one == said
    monkeypatch.setattr(spans, "MARGIN", float("-inf"))
    assert engine.answer(queries) == others


def test_only_answers_that_the_spans_change_are_asked_again(networks: Networks) -> None:
    engine, free = (Engine(networks, replace(TUNED, spans=words), seed=0) for words in (12, 0))
    query = Query("0", ("Роман живёт в Уфе. Нина живёт в Омске.", "Где живёт Нина?"))
    assert engine.answer([query])[0].text == free.answer([query])[0].text == "в омске"
    assert engine.steps == free.steps
    assert engine.answer([replace(query, codes=torch.zeros(64).long())]) == free.answer(
        [replace(query, codes=torch.zeros(64).long())]
    )


def test_spans_are_off_and_never_negative() -> None:
    assert {profile.spans for profile in PROFILES.values()} == {0}
    with pytest.raises(ValueError, match="spans must not be negative"):
        replace(TUNED, spans=-1)


def content() -> dict[str, list[dict[str, str]]]:
    samples = {name: [text(each) for each in texts] for name, texts in SAMPLES.items()}
    return samples | {"picture": [image("images/red.png"), *samples["plain"]]}


def test_a_run_with_spans_is_the_same_in_any_batch_and_another_run_without(submit: Start, write_input: Write) -> None:
    source = write_input(content())
    run = submit(source, "--with", "spans", "--batch-size", "4")
    assert (run.status, run.report["profile"]["name"], run.report["profile"]["spans"]) == (0, "tuned+spans", 12)
    one_by_one = submit(source, "--with", "spans", "--batch-size", "1", output="again")
    assert one_by_one.predictions == run.predictions
    assert submit(source, "--with", "spans,spans", "--batch-size", "4").report["phases"]["answer"]["samples"] == 0
    without = submit(source, "--batch-size", "4")
    assert re.search(r"of another run \(different: profile\); starting anew", without.stderr)
    assert without.report["profile"]["name"] == "tuned"


def test_who_is_answered_on_a_drawing_keeps_to_spans_too(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the published inference answers texts: a picture drawn for a passage is no picture that is asked about."""
    monkeypatch.setattr(spans, "MARGIN", float("inf"))
    source = write_input({"0": [text(each) for each in SAMPLES["plain"]], "1": content()["picture"]})
    run, free = (submit(source, "--profile", "baseline", *more, output=f"{len(more)}") for more in (WITH, ()))
    assert (run.status, run.report["profile"]["name"]) == (0, "baseline+spans")
    assert is_span(run.predictions["0"][0]["content"], PASSAGE)
    assert not is_span(free.predictions["0"][0]["content"], PASSAGE)
    assert run.predictions["1"] == free.predictions["1"]


@pytest.mark.slow
def test_several_processes_answer_in_spans_as_one_does(
    submit: Start, write_input: Write, weights: Path, tmp_path: Path
) -> None:
    source = write_input(content())
    several = torchrun(2, weights, tmp_path / "several", "--with", "spans", source=source)
    assert_same_run(several, submit(source, "--with", "spans", "--batch-size", "3", output="alone"))
