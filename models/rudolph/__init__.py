"""RUDOLPH: configuration, vocabulary, masks, transformer, caches, sampling, decoding, ranking."""

from models.rudolph.config import SIZES, Config, ConfigError, named, read_config
from models.rudolph.transformer import Rudolph

__all__ = ["SIZES", "Config", "ConfigError", "Rudolph", "named", "read_config"]
