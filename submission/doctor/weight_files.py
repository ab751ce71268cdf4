"""The files of a weights folder, as far as they can be judged without the packages that load them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from models.files import ModelFileError, placeholder_at, read_json_object
from models.named_folders import published_name
from submission.doctor.diagnosis import Diagnosis

PARTS = ("bpe.model", "rudolph/config.json", "vqgan/config.json")


def look_for_parts(folder: Path) -> Iterator[Diagnosis]:
    """Yield a reading with the command that fetches what is not there at all, if any part is not."""
    missing = [part for part in ("bpe.model", "rudolph", "vqgan") if not (folder / part).exists()]
    if not missing:
        return
    name = "rudalle-utils"
    if "rudolph" in missing:
        published = published_name(folder.name) or ""
        name = published if published.lower().startswith("rudolph") else "RUDOLPH-2.7B-FBC2"
    remedy = f"if you want the published ones: python -m fetch weights {name} --to {shlex.quote(str(folder))}"
    yield Diagnosis("weights missing", f"{folder}: {', '.join(missing)}", "error", remedy)


def look_at_files(folder: Path) -> Iterator[Diagnosis]:
    """Yield a reading for each file whose form needs no package: whether it is there, and what it seems to be."""
    for name in PARTS:
        path = folder / name
        try:
            if path.suffix == ".json":
                read_json_object(path)
            else:
                stand_in = placeholder_at(path)
                if stand_in is not None:
                    raise ModelFileError(f"{path}: {stand_in[0]}", stand_in[1])
        except ModelFileError as error:
            yield Diagnosis(f"weights {name}", error.brief, "error", error.remedy or "copy it again")
        except OSError as error:
            yield Diagnosis(f"weights {name}", f"{path}: can not be read: {error.strerror}", "error", "copy it again")
        else:
            yield Diagnosis(f"weights {name}", "there; whether it fits is seen when the packages are repaired")
