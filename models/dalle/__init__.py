"""ruDALL-E, RUDOLPH's ancestor, on RUDOLPH's layers, masks, caches and sampling: a text, then an image."""

from models.dalle.config import SIZES, Config, read_config
from models.dalle.loading import load_dalle
from models.dalle.network import Dalle

__all__ = ["SIZES", "Config", "Dalle", "load_dalle", "read_config"]
