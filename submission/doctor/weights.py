"""The weights of a run: there, unchanged since they were packed, readable, and small enough for this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from models.weights import WeightsError, find_weights, read_state_dict
from submission.checks.contents import MANIFEST_NAME
from submission.doctor.reading import Reading, gigabytes
from submission.loading import RUDOLPH_FOLDER, VQGAN_FOLDER, fingerprint

WORKING_SHARE = 1.2  # of the weights' size: themselves, and what the smallest batch needs beside them


def look_at_weights(folder: Path, free_bytes: int, free_gpu_bytes: int | None) -> Iterator[Reading]:
    """Yield readings for the files of a weights folder.

    `free_bytes` is memory that is free; `free_gpu_bytes` that of the GPU which would be used, None without one.
    """
    try:
        hashes = fingerprint(folder)
    except (WeightsError, OSError) as error:
        yield Reading(
            "weights", str(error), "error", "name a folder with bpe.model, rudolph/ and vqgan/: --weights DIR"
        )
        return
    recorded = _recorded(folder)
    for name, sha256 in hashes.items():
        value = f"sha256 {sha256[:16]}..."
        if name in recorded and recorded[name] != sha256:
            remedy = "copy the archive again: the file is not the one that was packed"
            yield Reading(f"weights {name}", f"{value}, packed as {recorded[name][:16]}...", "error", remedy)
        else:
            yield Reading(f"weights {name}", value)
    yield _size(folder, free_bytes, free_gpu_bytes)


def _size(folder: Path, free_bytes: int, free_gpu_bytes: int | None) -> Reading:
    """Whether the networks fit: in half precision on a GPU, in single precision without one."""
    try:
        values = [_values(folder / part) for part in (RUDOLPH_FOLDER, VQGAN_FOLDER)]
    except (WeightsError, OSError) as error:
        return Reading("weights in memory", str(error), "error", "get the file again")
    on_gpu = free_gpu_bytes is not None
    free = free_bytes if free_gpu_bytes is None else free_gpu_bytes
    itemsize = torch.float16.itemsize if on_gpu else torch.float32.itemsize
    needed = round((values[0] * itemsize + values[1] * torch.float32.itemsize) * WORKING_SHARE)
    where = "on the GPU" if on_gpu else "in memory"
    value = f"{sum(values) / 10**6:.1f} million values, about {gigabytes(needed)} {where}, {gigabytes(free)} free"
    if needed > free:
        return Reading("weights in memory", value, "error", "use a larger machine, or end what else runs there")
    return Reading("weights in memory", value)


def _values(folder: Path) -> int:
    """Number of values in a network's weights file, which is mapped and not read."""
    return sum(tensor.numel() for tensor in read_state_dict(find_weights(folder)).values())


def _recorded(folder: Path) -> dict[str, str]:
    """The hashes that the manifest beside the folder has for its files; none where there is no sound manifest."""
    try:
        files = json.loads((folder.parent / MANIFEST_NAME).read_bytes())["files"]
        prefix = f"{folder.name}/"
        return {name.removeprefix(prefix): entry["sha256"] for name, entry in files.items() if name.startswith(prefix)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
