"""Packed linear layers give what plain ones give, and are only made where there are kernels for them."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.rudolph import Rudolph
from models.rudolph.decoding import answer, generate_image
from models.rudolph.packed import PackedLinear, pack_linears, packable
from models.rudolph.sampling import Sampling, uniforms
from tests.models.recorded import Dispatches

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


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_gelu_within_the_product_equals_gelu_behind_it(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    plain, x = nn.Linear(16, 64).to(dtype), torch.randn(7, 16).to(dtype) * 3
    expected = F.gelu(plain(x), approximate="tanh")
    torch.testing.assert_close(PackedLinear(plain.weight, plain.bias).gelu(x), expected, atol=tolerance, rtol=0)


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
@pytest.mark.parametrize(
    ("shape", "multiplied"),
    [((1,), 4), ((2,), 4), ((3,), 3), ((4,), 4), ((1, 1), 4), ((1, 2), 4), ((2, 1), 4), ((1, 3), 3), ((0, 1), 0)],
)
def test_one_or_two_rows_take_the_kernel_for_four(
    shape: tuple[int, ...], multiplied: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    plain, x = nn.Linear(16, 64).to(dtype), torch.randn(*shape, 16).to(dtype)
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    for threshold, expected in ((64 * 16 + 1, math.prod(shape)), (64 * 16, multiplied)):
        monkeypatch.setattr("models.rudolph.packed.LARGE_WEIGHT", threshold)
        packed = PackedLinear(plain.weight, plain.bias)
        for own, reference in ((packed, plain(x)), (packed.gelu, F.gelu(plain(x), approximate="tanh"))):
            with torch.inference_mode(), Dispatches() as dispatches:
                output = own(x)
            torch.testing.assert_close(output, reference, atol=tolerance, rtol=0)
            given = next(seen for seen in dispatches.seen if seen[0] == "mkldnn._linear_pointwise.default")[1]
            assert math.prod(given[:-2]) == expected  # its shape, and the device


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
