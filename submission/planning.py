"""Batch sizes of all phases before a run begins, from the memory that is free and the numbers of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from contest.items import Sample
from contest.stored_samples import with_picture
from models.rudolph import Config
from models.rudolph.free_memory import free_bytes
from models.rudolph.memory_plan import (
    CPU,
    GPU,
    BatchLimits,
    MemoryPlan,
    Need,
    answering,
    drawing,
    plan,
    ranking,
    weight_bytes,
)
from models.vqgan.memory import picture_bytes
from submission.captions import CAPTIONS_A_ROUND
from submission.loading import Networks

IMAGES_A_ROUND = 4  # their keys and values lie in memory together

# Where pictures are encoded while answers are computed, the part of a batch's bytes that they may take, and the most at
# once: more only take memory from the answers.
OVERLAP_SHARE, MOST_OVERLAP = 0.125, 32


def phase_label(phase: str, samples: Sequence[Sample]) -> str:
    """What a person reads of a phase over some samples: there are two that answer, over those without a picture and
    over those with one."""
    if phase == "answer" and samples and len(with_picture(samples)) in (0, len(samples)):
        return "answer about pictures" if samples[0].has_image else "answer texts"
    return phase if phase in ("answer", "ask again", "read crops", "captions") else f"{phase} pictures"


def plan_memory(
    networks: Networks, samples: Mapping[str, int], num_images: int, processes: int, *, overlap: bool, window: int = 1
) -> MemoryPlan:
    """Plan the phases `restore`, `encode`, `answer`, `draw`, where `samples` has some `captions`, and with `num_images`
    above 1 also `improve`.

    `samples` are the most that a phase may have to do, by its name. Of `processes` that share the device each takes its
    part of what is free, as they start together. With `overlap`, `encode` runs while `answer` does, and both have to
    fit. `window`: the most codes of a picture that are computed at once. In float16 room is kept for the bfloat16 model
    that computes what overflows, where that leaves half or more.
    """
    config, device, dtype = networks.rudolph.config, networks.device, networks.dtype
    packed = device.type == "cpu"
    pictures = {f"VQGAN {name}": size for name, size in picture_bytes(networks.vqgan, networks.side).items()}
    free, limits = free_bytes(device) // processes, GPU if device.type == "cuda" else CPU
    encoding = Need("encode", samples["encode"], pictures)
    answers = answering(config, dtype, samples["answer"], packed=packed)
    needs = [
        Need("restore", samples["restore"], pictures),
        encoding,
        answers,
        _rendering_too(drawing(config, dtype, samples["draw"], packed=packed, window=window), pictures),
    ]
    ranked = ranking(config, dtype, samples["improve"], packed=packed)
    if samples.get("captions"):
        several = answering(config, dtype, samples["captions"], num_samples=CAPTIONS_A_ROUND, packed=packed)
        needs.append(replace(_rendering_too(several, ranked.each), phase="captions"))
    if num_images > 1:
        improving = drawing(config, dtype, samples["improve"], num_samples=num_images, packed=packed, window=window)
        needs.append(replace(_rendering_too(improving, pictures, ranked.each), phase="improve"))
    later = rescue_bytes(config, dtype, int(free * limits.share))
    if not (overlap and encoding.samples):
        return plan(free, [need for need in needs if need.samples], limits, weights=later)
    first = _plan_overlap(free, encoding, limits)
    room = {"pictures encoded beside": encoding.bytes(first.batch("encode"))}
    needs[1:3] = [replace(answers, once={**answers.once, **room})]
    rest = plan(free, [need for need in needs if need.samples], limits, weights=later)
    return replace(rest, phases=first.phases + rest.phases)


def rescue_bytes(config: Config, dtype: torch.dtype, budget: int) -> dict[str, int]:
    """Bytes of the second model, which is loaded at the first overflow of a run in float16.

    On a card too small for both, batches of one sample would pay for what may never come: no room is kept there.
    """
    size = weight_bytes(config, torch.bfloat16) if dtype == torch.float16 else 0
    return {"a bfloat16 model, if float16 overflows": size} if 0 < size <= budget // 2 else {}


def _plan_overlap(free: int, need: Need, limits: BatchLimits) -> MemoryPlan:
    """Plan a phase that runs while another one does, which is to keep most of the memory."""
    fitting = int(free * limits.share * OVERLAP_SHARE) // need.bytes(1)
    return plan(free, [need], replace(limits, largest_batch=max(1, min(fitting, MOST_OVERLAP, limits.largest_batch))))


def _rendering_too(need: Need, *later: Mapping[str, int]) -> Need:
    """Room for what a batch does afterwards, in turn, when its keys and values are gone: what exceeds them."""
    beyond = max(sum(moment.values()) for moment in later) - sum(need.each.values())
    return replace(need, each={**need.each, "what follows, beyond that": beyond}) if beyond > 0 else need


def rounds(num_images: int) -> list[int]:
    """How many pictures a sample has had after each round: the first one was drawn before."""
    return [stop for stop in (*range(IMAGES_A_ROUND, num_images, IMAGES_A_ROUND), num_images) if stop > 1]
