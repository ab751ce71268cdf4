"""Steps of decoding as graphs: the same operations at every place, and the same answers and pictures when replayed."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.rudolph import Rudolph, decoding
from models.rudolph.caches import DenseCache
from models.rudolph.compact_cache import CompactCache, SharedLeftCache
from models.rudolph.decoding import answer, forward_cached, generate_image, generate_images, output_head
from models.rudolph.guidance import Guidance, NoCommonCodesError, generate_guided
from models.rudolph.lock_step import LockStep
from models.rudolph.sampling import Sampling
from models.rudolph.scored_answers import NO_NODE, TokenGraph, scored_answers
from models.rudolph.step_graphs import LEAST_CALLS, WARM_UP_CALLS, CudaRecorder, StepGraphs
from models.rudolph.vocabulary import EOS
from models.rudolph.window_width import WindowWidth
from tests.models.recorded import Dispatches, StandInRecorder

FREE = Sampling(top_k=9, top_p=0.9)
ROWS = 4


def left_texts(model: Rudolph, rows: int = ROWS) -> Tensor:
    length = model.config.l_text_seq_length
    return torch.arange(1, 1 + rows * length).view(rows, length) % 200


def numbers(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


# A step of each loop, by what it keeps its keys in.
STEPS: dict[str, Callable[[Rudolph], tuple[Any, int, Callable[..., None]]]] = {
    "drawing": lambda model: (CompactCache(model.transformer, ROWS), ROWS, decoding.draw_one_code),
    "several drawings of a text": lambda model: (SharedLeftCache(model.transformer, 2, 2), 2, decoding.draw_one_code),
    "answering": lambda model: (
        DenseCache(model.transformer, ROWS, model.config.total_seq_length),
        ROWS,
        lambda *state: decoding.draw_one_id(*state, 2),
    ),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("loop", STEPS)
@torch.inference_mode()
def test_two_steps_are_the_same_operations_on_the_same_shapes_and_one_device(
    golden_rudolph: Rudolph, loop: str, device: str
) -> None:
    """So that a step can be captured: a graph repeats numbers, and what it copies from the host, as they were."""
    with torch.device("meta"):
        abroad = Rudolph(golden_rudolph.config).eval()
    model = golden_rudolph if device == "cpu" else abroad
    cache, prompts, step = STEPS[loop](model)
    head = output_head(model, slice(8))
    forward_cached(model, cache, left_texts(model, prompts).to(device), 0, head)
    forced = torch.full((ROWS, 9), -1, device=device)
    rows = LockStep.before(FREE, numbers(ROWS, 9).to(device), EOS, ids=torch.arange(8, device=device), prompt=forced)
    seen = []
    for place in (0, 7):
        rows.place.fill_(place)
        with Dispatches() as dispatches:
            step(model, cache, head, rows)
        seen.append(dispatches.seen)
    assert len(seen[0]) > 100
    assert seen[0] == seen[1]
    devices = {part[-1] for operation in seen[0] for part in operation if isinstance(part, tuple) and part}
    assert devices == {torch.device(device)}


def test_pictures_drawn_by_replays_are_the_same(golden_rudolph: Rudolph) -> None:
    left, steps = left_texts(golden_rudolph), golden_rudolph.config.image_seq_length
    recorder = StandInRecorder()
    graphs = StepGraphs(recorder)
    prompt = torch.where(torch.arange(steps) % 5 == 0, 7, -1).expand(ROWS, -1)
    for forced in (None, prompt):
        expected = generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps), prompt=forced)
        drawn = generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps), prompt=forced, graphs=graphs)
        assert torch.equal(drawn, expected)
    assert (graphs.captured, graphs.problem) == (2, "")
    assert recorder.replays == graphs.replayed == 2 * (steps - 1 - WARM_UP_CALLS)


@pytest.mark.parametrize("window", [4, None])
def test_pictures_drawn_by_replays_in_windows_are_the_same(golden_rudolph: Rudolph, window: int | None) -> None:
    left, steps = left_texts(golden_rudolph), golden_rudolph.config.image_seq_length
    expected = generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps))
    graphs, width = StepGraphs(StandInRecorder()), WindowWidth.chosen(window, torch.device("cpu"))
    assert torch.equal(
        generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps), window=width, graphs=graphs), expected
    )
    assert graphs.captured >= 1
    several = generate_images(golden_rudolph, left, FREE, numbers(ROWS, 2, steps), window=4, graphs=graphs)
    assert torch.equal(several, generate_images(golden_rudolph, left, FREE, numbers(ROWS, 2, steps)))


@pytest.mark.parametrize("least", [1, 4])
def test_answers_by_replays_are_the_same_and_shrinking_batches_are_captured_anew(
    golden_rudolph: Rudolph, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr("models.rudolph.step_graphs.LEAST_CALLS", least)
    monkeypatch.setattr("models.rudolph.step_graphs.WARM_UP_CALLS", 1)
    config, sampling = golden_rudolph.config, Sampling(temperature=2.0, top_k=0)
    asked = left_texts(golden_rudolph, 8), torch.zeros(8, config.image_seq_length, dtype=torch.int64), [2, 257]
    random = numbers(8, config.r_text_seq_length - 2)
    random[:4, 1] = 0.0  # draws the first of the ids, at the second step: half of the rows end there
    options: dict[str, Any] = {"allowed": slice(EOS, config.bpe_vocab)}
    expected = answer(golden_rudolph, *asked, sampling, random, **options)
    assert [len(row) for row in expected[:4]] == [2] * 4
    recorder = StandInRecorder()
    graphs = StepGraphs(recorder)
    assert answer(golden_rudolph, *asked, sampling, random, graphs=graphs, **options) == expected
    assert graphs.captured == recorder.warm_ups == 2  # of eight rows, and of four
    assert graphs.replayed == len(expected[-1]) - 1 - 2


def test_answers_kept_to_token_graphs_are_the_same_by_replays(
    golden_rudolph: Rudolph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which tokens may follow, how likely what was drawn is and where an answer could end go from step to step."""
    monkeypatch.setattr("models.rudolph.step_graphs.LEAST_CALLS", 1)
    monkeypatch.setattr("models.rudolph.step_graphs.WARM_UP_CALLS", 1)
    config, steps = golden_rudolph.config, 9
    words = ((20, 21), (22, 23, 24, 25), (26, 27, 28, 29, 30, 31))  # one of them, or one and the next
    places = [place for word in words for place in range(len(word))]
    ids, starts = tuple(token for word in words for token in word), tuple(place == 0 for place in places)
    before = tuple((node - 1, NO_NODE) for node in range(len(ids)))
    line = TokenGraph(ids, before, starts, tuple(token in (21, 25, 31) for token in ids), starts, 2)
    asked = left_texts(golden_rudolph, 32), torch.zeros(32, config.image_seq_length, dtype=torch.int64), [2, 257]
    random = numbers(32, steps)
    random[1::2, 1] = 0.0  # rows without a graph end at the second step: the batch shrinks
    options: dict[str, Any] = {"allowed": slice(EOS, config.bpe_vocab), "token_graphs": [line, None] * 16}
    expected = scored_answers(golden_rudolph, *asked, Sampling(temperature=2.0), random, **options)
    recorder = StandInRecorder()
    graphs = StepGraphs(recorder)
    assert (
        scored_answers(golden_rudolph, *asked, Sampling(temperature=2.0), random, graphs=graphs, **options) == expected
    )
    first, second, third = words
    paths = {(*first, EOS), (*first, *second, EOS), (*second, EOS), second, (*third, EOS)}  # no room for one behind it
    assert {tuple(each.ids) for each in expected[::2]} == paths
    assert graphs.captured == recorder.warm_ups == 2
    assert recorder.replays == graphs.replayed == steps - 1 - 2


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("forced", [False, True])
def test_guided_pictures_by_replays_are_the_same(golden_rudolph: Rudolph, count: int, forced: bool) -> None:
    left, steps = left_texts(golden_rudolph, 2), golden_rudolph.config.image_seq_length
    prompt = torch.where(torch.arange(steps) % 5 == 0, 7, -1) if forced else None
    given: tuple[Any, ...] = golden_rudolph, left, Guidance(0.3), FREE, numbers(count, steps)
    expected = generate_guided(*given, prompt=prompt)
    graphs = StepGraphs(StandInRecorder())
    assert torch.equal(generate_guided(*given, prompt=prompt, graphs=graphs), expected)
    assert (graphs.captured, graphs.replayed, graphs.problem) == (1, steps - 1 - WARM_UP_CALLS, "")


def test_texts_without_a_common_code_are_told_of_behind_replays_too(golden_rudolph: Rudolph) -> None:
    left, steps = left_texts(golden_rudolph, 2), golden_rudolph.config.image_seq_length
    graphs = StepGraphs(StandInRecorder())
    with pytest.raises(NoCommonCodesError):
        generate_guided(
            golden_rudolph, left, Guidance(0.5, "logits"), Sampling(top_k=1), numbers(1, steps), graphs=graphs
        )
    assert graphs.replayed == steps - 1 - WARM_UP_CALLS


def test_few_steps_are_not_worth_a_graph(golden_rudolph: Rudolph) -> None:
    calls: list[int] = []
    graphs = StepGraphs(StandInRecorder())
    few = graphs.repeated(lambda: calls.append(1), LEAST_CALLS - 1)
    for _ in range(LEAST_CALLS - 1):
        few()
    assert (len(calls), graphs.captured, few.calls_until_steady) == (LEAST_CALLS - 1, 0, 1)
    assert StepGraphs.automatic(torch.device("cpu")).recorder is None


def test_a_capture_that_fails_is_told_of_and_steps_go_on_one_by_one(golden_rudolph: Rudolph) -> None:
    left, steps = left_texts(golden_rudolph), golden_rudolph.config.image_seq_length
    expected = generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps))
    recorder = StandInRecorder(RuntimeError("operation not permitted\nwhen stream is capturing"))
    graphs = StepGraphs(recorder)
    for _ in range(2):  # the second time, none is tried
        assert torch.equal(generate_image(golden_rudolph, left, FREE, numbers(ROWS, steps), graphs=graphs), expected)
    assert graphs.problem == "RuntimeError: operation not permitted"
    assert (graphs.captured, graphs.replayed, recorder.warm_ups) == (0, 0, WARM_UP_CALLS)


def test_an_interruption_of_a_capture_stays_one() -> None:
    """Torch then fails to end the capture, with an error of its own."""
    ended = RuntimeError("capture_end")
    ended.__context__ = KeyboardInterrupt()
    repeated = StepGraphs(StandInRecorder(ended)).repeated(lambda: None, LEAST_CALLS)
    for _ in range(WARM_UP_CALLS):
        repeated()
    with pytest.raises(KeyboardInterrupt):
        repeated()


@pytest.mark.parametrize("problem", [torch.OutOfMemoryError("no memory"), KeyboardInterrupt()])
def test_what_a_step_began_that_fails_is_waited_for(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    """Its memory is given to others next, which compute on another stream."""
    waits: list[tuple[str, str]] = []

    class Stream:
        device = torch.device("cuda", 0)

        def __init__(self, name: object) -> None:
            self.name = str(name)

        def wait_stream(self, other: Any) -> None:
            waits.append((self.name, other.name))

    def failing() -> None:
        raise problem

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("current"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    recorder = CudaRecorder(torch.device("cuda"))
    with pytest.raises(type(problem)):
        recorder.warm_up(failing)
    assert waits == [("cuda", "current"), ("current", "cuda")]
