"""What only a GPU can show, by the parts of `benchmarks/gpu.py`."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from benchmarks.gpu_parts.parts import PARTS, Setting
from models.gpu_settings import prepare_gpu

pytestmark = pytest.mark.gpu
ON_GPU = Setting("cuda", tiny=True)


@pytest.fixture(autouse=True)
def _gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch sees none")
    prepare_gpu(torch.device("cuda", 0))
    yield
    torch.cuda.empty_cache()


def rows(name: str) -> list[dict[str, Any]]:
    return list(next(part for part in PARTS if part.name == name).rows(ON_GPU))


def test_logits_losses_and_pictures_equal_the_cpu_s_in_float32() -> None:
    found = [row for row in rows("parity") if row["dtype"] == "float32"]
    assert len(found) == 4
    assert {row["within 1e-4"] for row in found} == {"yes"}


def test_drawing_waits_for_the_gpu_no_more_often_than_it_begins_and_ends() -> None:
    (row,) = rows("synchronisations")
    assert row["waits for the GPU"] < 8 < row["steps"]


def test_the_plan_covers_the_peak() -> None:
    found = [row for row in rows("end_to_end") if "planned GB" in row]
    assert [row["phase"] for row in found] == ["encode", "answer", "draw"]
    for row in found:
        assert row["peak GB above start"] <= row["planned GB"] + 0.1  # a tiny network: workspaces of kernels alone


def test_attention_by_pieces_is_right() -> None:
    found = rows("training_attention")
    assert found[0]["trial of the pieces"] == "passed"
    assert all(float(row["error"]) < 2e-2 for row in found[1:])


def test_a_training_step_runs_in_bfloat16() -> None:
    assert rows("training")[1]["tokens a second"] > 0
