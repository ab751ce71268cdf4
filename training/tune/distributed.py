"""Several processes that train one network: who they are, what they add up, how they share the weights.

Started by torchrun, which sets RANK, WORLD_SIZE and LOCAL_RANK; without it there is one process. `nodes` tells of
several machines.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from models.gpu_settings import prepare_gpu
from models.rudolph.transformer import Layer
from training.tune.errors import SettingsError
from training.tune.nodes import ProcessPlace
from training.tune.objective import Objective
from training.tune.optimizers import load_named_state, named_state
from training.tune.settings import ComputeSettings

GATHERED = StateDictOptions(full_state_dict=True, cpu_offload=True)
SCATTERED = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


CLIP_EPSILON = 1e-6  # which torch adds to a norm that it divides by

ALONE = ProcessPlace(0, 0, 1)


@dataclass(frozen=True)
class Processes:
    """This process among those of the run: process `rank` of `world`, computing on `device`, at `place`."""

    rank: int
    world: int
    device: torch.device
    place: ProcessPlace = ALONE

    @property
    def is_first(self) -> bool:
        """Whether this is the process that logs and writes."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum of a tensor over all processes, on the CPU."""
        return self._reduced(tensor, dist.ReduceOp.SUM)

    def max(self, tensor: Tensor) -> Tensor:
        """Element-wise maximum of a tensor over all processes, on the CPU."""
        return self._reduced(tensor, dist.ReduceOp.MAX)

    def largest(self, number: int) -> int:
        """Largest of the processes' numbers."""
        return number if self.world == 1 else int(self.max(torch.tensor([number]))[0])

    def _reduced(self, tensor: Tensor, how: dist.ReduceOp.RedOpType) -> Tensor:
        if self.world == 1:
            return tensor.cpu()
        own = tensor.to(self.device, copy=True)
        dist.all_reduce(own, how)
        return own.cpu()

    def from_first(self, value: Any) -> Any:
        """Return the first process's value to all; it must be picklable."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


def lost_connection(error: RuntimeError) -> str | None:
    """Say what an error means that tells of another process of the run; None for an error of this one."""
    if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
        return None
    if "timed out" in str(error).lower() or "timeout" in str(error).lower():
        return "another process of this run did not answer within compute.timeout: it hangs, or its node is gone"
    return "another process of this run has ended; the reason is among what that one said"


def first_process() -> bool:
    """Whether torchrun started this process as the first, or did not start it."""
    return int(os.environ.get("RANK", "0")) == 0


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SettingsError("compute.device: cuda was asked for, but torch sees no GPU")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise SettingsError(
            f"compute.device: {local_rank + 1} processes on this machine, but {torch.cuda.device_count()} GPUs"
        )
    return torch.device("cuda", local_rank)


@contextmanager
def open_processes(settings: ComputeSettings) -> Iterator[Processes]:
    """Join the processes of the run, if torchrun started this one.

    Raises `SettingsError` for a device that is not there.
    """
    rank, world = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE"))
    place = ProcessPlace.of(os.environ)
    device = _device(settings.device, place.local_rank)
    prepare_gpu(device)
    if world < 2:
        yield Processes(0, 1, device)
        return
    patience = timedelta(seconds=settings.timeout)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
    try:
        yield Processes(rank, world, device, place)
    except Exception:
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()  # but not when the run is stopped: that could wait for the other processes


def share(objective: Objective, settings: ComputeSettings, processes: Processes) -> nn.Module:
    """Return the module whose forward pass is the objective's, with gradients averaged over the processes."""
    if processes.world == 1:
        return objective
    if settings.parallel == "ddp":
        return DistributedDataParallel(objective, gradient_as_bucket_view=True, **_without_buffers())
    mesh = _mesh(settings.parallel, processes)
    # The products' weights travel in half the bytes. The norms stay in float32, as under autocast alone.
    half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    # Its warning against changing outputs in place: nothing here does.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    for layer in objective.model.transformer.layers:
        assert isinstance(layer, Layer)
        if settings.dtype == "bfloat16":
            fully_shard(layer.attention, mesh=mesh, mp_policy=half)
            fully_shard(layer.mlp, mesh=mesh, mp_policy=half)
        fully_shard(layer, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


def _mesh(parallel: str, processes: Processes) -> DeviceMesh:
    """Among which processes the weights are divided: all, or with hsdp those of a node (each node has all weights)."""
    kind, world, of_a_node = processes.device.type, processes.world, processes.place.local_world
    if parallel == "fsdp":
        return dist.init_device_mesh(kind, (world,))
    # torchrun numbers the processes node by node.
    return dist.init_device_mesh(kind, (world // of_a_node, of_a_node), mesh_dim_names=("nodes", "processes"))


def _without_buffers() -> dict[str, Any]:
    """How DDP is told that the masks need no copies from the first process: torch 2.13 has another word for it."""
    known = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}


def adds_up_later(shared: nn.Module) -> AbstractContextManager[None]:
    """Context of a backward pass whose gradients another one will add up over the processes."""
    if isinstance(shared, DistributedDataParallel):
        context: AbstractContextManager[None] = shared.no_sync()
        return context
    return nullcontext()


def clip_gradients(model: nn.Module, largest: float) -> float:
    """Scale all gradients so that their common norm is at most `largest`; return what it was."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    total = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
    if not total + CLIP_EPSILON <= largest:  # else all would be multiplied by 1
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return total


def is_sharded(model: nn.Module) -> bool:
    """Whether each process has a part of the weights."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def whole_state(model: nn.Module, processes: Processes) -> dict[str, Tensor]:
    """Whole weights of a sharded model by name, as they are trained (float32), on the first process's device.

    Elsewhere nothing; all processes must call. Not what a forward pass gathers: that may be rounded to bfloat16.
    """
    whole = {}
    for name, tensor in model.state_dict().items():
        value = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if processes.is_first:
            whole[name] = value.detach()
    return whole


def gather_weights(model: nn.Module) -> dict[str, Tensor]:
    """Whole weights on the CPU by name, on the first process (elsewhere perhaps nothing); all processes must call."""
    if is_sharded(model):
        return cast(dict[str, Tensor], get_model_state_dict(model, options=GATHERED))
    return {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}


def gather_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """As `gather_weights`, for the optimiser: see `named_state`."""
    if is_sharded(model):
        return dict(get_optimizer_state_dict(model, optimizer, options=GATHERED))
    return named_state(model, optimizer)


def scatter_weights(model: nn.Module, state: dict[str, Tensor], processes: Processes, *, strict: bool = True) -> None:
    """Give every process its part of the first process's weights (`state` is read there alone)."""
    if is_sharded(model):
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=strict)
        set_model_state_dict(model, cast(dict[str, Any], state), options=options)
        return
    model.load_state_dict(processes.from_first(state), strict=strict)


def scatter_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any], processes: Processes
) -> None:
    """As `scatter_weights`, for the optimiser."""
    if is_sharded(model):
        set_optimizer_state_dict(model, optimizer, state, options=SCATTERED)
        return
    load_named_state(model, optimizer, processes.from_first(state))
