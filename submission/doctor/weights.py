"""The weights of a run: fitting each other, unchanged since packing, all numbers, and small enough for this machine.

They are loaded as a run would load them, but on the meta device, so that this needs no more memory than their headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch

from models.files import ModelFileError
from models.weights import file_sha256, find_weights, weights_files
from models.weights_folder import (
    BPE_FILE,
    CONFIG_FILE,
    NETWORKS,
    RUDOLPH_FOLDER,
    VQGAN_FOLDER,
    inspect_folder,
    not_finite_tensors,
)
from submission.checks.contents import MANIFEST_NAME, manifest_hashes
from submission.doctor.diagnosis import Diagnosis, gigabytes

WORKING_SHARE = 1.2  # of the weights' size: themselves, and what the smallest batch needs on top of them
MAX_TENSORS = 5


def look_at_weights(folder: Path, free_bytes: int, free_gpu_bytes: int | None) -> Iterator[Diagnosis]:
    """Yield readings for the files of a weights folder: first all that a run would be refused for.

    `free_bytes` is memory that is free; `free_gpu_bytes` that of the GPU which would be used, None without one.
    """
    present = tuple(_present(folder))
    if not present:
        value = f"{folder} holds no part of what a run reads"
        yield Diagnosis("weights", value, "error", "name a folder with bpe.model, rudolph/ and vqgan/: --weights DIR")
        return
    inspection = inspect_folder(folder)
    for problem in inspection.problems:
        yield Diagnosis(f"weights {problem.part}".strip(), problem.reason, "error", problem.remedy)
    for note in inspection.notes:
        yield Diagnosis("weights", note)
    yield from _hashes(folder, present)
    if inspection.values:
        yield from _values(folder, tuple(inspection.values))
    if len(inspection.values) == len(NETWORKS):
        yield _size(inspection.values, free_bytes, free_gpu_bytes)


def _present(folder: Path) -> Iterator[Path]:
    """The files that a run reads, as far as they are there."""
    wanted = [folder / BPE_FILE]
    for name in NETWORKS:
        wanted.append(folder / name / CONFIG_FILE)
        try:
            wanted += weights_files(find_weights(folder / name))
        except (ModelFileError, OSError):  # named with the problems of the part
            continue
    yield from (path for path in wanted if path.is_file())


def _hashes(folder: Path, paths: tuple[Path, ...]) -> Iterator[Diagnosis]:
    """What the files are, against what they were when they were packed."""
    recorded = _recorded(folder)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            yield Diagnosis(f"weights {name}", f"can not be read: {error.strerror}", "error", "copy it again")
            continue
        value = f"sha256 {sha256[:16]}..."
        if name in recorded and recorded[name] != sha256:
            remedy = "copy the archive again: the file is not the one that was packed"
            yield Diagnosis(f"weights {name}", f"{value}, packed as {recorded[name][:16]}...", "error", remedy)
        else:
            yield Diagnosis(f"weights {name}", value)


def _values(folder: Path, networks: tuple[str, ...]) -> Iterator[Diagnosis]:
    """Whether all values are numbers."""
    tensors = list(islice(not_finite_tensors(folder, networks), MAX_TENSORS))
    for tensor in tensors:
        yield Diagnosis("weights values", tensor, "error", "take an earlier checkpoint of the training")
    if not tensors:
        yield Diagnosis("weights values", f"all of {' and '.join(networks)} are finite")


def _size(values: dict[str, int], free_bytes: int, free_gpu_bytes: int | None) -> Diagnosis:
    """Whether the networks fit: in half precision on a GPU, in single precision without one."""
    on_gpu = free_gpu_bytes is not None
    free = free_bytes if free_gpu_bytes is None else free_gpu_bytes
    itemsize = torch.float16.itemsize if on_gpu else torch.float32.itemsize
    needed = round((values[RUDOLPH_FOLDER] * itemsize + values[VQGAN_FOLDER] * torch.float32.itemsize) * WORKING_SHARE)
    where = "on the GPU" if on_gpu else "in memory"
    value = (
        f"{sum(values.values()) / 10**6:.1f} million values, about {gigabytes(needed)} {where}, {gigabytes(free)} free"
    )
    if needed > free:
        return Diagnosis("weights in memory", value, "error", "use a larger machine, or end what else runs there")
    return Diagnosis("weights in memory", value)


def _recorded(folder: Path) -> dict[str, str]:
    """The hashes that the manifest next to the folder has for its files; none where there is no sound manifest."""
    folder = folder.absolute()
    try:
        hashes = manifest_hashes(folder.parent / MANIFEST_NAME)
    except ModelFileError:
        return {}
    prefix = f"{folder.name}/"
    return {name.removeprefix(prefix): sha256 for name, sha256 in hashes.items() if name.startswith(prefix)}
