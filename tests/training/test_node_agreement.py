"""Nodes that would not do the same are named with what differs; what a node may have of its own is not compared."""

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from training.tune import nodes
from training.tune.errors import SettingsError
from training.tune.nodes import ProcessPlace, checksum, require_same_start, require_same_work
from training.tune.settings import (
    ComputeSettings,
    DataSettings,
    EmissionsSettings,
    OptimSettings,
    TaskSettings,
    TuneSettings,
    ValidationSettings,
)

FIRST, SECOND = ProcessPlace(0, 0, 2, 2), ProcessPlace(1, 0, 2, 2)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str | None]]:
    """Run two nodes' sides at once, each in a thread; return what each was refused with."""
    place, given = threading.Barrier(2), dict[int, Any]()

    def gather(into: list[Any], own: Any) -> None:
        given[own[0]] = own
        place.wait(30)
        into[:] = [given[1], None, given[0], None]
        place.wait(30)

    def refused(side: Callable[[], None]) -> str | None:
        try:
            side()
        except SettingsError as error:
            return str(error)
        return None

    def run(*sides: Callable[[], None]) -> list[str | None]:
        monkeypatch.setattr(dist, "all_gather_object", gather)
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(refused, sides))

    return run


def settings(output: Path, **parts: Any) -> TuneSettings:
    return replace(TuneSettings("weights", str(output), DataSettings("data"), {"vqa": TaskSettings()}), **parts)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"optim": OptimSettings(clip=2.0)}, "optim.clip"),
        ({"compute": ComputeSettings(parallel="fsdp", accumulate=2)}, "compute.accumulate, compute.parallel"),
        ({"tasks": {"vqa": TaskSettings(samples=3)}}, "tasks.vqa.samples"),
        ({"until": 7}, "until"),
        ({"weights": "elsewhere", "data": DataSettings("there", cache="c", workers=3)}, None),
        ({"tasks": {"vqa": TaskSettings(folder="there")}, "emissions": EmissionsSettings(tdp_watts=5.0)}, None),
        ({"compute": ComputeSettings(threads=4, device="cpu")}, None),
        ({"validation": ValidationSettings(every=9)}, "validation.every"),
    ],
)
def test_settings_that_differ_are_named(both, tmp_path: Path, parts: dict[str, Any], named: str | None) -> None:
    first, second = settings(tmp_path), settings(tmp_path, **parts)
    words = both(lambda: require_same_work(first, FIRST, 4), lambda: require_same_work(second, SECOND, 4))
    if named is None:
        assert words == [None, None]
    else:
        host = socket.gethostname()
        remedy = "start the same code with the same settings on all nodes"
        assert words == [f"node 1 ({host}) differs from node 0 ({host}) in {named}; {remedy}"] * 2
    assert list(tmp_path.iterdir()) == []


def test_another_output_is_named(both, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = settings(tmp_path), settings(tmp_path / "other")
    words = both(lambda: require_same_work(first, FIRST, 4), lambda: require_same_work(second, SECOND, 4))
    assert all(
        re.search(r"is another folder on node 1 .*; name a folder that all nodes share", str(one)) for one in words
    )


def test_code_and_processes_that_differ_are_named(both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(tmp_path, compute=ComputeSettings(parallel="hsdp"))
    codes = iter(({"fbc2": "0", "source_sha256": "1"}, {"fbc2": "0", "source_sha256": "2"}))
    monkeypatch.setattr(nodes, "code_version", lambda room: next(codes))
    wider = replace(SECOND, local_world=3)
    words = both(lambda: require_same_work(own, FIRST, 4), lambda: require_same_work(own, wider, 4))
    assert all("in code, processes (torchrun --nproc-per-node); start the same" in str(one) for one in words)


def test_data_and_weights_that_differ_are_named(both) -> None:
    words = both(
        lambda: require_same_start("1 3", {"textqa": "a", "vqa": "b"}, FIRST, 4),
        lambda: require_same_start("1 2", {"textqa": "a", "vqa": "c"}, SECOND, 4),
    )
    assert all("in weights to start from, data of vqa; give all nodes the same data" in str(one) for one in words)


def test_one_process_compares_nothing(tmp_path: Path) -> None:
    require_same_work(settings(tmp_path), ProcessPlace(0, 0, 1), 1)
    require_same_start("", {}, ProcessPlace(0, 0, 1), 1)


def test_checksum_tells_one_bit_of_any_weight() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5))
    model.register_buffer("odd", torch.tensor([True, False, True]))
    before = checksum(model)
    assert checksum(model) == before
    for tensor in model.state_dict().values():
        bits = tensor.view(-1).view(torch.uint8)
        bits[-1] ^= 1
        assert checksum(model) != before
        bits[-1] ^= 1
    assert checksum(model) == before
