"""Finds and loads the networks of the metrics in a folder on this machine. Fetches nothing.

The folder is that of `--assets`, else of the environment variable FBC2_ASSETS, else where `python -m fetch metrics`
puts them. In it:

    ruclip/config.json, ruclip/pytorch_model.bin, ruclip/bpe.model   as published (ruclip-vit-large-patch14-336)
    inception/pt_inception-2015-12-05-6726825d.pth                   as published with pytorch-fid; any one file will do

Features of ground truths are kept in the folder of the variable FBC2_CACHE, else in `fbc2` of the user's cache folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from errors import reason_of
from evaluation.assets_folder import ASSETS_VARIABLE, MissingAssetError, assets_folder
from evaluation.errors import EvaluationError
from evaluation.metrics.features import FeatureNetwork, FeatureStore, inception_features, ruclip_features
from evaluation.settings import FidFeatures
from models.bpe import BPEFormatError
from models.inception import Inception
from models.ruclip import RuCLIP, RuCLIPError
from models.weights import WeightsError, find_weights

CACHE_VARIABLE = "FBC2_CACHE"

# Layers, width, patch and resolution of ruclip-vit-large-patch14-336, the contest's.
CONTEST_RUCLIP = (24, 1024, 14, 336)


class AssetError(EvaluationError):
    """A network's files are there and can not be used."""


@dataclass(frozen=True)
class Assets:
    """The folder with the networks; None where none was named."""

    folder: Path | None

    @classmethod
    def named(cls, folder: Path | None, environment: Mapping[str, str] = os.environ) -> Assets:
        """Take the folder of `assets_folder`. Raises MissingAssetError."""
        return cls(assets_folder(folder, environment))

    def ruclip(self, device: torch.device | str = "cpu") -> RuCLIP:
        """Load ruCLIP. Raises MissingAssetError, AssetError."""
        folder = self._part(
            "ruclip",
            "ruCLIP, which scores captions and drawings,",
            "put config.json, pytorch_model.bin and bpe.model of ruclip-vit-large-patch14-336 there; the tiny one in "
            "weights/ruclip is a substitute: name the folder weights with --assets",
        )
        try:
            return RuCLIP.from_directory(folder, device)
        except (RuCLIPError, WeightsError, BPEFormatError, OSError) as error:
            raise _unusable("ruCLIP", error, "get its three files again") from error

    def features(
        self, kind: FidFeatures, device: torch.device | str = "cpu", *, has_substitute: bool = True
    ) -> FeatureNetwork:
        """Load the network for FID and KID: the contest's, or the substitute asked for by name.

        `has_substitute` says whether the command takes one, which is then the remedy for a network that is missing.
        Raises MissingAssetError, AssetError.
        """
        if kind == "ruclip":
            return ruclip_features(self.ruclip(device))
        folder = self._part(
            "inception",
            "Inception, which FID is taken with,",
            "put pt_inception-2015-12-05-6726825d.pth there, as the releases of pytorch-fid have it"
            + (", or ask for a substitute with --fid-features ruclip, which is not comparable with the contest")
            * has_substitute,
        )
        try:
            return inception_features(Inception.from_file(find_weights(folder), device))
        except (WeightsError, OSError) as error:
            raise _unusable("Inception", error, "get its one file again") from error

    def _part(self, name: str, what: str, remedy: str) -> Path:
        to = "" if self.folder is None else f" --to {self.folder}"
        remedy += f"; or fetch it: python -m fetch metrics {name}{to}"
        if self.folder is None:
            raise MissingAssetError(
                f"{what} is needed, and no folder of assets was named (--assets, or {ASSETS_VARIABLE})",
                f"in its part {name}: {remedy}",
            )
        folder = self.folder / name
        if not folder.is_dir():
            raise MissingAssetError(f"{what} is needed, and {folder} does not exist", remedy)
        return folder


def _unusable(what: str, error: RuCLIPError | WeightsError | BPEFormatError | OSError, remedy: str) -> AssetError:
    """Return what is wrong with a network's files, with the remedy that the error knows, or else this one."""
    if isinstance(error, OSError):
        return AssetError(f"{what} can not be used: {reason_of(error)}", remedy)
    return AssetError(f"{what} can not be used: {error.reason}", error.remedy or remedy)


def is_contest_ruclip(network: RuCLIP) -> bool:
    """Whether the network has the architecture that the contest scores with (its weights have no published hash)."""
    config = network.config
    sizes = (config.vision_layers, config.vision_width, config.vision_patch_size, config.image_resolution)
    return sizes == CONTEST_RUCLIP


def feature_store(environment: Mapping[str, str] = os.environ) -> FeatureStore | None:
    """Return where features of ground truths are kept: None for a user who has no home."""
    named = environment.get(CACHE_VARIABLE)
    if named:
        return FeatureStore(Path(named))
    shared = environment.get("XDG_CACHE_HOME")
    if shared:
        return FeatureStore(Path(shared) / "fbc2")
    home = os.path.expanduser("~")
    return FeatureStore(Path(home) / ".cache" / "fbc2") if os.path.isabs(home) else None
