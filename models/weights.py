"""Read, load and save checkpoints: safely, strictly, memory-mapped. Knows no network; tensors go by their names."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
# Where a training harness holds the network as its attribute `model` (Lightning does), keys begin so.
_HARNESS_PREFIX = "model."
_CONVERSION = (
    "convert it where its source is trusted: load it with torch, take the state dict, "
    "save that with safetensors.torch.save_file, and use the .safetensors file here"
)


class WeightsError(ValueError):
    """A weights file can not be used: its form, its place or its tensors. The message says what to do."""


class WeightsFormatError(WeightsError):
    """A file is not a checkpoint of a form that can be read safely.

    Args:
        path: the file.
        problem: what is wrong with it, and what to do.

    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class WeightsMismatchError(WeightsError):
    """A file's tensors are not those of the network; all differences are listed.

    Args:
        path: the file.
        missing: names that the network has and the file lacks.
        unexpected: names that the file has and the network lacks.
        mismatched: a line for each tensor whose shape or kind differs, with what was expected and found.

    """

    def __init__(
        self, path: Path, missing: tuple[str, ...], unexpected: tuple[str, ...], mismatched: tuple[str, ...]
    ) -> None:
        super().__init__(path, missing, unexpected, mismatched)
        self.path = path
        self.missing = missing
        self.unexpected = unexpected
        self.mismatched = mismatched

    def __str__(self) -> str:
        lines = [f"{self.path}: the weights do not fit the network; check that config and file belong together"]
        for title, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("different", self.mismatched),
        ):
            if names:
                lines += [f"  {title} ({len(names)}):", *(f"    {name}" for name in names)]
        return "\n".join(lines)


def find_weights(directory: str | PathLike[str]) -> Path:
    """Return the one weights file in `directory` (not in folders below it).

    Raises:
        WeightsError: there is none, or there are several; they are named.

    """
    directory = Path(directory)
    if not directory.is_dir():
        raise WeightsError(f"{directory}: no such folder; a folder with one weights file is expected")
    found = sorted(path for path in directory.iterdir() if path.suffix in WEIGHTS_SUFFIXES and path.is_file())
    if not found:
        raise WeightsError(f"{directory}: no weights file; put one there, ending in {', '.join(WEIGHTS_SUFFIXES)}")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise WeightsError(f"{directory}: several weights files ({names}); leave one of them")
    return found[0]


def read_state_dict(path: str | PathLike[str], *, ignore: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint; no code from the file runs.

    Forms: `.safetensors`; a state dict saved by torch; a dict that holds one as `state_dict` (Lightning). Where keys
    begin with `model.`, the network was the attribute `model` of its training harness: this is taken off, and the
    harness's other networks (`vae.`, say) are left out.

    Args:
        path: the file; its form is told by its content, not by its ending.
        ignore: names or beginnings of names to leave out, as they stand after `model.` is taken off.

    Returns:
        Name to CPU tensor. The tensors are views of the file, mapped into memory (writes stay private), except
        for torch's form of before 2020, which has to be read.

    Raises:
        WeightsFormatError: the file is damaged, of another form, or holds what can not be read safely.
        OSError: the file can not be opened.

    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(64)
    if head[:4] == b"PK\x03\x04":
        content = _read_torch_zip(path)
    elif head[8:9] == b"{":
        content = _read_safetensors(path)
    elif head[:1] == b"\x80":
        content = _load_torch(path, mmap=False)
    elif head.startswith(b"version https://git-lfs"):
        raise WeightsFormatError(path, "a Git LFS pointer stands in for the file; fetch it with `git lfs pull`")
    else:
        raise WeightsFormatError(path, "not a weights file (neither safetensors nor saved by torch); get it again")
    state = _network_of(path, content)
    return {name: tensor for name, tensor in state.items() if not name.startswith(ignore)}


def load_weights(
    module: nn.Module,
    path: str | PathLike[str],
    *,
    device: torch.device | str,
    dtype: torch.dtype | None = None,
    ignore: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> nn.Module:
    """Give `module`, built on the meta device, the weights of a file, without a second copy in memory.

    Tensor by tensor the mapped file is converted and moved. What needs neither is used as it lies in the file.

    Args:
        module: the network; each parameter and buffer is replaced.
        path: the file, in any form that `read_state_dict` reads.
        device: where the tensors go.
        dtype: what floating-point tensors become; None keeps the file's.
        ignore: names or beginnings of names in the file to leave out.
        optional: names or beginnings of names that the file may lack; the caller rebuilds those.

    Returns:
        `module` itself.

    Raises:
        WeightsMismatchError: tensors are missing, unexpected, or of another shape or kind; `module` is unchanged.
        WeightsFormatError, OSError: as in `read_state_dict`.

    """
    path = Path(path)
    state = read_state_dict(path, ignore=ignore)
    _check_fit(module, path, state, optional)
    for name in list(state):
        # Popping drops the last reference to a tensor that was converted, so that its memory goes back.
        tensor = state.pop(name)
        tensor = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
        owner_name, _, leaf = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        old = getattr(owner, leaf)
        if isinstance(old, nn.Parameter):
            setattr(owner, leaf, nn.Parameter(tensor, requires_grad=old.requires_grad))
        else:
            setattr(owner, leaf, tensor)
    for owner in module.modules():
        for leaf, buffer in owner.named_buffers(recurse=False):
            if not buffer.is_meta:  # a buffer that is no part of the state dict, or an optional one
                setattr(owner, leaf, buffer.to(device=device))
    return module


def save_safetensors(
    weights: nn.Module | Mapping[str, Tensor], path: str | PathLike[str], dtype: torch.dtype | None = None
) -> None:
    """Save a network or a state dict as `.safetensors`; equal weights give equal bytes.

    Args:
        weights: the network or its state dict.
        path: the file, replaced in one step when all is written.
        dtype: what floating-point tensors become; None keeps theirs.

    Raises:
        OSError: the file can not be written.

    """
    with _replacing(Path(path)) as temporary:
        safetensors.torch.save_file(_own_tensors(weights, dtype), temporary, metadata={"format": "pt"})


def save_state_dict(
    weights: nn.Module | Mapping[str, Tensor], path: str | PathLike[str], dtype: torch.dtype | None = None
) -> None:
    """Save a network or a state dict in the published form, `pytorch_model.bin`. As `save_safetensors` otherwise."""
    with _replacing(Path(path)) as temporary, temporary.open("wb") as file:
        torch.save(OrderedDict(_own_tensors(weights, dtype)), file)


def file_sha256(path: str | PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except safetensors.SafetensorError as error:
        raise WeightsFormatError(path, f"a damaged safetensors file ({error}); get it again") from error


def _read_torch_zip(path: Path) -> object:
    """Read a file of torch's zip form, with inert stand-ins for the classes of its surplus objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Mapping takes the bytes as they lie: a packed entry would be read as noise.
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except zipfile.BadZipFile as error:
        raise WeightsFormatError(path, f"the file is cut off or damaged ({error}); get it again") from error
    if packed:
        raise WeightsFormatError(path, f"its entry {packed[0]} is compressed; save the file again with torch.save")
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception as error:  # torch's parser raises whatever a damaged or hostile file makes it raise
        raise _unreadable(path, error) from error
    stand_ins = [(_stand_in(name), name) for name in foreign]
    with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
        return _load_torch(path, mmap=True)


def _load_torch(path: Path, *, mmap: bool) -> object:
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WeightsFormatError:
    reason = str(error).partition("WeightsUnpickler error: ")[2] or str(error) or type(error).__name__
    reason = " ".join(reason.split())[:300]
    return WeightsFormatError(
        path,
        "the file is damaged, or holds pickled objects that are refused because they could run code "
        f"({reason}); get it again, or {_CONVERSION}",
    )


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


def _network_of(path: Path, content: object) -> dict[str, Tensor]:
    """Take the network's own tensors out of what a file holds."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise WeightsFormatError(path, f"it holds a {type(content).__name__}, not a dict of tensors; {_CONVERSION}")
    names = [str(name) for name in content]
    from_harness = any(name.startswith(_HARNESS_PREFIX) for name in names)
    state: dict[str, Tensor] = {}
    for name, value in zip(names, content.values(), strict=True):
        if from_harness and not name.startswith(_HARNESS_PREFIX):
            continue
        if type(value) not in (Tensor, nn.Parameter) or value.layout != torch.strided or value.is_meta:
            raise WeightsFormatError(path, f"its entry {name!r} is not a plain dense tensor; {_CONVERSION}")
        state[name.removeprefix(_HARNESS_PREFIX) if from_harness else name] = value.detach()
    return state


def _check_fit(module: nn.Module, path: Path, state: Mapping[str, Tensor], optional: tuple[str, ...]) -> None:
    expected = module.state_dict()
    missing = [name for name in expected if name not in state]
    # A buffer outside the state dict that is still on the meta device would never get a value.
    missing += [name for name, buffer in module.named_buffers() if buffer.is_meta and name not in expected]
    mismatched = []
    for name, tensor in state.items():
        if name not in expected:
            continue
        wanted = expected[name]
        if wanted.shape != tensor.shape:
            mismatched.append(f"{name}: shape {list(wanted.shape)} expected, {list(tensor.shape)} found")
        elif wanted.is_floating_point() != tensor.is_floating_point():
            mismatched.append(f"{name}: {wanted.dtype} expected, {tensor.dtype} found")
    missing = [name for name in missing if not name.startswith(optional)]
    unexpected = [name for name in state if name not in expected]
    if missing or unexpected or mismatched:
        raise WeightsMismatchError(path, tuple(missing), tuple(unexpected), tuple(mismatched))


def _own_tensors(weights: nn.Module | Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Return CPU tensors each of which fills a storage of its own, as files store whole storages."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    own: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in state.items():
        tensor = value.detach().to(device="cpu", dtype=dtype if value.is_floating_point() else None).contiguous()
        storage = tensor.untyped_storage()
        if storage.nbytes() != tensor.nbytes or storage.data_ptr() in storages:
            tensor = tensor.clone()
        storages.add(tensor.untyped_storage().data_ptr())
        own[name] = tensor
    return own


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a new file beside `path`, which takes the place of `path` if all goes well, else is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors makes its files private; a weights file is as readable as any new file
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (safetensors.SafetensorError, RuntimeError) as error:  # what these libraries make of a full disk
        raise OSError(f"{path}: can not be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
