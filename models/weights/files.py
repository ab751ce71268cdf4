"""Which files a network's weights lie in: one, or several shards with an index that names them."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path

from models.files import ModelFileError, read_json_object, shown
from models.weights.errors import WeightsError, WeightsFormatError

WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
INDEX_SUFFIX = ".index.json"  # as `transformers` writes it beside shards


def find_weights(directory: str | PathLike[str]) -> Path:
    """Return the one weights file in `directory` (not in folders below it), or the index of its shards.

    Raises:
        WeightsError: there is none, or there are several; they are named.

    """
    directory = Path(directory)
    if not directory.is_dir():
        raise WeightsError(f"{directory}: no such folder", "name a folder with weights")
    names = sorted(path.name for path in directory.iterdir() if path.is_file())
    found = [name for name in names if name.endswith(WEIGHTS_SUFFIXES)]
    indexes = [name for name in names if name.endswith(INDEX_SUFFIX)]
    if len(indexes) == 1:
        listed = set(read_index(directory / indexes[0]).values())
        found = [name for name in found if name not in listed]
        if not found:
            return directory / indexes[0]
    found += indexes
    if not found:
        raise WeightsError(f"{directory}: no weights file", f"put one there, ending in {', '.join(WEIGHTS_SUFFIXES)}")
    if len(found) > 1:
        shards = [name for name in found if "-of-" in name]
        if shards and not indexes:
            reason = f"{directory}: shards of weights ({_some(shards)}), and no index that says which tensor lies where"
            raise WeightsError(reason, f"copy the file that ends in {INDEX_SUFFIX} along with them")
        raise WeightsError(f"{directory}: several weights files ({_some(found)})", "leave one of them")
    return directory / found[0]


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def read_index(path: Path) -> dict[str, str]:
    """Return the file of each tensor, by its name, that an index of shards gives.

    Raises `WeightsFormatError` for a file that is no index, or names a file outside its folder.
    """
    try:
        listed = read_json_object(path).get("weight_map")
    except ModelFileError as error:
        problem = error.reason.removeprefix(f"{path}: ")
        raise WeightsFormatError(path, f"no index of shards: {problem}", error.remedy) from error
    if not isinstance(listed, dict) or not listed:
        raise WeightsFormatError(path, 'no index of shards: it has no "weight_map" with names of tensors')
    for name, shard in listed.items():
        if not isinstance(shard, str) or not shard.endswith(WEIGHTS_SUFFIXES) or "\0" in shard:
            raise WeightsFormatError(path, f"the index gives tensor {shown(name)} to {shown(shard)}, no weights file")
        if "/" in shard or "\\" in shard:
            problem = f"the index names {shown(shard)}, which does not lie in its own folder"
            raise WeightsFormatError(path, problem, "keep the shards beside the index")
    return listed


def weights_files(path: str | PathLike[str]) -> tuple[Path, ...]:
    """Return the files that `find_weights`' result stands for: itself, and the shards where it is an index.

    Raises `WeightsFormatError` for a shard that is not there.
    """
    path = Path(path)
    if not path.name.endswith(INDEX_SUFFIX):
        return (path,)
    shards = tuple(path.parent / name for name in sorted(set(read_index(path).values())))
    for shard in shards:
        if not shard.is_file():
            raise WeightsFormatError(path, f"the index names the shard {shard.name}, which is not there", "add it")
    return (path, *shards)


def file_sha256(path: str | PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(path: str | PathLike[str]) -> str:
    """Return the SHA-256 of a weights file; of shards, that of their and the index's names and hashes."""
    files = weights_files(path)
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
