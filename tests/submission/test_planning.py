"""What a run plans before it begins: pictures that are encoded beside answers take their part of the memory first."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import submission.devices as devices
import submission.planning as planning
from models.rudolph import named
from models.rudolph.memory_plan import weight_bytes
from models.vqgan import VQGAN
from submission.planning import plan_memory

GIB = 2**30
SAMPLES = {"restore": 0, "encode": 5000, "answer": 12_000, "draw": 7000, "improve": 0}
LARGE = named("2.7B-FBC2")


@pytest.fixture(scope="module")
def networks() -> Any:
    """The published networks' dimensions on a GPU; nothing is computed."""
    with torch.device("meta"):
        vqgan = VQGAN(
            ch=128,
            ch_mult=[1, 1, 2, 4],
            num_res_blocks=2,
            attn_resolutions=[32],
            resolution=256,
            z_channels=256,
            embed_dim=256,
            n_embed=8192,
        )
    rudolph = SimpleNamespace(config=LARGE)
    return SimpleNamespace(rudolph=rudolph, vqgan=vqgan, side=192, device=torch.device("cuda"), dtype=torch.float16)


@pytest.mark.parametrize(
    ("gigabytes", "overlap", "batches"),  # encoded, answered, drawn once, drawn eight times
    [
        (8, False, [16, 5, 10, 3]),
        (8, True, [2, 4, 10, 3]),
        (24, False, [95, 29, 58, 19]),
        (24, True, [17, 24, 58, 19]),
        (80, False, [250, 156, 250, 105]),
        (80, True, [32, 147, 250, 105]),
    ],
)
def test_batches_of_the_2_7b_model(
    monkeypatch: pytest.MonkeyPatch,
    networks: Any,
    gigabytes: int,
    overlap: bool,
    batches: list[int],
) -> None:
    free = gigabytes * GIB - 600_000_000 - weight_bytes(LARGE, torch.float16) - 280_000_000
    monkeypatch.setattr(planning, "free_bytes", lambda device: free)
    planned = plan_memory(networks, {**SAMPLES, "improve": 7000}, 8, 1, overlap=overlap)
    assert [planned.batch(phase) for phase in ("encode", "answer", "draw", "improve")] == batches
    encode, answer = (
        next(each for each in planned.phases if each.need.phase == phase) for phase in ("encode", "answer")
    )
    together = answer.need.bytes(answer.batch)
    assert together <= planned.budget
    room = encode.need.bytes(encode.batch) if overlap else 0
    assert together == room + answer.batch * sum(answer.need.each.values())


@pytest.mark.parametrize("encode", [0, 1])
def test_room_is_kept_only_for_pictures_that_there_are(
    monkeypatch: pytest.MonkeyPatch, networks: Any, encode: int
) -> None:
    monkeypatch.setattr(planning, "free_bytes", lambda device: 10 * GIB)
    planned = plan_memory(networks, {**SAMPLES, "encode": encode}, 1, 1, overlap=True)
    assert [each.need.phase for each in planned.phases] == ["encode", "answer", "draw"][1 - encode :]
    once = next(each.need.once for each in planned.phases if each.need.phase == "answer")
    assert ("pictures encoded beside" in once) is bool(encode)


def test_too_little_room_encodes_one_by_one(monkeypatch: pytest.MonkeyPatch, networks: Any) -> None:
    monkeypatch.setattr(planning, "free_bytes", lambda device: GIB)
    planned = plan_memory(networks, SAMPLES, 1, 1, overlap=True)
    assert (planned.batch("encode"), planned.batch("answer")) == (1, 1)
    assert planned.phases[0].fits


@pytest.mark.parametrize(("dtype", "room"), [(torch.float16, True), (torch.bfloat16, False), (torch.float32, False)])
def test_room_is_kept_for_the_model_that_computes_what_overflows(
    monkeypatch: pytest.MonkeyPatch, networks: Any, dtype: torch.dtype, room: bool
) -> None:
    monkeypatch.setattr(planning, "free_bytes", lambda device: 40 * GIB)
    planned = plan_memory(SimpleNamespace(**{**vars(networks), "dtype": dtype}), SAMPLES, 1, 1, overlap=True)
    kept = weight_bytes(LARGE, torch.bfloat16) if room else 0
    assert planned.budget == int(0.9 * 40 * GIB) - kept


@pytest.mark.parametrize(
    ("name", "process", "processes", "gpus", "sharing"),
    [
        ("auto", 0, 8, 8, 1),
        ("cuda", 7, 8, 8, 1),
        ("cuda", 0, 3, 2, 2),
        ("cuda", 1, 3, 2, 1),
        ("cuda:1", 0, 4, 2, 4),
        ("cpu", 0, 4, 2, 4),
        ("auto", 0, 4, 0, 4),
    ],
)
def test_processes_that_share_a_device(
    monkeypatch: pytest.MonkeyPatch, name: str, process: int, processes: int, gpus: int, sharing: int
) -> None:
    cuda = SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)
    monkeypatch.setattr(devices.torch, "cuda", cuda)
    assert devices.processes_on(name, process, processes) == sharing
