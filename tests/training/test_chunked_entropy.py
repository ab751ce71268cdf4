"""Head and cross-entropy in chunks: the plain formula's value and gradients, without its memory."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from training.tune.chunked_entropy import chunked_entropy

TOKENS, HIDDEN, IDS = 64, 8, 96


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        result = function(*arguments, **(keywords or {}))
        for made in result if isinstance(result, tuple | list) else (result,):
            if isinstance(made, torch.Tensor):
                self.largest = max(self.largest, made.numel())
        return result


def inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(rows, HIDDEN, generator=generator) for rows in (TOKENS, IDS))
    bias = torch.randn(IDS, generator=generator)
    weights = torch.rand(TOKENS, generator=generator)
    weights[::7] = 0.0
    targets = torch.randint(0, IDS, (TOKENS,), generator=generator)
    return x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), targets, weights


def plain_entropy(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    return (F.cross_entropy(F.linear(x, weight, bias).float(), targets, reduction="none") * weights).sum()


@pytest.mark.parametrize("at_once", [1, IDS * 5, IDS * TOKENS, 10**9])
def test_value_and_gradients_are_those_of_the_plain_formula(at_once: int) -> None:
    plain, chunked = inputs(), inputs()
    expected = plain_entropy(*plain)
    (3 * expected).backward()
    total, entropies = chunked_entropy(*chunked, at_once)
    (3 * total).backward()
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert (entropies * chunked[4]).sum().item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(chunked[:3], plain[:3], strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-5)


def test_the_logits_of_all_tokens_never_exist() -> None:
    x, weight, bias, targets, weights = inputs()
    with LargestTensor() as memory:
        total, _ = chunked_entropy(x, weight, bias, targets, weights, 5 * IDS)
        total.backward()
    assert memory.largest == IDS * HIDDEN  # the gradient of the weights; five tokens' logits are fewer
    with LargestTensor() as memory:
        plain_entropy(x, weight, bias, targets, weights).backward()
    assert memory.largest == TOKENS * IDS


@pytest.mark.parametrize("frozen", [(1, 2), (0,), (0, 1, 2)])
def test_what_is_frozen_gets_no_gradient(frozen: tuple[int, ...]) -> None:
    plain, chunked = inputs(), inputs()
    for index in frozen:
        plain[index].requires_grad_(False)
        chunked[index].requires_grad_(False)
    total, _ = chunked_entropy(*chunked, IDS)
    assert total.requires_grad == (len(frozen) < 3)
    if total.requires_grad:
        total.backward()
        plain_entropy(*plain).backward()
    for ours, theirs in zip(chunked[:3], plain[:3], strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_keeps_small_gradients(dtype: torch.dtype) -> None:
    plain, chunked = inputs(), inputs()
    tiny = 1e-7  # a token's weight in a large batch; float16 knows no numbers below 6e-8
    (tiny * plain_entropy(*plain)).backward()
    with torch.autocast("cpu", dtype):
        total, _ = chunked_entropy(*chunked[:4], chunked[4] * tiny, IDS * 9)
    total.backward()
    for ours, theirs in zip(chunked[:3], plain[:3], strict=True):
        assert (ours.grad - theirs.grad).norm().item() < 0.02 * theirs.grad.norm().item()


class Multiplied(TorchDispatchMode):
    """Counts the elements that are multiplied in place."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        if function is torch.ops.aten.mul_.Tensor:
            self.count += arguments[0].numel()
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize(("factor", "elements"), [(1.0, 0), (3.0, TOKENS * HIDDEN + IDS * HIDDEN + IDS)])
def test_gradients_are_multiplied_by_what_is_not_1(factor: float, elements: int) -> None:
    total, _ = chunked_entropy(*inputs())
    with Multiplied() as multiplied:
        total.backward(torch.tensor(factor))
    assert multiplied.count == elements
