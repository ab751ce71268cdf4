"""What a training takes of a GPU at its widest moments, counted from shapes before anything is loaded there.

Behind the layers there are the weights, the optimiser's state, what the backward pass needs, and the head; where that
pass begins and ends, a layer's own besides, and more and more gradients in place of what it needed. Tests hold these to
allocations counted while steps run. What cannot be counted (workspaces of kernels, gaps of an allocator, buffers of
NCCL) is what a margin is for. Frozen layers keep less, and so do sequences that are cut: of a training that could run
nothing but a warning may come. Weights, gradients and the optimiser's state alone are certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from contest.console import say
from models.rudolph import Config, Rudolph
from training.tune.chunked_entropy import LOGITS_AT_ONCE
from training.tune.errors import SettingsError
from training.tune.precision import DTYPES
from training.tune.settings import ComputeSettings, TuneSettings

STATE_BYTES = {"adamw": 8, "adamw8bit": 2}  # of a trained parameter
# What the head holds of each token in float32, in units of the hidden size: the states behind the last norm, those that
# are trained, in the order of their tables, their norm, and their gradient.
HEAD_TENSORS = 6
LOGIT_BYTES = 12  # of a chunk, where it is normalised: itself, float32 probabilities, and what these are made of
OTHERS = "compute.parallel=fsdp on several GPUs, optim.name=adamw8bit and lora.rank need less"
NEARLY = 0.93  # of what is free: with more, memory may run out


@dataclass(frozen=True)
class TrainingNeed:
    """Bytes by name: what is there all along, and what besides at each of the widest moments."""

    always: Mapping[str, int]
    moments: Sequence[Mapping[str, int]]
    certain: int
    """Weights, gradients and the optimiser's state, which are there together whatever passes the network."""

    @property
    def widest(self) -> Mapping[str, int]:
        """The moment that takes the most."""
        return max(self.moments, key=lambda parts: sum(parts.values()))

    @property
    def bytes(self) -> int:
        """The most at any time."""
        return sum(self.always.values()) + sum(self.widest.values())

    def __str__(self) -> str:
        parts = [f"{size / 1e9:.1f} GB for {name}" for name, size in {**self.always, **self.widest}.items()]
        return f"{self.bytes / 1e9:.1f} GB: {', '.join(parts)}"


def layer_bytes(config: Config, compute: ComputeSettings) -> int:
    """What a layer keeps of a token for its backward pass, without gradient checkpointing.

    In the products' precision: what each of four linear layers takes (1, 1, 1 and 4 times the hidden size), queries,
    keys and values (3), what attention gave before it is clamped (1) and GELU's input (4); attention's own output is
    what the second linear layer takes. In float32: what the norms take, and what dropped out, a byte each.
    """
    product, hidden = DTYPES[compute.dtype].itemsize, config.hidden_size
    norms = 16 if config.cogview_sandwich_layernorm else 8
    dropped = 2 if config.output_dropout_prob else 0
    return hidden * (15 * product + norms + dropped)


def kept_bytes(config: Config, compute: ComputeSettings) -> int:
    """The same of what is kept until the backward pass comes: less with gradient checkpointing."""
    if not compute.activation_checkpointing:
        return layer_bytes(config, compute)
    products = 9 * DTYPES[compute.dtype].itemsize if compute.keep_products else 0
    return config.hidden_size * (4 + products)


def training_need(
    model: Rudolph, settings: TuneSettings, rows: int, world: int = 1, of_node: int | None = None
) -> TrainingNeed:
    """Count what a training takes of each GPU of `world`: `rows` samples of full length pass the network at once.

    The model may lie anywhere; what is frozen, or adapters, are told by its parameters. `of_node`: how many of the
    processes a node has, among which hsdp divides the weights; None: all.
    """
    config, compute = model.config, settings.compute
    product, half = DTYPES[compute.dtype].itemsize, compute.dtype != "float32"
    sharing = {"ddp": 1, "fsdp": world, "hsdp": of_node or world}[compute.parallel]
    whole = {name: parameter.numel() for name, parameter in model.named_parameters()}
    parameters, of_layers = sum(whole.values()), sum(n for name, n in whole.items() if ".layers." in name)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    tokens, layers = rows * config.total_seq_length, config.num_layers
    masks = sum(buffer.numel() * buffer.itemsize for buffer in model.buffers())
    always = {
        "weights": 4 * parameters // sharing + masks,
        "the optimiser's state": STATE_BYTES[settings.optim.name] * trained // sharing,
    }
    gradients = {"gradients": 4 * trained // sharing}
    certain = sum(always.values()) + sum(gradients.values())
    if sharing > 1:  # gathered: a layer and the next one, and all outside of the layers
        always["gathered weights"] = (8 if half else 16) * of_layers // layers + 4 * (parameters - of_layers)
    if compute.accumulate > 1 or (world > 1 and sharing == 1):  # of earlier parts; and DDP's buckets stay
        always, gradients = always | gradients, {}
    kept = {"activations": layers * tokens * kept_bytes(config, compute)}
    head = model.to_logits[1]
    assert isinstance(head, nn.Linear)
    if head.weight.requires_grad:  # made with the head's loss
        kept["the head's gradient"] = 4 * head.weight.numel()
    texts = rows * (config.l_text_seq_length + config.r_text_seq_length) * config.text_vocab
    logits = min(LOGITS_AT_ONCE["cuda"], max(texts, rows * config.image_seq_length * config.image_vocab))
    of_head = 4 * HEAD_TENSORS * tokens * config.hidden_size + LOGIT_BYTES * logits
    again = layer_bytes(config, compute) - kept_bytes(config, compute)
    slopes = tokens * config.hidden_size * (8 + 3 * product)  # of the sums, and of what a layer makes
    # Autocast keeps each weight's cast for the forward pass; the backward pass needs them, or makes them anew.
    casts = {"casts of the weights": product * of_layers} if half and sharing == 1 else {}
    needed = {} if compute.activation_checkpointing else casts
    moments = (
        {**kept, **casts, "the head": of_head},
        {**kept, **needed, "a layer's backward pass": tokens * again + slopes},
        {**gradients, "a layer's backward pass": tokens * layer_bytes(config, compute) + slopes},
    )
    return TrainingNeed(always, moments, certain)


def rows_at_once(settings: TuneSettings, world: int) -> int:
    """How many samples a process passes through the network at once, at most."""
    batch = sum(task.samples for task in settings.tasks.values())
    if settings.data.sampling != "samples":
        batch = settings.data.batch or batch
    return -(-batch // (world * settings.compute.accumulate))


def require_memory(
    model: Rudolph,
    settings: TuneSettings,
    free: int,
    world: int = 1,
    of_node: int | None = None,
    *,
    speaks: bool = True,
) -> TrainingNeed:
    """Count what a training takes of a GPU with `free` bytes; if it `speaks`, warn where that is nearly all or more.

    The warning says what takes how much, and what would fit. Raises `SettingsError` where what is certain does not fit.
    """
    rows = rows_at_once(settings, world)
    need = training_need(model, settings, rows, world, of_node)
    shown = f"{free / 1e9:.1f} GB of the GPU are free"
    if need.certain > free:
        alone = f"weights, gradients and the optimiser's state alone take {need.certain / 1e9:.1f} GB"
        raise SettingsError(f"compute: this training does not fit: {alone}; {shown}", OTHERS)
    if speaks and need.bytes > free * NEARLY:
        fits = _what_fits(model, settings, free, world, of_node)
        say(f"training tune: memory may run out: {rows} samples at once take up to about {need}; {shown}; {fits}")
    return need


def _what_fits(model: Rudolph, settings: TuneSettings, free: int, world: int, of_node: int | None) -> str:
    """Changes of settings, the least first, under which the training fits."""
    compute, found = settings.compute, []
    most = rows_at_once(replace(settings, compute=replace(compute, accumulate=1)), world)
    changes: list[dict[str, Any]] = [{}]
    if not compute.activation_checkpointing:
        changes += [{"activation_checkpointing": True, "keep_products": True}]
    if not compute.activation_checkpointing or compute.keep_products:
        changes += [{"activation_checkpointing": True, "keep_products": False}]
    for change in changes:
        for parts in (1 << k for k in range(most.bit_length() + 1)):
            accumulate = min(parts, most) * compute.accumulate if not change else min(parts, most)
            changed = replace(settings, compute=replace(compute, **change, accumulate=accumulate))
            need = training_need(model, changed, rows_at_once(changed, world), world, of_node)
            if need.bytes <= free * NEARLY:
                words = [f"compute.{key}={str(value).lower()}" for key, value in change.items() if value]
                words += [f"compute.accumulate={accumulate}"] if accumulate != compute.accumulate else []
                found.append(f"{' '.join(words)} ({need.bytes / 1e9:.1f} GB)")
                break
    return f"what fits: {'; '.join(found)}; {OTHERS} as well" if found else OTHERS
