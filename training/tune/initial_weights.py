"""The network that a training starts from: its configuration alone, or with its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from errors import reason_of
from models.rudolph import Config, Rudolph, load_rudolph, read_config
from models.rudolph.config import ConfigError, described
from models.rudolph.loading import load_rudolph_file
from training.tune.induction import lay_out_induction
from training.tune.settings import SettingsError, TuneSettings


def _folder(settings: TuneSettings) -> Path:
    return Path(settings.start) if settings.start else Path(settings.weights) / "rudolph"


def _described(settings: TuneSettings) -> Config:
    try:
        return described(settings.model)
    except ConfigError as error:
        raise SettingsError(f"model: {error}") from error


def starting_config(settings: TuneSettings) -> Config:
    """Return the configuration; no weights are read.

    Raises `ConfigError` for a configuration file, `SettingsError` for `model`.
    """
    if settings.scratch is not None:
        try:
            return read_config(Path(settings.scratch))
        except OSError as error:
            raise SettingsError(f"scratch: {reason_of(error)}; name a file such as a RUDOLPH's config.json") from error
    return _described(settings) if settings.model else read_config(_folder(settings) / "config.json")


def starting_model(settings: TuneSettings) -> Rudolph:
    """Return the network, in float32: with random weights of the settings' seed, or those of a folder or a file.

    Raises as `starting_config`, `SettingsError` for a network too small for its initialization, and `WeightsError` for
    weights that do not fit (the tensors are named).
    """
    if settings.scratch is not None:
        torch.manual_seed(settings.seed)
        model = Rudolph(starting_config(settings))
        if settings.initialization == "induction":
            lay_out_induction(model, settings.seed)
        return model
    if not settings.model:
        return load_rudolph(_folder(settings))
    config, path = starting_config(settings), _folder(settings)
    if not path.is_file():
        raise SettingsError(f"start: {path}: no such weights file")
    return load_rudolph_file(path, config)
