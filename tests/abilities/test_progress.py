"""The bar of a network's passes: counted as they happen, and as many as were announced."""

from pathlib import Path

import pytest
import torch

from abilities.painters import PictureOrder, load_painter
from abilities.progress import drawing_passes, passes_shown
from models.rudolph.guidance import Guidance
from tests.models.recorded import StandInRecorder

WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.mark.parametrize(("model", "guided"), [("rudolph", True), ("dalle", False)])
def test_as_many_passes_as_are_announced(model: str, guided: bool) -> None:
    painter, seen = load_painter(model, WEIGHTS, torch.device("cpu"), torch.float32), 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    handle = painter.network.transformer.register_forward_hook(count)
    painter.paint(PictureOrder("круг", 3, 0, 2, None, Guidance() if guided else None))
    handle.remove()
    # The first code is drawn behind the pass over the text, so that a picture takes as many passes as codes.
    assert seen == drawing_passes(painter.network, 3, 2, guided=guided)


@pytest.mark.parametrize("model", ["rudolph", "dalle"])
def test_passes_of_graphs_are_counted_as_others(model: str) -> None:
    painter, seen, order = load_painter(model, WEIGHTS, torch.device("cpu"), torch.float32), 0, ("круг", 1, 0, 1)
    expected = painter.paint(PictureOrder(*order))

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    painter.graphs.recorder, painter.graphs.on_replay = StandInRecorder(), count
    handle = painter.network.transformer.register_forward_hook(count)
    drawn = painter.paint(PictureOrder(*order))
    handle.remove()
    assert torch.equal(drawn.codes, expected.codes)
    assert painter.graphs.captured == 1
    assert seen == drawing_passes(painter.network, 1, 1)


def test_graphs_that_can_not_be_made_are_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    painter = load_painter("dalle", WEIGHTS, torch.device("cpu"), torch.float32)
    painter.graphs.recorder = StandInRecorder(RuntimeError("operation not permitted"))
    for _ in range(2):
        with passes_shown(painter.network, "drawing", None, painter.graphs):
            painter.paint(PictureOrder("круг", 1, 0, 1))
    said = "no CUDA graphs could be made, steps were launched one by one: RuntimeError: operation not permitted\n"
    assert capfd.readouterr() == ("", said)


def test_a_bar_leaves_no_hook_and_is_silent_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    painter = load_painter("dalle", WEIGHTS, torch.device("cpu"), torch.float32)
    ids = torch.zeros(1, 24, dtype=torch.long)
    with passes_shown(painter.network, "drawing", 1), torch.inference_mode():
        shown = painter.network(ids)
    with torch.inference_mode():
        assert torch.equal(painter.network(ids), shown)
    assert not painter.network.transformer._forward_hooks
    assert capfd.readouterr() == ("", "")
