"""The files of a weights folder, as far as they can be told without the packages that load them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.files import ModelFileError, placeholder_at, read_json_object
from submission.doctor.reading import Reading

PARTS = ("bpe.model", "rudolph/config.json", "vqgan/config.json")


def look_at_files(folder: Path) -> Iterator[Reading]:
    """Yield a reading for each file whose form needs no package: whether it is there, and what it seems to be."""
    for name in PARTS:
        path = folder / name
        try:
            if path.suffix == ".json":
                read_json_object(path)
            else:
                found = placeholder_at(path)
                if found is not None:
                    raise ModelFileError(f"{path}: {found[0]}", found[1])
        except ModelFileError as error:
            yield Reading(f"weights {name}", error.brief, "error", error.remedy or "copy it again")
        except OSError as error:
            yield Reading(f"weights {name}", f"{path}: can not be read: {error.strerror}", "error", "copy it again")
        else:
            yield Reading(f"weights {name}", "there; whether it fits is told when the packages are mended")
