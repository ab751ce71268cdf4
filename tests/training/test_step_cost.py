"""What a training step computes, counted: no table is filled twice, no weight cast twice, no needless row scored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.rudolph import Rudolph, linear
from models.rudolph.dropout import Dropout
from models.rudolph.piecewise_attention import PiecewiseAttention
from tests.training.test_objective import CONFIG, TASKS, mixed_batch
from tests.training.test_trainer import ALONE, BASE, COMPUTE
from training.tune.chunked_entropy import LOGITS_AT_ONCE, NORMALISED_AT_ONCE
from training.tune.objective import Objective, totals_of
from training.tune.train_step import train_step
from training.tune.training_state import TrainState

DROPPING = replace(CONFIG, attention_dropout_prob=0.1, output_dropout_prob=0.1)
# Operations whose result is, but for a few rows, zeros that had to be written.
FILLING = {"embedding_dense_backward", "slice_backward", "select_backward", "zeros", "zeros_like", "new_zeros", "full"}


class Work(TorchDispatchMode):
    """Counts operations by name, fills of whole tables, casts of each parameter, and logits."""

    def __init__(self, model: Rudolph) -> None:
        super().__init__()
        self.names = {parameter.data_ptr(): name for name, parameter in model.named_parameters()}
        self.tables = {tuple(p.shape): n for n, p in model.named_parameters() if n.endswith("dings.weight")}
        self.tables[tuple(model.to_logits[1].weight.shape)] = "to_logits.1.weight"
        self.operations: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()
        self.casts: Counter[str] = Counter()
        self.logits: list[tuple[int, int]] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        name = function.overloadpacket.__name__
        source = arguments[0] if arguments and isinstance(arguments[0], Tensor) else None
        result = function(*arguments, **(keywords or {}))
        self.operations[name] += 1
        if isinstance(result, Tensor):
            if name in FILLING and (table := self.tables.get(tuple(result.shape))):
                self.fills[table] += 1
            if name == "_to_copy" and result.dtype == torch.bfloat16 and source is not None:
                self.casts[self.names.get(source.data_ptr(), "other")] += 1
            if name == "addmm" and result.shape[1] in (CONFIG.text_vocab, CONFIG.image_vocab):
                self.logits.append((result.shape[0], result.shape[1]))
        return result


class Crossings(TorchDispatchMode):
    """Counts the tensors that go from the CPU to the device; that none comes back is the meta device's doing."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        result = function(*arguments, **(keywords or {}))
        if function.overloadpacket.__name__ == "_to_copy":
            self.sent += (arguments[0].device.type, result.device.type) == ("cpu", "meta")
        return result


@pytest.mark.parametrize(("left_only", "sent"), [(0, 6), (3, 8)])
@pytest.mark.parametrize("checkpointing", [None, 1])
@pytest.mark.parametrize("pieces", [False, True])
def test_neither_direction_of_the_objective_waits_for_the_device(
    monkeypatch: pytest.MonkeyPatch, left_only: int, sent: int, checkpointing: int | None, pieces: bool
) -> None:
    """A network on the meta device, of which no value can be read: `bool()`, `nonzero` and masks as indices raise."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)  # which knows no meta device
    monkeypatch.setitem(LOGITS_AT_ONCE, "meta", 100)
    monkeypatch.setitem(NORMALISED_AT_ONCE, "meta", 100)
    with torch.device("meta"):
        model = Rudolph(replace(DROPPING, gradient_checkpointing=checkpointing)).train()
    batch = mixed_batch()
    batch.weights[:left_only, 1:] = 0.0  # a pass of its own
    totals = totals_of(model, [batch])
    if pieces:
        model.transformer.piecewise = PiecewiseAttention(DROPPING)
        Objective(model, TASKS)(batch, totals)  # the small masks go there once
    with Crossings() as crossings:
        loss, sums = Objective(model, TASKS)(batch, totals)
        loss.backward()
    assert (loss.device.type, sums.device.type) == ("meta", "meta")
    assert all(parameter.grad is not None for parameter in model.parameters())
    # Of each pass the ids and the trained places; of all tokens their order, targets, weights and sums.
    assert crossings.sent == sent


def counted(clip: float = 1.0, **compute: Any) -> tuple[Work, TrainState]:
    torch.manual_seed(0)
    settings = replace(BASE, compute=replace(COMPUTE, **compute), optim=replace(BASE.optim, clip=clip))
    model = Rudolph(DROPPING).train()
    if settings.compute.activation_checkpointing:
        model.transformer.config = replace(DROPPING, gradient_checkpointing=1)
        model.transformer.keeps_products = settings.compute.keep_products
    state = TrainState(model, settings, ALONE)
    train_step(state, 0, mixed_batch())  # the optimiser makes its state
    with Work(state.model) as work:
        train_step(state, 1, mixed_batch())
    return work, state


def test_each_table_is_filled_once_and_the_output_layer_never() -> None:
    work, _ = counted()
    assert work.fills == {
        "text_embeddings.weight": 1,
        "image_embeddings.weight": 1,
        "image_col_embeddings.weight": 2,  # the rows' table has the same shape
        "l_text_pos_embeddings.weight": 1,
        "r_text_pos_embeddings.weight": 1,
    }


def test_each_weight_is_cast_once() -> None:
    work, state = counted(dtype="bfloat16")
    del work.casts["other"]
    linear = [name for name, module in state.model.named_modules() if isinstance(module, torch.nn.Linear)]
    assert work.casts == {f"{name}.{kind}": 1 for name in linear for kind in ("weight", "bias")}


def test_only_trained_tokens_are_scored_each_by_its_own_table() -> None:
    work, _ = counted()
    # Left text 9 x 5, right text (3 + 2 + 3) + (3 + 4 + 5 + 3) less a token each; pictures of 6 rows. Of 9 x 20 x 61.
    # In multiples of 16.
    assert work.logits == [(80, 50), (64, 11)]


def test_operations_of_a_step() -> None:
    work, _ = counted()
    assert work.operations["bernoulli_"] == 0
    assert work.operations["random_"] == 4 * 3  # a layer's attention and its two outputs
    assert work.operations["le"] == 0  # what clamps the attention's outputs compares nothing on its way back
    assert sum(work.operations.values()) <= 1350  # 4 layers


@pytest.mark.parametrize(
    ("checkpointing", "keep_products", "products", "attended"),
    # Four layers of four linear layers; the head's two are scored once.
    [(False, False, 18, 4 * 1), (True, False, 34, 4 * 2), (True, True, 18, 4 * 2)],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_checkpointing_computes_again(
    monkeypatch: pytest.MonkeyPatch, dtype: str, checkpointing: bool, keep_products: bool, products: int, attended: int
) -> None:
    monkeypatch.setattr(linear, "FEWEST_TOKENS", 1)  # so that both kinds of product are there
    work, _ = counted(dtype=dtype, activation_checkpointing=checkpointing, keep_products=keep_products)
    assert work.operations["addmm"] + work.operations["_linear_pointwise"] == products
    assert work.operations["random_"] == 3 * attended


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_are_dropped_in_the_precision_of_their_products(dtype: torch.dtype) -> None:
    """And not in that of the sums of layers, whose masks would take twice the memory."""
    model, seen = Rudolph(DROPPING).train(), set()
    for module in model.modules():
        if isinstance(module, Dropout):
            module.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0].dtype))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        hidden = model.hidden(torch.ones(1, 12, dtype=torch.int64))
    assert (seen, hidden.dtype) == ({dtype}, torch.float32)


@pytest.mark.parametrize(("clip", "multiplied"), [(1e-3, 1), (1e6, 0)])
def test_gradients_that_are_short_enough_are_not_multiplied(clip: float, multiplied: int) -> None:
    work, _ = counted(clip)
    assert work.operations["_foreach_mul_"] == multiplied
