"""Packed linear layers give what plain ones give, and are only made where there are kernels for them."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from models.rudolph import Rudolph
from models.rudolph.decoding import answer, generate_image
from models.rudolph.packed import PackedLinear, pack_linears, packable
from models.rudolph.sampling import Sampling, uniforms

needs_onednn = pytest.mark.skipif(not packable(torch.zeros(1)), reason="this torch has no oneDNN")
BFLOAT16 = pytest.param(
    torch.bfloat16,
    marks=pytest.mark.skipif(
        not packable(torch.zeros(1, dtype=torch.bfloat16)), reason="this processor has no such kernels"
    ),
)


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
@pytest.mark.parametrize("shape", [(1, 8), (3, 1, 8), (2, 5, 8)])
def test_a_packed_layer_equals_the_plain_one(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    plain, x = nn.Linear(8, 12).to(dtype), torch.randn(shape).to(dtype)
    packed = PackedLinear(plain.weight, plain.bias)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(packed(x), plain(x), atol=tolerance, rtol=0)
    some = PackedLinear(plain.weight[3:9], plain.bias[3:9])
    torch.testing.assert_close(some(x), plain(x)[..., 3:9], atol=tolerance, rtol=0)


class RowsOfProducts(TorchDispatchMode):
    """Notes how many rows each packed product has."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.mkldnn._linear_pointwise.default:
            self.rows.append(args[0].numel() // args[0].shape[-1])
        return function(*args, **(kwargs or {}))


@needs_onednn
@pytest.mark.parametrize(
    ("width", "shape", "multiplied"),
    [
        (512, (1, 1), 4),
        (512, (2, 1), 4),
        (512, (1, 3), 4),
        (512, (4, 1), 4),
        (512, (5, 1), 5),
        (512, (0, 1), 4),
        (64, (1, 1), 1),
    ],
)
def test_a_large_weight_is_never_multiplied_by_fewer_rows_than_four(
    width: int, shape: tuple[int, int], multiplied: int
) -> None:
    torch.manual_seed(0)
    plain, x = nn.Linear(width, 512), torch.randn(*shape, width)
    packed = PackedLinear(plain.weight, plain.bias)
    with torch.inference_mode(), RowsOfProducts() as products:
        given, active = packed(x), packed.gelu(x)
    assert products.rows == [multiplied] * 2
    torch.testing.assert_close(given, plain(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(active, F.gelu(plain(x), approximate="tanh"), atol=1e-5, rtol=0)


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_gelu_within_the_product_equals_gelu_behind_it(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    plain, x = nn.Linear(16, 64).to(dtype), torch.randn(7, 16).to(dtype) * 3
    expected = F.gelu(plain(x), approximate="tanh")
    torch.testing.assert_close(PackedLinear(plain.weight, plain.bias).gelu(x), expected, atol=tolerance, rtol=0)


@needs_onednn
@torch.inference_mode()
def test_a_packed_model_answers_and_draws_the_same(golden_rudolph: Rudolph) -> None:
    packed = copy.deepcopy(golden_rudolph)
    assert pack_linears(packed.transformer) == 4 * packed.config.num_layers
    config, sampling = golden_rudolph.config, Sampling(top_k=20, top_p=0.9)
    generator = torch.Generator().manual_seed(0)
    left = torch.randint(0, 200, (4, config.l_text_seq_length), generator=generator)
    codes = torch.randint(0, config.image_vocab_size, (4, config.image_seq_length), generator=generator)
    numbers = uniforms(0, list("abcd"), "text", 8), uniforms(0, list("abcd"), "image", config.image_seq_length)
    ids = torch.cat((left, codes), dim=1)
    torch.testing.assert_close(packed(ids), golden_rudolph(ids), atol=1e-4, rtol=0)
    given = left, codes, [2, 257], sampling, numbers[0]
    assert answer(packed, *given) == answer(golden_rudolph, *given)
    drawn = generate_image(packed, left, sampling, numbers[1])
    assert drawn.tolist() == generate_image(golden_rudolph, left, sampling, numbers[1]).tolist()


def test_what_has_no_packed_kernels_stays_as_it_is() -> None:
    for module in (nn.Linear(4, 4).half(), nn.Linear(4, 4, device="meta")):
        holder = nn.Sequential(module).eval()
        assert pack_linears(holder) == 0
        assert holder[0] is module


@needs_onednn
def test_a_processor_without_bfloat16_packs_only_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one with AVX2 alone, where oneDNN refuses to pack it."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    holder = nn.Sequential(nn.Linear(4, 4).bfloat16(), nn.Linear(4, 4)).eval()
    assert pack_linears(holder) == 1
    assert [type(layer) for layer in holder] == [nn.Linear, PackedLinear]


def test_a_module_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\)"):
        pack_linears(nn.Sequential(nn.Linear(4, 4)))
