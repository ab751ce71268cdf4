"""What torch is told before it computes on a GPU, looked at on the CPU."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from abilities.options import chosen_device
from models.gpu_settings import prepare_gpu
from training.tune.data import image_encoder


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


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine that says it has two GPUs, of which the second is the current one: those that were made current."""
    made: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", made.append)
    torch.backends.cudnn.allow_tf32 = True
    return made


@pytest.mark.parametrize(("name", "device"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_abilities_compute_exactly(chosen: list[torch.device], name: str, device: int) -> None:
    assert chosen_device(name) == torch.device("cuda", device)
    assert chosen == [torch.device("cuda", device)]
    assert switches() == (False, False, False, False)


def test_picture_codes_of_a_training_are_computed_exactly(
    chosen: list[torch.device], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(image_encoder, "load_vqgan", lambda folder, device: switches())
    encoder = image_encoder.PictureEncoder(tmp_path, 8, 64, tmp_path, device="cuda")
    assert encoder.vqgan == (False, False, False, False)
    assert chosen == [torch.device("cuda", 1)]
