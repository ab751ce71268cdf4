"""Generation equals the organisers' number; in mode strict it goes by ids and names what is wrong."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from contest.errors import Code, ContestError
from contest.ground_truth import GroundTruth, References, UnsoundTruth
from contest.reading import read_ground_truth, read_input, read_predictions
from evaluation.metrics.base import TaskScore
from evaluation.metrics.cases import Case, Mode, UnsoundAnswer
from evaluation.metrics.clip_score import score_captions
from evaluation.metrics.errors import AttemptAbortedError, NothingToScoreError
from evaluation.metrics.features import FeatureStore, inception_features, sound_features
from evaluation.metrics.frechet import FeatureError, fit_gaussian, frechet_distance
from evaluation.metrics.generation import Generation, distance_part
from evaluation.sharding import ScoringProcesses
from models.inception import Inception
from models.weights import save_state_dict
from tests.evaluation.metrics.cases import GOLDEN, golden
from tests.evaluation.metrics.fake_clip import FakeClip
from tests.evaluation.metrics.fake_features import MeanColour
from tests.evaluation.metrics.picture_cases import image, picture_cases, sample, text
from tests.inception_weights import made_up_weights

MIXED = GOLDEN / "mixed"
EXPECTED = golden("mixed/expected")["results"]
ASKED = [text("Нарисуй."), text("кот")]
FOLDERS = {run["name"]: run for run in golden("fid_folder_runs")["runs"]}


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Inception:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    save_state_dict(made_up_weights(), path)
    return Inception.from_file(path)


def mixed_cases(task: str) -> list[Case]:
    truths, answers = read_ground_truth(MIXED / "ground_truth.json"), read_predictions(MIXED / "predictions.json")
    asked = read_input(MIXED / "input.json")
    keys = golden("mixed/expected")["keys_per_task"][task]
    return [Case(key, truths[key], answers[key], asked[key], MIXED, MIXED, MIXED) for key in keys]


def cases_of_folders(root: Path, truths: Mapping[str, str], drawn: Mapping[str, str]) -> list[Case]:
    """One case for each place in the longer of two folders' lists; what the shorter one lacks has no picture."""
    names = {}
    for side, files in (("ref", truths), ("pred", drawn)):
        (root / side).mkdir()
        for name, source in files.items():
            shutil.copy(GOLDEN / source, root / side / name)
        names[side] = [f"{side}/{name}" for name in sorted(files)]
    cases = []
    for number, (true, given) in enumerate(zip_longest(names["ref"], names["pred"])):
        truth = References("text", ("ответ",)) if true is None else References("image", (true,))
        items = [text(""), *([] if given is None else [image(given)])]
        asked, answer = sample(str(number), ASKED), sample(str(number), items)
        cases.append(Case(str(number), GroundTruth(str(number), (truth,)), answer, asked, root, root, root))
    return cases


def scored(metric: Generation, cases: list[Case]) -> TaskScore:
    metric.update(cases, range(len(cases)))
    return metric.result()


@pytest.mark.parametrize("name", FOLDERS)
def test_the_distance_of_two_folders_is_the_organisers(name: str, inception: Inception, tmp_path: Path) -> None:
    run = FOLDERS[name]
    cases = cases_of_folders(tmp_path, run["ref"], run["pred"])
    metric = Generation(mode="official", clip=FakeClip(), features=inception_features(inception, run["dims"]))
    if "raises" in run["outcome"]:
        with pytest.raises((AttemptAbortedError, NothingToScoreError)):
            scored(metric, cases)
    else:
        # Of two pictures a side the product of covariances has rank 1, where their matrix root is at its worst.
        tolerance = 2e-5 if name == "two_images" else 1e-5
        assert scored(metric, cases).parts["fid"] == pytest.approx(run["outcome"]["fid"], rel=tolerance, abs=1e-5)


@pytest.mark.parametrize("dims", [64, 192, 2048])
def test_official_equals_the_organisers_on_the_mixed_set(dims: Any, inception: Inception) -> None:
    expected = EXPECTED["generation" if dims == 2048 else f"generation_dims_{dims}"]
    metric = Generation(mode="official", clip=FakeClip(), features=inception_features(inception, dims))
    cases = mixed_cases("generation")
    metric.update(cases, range(len(cases)))
    parts = metric.result().parts
    assert parts["clip"] == pytest.approx(expected["ruclip"], abs=1e-7)
    assert parts["fid"] == pytest.approx(expected["fid"], rel=1e-5)
    if dims == 2048:
        assert parts["fid"] == pytest.approx(EXPECTED["fid_exact_by_singular_values"], rel=1e-6)
    assert metric.result().score == pytest.approx(expected["value"], abs=1e-6)
    # Key "0" has its picture first, which the organisers' script does not see.
    assert [note.defect for note in metric.result().notes if note.sample_id == "0"] == [17]


def test_the_ruclip_half_of_captioning_on_the_mixed_set() -> None:
    scores, notes = score_captions(mixed_cases("captioning"), "official", FakeClip())
    assert np.mean(scores) == pytest.approx(EXPECTED["captioning"]["ruclip"], abs=1e-7)
    assert [note.defect for note in notes if note.sample_id == "35"] == [18]


@pytest.mark.parametrize(("fid", "part"), [(0, 1.0), (50, 0.75), (200, 0.0), (1e6, 0.0)])
def test_the_distance_part(fid: float, part: float) -> None:
    assert distance_part(fid) == part


NAMES = ("00000.png", "00001.png", "00002.png", "00003.png")


def small(answers: Mapping[str, Any] | None = None, root: Path = GOLDEN) -> list[Case]:
    drawn = {str(n): [text(""), image(name)] for n, name in enumerate(reversed(NAMES))}
    truths = {str(n): f"images/{name}" for n, name in enumerate(NAMES)}
    kept = {key: answer for key, answer in {**drawn, **(answers or {})}.items() if answer is not None}
    return picture_cases(dict.fromkeys(drawn, ASKED), kept, truths, root)


def generation(mode: Mode = "strict", **options: Any) -> Generation:
    return Generation(mode=mode, clip=FakeClip(), features=MeanColour(), **options)


def test_the_mean_of_the_samples_is_the_score() -> None:
    metric = generation()
    metric.update(small(), range(4))
    samples, parts = metric.result().samples, metric.result().parts
    assert list(samples) == ["0", "1", "2", "3"]
    assert metric.result().score == pytest.approx(np.mean(list(samples.values())), abs=1e-15)
    assert metric.result().score == pytest.approx((parts["clip"] + distance_part(parts["fid"])) / 2, abs=1e-12)
    assert parts["fid"] == pytest.approx(0, abs=1e-9)
    assert {"kid", "kid_std", "distance_part"} < set(parts)


def test_pieces_and_repetitions_give_what_the_whole_gives() -> None:
    whole, pieces = generation(), generation()
    cases = small({"2": [image("one.png")]})
    whole.update(cases, range(4))
    pieces.update(cases[2:], [2, 3])
    pieces.update(cases[:3], [0, 1, 2])
    assert pieces.result().parts == pytest.approx(whole.result().parts, abs=1e-12)
    assert pieces.result().samples == pytest.approx(whole.result().samples, abs=1e-12)
    pieces = generation()
    pieces.update(small(), range(4))
    assert pieces.result().parts["fid"] == pytest.approx(0, abs=1e-9)


def score_a_share(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    metric = generation()
    cases = small({"2": [image("one.png")]})
    shares = {0: [3, 0], 1: [], 2: [1, 2, 0]}  # sample 0 fills up a batch, process 1 has nothing to do
    if shares[rank]:
        metric.update([cases[number] for number in shares[rank]], shares[rank])
    metric.samples = ScoringProcesses(rank, 3).gathered(metric.samples)
    found = metric.result().parts, metric.result().samples, metric.result().score, metric.result().remarks
    if rank == 1:
        Path(folder, "found.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def test_three_processes_give_what_one_gives(tmp_path: Path) -> None:
    mp.start_processes(score_a_share, args=(str(tmp_path),), nprocs=3, start_method="fork")
    metric = generation()
    metric.update(small({"2": [image("one.png")]}), range(4))
    parts, samples, score, remarks = json.loads((tmp_path / "found.json").read_text())
    assert parts == pytest.approx(metric.result().parts, abs=1e-12)
    assert samples == pytest.approx(metric.result().samples, abs=1e-12)
    assert list(samples) == ["0", "1", "2", "3"]
    assert score == pytest.approx(metric.result().score, abs=1e-12)
    assert tuple(remarks) == metric.result().remarks


def test_nothing_has_no_score() -> None:
    metric = generation()
    with pytest.raises(NothingToScoreError):
        metric.result()


def test_the_signature_and_few_pictures() -> None:
    metric = generation()
    metric.update(small(), range(4))
    assert metric.signature() == "generation|mode:strict|clip:fake|fid:mean-colour|v:1"
    assert metric.comparable
    assert metric.result().remarks == (
        "FID of 4 pictures, fewer than 2048, is biased: KID stands beside it",
        "the interval holds the FID part fixed: it is that of the samples' cosines alone",
    )


def test_a_substitute_is_not_comparable_and_says_so() -> None:
    metric = Generation(clip=FakeClip(), features=MeanColour(is_substitute=True))
    metric.update(small(), range(4))
    assert not metric.comparable
    assert "not comparable" in metric.result().remarks[-1]
    assert not generation(comparable=False).comparable


@pytest.mark.parametrize("answer", [None, [text("кот")], [image("missing.png")], [image("broken.png")]])
def test_a_missing_drawing_is_named_in_strict_and_stops_official(answer: list[Any] | None) -> None:
    metric = generation()
    metric.update(small({"1": answer}), range(4))
    expected = frechet_distance(*(fit_gaussian(colours(names)) for names in (NAMES, [NAMES[n] for n in (3, 1, 0)])))
    parts = metric.result().parts
    assert parts["fid"] == pytest.approx(expected, abs=1e-6)
    # Even a distance of 0 could not make up for the picture that is not there.
    assert parts["distance_part"] == pytest.approx(3 / 4 * distance_part(expected), abs=1e-9)
    assert metric.result().score == pytest.approx((parts["clip"] + parts["distance_part"]) / 2, abs=1e-12)
    assert "1 of 4 samples lacks a sound picture: the distance part shrinks" in metric.result().remarks
    assert [note.sample_id for note in metric.result().notes] == ["1"]
    with pytest.raises(AttemptAbortedError):
        generation("official").update(small({"1": answer}), range(4))


def colours(names: Any) -> list[np.ndarray]:
    return list(sound_features([GOLDEN / "images" / name for name in names], MeanColour()).numpy())


def test_fewer_than_two_drawings_get_no_distance_part() -> None:
    metric = generation()
    metric.update(small({"0": None, "1": None, "2": [text("")]}), range(4))
    assert "fid" not in metric.result().parts
    assert metric.result().parts["distance_part"] == 0
    assert metric.result().remarks[0] == "fewer than two pictures were drawn: the distance part is 0"


def test_a_single_sample_has_no_distance() -> None:
    strict, official = generation(), generation("official")
    for metric in (strict, official):
        metric.update(small()[:1], [0])
    assert strict.result().parts["distance_part"] == 0
    with pytest.raises(AttemptAbortedError, match="a covariance needs two"):
        official.result()


def test_a_broken_picture_of_the_ground_truth_is_an_error() -> None:
    cases = picture_cases({"0": ASKED}, {"0": [image("one.png")]}, {"0": "images/broken.png"})
    with pytest.raises(ContestError, match="NOT_A_PICTURE"):
        generation().update(cases, [0])


def test_nan_features_are_refused_and_named() -> None:
    class Broken(MeanColour):
        def features(self, pictures: Any) -> Any:
            return pictures * float("nan")

    metric = Generation(mode="strict", clip=FakeClip(), features=Broken())
    metric.update(small(), range(4))
    with pytest.raises(FeatureError, match="ground truth: NaN or infinity in 4 of 4 rows"):
        metric.result()


@pytest.mark.parametrize(("name", "counts"), [("LAST.PNG", False), ("LAST.JPG", True), ("LAST.JPEG", True)])
def test_upper_case_suffixes(name: str, counts: bool, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for usual in NAMES:
        shutil.copy(GOLDEN / "images" / usual, tmp_path / "images")
    shutil.copy(GOLDEN / "images" / NAMES[0], tmp_path / "images" / name)
    cases = small({"3": [text(""), image(name)]}, tmp_path)
    official, strict = generation("official"), generation()
    for metric in (official, strict):
        metric.update(cases, range(4))
    assert strict.result().parts["fid"] == pytest.approx(0, abs=1e-9)
    assert (official.result().parts["fid"] < 1e-9) == counts
    assert [note.sample_id for note in official.result().notes if note.defect == 20] == ([] if counts else ["3"])


@pytest.mark.parametrize(
    "answer",
    [
        [text(""), {"type": "image", "content": f"./output/images/{NAMES[0]}"}],
        [text(""), {"type": "image", "content": f"/submission/output/images/{NAMES[0]}"}],
        [{"type": "text", "content": None}, image(NAMES[0])],
    ],
)
def test_official_finds_a_picture_by_its_folder_and_name_alone(answer: list[Any]) -> None:
    metric, usual = generation("official"), generation("official")
    metric.update(small({"3": answer}), range(4))
    usual.update(small(), range(4))
    assert metric.result().parts == pytest.approx(usual.result().parts, abs=1e-12)


@pytest.mark.parametrize("answer", [["images/00000.png", image(NAMES[0])], [{"type": "image", "content": 5}]])
def test_what_their_splitting_can_not_read_is_no_picture(answer: list[Any]) -> None:
    unsound = UnsoundAnswer(answer, (ContestError(Code.ITEM_NOT_AN_OBJECT, sample_id="3"),))
    cases = [*small()[:3], replace(small()[3], answer=None, unsound=unsound)]
    with pytest.raises(AttemptAbortedError, match="3 pictures were drawn for 4"):
        generation("official").update(cases, range(4))


def test_a_truth_without_a_picture_to_copy_is_none_of_the_folder_s() -> None:
    value = [{"type": "image"}]
    unsound = UnsoundTruth(value, (ContestError(Code.ITEM_KEY_MISSING, sample_id="3"),))
    textual = GroundTruth("3", (References("text", ("кот",)),))
    for truth in (GroundTruth("3", (), unsound=unsound), textual):
        cases = [*small()[:3], replace(small()[3], truth=truth)]
        with pytest.raises(AttemptAbortedError, match="4 pictures were drawn for 3"):
            generation("official").update(cases, range(4))
        with pytest.raises(FeatureError, match="'3': the ground truth has no picture"):
            generation("strict").update(cases, range(4))
        alike = [*cases[:3], replace(cases[3], answer=replace(small()[3].answer, items=()))]  # as many on both sides
        metric = generation("official")
        metric.update(alike, range(4))
        assert metric.result().samples["3"] == pytest.approx(metric.result().parts["distance_part"] / 2)


def test_the_ground_truth_s_features_are_kept(tmp_path: Path) -> None:
    networks = MeanColour(), MeanColour()
    for network in networks:
        metric = Generation(clip=FakeClip(), features=network, store=FeatureStore(tmp_path))
        metric.update(small(), range(4))
    assert [sum(network.batches) for network in networks] == [8, 4]
