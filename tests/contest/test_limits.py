"""The contest's limits, as its rules state them."""

from PIL import Image

from contest import limits


def test_the_limits_are_those_of_the_rules() -> None:
    assert limits.MAX_ARCHIVE_BYTES == 15_000_000_000
    assert limits.MAX_DOCKER_IMAGE_BYTES == 25_000_000_000
    assert limits.MAX_WALL_CLOCK_SECONDS == 18_000
    assert (limits.GPU_COUNT, limits.GPU_MEMORY_BYTES) == (1, 80_000_000_000)
    assert (limits.VIRTUAL_CPUS, limits.RAM_BYTES) == (3, 100_000_000_000)


def test_names_of_drawn_pictures() -> None:
    assert limits.picture_name("7") == "image_7.jpg"
    assert limits.picture_content("7") == "images/image_7.jpg"


def test_our_picture_limit_strikes_before_pillow_warns() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert limits.MAX_PICTURE_PIXELS < Image.MAX_IMAGE_PIXELS
