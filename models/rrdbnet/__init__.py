"""Super-resolution by Real-ESRGAN's network: pictures of any size, two, four or eight times as large."""

from models.rrdbnet.loading import load_rrdbnet, load_rrdbnet_file
from models.rrdbnet.network import RRDBNet
from models.rrdbnet.super_resolution import upscale

__all__ = ["RRDBNet", "load_rrdbnet", "load_rrdbnet_file", "upscale"]
