"""Signs with one word or number: their description, how to draw one by chance, how to paint one."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_prep.synthetic.grades import Grade
from data_prep.synthetic.scenes import PICTURE_SIZE, RGB, SUPERSAMPLING
from data_prep.synthetic.sign_words import LONG_WORDS, MIDDLE_WORDS, SHORT_WORDS

Weight: TypeAlias = Literal["regular", "bold"]
FONT_FILES: dict[Weight, Path] = {
    "regular": Path(__file__).parent / "fonts" / "DejaVuSans.ttf",
    "bold": Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf",
}

NUMBER_SHARE = 0.15
LARGEST_NUMBER = 999

INK: dict[str, RGB] = {
    "чёрный": (15, 15, 15),
    "белый": (250, 250, 250),
    "красный": (200, 20, 25),
    "синий": (25, 45, 160),
}
GROUND: dict[str, RGB] = {
    "белый": (250, 250, 250),
    "жёлтый": (250, 215, 40),
    "синий": (25, 50, 170),
    "зелёный": (20, 115, 50),
    "красный": (200, 20, 25),
    "серый": (165, 165, 165),
}
HIGH_CONTRAST = (("чёрный", "белый"), ("белый", "синий"), ("чёрный", "жёлтый"))
CONTRAST = (*HIGH_CONTRAST, ("красный", "белый"), ("белый", "зелёный"), ("белый", "красный"), ("синий", "белый"))
ALL_PAIRS = (*CONTRAST, ("чёрный", "серый"))

MASTER_SIZE = 96  # font size of the letters that are then stretched into their place
WIDEST, TALLEST = 0.94, 0.72  # of the picture's side
STRETCH = 2.4  # letters grow at most so many times higher than the font has them: long words stay legible
BAND_HEIGHT = 0.14


@dataclass(frozen=True, slots=True)
class Sign:
    """A word or a number on a plate. `text` is in lower case whatever is painted; `angle` is in degrees.

    `band` is the colour of a stripe along the top or the bottom edge, `noise` the standard deviation of grey noise
    (of 255), `scale` the share of the largest size, `seed` the seed of the noise. Raises ValueError for bad text.
    """

    text: str
    upper: bool
    weight: Weight
    ink: str
    ground: str
    angle: float
    scale: float
    band: str | None
    band_on_top: bool
    noise: float
    seed: int

    def __post_init__(self) -> None:
        if not self.text or self.text != self.text.lower() or not self.text.isalnum():
            raise ValueError(f"a sign's text is one lower-case word or a number, got {self.text!r}")

    @property
    def painted_text(self) -> str:
        """The text as painted."""
        return self.text.upper() if self.upper else self.text


def draw_sign(rng: random.Random, grade: Grade) -> Sign:
    """A sign by chance: easy is short, straight, upper case and of one font; hard is long, tilted, noisy and banded."""
    words = {"easy": SHORT_WORDS, "middle": MIDDLE_WORDS, "hard": LONG_WORDS}[grade]
    numbers = {"easy": (1, 99), "middle": (1, LARGEST_NUMBER), "hard": (100, LARGEST_NUMBER)}[grade]
    text = str(rng.randint(*numbers)) if rng.random() < NUMBER_SHARE else rng.choice(words)
    ink, ground = rng.choice({"easy": HIGH_CONTRAST, "middle": CONTRAST, "hard": ALL_PAIRS}[grade])
    hard = grade == "hard"
    tilt = {"easy": 0.0, "middle": 2.0, "hard": 5.0}[grade]
    weights: tuple[Weight, ...] = ("regular", "bold") if hard else ("bold",)
    banded = hard and rng.random() < 0.5
    return Sign(
        text=text,
        upper=grade == "easy" or rng.random() < 0.5,
        weight=rng.choice(weights),
        ink=ink,
        ground=ground,
        angle=rng.uniform(-tilt, tilt),
        scale=rng.uniform(0.97, 1.0) if grade == "easy" else rng.uniform(0.92, 1.0),
        band=rng.choice([name for name in GROUND if name not in (ink, ground)]) if banded else None,
        band_on_top=rng.random() < 0.5,
        noise=rng.uniform(2.0, 6.0) if hard else 0.0,
        seed=rng.randrange(1 << 30),
    )


@lru_cache(maxsize=2048)
def _letters(text: str, weight: Weight) -> Image.Image:
    """The text's mask (mode L) at the master size, cropped to its ink."""
    left, top, right, bottom = _font(weight).getbbox(text)
    mask = Image.new("L", (round(right - left), round(bottom - top)), 0)
    ImageDraw.Draw(mask).text((-left, -top), text, font=_font(weight), fill=255)
    return mask


@lru_cache(maxsize=2)
def _font(weight: Weight) -> ImageFont.FreeTypeFont:
    # Basic layout everywhere: with or without Raqm the same letters stand in the same places.
    return ImageFont.truetype(FONT_FILES[weight], MASTER_SIZE, layout_engine=ImageFont.Layout.BASIC)


def paint_sign(sign: Sign) -> Image.Image:
    """The sign as a 64 x 64 RGB picture."""
    side = PICTURE_SIZE * SUPERSAMPLING
    picture = Image.new("RGB", (side, side), GROUND[sign.ground])
    middle = 0.5
    if sign.band is not None:
        edge = 0 if sign.band_on_top else side * (1 - BAND_HEIGHT)
        ImageDraw.Draw(picture).rectangle((0, edge, side, edge + side * BAND_HEIGHT), fill=GROUND[sign.band])
        middle += BAND_HEIGHT / 2 if sign.band_on_top else -BAND_HEIGHT / 2
    letters = _letters(sign.painted_text, sign.weight)
    free_width, free_height = side * WIDEST * sign.scale, side * TALLEST * sign.scale
    zoom = min(free_width / letters.width, free_height / letters.height)
    height = min(letters.height * zoom * STRETCH, free_height)
    lean = height * math.sin(math.radians(abs(sign.angle)))  # what a tilt adds to the width
    width = min(letters.width * zoom, side * WIDEST - lean)
    letters = letters.resize((round(width), round(height)), Image.Resampling.BILINEAR)
    if sign.angle:
        letters = letters.rotate(sign.angle, Image.Resampling.BILINEAR, expand=True)
    corner = (round((side - letters.width) / 2), round(side * middle - letters.height / 2))
    picture.paste(INK[sign.ink], corner, letters)
    picture = picture.reduce(SUPERSAMPLING)
    if sign.noise:
        pixels = np.asarray(picture, dtype=np.float32)  # [64, 64, 3]
        grain = np.random.default_rng(sign.seed).normal(0.0, sign.noise, (*pixels.shape[:2], 1))
        picture = Image.fromarray(np.clip(np.round(pixels + grain), 0, 255).astype(np.uint8))
    return picture
