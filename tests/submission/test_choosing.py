"""A sample's options are what it is answered with, whatever the batch; what can not count of them is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.rudolph import Rudolph
from models.rudolph.likelihood import Likelihood
from submission import choosing
from submission import engine as engine_module
from submission.answer_options import AnswerOptions, Option, find_options
from submission.choosing import OptionChoice, what_is_cut
from submission.engine import Engine, Query
from submission.loading import Networks, load_networks
from submission.profiles import BASELINE, PROFILES, TUNED
from tests.submission.conftest import Start, Write, image, text
from tests.submission.test_sharding import assert_same_run, torchrun

BUNDLED = Path(__file__).parents[2] / "weights"


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(BUNDLED, torch.device("cpu"), torch.float32)


LONG = "очень длинный ответ из многих слов " * 12
# The texts of a sample, and what it may be answered with.
SAMPLES: dict[str, tuple[list[str], set[str]]] = {
    "lettered": (["Роман любит мёд.", "Что любит Роман?", "a) мёд; b) суп; c) кашу"], {"мёд", "суп", "кашу"}),
    "yes or no": (["Роман любит мёд.", "Верно ли, что Роман любит суп?"], {"да", "нет"}),
    "one": (["Кто это?", "Варианты: a) кот"], {"кот"}),
    "equal": (["Кто это?", "a) кот; b) кот"], {"кот"}),
    "empty": (["Кто это?", "a) ; b) кот"], {"кот"}),
    "forty": (["Кто?", "; ".join(f"{i}) зверь {i}" for i in range(1, 41))], {f"зверь {i}" for i in range(1, 33)}),
    "too long": (["Что верно?", f"a) {LONG}; b) {LONG} да"], {LONG.strip(), f"{LONG} да"}),
    "alone": (["a) кот; b) пёс"], {"кот", "пёс"}),
    "contradicting": (["Кто это?", "a) кот; a) пёс; b) ёж"], {"кот", "пёс", "ёж"}),
    "strange letters": (["Кто это?", "a) 猫; b) 犬"], {"猫", "犬"}),
}


def test_every_sample_with_options_is_answered_with_one_of_them_in_any_batch(networks: Networks) -> None:
    engine = Engine(networks, TUNED, seed=0)

    def ask(batch: list[Query]) -> list[str]:
        said = engine.answer(batch)
        again = [row for row, each in enumerate(said) if each.first is not None]
        better = engine.ask_again([batch[row] for row in again], [said[row].first for row in again])
        assert engine.ask_again([batch[row] for row in again], [None] * len(again)) == better
        return [better[again.index(row)] if row in again else each.text for row, each in enumerate(said)]

    queries = [Query(name, tuple(texts)) for name, (texts, _) in SAMPLES.items()]
    queries.insert(3, Query("free", ("Роман любит мёд.", "Что любит Роман?")))
    together = ask(queries)
    for query, answer in zip(queries, together, strict=True):
        if query.id != "free":
            assert answer in SAMPLES[query.id][1], query.id
    assert together[3] == "мёд"
    assert engine.steps < 10  # of the free answer alone
    for size in (1, 4):
        parts = [text for start in range(0, len(queries), size) for text in ask(queries[start : start + size])]
        assert parts == together


def test_without_the_switch_options_are_texts_like_any_other(networks: Networks) -> None:
    engine = Engine(networks, replace(TUNED, options=None), seed=0)
    query = Query("0", ("Какое описание подходит?", "a) мёд; b) суп"))
    assert engine.options_of(query) is None
    assert Engine(networks, BASELINE, seed=0).options_of(query) is None
    assert engine.answer([query])[0].text
    assert engine.steps > 0


def test_only_tuned_chooses_among_options() -> None:
    assert {name: profile.options for name, profile in PROFILES.items()} == {"tuned": OptionChoice(), "baseline": None}


@pytest.mark.parametrize(
    ("score", "best"),
    [("sum", 1), ("mean", 0)],
)
def test_a_sum_prefers_short_options_and_a_mean_does_not(score: str, best: int) -> None:
    likelihoods = [Likelihood(-6.0, 6), Likelihood(-3.0, 2), Likelihood(-6.0, 6)]
    assert OptionChoice(score=score).best(likelihoods) == best


def test_what_is_asked_twice_is_chosen_by_both_askings() -> None:
    first, second = [Likelihood(-4.0, 2), Likelihood(-6.0, 2)], [Likelihood(-6.0, 2), Likelihood(-2.0, 2)]
    assert [OptionChoice().best(first), OptionChoice().best(second), OptionChoice().best(first, second)] == [0, 1, 1]


def test_the_second_asking_leaves_the_list_out_where_there_is_one(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[list[str]] = []
    score = choosing.log_likelihoods

    def spy(model: Rudolph, left: torch.Tensor, *rest: object) -> list[list[Likelihood]]:
        rows.append([networks.vocabulary.decode(ids.tolist()) for ids in left])
        return score(model, left, *rest)

    monkeypatch.setattr(choosing, "log_likelihoods", spy)
    listed, asked = ("Кто это?", "a) кот; b) пёс"), ("Кот ли это?",)
    queries = [Query("0", asked), Query("1", listed)]
    for twice in (True, False):
        engine = Engine(networks, replace(TUNED, options=OptionChoice(twice=twice)), seed=0)
        said = engine.answer(queries)
        assert [each.first is not None for each in said] == [False, twice]
        if twice:
            engine.ask_again([queries[1]], [said[1].first])
    with_list = ["кот ли это?", "кто это? a) кот; b) пёс"]
    assert rows == [with_list, ["кто это?"], with_list]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("text", ["на поезде", "да"]), ("marker", ["b", "да"]), ("both", ["b на поезде", "да"])],
)
def test_an_option_is_written_in_three_ways(answer: str, expected: list[str]) -> None:
    choice = OptionChoice(answer=answer)
    assert [choice.written(Option("b", "на поезде")), choice.written(Option("", "да"))] == expected


@pytest.mark.parametrize("wrong", [{"score": "best"}, {"answer": "letter"}])
def test_an_unknown_way_to_choose_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        OptionChoice(**wrong)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("lettered", ""),
        ("yes or no", ""),
        ("equal", "option b) says what an earlier one does"),
        ("forty", "only the first 32 of 40 options count"),
        ("too long", "by its first 22 only"),
        ("contradicting", "the markers contradict each other (a, a, b): their order counts"),
    ],
)
def test_what_can_not_count_is_named(networks: Networks, name: str, cut: str) -> None:
    options = find_options(SAMPLES[name][0])
    assert options is not None
    said = what_is_cut(options, networks.vocabulary)
    assert said.endswith(cut) if cut else said == ""


def test_a_run_answers_with_options_the_same_in_any_batch_and_names_what_it_cut(
    submit: Start, write_input: Write
) -> None:
    content = {name: [text(each) for each in texts] for name, (texts, _) in SAMPLES.items()}
    content["picture"] = [image("images/red.png"), text("Какого цвета?"), text("а) красный; б) синий")]
    content["no picture"] = [image("images/none.png"), text("Какого цвета?"), text("а) красный; б) синий")]
    source = write_input(content)
    run = submit(source, "--batch-size", "3")
    answers = {name: items[0]["content"] for name, items in run.predictions.items()}
    for name, (_, allowed) in SAMPLES.items():
        assert answers[name] in allowed
    assert {answers["picture"], answers["no picture"]} <= {"красный", "синий"}
    named = {
        problem["sample_id"]: problem["error"] for problem in run.report["problems"] if problem["phase"] == "options"
    }
    assert named.keys() == {"equal", "empty", "forty", "too long", "contradicting"}
    assert named["forty"] == "only the first 32 of 40 options count"
    one_by_one = submit(source, "--batch-size", "1", output="again")
    assert {name: items[0]["content"] for name, items in one_by_one.predictions.items()} == answers
    assert json.dumps(run.report["profile"]["options"]) == '{"score": "mean", "answer": "text", "twice": false}'


def test_options_that_make_a_mistake_show_cost_one_sample(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, read = engine_module.find_options, list[str]()

    def failing(texts: tuple[str, ...]) -> AnswerOptions | None:
        read.append(texts[0])
        if texts[0] == "Кто это?":
            raise RecursionError("too deep")
        return find(texts)

    monkeypatch.setattr(engine_module, "find_options", failing)
    samples = {"0": "Роман любит мёд?", "1": "Кто это?", "2": "Есть ли тут мёд?", "3": "Что это: мёд или суп?"}
    run = submit(write_input({key: [text(asked)] for key, asked in samples.items()}), "--batch-size", "4")
    assert run.status == 1
    assert [(each["sample_id"], each["phase"], each["error"]) for each in run.report["problems"]] == [
        ("1", "answer", "too deep")
    ]
    assert {key: items[0]["content"] in ("да", "нет", "мёд", "суп") for key, items in run.predictions.items()} == {
        "0": False, "1": False, "2": True, "3": True
    }  # fmt: skip
    assert run.report["missing"] == {"answers": [], "pictures": []}


def test_the_options_of_a_sample_are_read_once(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, read = engine_module.find_options, list[tuple[str, ...]]()
    monkeypatch.setattr(engine_module, "find_options", lambda texts: (read.append(texts), find(texts))[1])
    submit(write_input({name: [text(each) for each in texts] for name, (texts, _) in SAMPLES.items()}))
    assert sorted(read) == sorted(tuple(texts) for texts, _ in SAMPLES.values())


@pytest.mark.slow
def test_several_processes_choose_as_one_does(submit: Start, write_input: Write, weights: Path, tmp_path: Path) -> None:
    source = write_input({name: [text(each) for each in texts] for name, (texts, _) in SAMPLES.items()})
    several = torchrun(2, weights, tmp_path / "several", source=source)
    alone = submit(source, "--batch-size", "3", output="alone")
    assert_same_run(several, alone)
    problems = [{(each["sample_id"], each["error"]) for each in run.report["problems"]} for run in (several, alone)]
    assert problems[0] == problems[1]
