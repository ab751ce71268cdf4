"""What NVIDIA's driver calls the GPUs of this process: NVML counts them in another order than CUDA does."""

from __future__ import annotations

import ctypes
from uuid import UUID

LIBRARY = "libcuda.so.1"


def cuda_uuids() -> list[str] | None:
    """UUIDs of the GPUs that CUDA gives this process, in CUDA's own order; None where the driver does not say.

    CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER are the driver's to read. No context is made, no memory taken on a GPU.
    """
    try:
        driver = ctypes.CDLL(LIBRARY)
        uuid_of = driver.cuDeviceGetUuid_v2  # of a part of a GPU (MIG) its own; since CUDA 11.4
    except (OSError, AttributeError):
        return None
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return None
    names = []
    for index in range(count.value):
        device, raw = ctypes.c_int(), ctypes.create_string_buffer(16)
        if driver.cuDeviceGet(ctypes.byref(device), index) or uuid_of(raw, device):
            return None
        names.append(f"GPU-{UUID(bytes=raw.raw)}")
    return names
