"""Several machines in one training: where this process stands, and whether all nodes do the same.

A node is what one torchrun agent looks after: most often a machine. Agents tell their processes of it by environment
variables (https://docs.pytorch.org/docs/stable/elastic/run.html, "Environment Variables").
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor, nn

from contest.shares import code_version
from contest.writing import writing
from training.tune.errors import SettingsError
from training.tune.settings import TuneSettings
from training.tune.settings_keys import flat

# Settings that may differ from node to node: places, and what the machine can do.
OF_A_NODE = (
    *("weights", "output", "data.folder", "data.cache", "data.workers", "data.prefetch"),
    *("model.start", "model.scratch", "compute.device", "compute.threads", "emissions.tdp_watts"),
)
OF_A_TASK_ON_A_NODE = ".folder"


@dataclass(frozen=True)
class ProcessPlace:
    """Where this process stands among those of a run: process `local_rank` of `local_world`, on node `node` of `nodes`.

    Several processes of one machine are measured as one, by the first of them, from the one that started them all.
    """

    node: int
    local_rank: int
    local_world: int
    nodes: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ProcessPlace:
        """Read the variables that torchrun sets; without them there is one process."""
        defaults = {"GROUP_RANK": 0, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "GROUP_WORLD_SIZE": 1}
        return cls(*(int(environment.get(name, missing)) for name, missing in defaults.items()))

    @property
    def speaks(self) -> bool:
        """Whether this process speaks for its node."""
        return self.local_rank == 0

    @property
    def name(self) -> str:
        """The node's number and its host, for people."""
        return f"node {self.node} ({socket.gethostname()})"

    @property
    def root(self) -> int:
        """The process to measure with its descendants."""
        return os.getpid() if self.local_world == 1 else os.getppid()

    def gpus(self, device: str) -> tuple[int, ...]:
        """Numbers by CUDA of the GPUs that this machine's processes train on: each has that of its own rank."""
        return () if device == "cpu" else tuple(range(self.local_world))

    def named(self, file: str) -> str:
        """Name of this machine's own file: `co2.csv` on the first, `co2.node1.csv` on the second."""
        path = Path(file)
        return file if not self.node else str(path.parent / f"{path.stem}.node{self.node}{path.suffix}")


def by_node(value: Any, place: ProcessPlace, world: int) -> list[Any]:
    """Return what the first process of each node gave, in the nodes' order; all processes must call.

    `value` must be picklable; that of other processes is not used.
    """
    if world == 1:
        return [value]
    given: list[Any] = [None] * world
    dist.all_gather_object(given, (place.node, value) if place.speaks else None)
    return [value for _, value in sorted((one for one in given if one is not None), key=lambda one: one[0])]


def require_same_work(settings: TuneSettings, place: ProcessPlace, world: int) -> None:
    """Raise `SettingsError`, naming the node, if nodes differ in code, settings or processes, or in their output.

    All processes must call, before anything else that they do together.
    """
    if world == 1:
        return
    own = {
        "code": f"fbc2 {' '.join(code_version('training').values())}",
        "torch": str(torch.__version__),
    }
    if settings.compute.parallel == "hsdp":  # the others divide the work among any processes
        own["processes (torchrun --nproc-per-node)"] = str(place.local_world)
    own |= {key: repr(value) for key, value in flat(asdict(settings)).items() if not _may_differ(key)}
    _require_same(own, place, world, "start the same code with the same settings on all nodes")
    _require_one_output(Path(settings.output), place, world)


def require_same_start(weights: str, data: Mapping[str, str], place: ProcessPlace, world: int) -> None:
    """Raise `SettingsError`, naming the node, if nodes have other data or other weights to start from.

    `weights`: of `checksum`; `data`: digests by task. All processes must call.
    """
    if world > 1:
        own = {"weights to start from": weights, **{f"data of {name}": value for name, value in data.items()}}
        _require_same(own, place, world, "give all nodes the same data and weights, most simply in a shared folder")


def _may_differ(key: str) -> bool:
    return key in OF_A_NODE or (key.startswith("tasks.") and key.endswith(OF_A_TASK_ON_A_NODE))


def _require_same(own: Mapping[str, Any], place: ProcessPlace, world: int, remedy: str) -> None:
    (first_name, first), *others = by_node((place.name, dict(own)), place, world)
    for name, other in others:
        differing = [key for key in {**first, **other} if first.get(key) != other.get(key)]
        if differing:
            raise SettingsError(f"{name} differs from {first_name} in {', '.join(differing)}", remedy)


def _require_one_output(output: Path, place: ProcessPlace, world: int) -> None:
    """Raise `SettingsError` if a node does not see what the first one writes: it could not go on when it is the first.

    torchrun may number the nodes otherwise the next time.
    """
    mark = output / f".nodes-{by_node(uuid4().hex, place, world)[0]}"
    is_writer = place.speaks and place.node == 0
    if is_writer:
        with writing(mark):
            mark.touch()
    by_node(None, place, world)  # it is there by now
    try:
        seen = by_node((place.name, mark.exists()), place, world)
    finally:
        if is_writer:
            mark.unlink(missing_ok=True)
    blind = [name for name, sees in seen if not sees]
    if blind:
        problem = f"output: {output} is another folder on {blind[0]} than on {seen[0][0]}"
        raise SettingsError(problem, "name a folder that all nodes share")


def checksum(model: nn.Module) -> str:
    """Return the sums of all weights' bits: exact, whatever machine adds them up, and read at the speed of memory."""
    return " ".join(str(_sum_of_bits(tensor)) for tensor in model.state_dict().values())


def _sum_of_bits(tensor: Tensor) -> int:
    bits = tensor.detach().cpu().reshape(-1).view(torch.uint8)
    words = bits[: bits.numel() // 4 * 4].view(torch.int32)
    return int(words.sum(dtype=torch.int64)) + int(bits[words.numel() * 4 :].sum())
