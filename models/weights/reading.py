"""Reads the tensors of checkpoints of every published form, mapped and not copied; no code from a file runs."""

from __future__ import annotations

import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from models.files import placeholder
from models.weights.errors import WeightsFormatError
from models.weights.files import INDEX_SUFFIX, read_index, weights_files

# Where a training harness holds the network as its attribute `model` (Lightning does), keys begin so.
HARNESS_PREFIX = "model."
# What wrappers put before every name: DistributedDataParallel, torch.compile, DeepSpeed and Fabric, FSDP.
_WRAPPER_PREFIXES = ("module.", "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.")
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
_KINDS = frozenset((*_FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool))
_HOLDERS = ("state_dict", "params", "params_ema")  # where the state dict lies, if not at the top
_HEAD_BYTES = 512
_ADVICE = re.compile(r"weights_only|torch\.load|serialization|trust", re.IGNORECASE)
_CONVERSION = (
    "convert it where its source is trusted: load it with torch, take the state dict, "
    "save that with safetensors.torch.save_file, and use the .safetensors file here"
)
_REPAIR = f"get it again, or {_CONVERSION}"


def read_state_dict(path: str | PathLike[str], *, ignore: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint; no code from the file runs.

    Forms: `.safetensors`; a state dict saved by torch; a dict that holds one as `state_dict` (Lightning), `params` or
    `params_ema` (Real-ESRGAN); the index of several such files. Where keys begin with `model.`, the network was the
    attribute `model` of its training harness: this is taken off, and the harness's other networks (`vae.`, say) are
    left out. What a wrapper put before all names (`module.`, `_orig_mod.`) is taken off too.

    Args:
        path: the file, or the index of its shards; a file's form is told by its content, not by its ending.
        ignore: names or beginnings of names to leave out, as they stand without those prefixes.

    Returns:
        Name to CPU tensor. The tensors are views of the file, mapped into memory (writes stay private), except
        for torch's form of before 2020, which has to be read.

    Raises:
        WeightsFormatError: the file is damaged, of another form, or holds what can not be read safely.
        OSError: the file can not be opened.

    """
    path = Path(path)
    content = _read(path)
    _, names = network_names(list(content))
    state: dict[str, Tensor] = {}
    for full, name in names.items():
        if name.startswith(ignore):
            continue
        value = content[full]
        if type(value) not in (Tensor, nn.Parameter) or value.layout != torch.strided or value.is_meta:
            raise WeightsFormatError(path, f"its entry {full!r} is not a plain dense tensor", _CONVERSION)
        if value.dtype not in _KINDS:  # several values in a byte, say: torch itself can not convert those
            problem = f"its tensor {full!r} has values of the kind {value.dtype}"
            raise WeightsFormatError(path, problem, "store it as float32, float16 or bfloat16")
        state[name] = value.detach()
    return state


def taken_off(path: str | PathLike[str]) -> str:
    """Return what `read_state_dict` takes off the names in a file; "" if they are the network's own. Raises as it."""
    return network_names(list(_read(Path(path))))[0]


def network_names(names: list[str]) -> tuple[str, dict[str, str]]:
    """Return what is taken off the names of a file, and the network's names by those in the file."""
    own = {name: name for name in names}
    taken, harness = "", True
    while own:
        prefix = next((one for one in _WRAPPER_PREFIXES if all(name.startswith(one) for name in own.values())), None)
        if prefix is None and harness and any(name.startswith(HARNESS_PREFIX) for name in own.values()):
            prefix, harness = HARNESS_PREFIX, False
        if prefix is None:
            break
        own = {full: name.removeprefix(prefix) for full, name in own.items() if name.startswith(prefix)}
        taken += prefix
    return taken, own


def _read(path: Path) -> dict[str, Any]:
    return _read_shards(path) if path.name.endswith(INDEX_SUFFIX) else _read_file(path)


def _read_file(path: Path) -> dict[str, Any]:
    """Read what one file holds by name; the values may be anything."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = placeholder(head)
    if found is not None:
        raise WeightsFormatError(path, *found)
    if head[:4] == b"PK\x03\x04":
        content = _read_torch_zip(path)
    elif head[8:9] == b"{":
        content = _read_safetensors(path)
    elif head[:1] == b"\x80":
        content = _load_torch(path, mmap=False)
    else:
        raise WeightsFormatError(path, "not a weights file: neither safetensors nor saved by torch")
    if isinstance(content, Mapping):
        content = next((content[key] for key in _HOLDERS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping):
        raise WeightsFormatError(path, f"it holds a {type(content).__name__}, not a dict of tensors", _CONVERSION)
    return {str(name): value for name, value in content.items()}


def _read_shards(path: Path) -> dict[str, Any]:
    """Read the files that an index names; they must hold what it says."""
    listed = read_index(path)
    found: dict[str, Any] = {}
    for file in weights_files(path)[1:]:
        content = _read_file(file)
        expected = {name for name, shard in listed.items() if shard == file.name}
        for name in content:
            if name in found:
                raise WeightsFormatError(path, f"tensor {name!r} lies in two of the shards", "leave one of them")
            if name not in expected:
                problem = f"the shard {file.name} holds the tensor {name!r}, which the index does not give to it"
                raise WeightsFormatError(path, problem, "take the index and the shards from the same place")
        lacking = sorted(expected - set(content))
        if lacking:
            problem = f"the shard {file.name} lacks {len(lacking)} tensors of the index, {lacking[0]!r} for one"
            raise WeightsFormatError(path, problem, "take the index and the shards from the same place")
        found |= content
    return found


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except Exception as error:  # beside its own errors, what torch raises for kinds and shapes that it does not have
        raise WeightsFormatError(path, f"a damaged safetensors file ({' '.join(str(error).split())[:200]})") from error


def _read_torch_zip(path: Path) -> object:
    """Read a file of torch's zip form, with inert stand-ins for the classes of its surplus objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Mapping takes the bytes as they lie: a packed entry would be read as noise.
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise WeightsFormatError(path, f"the file is cut off or damaged ({error})") from error
    if packed:
        raise WeightsFormatError(path, f"its entry {packed[0]!r} is compressed", "save the file again with torch.save")
    try:
        with path.open("rb") as file:
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception as error:  # torch's parser raises whatever a damaged or hostile file makes it raise
        raise _unreadable(path, error) from error
    stand_ins = [(_stand_in(name), name) for name in foreign]
    with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
        return _load_torch(path, mmap=True)


def _load_torch(path: Path, *, mmap: bool) -> object:
    # Given a path, torch believes the ending of the name; given a file, it can not map it.
    misnamed = path.suffix == ".safetensors"
    try:
        with path.open("rb") as file:
            source = file if misnamed else str(path)
            return torch.load(source, map_location="cpu", weights_only=True, mmap=mmap and not misnamed)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WeightsFormatError:
    """Say why torch could not read a file, in words that hold none of its advice to trust the file and try again."""
    reason = str(error).rpartition("WeightsUnpickler error: ")[2]
    named = re.search(r"GLOBAL (\S+)", reason)
    if named is not None:
        reason = f"it asks for {named[1]}"
    else:
        sentence = " ".join(reason.split()).partition(". ")[0]
        reason = type(error).__name__ if _ADVICE.search(sentence) else sentence[:200] or type(error).__name__
    problem = f"the file is damaged, or holds pickled objects that are refused because they could run code ({reason})"
    return WeightsFormatError(path, problem, _REPAIR)


class _Inert:
    """What stands in for an object of a class from a file: takes anything, keeps nothing, does nothing."""

    def __new__(cls, *_: object) -> Any:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _InertMapping:
    """What stands in for a class derived from dict: its objects become plain ordered dicts, which can be filled."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


def _stand_in(name: str) -> type:
    """Make a class that takes the place of the global `name` in a file, which is never imported.

    A class of its own for each name, as files use classes as keys of dicts.
    """
    return type(name, (_InertMapping if name.lower().endswith("dict") else _Inert,), {})
