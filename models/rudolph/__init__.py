"""RUDOLPH: configuration, vocabulary, masks, transformer, caches, sampling, decoding, ranking."""

from models.rudolph.config import SIZES, Config, ConfigError, named, read_config
from models.rudolph.loading import load_rudolph
from models.rudolph.transformer import Rudolph

__all__ = ["SIZES", "Config", "ConfigError", "Rudolph", "load_rudolph", "named", "read_config"]
