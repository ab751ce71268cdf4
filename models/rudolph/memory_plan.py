"""How many samples each phase may take at once: a pure function of dimensions and free bytes, known before a run.

The counts are of tensors that are alive together at a phase's widest moment; tests hold them to allocations counted
while the phases run. What cannot be counted (workspaces of kernels, gaps of an allocator) is what the margin is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from models.rudolph.compact_cache import ring_slots
from models.rudolph.config import Config
from models.rudolph.geometry import Geometry
from models.rudolph.many_codes_cache import many_codes_slots

# Tensors of [sequence, hidden] alive while a layer's GELU runs, the widest moment of a prefill: its input and output
# (4 each), the embeddings, the layer's input, what attention gave, their sum, and the norm of that. Counted for the
# whole batch, as on a GPU; a CPU takes a few rows at a time, and less.
PREFILL_TENSORS = 13
# Bytes a logit while a token is drawn: scores, sorted probabilities and their ids, masks, a running sum in float64.
DRAWING_BYTES = 36
# Bytes a logit beside its own while a perplexity is computed: the float32 copy, its logarithm of a softmax, exponents.
PERPLEXITY_BYTES = 12


@dataclass(frozen=True)
class BatchLimits:
    """How a device is used: the share of its free bytes that a plan may fill, and the largest batch that still pays."""

    share: float
    largest_batch: int

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")
        if self.largest_batch < 1:
            raise ValueError(f"largest_batch must be at least 1, not {self.largest_batch}")


GPU = BatchLimits(share=0.9, largest_batch=256)
CPU = BatchLimits(share=0.5, largest_batch=32)  # the C library keeps freed blocks, and others use the memory too


@dataclass(frozen=True)
class Need:
    """What one phase keeps at its widest moment: bytes by name, of each sample in a batch and once for all of them."""

    phase: str
    samples: int
    each: Mapping[str, int]
    once: Mapping[str, int] = field(default_factory=dict)

    def bytes(self, batch: int) -> int:
        """Bytes of a batch."""
        return sum(self.once.values()) + batch * sum(self.each.values())


@dataclass(frozen=True)
class PhasePlan:
    """The batch size of one phase. Where not even one sample `fits`, samples are still tried one by one."""

    need: Need
    batch: int
    fits: bool


@dataclass(frozen=True)
class MemoryPlan:
    """Batch sizes of all phases, and the bytes that they follow from; `str` gives the two lines that a run prints."""

    free: int
    weights: Mapping[str, int]
    budget: int
    phases: tuple[PhasePlan, ...]

    def batch(self, phase: str) -> int:
        """Batch size of a phase. Raises KeyError for a phase that was not planned."""
        return {planned.need.phase: planned.batch for planned in self.phases}[phase]

    def __str__(self) -> str:
        lines = [
            f"memory: {_shown(self.free)} free"
            + "".join(f", {_shown(size)} for {name}" for name, size in self.weights.items())
            + f", {_shown(self.budget)} for a batch"
        ]
        batches = ", ".join(
            f"{planned.need.phase} {planned.batch}{'' if planned.fits else ' (more than there is memory for)'}"
            for planned in self.phases
        )
        return "\n".join([*lines, f"samples at once: {batches or 'none to do'}"])

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain data, in bytes."""
        phases = {
            planned.need.phase: {**asdict(planned), "bytes": planned.need.bytes(planned.batch)}
            for planned in self.phases
        }
        return {"free": self.free, "weights": dict(self.weights), "budget": self.budget, "phases": phases}


def plan(
    free: int, needs: Iterable[Need], limits: BatchLimits, *, weights: Mapping[str, int] | None = None
) -> MemoryPlan:
    """Choose the batch size of each phase; phases run one after the other and each may fill the memory.

    `free` bytes are there now; `weights` names bytes that are still to be loaded into them. A batch is as large as
    fits, at most `limits.largest_batch`, at least 1; then the phase's batches are made equally large.
    """
    weights = dict(weights or {})
    budget = int(free * limits.share) - sum(weights.values())
    return MemoryPlan(free, weights, budget, tuple(_plan_phase(need, budget, limits.largest_batch) for need in needs))


def _plan_phase(need: Need, budget: int, largest: int) -> PhasePlan:
    fitting = (budget - sum(need.once.values())) // max(1, sum(need.each.values()))
    most = max(1, min(fitting, largest))
    batches = max(1, -(-need.samples // most))
    return PhasePlan(need, max(1, -(-need.samples // batches)), fits=fitting >= 1)


def _shown(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if abs(size) >= 1e9 else f"{size / 1e6:.1f} MB"


def weight_bytes(config: Config, dtype: torch.dtype) -> int:
    """Bytes of the network's parameters and masks."""
    hidden, layers = config.hidden_size, config.num_layers
    norms = 8 if config.cogview_sandwich_layernorm else 4
    a_layer = 12 * hidden**2 + (9 + norms) * hidden  # four projections, their biases, and the norms
    positions = config.l_text_seq_length + config.r_text_seq_length + 2 + 2 * config.image_tokens_per_dim
    embeddings = (config.total_vocab + positions) * hidden
    head = (config.total_vocab + 4) * hidden + config.total_vocab  # its table and bias, its norm and the last layer's
    masks = 4 * config.total_seq_length**2 * (1 if config.is_bool_mask else dtype.itemsize)
    return (layers * a_layer + embeddings + head) * dtype.itemsize + masks


def _token_bytes(config: Geometry, dtype: torch.dtype) -> int:
    """Bytes of one token's key and value in one layer."""
    return 2 * config.hidden_size * dtype.itemsize


def _prefill_bytes(config: Geometry, length: int, dtype: torch.dtype) -> int:
    return PREFILL_TENSORS * length * config.hidden_size * dtype.itemsize


def _beside_products(dtype: torch.dtype, packed: bool) -> torch.dtype:
    """The precision of the residual stream and the head: a CPU keeps them in float32 beside products in bfloat16."""
    return torch.float32 if packed and dtype == torch.bfloat16 else dtype


def _head_bytes(config: Geometry, rows: int, dtype: torch.dtype, packed: bool) -> Mapping[str, int]:
    return {"packed output rows": rows * config.hidden_size * dtype.itemsize} if packed else {}


def answering(config: Config, dtype: torch.dtype, samples: int, *, num_samples: int = 1, packed: bool = False) -> Need:
    """Phase A: all keys and values of `num_samples` texts, and a prefill of all but the answer, which they share.

    `packed`: the output head is copied (CPU).
    """
    of_a_layer, rest = config.total_seq_length * _token_bytes(config, dtype), _beside_products(dtype, packed)
    of_a_text = config.num_layers * of_a_layer
    # While the prefill runs there are one text's alone; one layer after the other is then copied for the others.
    prefill = _prefill_bytes(config, config.prefix_length + 2, rest) - (num_samples - 1) * of_a_text
    copied = of_a_layer if num_samples > 1 else 0
    each = {
        "keys and values": num_samples * of_a_text,
        "prefill": max(prefill, copied, num_samples * DRAWING_BYTES * config.bpe_vocab),
    }
    return Need("answer", samples, each, _head_bytes(config, config.bpe_vocab, rest, packed))


def drawing(
    config: Geometry,
    dtype: torch.dtype,
    samples: int,
    *,
    num_samples: int = 1,
    packed: bool = False,
    window: int = 1,
) -> Need:
    """Phase B: the left text's keys and values once, the image's and logits for each of `num_samples`.

    `window`: the most codes of an image that a pass computes.
    """
    left, dim = config.l_text_seq_length, config.image_tokens_per_dim
    rest = _beside_products(dtype, packed)
    if window == 1:
        tokens = sum(ring_slots(kind, config) + (dim * dim if kind == "col" else 0) for kind in config.layer_kinds)
    else:
        ahead = left if num_samples == 1 else 0
        tokens = sum(many_codes_slots(kind, config, window, ahead) for kind in config.layer_kinds)
    at_once = num_samples * window
    each = {
        "left text's keys and values": config.num_layers * left * _token_bytes(config, dtype),
        "image's keys and values": num_samples * tokens * _token_bytes(config, dtype),
        "prefill": max(_prefill_bytes(config, left, rest), at_once * DRAWING_BYTES * config.image_vocab_size),
    }
    return Need("draw", samples, each, _head_bytes(config, config.image_vocab_size, rest, packed))


def ranking(config: Geometry, dtype: torch.dtype, samples: int, *, packed: bool = False) -> Need:
    """Ranking by perplexity: a forward pass of the whole sequence, then the logits of the image's positions."""
    rest = _beside_products(dtype, packed)
    logits = (config.image_seq_length - 1) * config.image_vocab_size
    hidden = config.total_seq_length * config.hidden_size * rest.itemsize
    each = {
        "forward pass": max(
            _prefill_bytes(config, config.total_seq_length, rest),
            2 * hidden + logits * (rest.itemsize + PERPLEXITY_BYTES),
        )
    }
    return Need("rank", samples, each)
