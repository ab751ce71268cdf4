"""The ablation table of answers: its rows, its weaker checkpoint, what it asks anew, and the whole in small."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from benchmarks import answers
from contest.items import Item, Sample
from contest.reading import read_input
from evaluation.comparing import TaskComparison
from evaluation.statistics import Difference
from submission.engine import Engine, Query
from submission.loading import Networks, load_networks
from submission.profiles import TUNED

WEIGHTS = Path(__file__).parents[2] / "weights"
SWITCHES = ("options", "statements", "asked_forms", "lengths", "spans", "crops", "captions")
SAMPLES = {
    "options": ["Роман любит мёд.", "Что любит Роман?", "a) мёд; b) суп"],
    "statement": ["Роман живёт в Уфе.", "Верно ли, что Роман живёт в Уфе?"],
    "letter": ["С какой буквы начинается слово?"],
    "free": ["Роман любит мёд.", "Что любит Роман?"],
    "length": ["Сколько букв в слове?"],
    "caption": ["Опиши изображение."],
}


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(WEIGHTS, torch.device("cpu"), torch.float32)


def samples() -> dict[str, Sample]:
    return {key: Sample(key, tuple(Item("text", content) for content in contents)) for key, contents in SAMPLES.items()}


def test_rows_differ_from_tuned_in_the_switches_alone() -> None:
    tuned = asdict(TUNED)
    for name, profile in answers.ROWS.items():
        different = {field for field, value in asdict(profile).items() if value != tuned[field]}
        assert different <= set(SWITCHES), name
        assert bool(different) is (name != "tuned")
    plain = answers.ROWS[answers.PLAIN]
    assert all(not getattr(plain, switch) for switch in SWITCHES)
    assert len({repr(profile) for profile in answers.ROWS.values()}) == len(answers.ROWS)


@pytest.mark.parametrize(
    ("row", "changed"),
    [
        (answers.PLAIN, []),
        ("options, sum", ["options", "statement"]),
        ("options, mean, and statements", ["options", "statement"]),
        ("one character where asked for", ["letter"]),
        ("letters read, then counted", ["length"]),
        ("captions by consensus", ["caption"]),
        ("captions by ruCLIP", ["caption"]),
        ("tuned", ["options", "statement", "letter", "length"]),
    ],
)
def test_what_a_row_may_answer_otherwise(row: str, changed: list[str]) -> None:
    def changed_of(codes: torch.Tensor | None) -> list[str]:
        queries = [Query(key, tuple(texts), codes) for key, texts in SAMPLES.items()]
        plain, other = answers.ROWS[answers.PLAIN], answers.ROWS[row]
        return [query.id for query in queries if answers.applied(other, query) != answers.applied(plain, query)]

    assert changed_of(torch.zeros(64).long()) == changed
    assert changed_of(None) == [key for key in changed if key not in ("length", "caption")]  # of pictures alone


@pytest.mark.parametrize(
    ("row", "with_picture", "without"),
    [("spans of the passage", [], ["free"]), ("several crops", ["sign"], [])],
)
def test_what_spans_and_crops_may_answer_otherwise(row: str, with_picture: list[str], without: list[str]) -> None:
    plain, other = answers.ROWS[answers.PLAIN], answers.ROWS[row]
    texts = SAMPLES | {"sign": ["Что написано на картинке?"]}
    for codes, changed in ((torch.zeros(64).long(), with_picture), (None, without)):
        queries = [Query(key, tuple(of_sample), codes) for key, of_sample in texts.items()]
        found = [query.id for query in queries if answers.applied(other, query) != answers.applied(plain, query)]
        assert found == changed


def test_signs_become_parts_of_wide_pictures_that_are_read_in_four_squares(networks: Networks, tmp_path: Path) -> None:
    asked = {str(number): [{"type": "image", "content": f"{number}.png"}] for number in range(5)}
    for items in asked.values():
        items.append({"type": "text", "content": "Что написано на картинке?"})
    for number in range(5):
        Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / f"{number}.png")
    (tmp_path / "input.json").write_text(json.dumps(asked), "utf-8")
    (tmp_path / "ids.json").write_text(json.dumps({str(number): 5 if number < 4 else 4 for number in range(5)}))
    answers.widen_signs(tmp_path)
    assert [Image.open(tmp_path / f"{number}.png").size for number in range(5)] == [(192, 64)] * 4 + [(64, 64)]
    signs = read_input(tmp_path / "input.json")
    squares = answers.squares_of(signs, tmp_path, networks.side)
    assert {key: len(others) for key, others in squares.items()} == {"0": 3, "1": 3, "2": 3, "3": 3}
    engine = Engine(networks, answers.ROWS["several crops"], seed=0)
    plain = Engine(networks, answers.ROWS[answers.PLAIN], seed=0)
    queries = answers.queries_of(engine, signs, tmp_path)
    said = answers.answers_of(engine, queries, squares)
    first = answers.answers_of(plain, queries, squares)
    assert said.keys() == first.keys()
    assert said != first
    assert said["4"] == first["4"]


def test_statements_change_no_other_sample_with_options() -> None:
    plain, stated = answers.ROWS["options, mean"], answers.ROWS["options, mean, and statements"]
    queries = [Query(key, tuple(texts)) for key, texts in SAMPLES.items()]
    changed = [query.id for query in queries if answers.applied(plain, query) != answers.applied(stated, query)]
    assert changed == ["statement"]


def test_samples_are_answered_with_all_askings(networks: Networks, tmp_path: Path) -> None:
    engine = Engine(networks, TUNED, seed=0)
    queries = answers.queries_of(engine, samples(), tmp_path)
    assert [query.id for query in queries] == list(SAMPLES)
    said = answers.answers_of(engine, queries)
    first = engine.answer(queries)
    again = [row for row, each in enumerate(first) if each.first is not None]
    assert [queries[row].id for row in again] == ["statement"]
    better = engine.ask_again([queries[row] for row in again], [first[row].first for row in again])
    free = {query.id: each.text for query, each in zip(queries, first, strict=True)}
    assert said == free | {"statement": better[0]}


def test_captions_are_the_best_of_all_that_the_profile_draws(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "several_texts", lambda self, queries, sampling, numbers: [["кот"] * len(numbers)])
    engine = Engine(networks, answers.ROWS["captions by consensus"], seed=0)
    caption = Query("caption", ("Опиши изображение.",), torch.zeros(64).long())
    other = Query("other", ("Какого цвета круг?",), torch.zeros(64).long())
    said = answers.answers_of(engine, [other, caption])
    assert said["caption"] == "кот" != said["other"]


def test_a_weaker_checkpoint_is_the_same_every_time(tmp_path: Path) -> None:
    one, other = (
        load_file(answers.weaken(WEIGHTS, tmp_path / name, 0.3) / "rudolph" / "model.safetensors") for name in "ab"
    )
    whole = load_file(WEIGHTS / "rudolph" / "model.safetensors")
    assert one.keys() == other.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(one[name], other[name])
        assert one[name].dtype == tensor.dtype
        moved = float((one[name].float() - tensor.float()).square().mean().sqrt())
        is_matrix = tensor.is_floating_point() and tensor.dim() == 2  # masks are of truth values
        expected = 0.3 * float(tensor.float().std()) if is_matrix else 0.0
        assert moved == pytest.approx(expected, rel=0.15)
    before = (tmp_path / "a" / "rudolph" / "model.safetensors").stat().st_mtime_ns
    answers.weaken(WEIGHTS, tmp_path / "a", 0.3)  # is there already
    assert (tmp_path / "a" / "rudolph" / "model.safetensors").stat().st_mtime_ns == before


def comparison(key: str, difference: float, p: float) -> TaskComparison:
    return TaskComparison(key, 0.5, 0.5 + difference, Difference(difference, None, p), p)


def test_a_task_is_better_or_worse_by_the_paired_test() -> None:
    tasks = [comparison("textqa", 0.2, 0.02), comparison("vqa", -0.2, 0.01), comparison("mathqa", 0.2, 0.06)]
    assert answers.significant(tasks) == {"better": ["textqa"], "worse": ["vqa"]}


@pytest.mark.slow
def test_the_table_of_a_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.json"
    arguments = ["--work", str(tmp_path / "work"), "--seeds", "1", "--samples", "2", "--resamples", "50"]
    answers.main([*arguments, "--modes", "official", "--weaker", "0.3", "--json", str(table)])
    printed = capsys.readouterr().out
    rows = json.loads(table.read_text("utf-8"))
    against_baseline = [row["row"] for row in rows if row["against"] == "baseline"]
    assert against_baseline == list(answers.ROWS)
    assert [row["row"] for row in rows if row["against"] == answers.PLAIN] == list(answers.ROWS)[1:]
    assert all(0 < row["S"] < 1 and f"{row['S']:8.4f}{row['change']['difference']:+9.4f}" in printed for row in rows)
    for row in rows:
        assert row["S"] == pytest.approx(sum(row["tasks"][key]["second"] * _weight(key) for key in row["tasks"]))
    files = [path for path in (tmp_path / "work" / "1").rglob("*.json") if "world" not in path.parts]
    assert len(files) >= len(answers.ROWS) + 2
    written = {path: path.stat().st_mtime_ns for path in files if path.name != "to_draw.json"}
    answers.main([*arguments, "--modes", "official", "--weaker", "0.3"])  # nothing is run again
    assert {path: path.stat().st_mtime_ns for path in written} == written


def _weight(key: str) -> float:
    return 1 / 10 if key.startswith("hidden") else 1 / 15
