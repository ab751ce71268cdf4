"""The contest's limits and file names as constants.

A gigabyte is 10^9 bytes here: the smaller reading of "GB", so that what passes our check passes theirs.
"""

from __future__ import annotations

GIGABYTE = 10**9

MAX_ARCHIVE_BYTES = 15 * GIGABYTE
"""Size of the submission's ZIP archive, packed and (separately) unpacked."""
MAX_DOCKER_IMAGE_BYTES = 25 * GIGABYTE
MAX_WALL_CLOCK_SECONDS = 5 * 60 * 60
GPU_COUNT = 1
GPU_MEMORY_BYTES = 80 * GIGABYTE
VIRTUAL_CPUS = 3
RAM_BYTES = 100 * GIGABYTE

VALID_ATTEMPTS_A_DAY = 3
CHOSEN_ATTEMPTS = 3
"""Attempts of a team that are scored on the private test; the best of them counts."""

# The rules are silent about the following bounds, which are ours: no honest submission comes near them.
MAX_ARCHIVE_ENTRIES = 100_000
MAX_ARCHIVE_DIRECTORY_BYTES = 64 * 1024**2
"""Of the list of a ZIP archive's entries, which is held in memory."""
MAX_ARCHIVE_RATIO = 100
"""Unpacked to packed size of an archive of more than ARCHIVE_RATIO_FREE_BYTES unpacked. Weights hardly shrink."""
ARCHIVE_RATIO_FREE_BYTES = 200 * 10**6
MAX_OUTPUT_BYTES = 10 * GIGABYTE
MAX_OUTPUT_FILES = 200_000
MAX_PREDICTIONS_BYTES = 10**9
MAX_ENTRY_CHARACTERS = 20 * 10**6
"""Of one sample in a JSON file that is read sample by sample."""
MAX_ITEMS = 100
"""Of one sample of `predictions.json`; what follows them is not looked at."""
MAX_SURPLUS_ENTRIES = 100_000
"""Of `predictions.json`: entries of samples that nobody asked for."""
MAX_LOG_BYTES = 10 * 10**6
SHARED_MEMORY_BYTES = 8 * GIGABYTE
TEMPORARY_BYTES = 8 * GIGABYTE
"""Of /tmp, the only place besides the output that a submission may write to; in memory, so part of RAM_BYTES."""
MAX_PROCESSES = 4096
MAX_CHECKING_SECONDS = 5 * 60
"""For a look through what a submission wrote, all its pictures decoded."""
MAX_SCORING_SECONDS = 5 * 60 * 60
PREDICTIONS_FREE_BYTES = 16 * 10**6
MAX_PREDICTIONS_BYTES_A_SAMPLE = 64 * 1024
"""A predictions file may have PREDICTIONS_FREE_BYTES and so much for every sample that was asked."""

# Where things lie, relative to the folder that the entrypoint runs in.
METADATA_NAME = "metadata.json"
INPUT_DIR = "../input"
OUTPUT_DIR = "./output"

# Names inside the input folder, the output folder, and the scorer's folder.
INPUT_NAME = "input.json"
PREDICTIONS_NAME = "predictions.json"
GROUND_TRUTH_NAME = "ground_truth.json"
IDS_NAME = "ids.json"
IMAGES_DIR = "images"

MAX_FILE_NAME_BYTES = 255
"""Of the usual Linux file systems."""

MAX_PICTURE_PIXELS = 80_000_000
"""Width times height. Ours, not the contest's: 240 MB as RGB, three times a large camera's picture, and below the
size at which Pillow starts to suspect a decompression bomb (89 million)."""

PIXELS_A_SAMPLE = 1024 * 1024
"""Of the pictures that a submission drew, as many are decoded as this makes for all samples, and FREE_PIXELS besides.
Ours, not the contest's: a picture of 10 kB may have 80 million pixels, and takes half a second each time."""
FREE_PIXELS = 10**9


def picture_name(sample_id: str) -> str:
    """File name of the picture drawn for a sample, such as `image_7.jpg`."""
    return f"image_{sample_id}.jpg"


def picture_content(sample_id: str) -> str:
    """Content of the image item that names that picture in `predictions.json`, such as `images/image_7.jpg`."""
    return f"{IMAGES_DIR}/{picture_name(sample_id)}"
