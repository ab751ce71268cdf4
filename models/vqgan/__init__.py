"""The picture tokenizer: network, and loading it from a folder."""

from models.vqgan.layers import ResnetBlock, VQGANConfigError
from models.vqgan.loading import load_vqgan
from models.vqgan.network import VQGAN, PictureShapeError

__all__ = ["VQGAN", "PictureShapeError", "ResnetBlock", "VQGANConfigError", "load_vqgan"]
