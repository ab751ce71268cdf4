"""The picture tokenizer: network, and loading it from a folder."""

from models.vqgan.errors import PictureShapeError, VQGANConfigError
from models.vqgan.layers import ResnetBlock
from models.vqgan.loading import load_vqgan
from models.vqgan.network import VQGAN

__all__ = ["VQGAN", "PictureShapeError", "ResnetBlock", "VQGANConfigError", "load_vqgan"]
