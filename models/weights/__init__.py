"""Read, load and save checkpoints: safely, strictly, memory-mapped."""

from models.weights.errors import WeightsError, WeightsFormatError, WeightsMismatchError
from models.weights.files import (
    INDEX_SUFFIX,
    WEIGHTS_SUFFIXES,
    file_sha256,
    find_weights,
    weights_files,
    weights_sha256,
)
from models.weights.finite import not_finite, require_finite
from models.weights.loading import load_weights
from models.weights.reading import HARNESS_PREFIX, read_state_dict, taken_off
from models.weights.saving import save_safetensors, save_state_dict

__all__ = [
    "HARNESS_PREFIX",
    "INDEX_SUFFIX",
    "WEIGHTS_SUFFIXES",
    "WeightsError",
    "WeightsFormatError",
    "WeightsMismatchError",
    "file_sha256",
    "find_weights",
    "load_weights",
    "not_finite",
    "read_state_dict",
    "require_finite",
    "save_safetensors",
    "save_state_dict",
    "taken_off",
    "weights_files",
    "weights_sha256",
]
