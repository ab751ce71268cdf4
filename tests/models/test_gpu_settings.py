"""What torch is told before it computes on a GPU, looked at on the CPU."""

from collections.abc import Iterator

import pytest
import torch

from models.gpu_settings import prepare_gpu


def switches() -> tuple[bool, bool, bool, bool]:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return (
        cudnn.allow_tf32,
        cuda.matmul.allow_tf32,
        bool(cuda.matmul.allow_fp16_reduced_precision_reduction),
        cuda.cudnn_sdp_enabled(),
    )


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    convolutions, products, narrow, attention = switches()
    yield
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = narrow
    torch.backends.cuda.enable_cudnn_sdp(attention)


def test_a_gpu_is_chosen_and_computes_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    torch.backends.cudnn.allow_tf32 = True
    prepare_gpu(torch.device("cuda", 1))
    assert chosen == [torch.device("cuda", 1)]
    assert switches() == (False, False, False, False)


def test_a_cpu_changes_nothing() -> None:
    before = switches()
    prepare_gpu(torch.device("cpu"))
    assert switches() == before
