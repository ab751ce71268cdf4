"""The network that a training starts from: its configuration alone, or with its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from errors import reason_of
from models.named_folders import weights_folder
from models.rudolph import Config, Rudolph, load_rudolph, read_config
from models.rudolph.config import ConfigError, described
from models.rudolph.loading import load_rudolph_file
from models.weights_folder import RUDOLPH_FOLDER
from training.tune.errors import SettingsError
from training.tune.induction import lay_out_induction
from training.tune.settings import ModelSettings


def _folder(settings: ModelSettings, weights: Path) -> Path:
    if not settings.start:
        return weights / RUDOLPH_FOLDER
    folder = weights_folder(settings.start)
    return folder if folder == Path(settings.start) else folder / RUDOLPH_FOLDER  # of fetched weights, the part


def starting_config(settings: ModelSettings, weights: Path) -> Config:
    """Return the configuration; no weights are read. `weights`: the weights directory.

    Raises `ConfigError` for a configuration file, `SettingsError` for `model.params`.
    """
    if settings.scratch is not None:
        try:
            return read_config(Path(settings.scratch))
        except OSError as error:
            raise SettingsError(
                f"model.scratch: {reason_of(error)}", "name a file such as a RUDOLPH's config.json"
            ) from error
    if not settings.params:
        return read_config(_folder(settings, weights) / "config.json")
    try:
        return described(settings.params)
    except ConfigError as error:
        raise SettingsError(f"model.params: {error}") from error


def starting_model(settings: ModelSettings, weights: Path, seed: int) -> Rudolph:
    """Return the network, in float32: with random weights of the seed, or those of a folder or a file.

    Raises as `starting_config`, `SettingsError` for a network too small for its initialization, and `WeightsError` for
    weights that do not fit (the tensors are named).
    """
    if settings.scratch is not None:
        torch.manual_seed(seed)
        model = Rudolph(starting_config(settings, weights))
        if settings.initialization == "induction":
            lay_out_induction(model, seed)
        return model
    path = _folder(settings, weights)
    if not settings.params:
        return load_rudolph(path)
    config = starting_config(settings, weights)
    if not path.is_file():
        raise SettingsError(f"model.start: {path}: no such weights file")
    return load_rudolph_file(path, config)
