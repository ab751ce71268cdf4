"""GELU and linear layers in training on a CPU: the plain formulas' values and gradients, made in other ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from models.rudolph import linear, products
from models.rudolph.gelu import AT_ONCE, gelu
from models.rudolph.linear import TrainableLinear
from models.rudolph.packed import packable
from models.rudolph.products import product


class Names(TorchDispatchMode):
    """Remembers the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        self.seen.add(function.overloadpacket.__name__)
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize(("dtype", "error"), [(torch.double, 1e-14), (torch.float32, 3e-6), (torch.bfloat16, 0.02)])
def test_gelu_and_its_derivative(dtype: torch.dtype, error: float) -> None:
    x = torch.linspace(-12, 12, AT_ONCE + 1001).to(dtype).view(-1, 1).requires_grad_()
    plain = x.detach().double().requires_grad_()
    with Names() as names:
        found = gelu(x)
    expected = F.gelu(plain, approximate="tanh")
    assert "sigmoid_" in names.seen
    assert "gelu" not in names.seen
    torch.testing.assert_close(found.double(), expected, atol=error, rtol=0.004 if dtype == torch.bfloat16 else error)
    slopes = [torch.autograd.grad(y.sum(), of)[0].double() for y, of in ((found, x), (expected, plain))]
    torch.testing.assert_close(*slopes, atol=error, rtol=error)


def test_gelu_of_large_numbers_and_of_what_is_no_number() -> None:
    x = torch.tensor([-1e4, 1e4, -torch.inf, torch.nan]).requires_grad_()
    found = gelu(x)
    assert found[:2].tolist() == [0.0, 1e4]
    assert found[2:].isnan().all()
    (slopes,) = torch.autograd.grad(found[:2].sum(), x)
    assert slopes[:2].tolist() == [0.0, 1.0]


def layers(inputs: int, outputs: int) -> tuple[TrainableLinear, nn.Linear]:
    torch.manual_seed(0)
    ours, plain = TrainableLinear(inputs, outputs), nn.Linear(inputs, outputs)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 48), (48, 24)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_linear_is_as_under_autocast(
    monkeypatch: pytest.MonkeyPatch, inputs: int, outputs: int, packed: bool, kind: torch.dtype
) -> None:
    monkeypatch.setattr(linear, "FEWEST_TOKENS", 1 if packed else 10**6)
    monkeypatch.setattr(products, "FEWEST_ROWS", 1 if packed else 10**6)
    monkeypatch.setattr(products, "SMALLEST", 1)
    results = []
    for layer in layers(inputs, outputs):
        x = torch.randn(3, 7, inputs, generator=torch.Generator().manual_seed(1)).to(kind).requires_grad_()
        with Names() as names, torch.autocast("cpu", torch.bfloat16):
            output = layer(x)
            output.float().pow(2).sum().backward()
        if isinstance(layer, TrainableLinear):
            packs = packed and packable(x.bfloat16())
            assert ("_linear_pointwise" in names.seen) == (packs and outputs > inputs)
            assert ("convolution_backward" in names.seen) == packs
            assert ("mm" in names.seen) == (not packs)
        results.append((output, x.grad, layer.weight.grad, layer.bias.grad))
    for own, plain in zip(*results, strict=True):
        assert own.dtype == plain.dtype
        torch.testing.assert_close(own, plain, atol=0.02, rtol=0.02)


@pytest.mark.parametrize(("m", "k", "n"), [(1024, 1, 1), (1040, 96, 64), (1025, 33, 17), (2048, 413, 200)])
@pytest.mark.parametrize("turned", [False, True])
def test_product_is_rounded_once(monkeypatch: pytest.MonkeyPatch, m: int, k: int, n: int, turned: bool) -> None:
    monkeypatch.setattr(products, "SMALLEST", 1)
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(k, m, generator=generator).bfloat16().t()
    left, right = left if turned else left.contiguous(), torch.randn(k, n, generator=generator).bfloat16()
    with Names() as names:
        found = product(left, right)
    assert ("convolution_backward" in names.seen) == packable(right)
    assert found.is_contiguous()
    assert found.dtype == torch.bfloat16
    exact = left.double() @ right.double()
    # Half of the last of eight bits; sums of float32 are nearer than that, but may cross the middle between two.
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-5)
    plain = left @ right
    assert (found.double() - exact).norm() <= 1.001 * (plain.double() - exact).norm()


@pytest.mark.parametrize(
    ("rows", "k", "n", "dtype"),
    [
        (2000, 800, 800, torch.float32),
        (2000, 8, 4, torch.double),
        (1000, 800, 800, torch.bfloat16),
        (2000, 800, 256, torch.bfloat16),
        (2000, 256, 800, torch.bfloat16),
        (2000, 0, 800, torch.bfloat16),
    ],
)
def test_other_products_are_plain_ones(rows: int, k: int, n: int, dtype: torch.dtype) -> None:
    left, right = torch.randn(rows, k).to(dtype), torch.randn(k, n).to(dtype)
    with Names() as names:
        found = product(left, right)
    assert "convolution_backward" not in names.seen
    assert found.equal(left @ right)
    assert product(left.to("meta"), right.to("meta")).shape == (rows, n)


def test_large_products_are_gradients_of_convolutions() -> None:
    left, right = torch.ones(1024, 768, dtype=torch.bfloat16), torch.ones(768, 768, dtype=torch.bfloat16)
    with Names() as names:
        assert product(left, right).eq(768).all()
    assert ("convolution_backward" in names.seen) == packable(right)


@pytest.mark.parametrize("frozen", [("weight", "bias"), ("bias",)])
def test_what_is_frozen_gets_no_gradient(frozen: tuple[str, ...]) -> None:
    layer, _ = layers(8, 4)
    for name in frozen:
        getattr(layer, name).requires_grad_(False)
    x = torch.randn(5, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        layer(x).sum().backward()
    assert x.grad is not None
    assert {name for name, p in layer.named_parameters() if p.grad is None} == set(frozen)


def test_without_autocast_it_is_the_plain_layer() -> None:
    ours, plain = layers(8, 4)
    x = torch.randn(5, 8)
    assert ours(x).equal(plain(x))


def saved_bytes(output: Tensor) -> int:
    assert output.grad_fn is not None
    return sum(saved.numel() * saved.element_size() for saved in output.grad_fn.saved_tensors)  # type: ignore[attr-defined]


def test_gelu_keeps_no_more_than_its_input() -> None:
    x = torch.randn(100, dtype=torch.bfloat16, requires_grad=True)
    assert saved_bytes(gelu(x)) == 200


def test_second_derivatives_are_refused() -> None:
    """They would lack what comes by way of the derivative itself."""
    layer, _ = layers(8, 4)
    x = torch.randn(5, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(x), gelu(x)
    for output in outputs:
        (slope,) = torch.autograd.grad(output.pow(2).sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            slope.sum().backward()
