"""Batch sizes of all phases before a run begins, from the memory that is free. Knows no samples, only their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from models.rudolph.free_memory import free_bytes
from models.rudolph.memory_plan import CPU, GPU, MemoryPlan, Need, answering, drawing, plan, ranking
from models.vqgan.memory import picture_bytes
from submission.loading import Networks


def plan_memory(networks: Networks, samples: Mapping[str, int], draws: int, processes: int) -> MemoryPlan:
    """Plan the phases `restore`, `encode`, `answer`, `draw`, and with several `draws` also `improve`.

    `samples` are the most that a phase may have to do, by its name. Of several processes each takes its part of what is
    free, as they start together.
    """
    config, device, dtype = networks.rudolph.config, networks.device, networks.dtype
    packed = device.type == "cpu"
    pictures = {f"VQGAN {name}": size for name, size in picture_bytes(networks.vqgan, networks.side).items()}
    needs = [
        Need("restore", samples["restore"], pictures),
        Need("encode", samples["encode"], pictures),
        answering(config, dtype, samples["answer"], packed=packed),
        _rendering_too(drawing(config, dtype, samples["draw"], packed=packed), pictures),
    ]
    if draws > 1:
        improving = drawing(config, dtype, samples["improve"], draws=draws, packed=packed)
        ranked = ranking(config, dtype, samples["improve"])
        needs.append(replace(_rendering_too(improving, pictures, ranked.each), phase="improve"))
    free = free_bytes(device) // processes
    return plan(free, [need for need in needs if need.samples], GPU if device.type == "cuda" else CPU)


def _rendering_too(need: Need, *later: Mapping[str, int]) -> Need:
    """Room for what a batch does afterwards, in turn, when its keys and values are gone: what exceeds them."""
    beyond = max(sum(moment.values()) for moment in later) - sum(need.each.values())
    return replace(need, each={**need.each, "what follows, beyond that": beyond}) if beyond > 0 else need
