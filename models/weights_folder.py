"""What a submission computes with: `bpe.model`, `rudolph/` and `vqgan/` of a folder, and whether they fit each other.

`inspect_folder` loads them as a run does, on the meta device: configurations and the tensors' names and shapes are
read, their values are not. What it finds is what a run would be refused for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from models.bpe import BPE
from models.files import ModelFileError
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.geometry import Geometry
from models.vqgan import VQGAN, load_vqgan
from models.vqgan.loading import TRAINING_ONLY
from models.weights import HARNESS_PREFIX, find_weights, not_finite, taken_off, weights_files

BPE_FILE = "bpe.model"
RUDOLPH_FOLDER = "rudolph"
VQGAN_FOLDER = "vqgan"
CONFIG_FILE = "config.json"
NETWORKS = (RUDOLPH_FOLDER, VQGAN_FOLDER)

COLOURS = 3
MAX_PICTURE_SIDE = 4096
_TOGETHER = "take all parts from the same training"
_IGNORED = {RUDOLPH_FOLDER: (), VQGAN_FOLDER: TRAINING_ONLY}


class WeightsFolderError(ModelFileError):
    """The parts of a weights folder do not belong together; says which numbers differ."""


@dataclass(frozen=True, slots=True)
class WeightsProblem:
    """Why a run would be refused: which part of the folder it is about, what is wrong, and what helps.

    `part` is its file or folder, or empty where parts do not fit each other.
    """

    part: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a weights folder holds, as far as it can be loaded.

    Attributes:
        problems: all that a run would be refused for.
        notes: what is read otherwise than it stands in the files.
        values: number of values of each network that can be loaded, by its folder's name.

    """

    problems: tuple[WeightsProblem, ...]
    notes: tuple[str, ...]
    values: dict[str, int]


def inspect_folder(folder: Path) -> Inspection:
    """Load the parts of a folder on the meta device, and return all that is wrong with them and between them."""
    problems: list[WeightsProblem] = []

    def tried(part: str, load: Callable[[], object]) -> object | None:
        try:
            return load()
        except ModelFileError as error:
            problems.append(WeightsProblem(part, error.brief, error.remedy or _TOGETHER))
        except OSError as error:
            problems.append(
                WeightsProblem(part, f"{folder / part}: can not be read: {error.strerror}", "copy it again")
            )
        return None

    tokenizer = tried(BPE_FILE, lambda: BPE(folder / BPE_FILE))
    rudolph = tried(RUDOLPH_FOLDER, lambda: load_rudolph(folder / RUDOLPH_FOLDER, "meta"))
    vqgan = tried(VQGAN_FOLDER, lambda: load_vqgan(folder / VQGAN_FOLDER, "meta"))
    assert isinstance(tokenizer, BPE | None)
    assert isinstance(rudolph, Rudolph | None)
    assert isinstance(vqgan, VQGAN | None)
    if rudolph is not None:
        misfits = fit_problems(rudolph.config, tokenizer, vqgan)
        problems += [WeightsProblem("", f"{folder}: {misfit}", _TOGETHER) for misfit in misfits]
    loaded = {RUDOLPH_FOLDER: rudolph, VQGAN_FOLDER: vqgan}
    values = {
        name: sum(tensor.numel() for tensor in network.state_dict().values())
        for name, network in loaded.items()
        if network is not None
    }
    return Inspection(tuple(problems), tuple(notes(folder, tuple(values))), values)


def require_fit(
    folder: Path, config: Geometry, tokenizer: BPE | None, vqgan: VQGAN | None, network: str = "RUDOLPH"
) -> None:
    """Raise `WeightsFolderError` for the first thing that keeps the parts of a folder from working together.

    `network` is whose configuration that is.
    """
    misfit = next(fit_problems(config, tokenizer, vqgan, network), None)
    if misfit is not None:
        raise WeightsFolderError(f"{folder}: {misfit}", _TOGETHER)


def fit_problems(
    config: Geometry, tokenizer: BPE | None, vqgan: VQGAN | None, network: str = "RUDOLPH"
) -> Iterator[str]:
    """Yield what keeps a tokenizer and a VQGAN from working with a network; a part that is None is not looked at."""
    if tokenizer is not None and tokenizer.vocab_size != config.bpe_vocab:
        yield (
            f"{BPE_FILE} has {tokenizer.vocab_size} pieces, but {network}'s vocabulary has {config.bpe_vocab} "
            "(vocab_size less the left text's length)"
        )
    if vqgan is None:
        return
    if vqgan.n_embed != config.image_vocab_size:
        yield f"the VQGAN has {vqgan.n_embed} codes, but {network}'s image_vocab_size is {config.image_vocab_size}"
    if vqgan.in_channels != COLOURS or vqgan.out_ch != COLOURS:
        yield f"the VQGAN takes {vqgan.in_channels} colours and gives {vqgan.out_ch}; pictures have {COLOURS}"
    side = vqgan.factor * config.image_tokens_per_dim * (2 if vqgan.wavelet else 1)
    if side > MAX_PICTURE_SIDE:
        yield (
            f"pictures would be {side} pixels wide (image_tokens_per_dim {config.image_tokens_per_dim}, and a VQGAN "
            f"of {vqgan.factor} pixels a code); at most {MAX_PICTURE_SIDE} are drawn"
        )


def folder_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that a run reads, shards and their indexes included; that they are there is not asked of all.

    Raises `WeightsError` for a network without weights, or with several.
    """
    paths = [folder / BPE_FILE]
    for name in NETWORKS:
        paths += [folder / name / CONFIG_FILE, *weights_files(find_weights(folder / name))]
    return tuple(paths)


def notes(folder: Path, networks: tuple[str, ...] = NETWORKS) -> Iterator[str]:
    """Yield what is read otherwise than it stands in the files of networks that can be loaded."""
    for name in networks:
        path = find_weights(folder / name)
        prefix = taken_off(path)
        if prefix not in ("", HARNESS_PREFIX):  # published checkpoints have the harness's: nothing new
            yield f"{path}: {prefix!r} before the names of its tensors is taken off"


def not_finite_tensors(
    folder: Path, networks: tuple[str, ...] = NETWORKS, tick: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """Yield the tensors that hold NaN or an infinity, with their file; values are read a part at a time.

    `networks` are those that can be loaded; `tick` is called before each part, and what it raises ends the search.
    """
    for name in networks:
        path = find_weights(folder / name)
        for tensor in not_finite(path, ignore=_IGNORED[name], tick=tick):
            yield f"{path}: NaN or Infinity in {tensor}"
