"""The GPUs of this machine, as far as torch can use them. Imports torch, so it is looked at only where that works."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from contest.limits import GPU_MEMORY_BYTES
from submission.doctor.diagnosis import Diagnosis, gigabytes

WHEEL = "build the image with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126"


def free_gpu_memory() -> int | None:
    """Return the free bytes of the GPU that a run would use; None if it would use none."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def look_at_gpus() -> Iterator[Diagnosis]:
    """The driver, as far as torch can use it, and the memory of each GPU."""
    built = torch.version.cuda
    if built is None:
        yield Diagnosis("gpu", "none usable: this torch is built for processors alone", "warning", WHEEL)
        return
    if not torch.cuda.is_available():
        remedy = f"install a driver for CUDA {built}, start the container with --gpus=1, or take an older CUDA's torch"
        yield Diagnosis("gpu", f"torch is built for CUDA {built} and finds no usable driver or GPU", "error", remedy)
        return
    yield Diagnosis("driver", f"CUDA {built} works")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        value = f"{properties.name}, {gigabytes(free)} free of {gigabytes(total)}"
        architecture = f"sm_{properties.major}{properties.minor}"
        known = torch.cuda.get_arch_list()
        if not any(name.split("_")[0] in ("sm", "compute") and _runs_on(name, architecture) for name in known):
            yield Diagnosis(f"gpu {index}", value, "error", f"this torch has no code for {architecture}: {WHEEL}")
        elif free < total * 0.9:
            yield Diagnosis(f"gpu {index}", value, "warning", "another process uses this GPU: end it, or expect less")
        else:
            yield Diagnosis(f"gpu {index}", f"{value}; the contest gives {gigabytes(GPU_MEMORY_BYTES)}")


def _runs_on(built: str, architecture: str) -> bool:
    """Whether code for one architecture runs on another: of the same generation and no newer, or to be translated."""
    have, want = (int("".join(filter(str.isdigit, name))) for name in (built, architecture))
    return have <= want and (built.startswith("compute") or have // 10 == want // 10)
