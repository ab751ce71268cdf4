"""The archive for the organisers: the same bytes from the same files.

In it: `metadata.json`, `run.sh`, the code that runs (`errors`, `contest`, `models`, `submission`), the weights that a
run reads, and `manifest.json` with the SHA-256 of each. Entries are sorted, stored as they are (weights hardly shrink,
and another zlib would give other bytes), and dated 1980, as early as a ZIP archive knows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contest import VERSION
from contest.archives import list_archive
from contest.atomic import replacing
from contest.limits import MAX_ARCHIVE_BYTES, METADATA_NAME
from contest.metadata import Metadata
from errors import UserError
from models.weights_folder import folder_files
from submission.checks import CheckFinding, Subject
from submission.checks.base import WEIGHTS_FOLDER
from submission.checks.checking import CheckResult, look_over
from submission.checks.contents import MANIFEST_NAME, is_stray_name
from submission.checks.secret import is_secret_name, secret_in

CODE_FOLDERS = ("errors", "contest", "models", "submission")
ENTRY_SCRIPT = "run.sh"
ENTRYPOINT = f"bash {ENTRY_SCRIPT}"
_DATE = (1980, 1, 1, 0, 0, 0)
_FILE, _PROGRAM = 0o100644, 0o100755
_UNIX = 3
_CHUNK = 1 << 20
MAX_NAMED = 20


class PackError(UserError):
    """What was to be packed can not be: each reason is a line."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: sizes in bytes, number of files, what of the weights folder was left out, and warnings."""

    path: Path
    packed_bytes: int
    unpacked_bytes: int
    files: int
    left_out: tuple[str, ...]
    warnings: tuple[CheckFinding, ...] = ()


def pack(weights: Path, out: Path, image: str, root: Path) -> Packed:
    """Write the archive of the code below `root` and of a weights folder; `out` is replaced whole or not at all.

    All that `check` looks for is looked for before: what it would call an error is not packed.
    Raises PackError for what may not leave (secrets, links, by-products in the code), what `check` finds, and more than
    15 GB; ContestError for an image's name that is none, ModelFileError or OSError for weights that are not there.
    """
    metadata = Metadata(image, ENTRYPOINT)
    if not out.parent.is_dir():
        raise PackError(f"{out.parent}: no such folder to write the archive into; make it")
    chosen = _weights(weights)
    files = {**_code(root), **{f"{WEIGHTS_FOLDER}/{name}": path for name, path in chosen.items()}}
    _refuse(files)
    content = json.dumps({"image": metadata.image, "entrypoint": metadata.entrypoint}, ensure_ascii=False) + "\n"
    size = sum(path.stat().st_size for path in files.values())
    if size > MAX_ARCHIVE_BYTES:
        raise PackError(f"{size} bytes; at most {MAX_ARCHIVE_BYTES} are allowed: store the weights in half precision")
    with replacing(out) as temporary, tempfile.TemporaryDirectory(prefix="fbc2-pack-") as folder:
        files[METADATA_NAME] = Path(folder) / METADATA_NAME
        files[METADATA_NAME].write_text(content, encoding="utf-8")
        warnings = _require_sound(look_over(Subject(packed=files, weights=weights)))
        unpacked = _write(temporary, files)
        packed = temporary.stat().st_size
        if max(packed, unpacked) > MAX_ARCHIVE_BYTES:
            raise PackError(f"{packed} bytes packed, {unpacked} unpacked; at most {MAX_ARCHIVE_BYTES} are allowed")
        _require_sound(look_over(Subject(listing=list_archive(temporary))))
    others = sorted(path.relative_to(weights).as_posix() for path in weights.rglob("*") if path.is_file())
    left_out = tuple(name for name in others if name not in chosen)
    return Packed(out, packed, unpacked, len(files) + 1, left_out, warnings)


def _require_sound(checked: CheckResult) -> tuple[CheckFinding, ...]:
    """Return the warnings; raise PackError for errors."""
    if checked.errors:
        raise PackError("\n".join(["not packed; `check` would refuse it:", *map(str, checked.errors[:MAX_NAMED])]))
    return checked.findings


def _code(root: Path) -> dict[str, Path]:
    """The files of the code by their names in the archive: all of its folders, but for caches and documents."""
    files = {ENTRY_SCRIPT: root / ENTRY_SCRIPT}
    for folder in CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if (path.is_dir() and not path.is_symlink()) or is_stray_name(name) or path.suffix == ".md":
                continue
            files[name] = path
    return files


def _weights(folder: Path) -> dict[str, Path]:
    """The files that a run reads, by their names below the weights folder."""
    paths = folder_files(folder)
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise PackError("\n".join(f"{path} is not there: a run needs it" for path in missing))
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _refuse(files: Mapping[str, Path]) -> None:
    """Raise PackError, naming each file that may not leave, or does not belong."""
    reasons = []
    for name, path in files.items():
        is_weights = name.startswith(f"{WEIGHTS_FOLDER}/")
        if is_secret_name(name):
            reasons.append(f"{name}: a name that secrets are kept under")
        elif path.is_symlink() and not is_weights:  # large weights are often kept elsewhere, and linked
            reasons.append(f"{name}: a link")
        elif not path.is_file():
            reasons.append(f"{name}: not there, or no plain file")
        elif not is_weights and path.suffix not in (".py", ".sh"):
            reasons.append(f"{name}: a stray file, neither Python nor a script")
        elif path.suffix in (".py", ".sh", ".json") and (kind := secret_in(path.read_bytes())) is not None:
            reasons.append(f"{name}: it holds {kind}")
    if reasons:
        raise PackError("\n".join(["not packed; take these away first:", *reasons]))


def _write(path: Path, files: Mapping[str, Path]) -> int:
    """Write the archive; return the number of bytes of its files."""
    entries: dict[str, dict[str, object]] = {}
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            with files[name].open("rb") as source:
                entries[name] = _store(archive, name, source, os.fstat(source.fileno()).st_size)
        manifest = json.dumps({"fbc2": VERSION, "files": entries}, indent=1).encode()
        _store(archive, MANIFEST_NAME, io.BytesIO(manifest), len(manifest))
        return sum(info.file_size for info in archive.infolist())


def _store(archive: zipfile.ZipFile, name: str, source: IO[bytes], size: int) -> dict[str, object]:
    """Copy a file into the archive; return what the manifest says of it."""
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = _UNIX
    info.external_attr = (_PROGRAM if name.endswith(".sh") else _FILE) << 16
    sha256, copied = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=size >= zipfile.ZIP64_LIMIT) as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            sha256.update(chunk)
            copied += len(chunk)
    return {"bytes": copied, "sha256": sha256.hexdigest()}
