"""What the report's file holds, and that nothing of a run gets out of its place in it."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contest.errors import ContestFileError
from contest.tasks import TASKS
from evaluation.co2 import EmissionsError, read_emissions
from evaluation.errors import NotComparableError
from evaluation.metrics.defects import DEFECTS
from evaluation.report.charts import counts, histogram
from evaluation.report.samples import Album
from tests.evaluation.report.conftest import ATTACK, Run

VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """The page's elements, addresses, and the text inside each element that has an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        self.addresses += [found[name] or "" for name in ("src", "href", "data", "action", "srcset") if name in found]
        self.handlers += [name for name in found if name.startswith("on")]
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag not in VOID:
            self._open.append((tag, found.get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self.handle_data(" ")  # what stands in two elements is two words
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name is not None:
                self.texts[name] = self.texts.get(name, "") + data

    def text(self, name: str) -> str:
        return re.sub(r"\s+", " ", self.texts[name]).strip()


@pytest.fixture(scope="module")
def source(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return run.report(tmp_path_factory.mktemp("report")).read_text("utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_the_file_needs_nothing_else(page: Page, source: str) -> None:
    assert page.tags["iframe"] == page.tags["object"] == 0
    assert page.handlers == []
    assert {address.split("base64,")[0] for address in page.addresses if not address.startswith("#")} <= {
        "data:,",
        "data:image/jpeg;",
    }
    assert [address[1:] for address in page.addresses if address.startswith("#") and address[1:] not in page.ids] == []
    assert "url(" not in source
    assert "@import" not in source
    assert not re.search(r"https?://", source)


def test_a_stranger_s_text_stays_text(page: Page, source: str) -> None:
    assert ATTACK not in source
    assert "<script>document.title" in page.text("task-textqa")


def test_no_folder_of_the_machine_is_named(run: Run, source: str) -> None:
    assert str(run.folder) not in source


def test_s_its_interval_eligibility_and_what_is_not_comparable(page: Page) -> None:
    assert page.text("integral").endswith("integral score S, 95 %: 0.4000 to 0.6000")
    assert page.text("eligible") == "not eligible below its threshold: textqa"
    assert "stated substitute" in page.text("not-comparable")
    assert page.text("row-generation") == "ImageGeneration not comparable 0.6250 0.3500 to 0.6500 0.28 0.21 12"
    assert page.text("row-textqa") == "TextQA below threshold 0.1000 0.0700 to 0.1300 0.25 0.20 12"
    assert page.text("row-hidden1") == "Hidden1 0.5000 0.3500 to 0.6500 0.20 – 12"
    assert "generation|fid:ruclip|v:1" in page.text("signatures")
    assert "test:1234" in page.text("signatures")


def test_each_task_has_histogram_worst_and_best(page: Page) -> None:
    assert page.tags["svg"] == len(TASKS)
    for task in TASKS:
        ids = re.findall(rf"{task.key}-(\d+)(?= \d\.\d{{4}})", page.text(f"task-{task.key}"))
        assert ids == ["0", "1", "2", "3", "11", "10", "9", "8"]


def test_what_a_sample_shows(page: Page) -> None:
    generation = page.text("task-generation")
    assert "Рыжая кошка лежит на подоконнике, 0" in generation
    assert "picture: a file is not a picture: images/image_generation-0.png" in generation
    assert "12 pictures: a Frechet distance needs 2,048" in generation
    assert "clip 0.26 fid 41.2 kid 0.0123" in generation
    assert "Answer empty References у Невы возле берега Невы" in page.text("task-mathqa")
    assert "Answer none References" in page.text("task-vqa")
    assert "a picture's path does not stay in its folder: ../../secret.png" in page.text("task-captioning")
    textqa = page.text("task-textqa")
    assert f"7 notes: difference 10 between code and rules ({DEFECTS[10]})" in textqa
    assert "and 2 more" in textqa


def test_differences_sample_by_sample(page: Page) -> None:
    differences = page.text("differences")
    assert "TextQA 0.5000 0.1000 -0.4000 -" in differences
    assert "ImageGeneration not comparable 0.5000 0.6250 +0.0000 *" in differences
    mathqa = page.text("differences-mathqa")
    assert mathqa.startswith("MathQA: 6 better, 6 worse Lost most mathqa-0 0.8182 → 0.0000")
    assert "Answer before не знаю Answer now empty" in mathqa
    assert "Gained most mathqa-9 0.0000 → 0.8182" in mathqa
    assert "differences-vqa" not in page.ids  # nothing changed there


def test_co2_with_the_row_that_counts_and_our_own_reading(page: Page) -> None:
    co2 = page.text("co2")
    assert "training.csv 4.86 kg" in co2
    assert "FBC2 training: 2.7B, stage 1 2 h 2 min 12.5 4.34 RU Xeon/1 device(s); A100 1 device(s)" in co2
    assert "stage 2 TargetValue counts 90.5 s 1.5 0.52 RU Xeon/1 device(s) own reading, cpu" in co2
    assert "own reading, gpu 0: NVML can not tell its energy unknown unknown" in co2


def test_without_input_other_run_and_emissions(run: Run, tmp_path: Path) -> None:
    tasks = {"textqa": run.result.tasks["textqa"]}
    bare = replace(run, result=replace(run.result, tasks=tasks, integral=None, integral_interval=None))
    path = bare.report(tmp_path / "new" / "folder", input_root=None, other=None, other_predictions=None, emissions=())
    page = Page(path.read_text("utf-8"))
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert page.text("integral") == "none integral score S"
    assert page.text("eligible") == "not eligible below its threshold: textqa"
    assert page.text("missing").startswith("S needs all twelve tasks; without a score: mathqa, generation,")
    assert "differences" not in page.ids
    assert "Question" not in page.text("samples")
    assert page.text("co2") == "CO2 No emission files were given."


def test_a_missing_open_task_leaves_eligibility_unknown(run: Run, tmp_path: Path) -> None:
    tasks = {"mathqa": run.result.tasks["mathqa"]}
    bare = replace(run, result=replace(run.result, tasks=tasks, integral=None))
    page = Page(bare.report(tmp_path, other=None).read_text("utf-8"))
    assert page.text("eligible").startswith("unknown eligibility: no score of textqa, generation,")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_samples_stand_in_one_list_only(run: Run, tmp_path: Path, count: int) -> None:
    task = run.result.tasks["mathqa"]
    few = replace(task, samples=dict(list(task.samples.items())[:count]))
    bare = replace(run, result=replace(run.result, tasks={"mathqa": few}, integral=None))
    text = Page(bare.report(tmp_path, other=None).read_text("utf-8")).text("task-mathqa")
    ids = re.findall(r"mathqa-(\d+)(?= \d\.\d{4})", text)
    assert sorted(ids) == [str(number) for number in range(count)]


def test_what_can_not_be_reported_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ContestFileError, match=r"bad\.json"):
        run.report(tmp_path, predictions=tmp_path / "bad.json")
    with pytest.raises(EmissionsError, match=r"bad\.csv: no column"):
        run.report(tmp_path, emissions=[tmp_path / "bad.csv"])
    with pytest.raises(NotComparableError, match="different test sets"):
        run.report(tmp_path, other=replace(run.other, test="another"))
    assert not (tmp_path / "report.html").exists()


def test_the_album_takes_each_picture_once_and_has_an_end(run: Run) -> None:
    root = run.folder / "test"
    album = Album(size=6000)
    names = [f"images/vqa-{number}.png" for number in range(6)]
    first = album.picture(root, names[0], follow_links=False)
    assert first.uri is not None
    assert len(first.uri) < 6000
    assert all(album.picture(root, names[0], follow_links=False) is first for _ in range(9))
    assert album.left_out == 0
    problems = [album.picture(root, name, follow_links=False).problem for name in names]
    assert problems[-1] == "left out: the report would become too large"
    assert album.left_out == sum(problem is not None for problem in problems)


@pytest.mark.parametrize(
    ("scores", "low", "high", "expected"),
    [
        ([0.0], 0, 1, {0: 1}),
        ([1.0, 1.0], 0, 1, {19: 2}),
        ([0.05, 0.049, 0.5], 0, 1, {0: 1, 1: 1, 10: 1}),
        ([-0.5, 1.5], -0.5, 1.5, {0: 1, 19: 1}),
    ],
)
def test_bins_of_a_histogram(scores: list[float], low: float, high: float, expected: dict[int, int]) -> None:
    assert {index: count for index, count in enumerate(counts(scores, low, high)) if count} == expected


def test_a_histogram_widens_for_scores_outside_of_0_to_1() -> None:
    svg = histogram([-0.25, 0.5] * 6, 0.125)
    assert "12 scores from -0.250 to 0.500, mean 0.1250; the highest bar has 6 samples" in svg
    assert ">-0.25</text>" in svg
    assert svg.count("<rect") == 2


def test_a_few_scores_are_points_beside_or_above_each_other() -> None:
    svg = histogram([0.5, 1.0, 0.5], 2 / 3)
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert places == [("160.00", "97.00"), ("160.00", "89.00"), ("310.00", "97.00")]
    assert "a point a sample" in svg
    assert "<rect" not in svg
    assert "1 score from" in histogram([0.5], 0.5)


@pytest.mark.parametrize(
    ("scores", "best", "worst"),
    [
        ([1.0] * 9, "0123", ""),
        ([0.0] * 9, "", "8765"),
        ([1.0, 1.0, 1.0, 0.5], "012", "3"),
        ([0.0, 0.0, 0.0, 0.5], "3", "210"),
        ([1.0], "0", ""),
        ([0.5], "", "0"),
        ([-0.1, 1.1], "1", "0"),
    ],
)
def test_extreme_scores_are_on_one_side_only(
    scores: list[float], best: str, worst: str, run: Run, tmp_path: Path
) -> None:
    task = replace(run.result.tasks["mathqa"], samples={f"mathqa-{n}": score for n, score in enumerate(scores)})
    bare = replace(run, result=replace(run.result, tasks={"mathqa": task}, integral=None))
    text = Page(bare.report(tmp_path, other=None).read_text("utf-8")).text("task-mathqa")
    before, _, after = text.partition("Best mathqa")
    found = [re.findall(r"-(\d+)(?= -?\d\.\d{4})", part) for part in (after, before)]
    assert ["".join(part) for part in found] == [best, worst]


def test_the_legend_names_what_is_drawn(page: Page, run: Run, tmp_path: Path) -> None:
    assert page.text("legend") == "score 95 % interval published baseline needed for a prize"
    task = replace(run.result.tasks["hidden1"], interval=None)
    bare = replace(run, result=replace(run.result, tasks={"hidden1": task}, integral=None))
    assert Page(bare.report(tmp_path, other=None).read_text("utf-8")).text("legend") == "score published baseline"


def test_the_last_final_row_counts(emissions: Path, tmp_path: Path) -> None:
    path, written = tmp_path / "e.csv", emissions.read_text("utf-8")
    last = written.splitlines()[-1]
    path.write_text(f"{written}{last.replace(last.partition(',')[0], 'c', 1)}\n")
    summary = read_emissions(path)
    assert summary.counted is summary.rows[2]
    assert summary.co2_kg == pytest.approx(4.34 + 0.52 + 0.52)
    path.write_text(written.replace("TargetValue", ""))
    assert read_emissions(path).counted is None
