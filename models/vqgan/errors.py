"""What can be wrong with a VQGAN's configuration and with what it is given."""

from __future__ import annotations

from errors import UserError
from models.files import ModelFileError


class VQGANConfigError(ModelFileError):
    """A configuration that no VQGAN can have; says what is wrong, and with which file if it came from one."""


class PictureShapeError(UserError):
    """A tensor of pictures or codes has a shape or value that the tokenizer cannot take."""
