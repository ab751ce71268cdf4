"""Scenes of coloured shapes: their description, drawing one by chance, painting it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PIL import Image, ImageDraw

from data_prep.synthetic.grades import Grade

RGB: TypeAlias = tuple[int, int, int]
Arrangement: TypeAlias = Literal["alone", "row", "column"]

# Names are lemmas of language.py. Far apart in RGB: a small codebook must keep them apart.
SHAPES = ("круг", "квадрат", "треугольник", "ромб", "крест", "звезда", "кольцо", "сердце")
COLOURS: Mapping[str, RGB] = {
    "красный": (220, 30, 35),
    "синий": (30, 60, 205),
    "зелёный": (30, 150, 55),
    "жёлтый": (250, 215, 30),
    "оранжевый": (250, 130, 20),
    "фиолетовый": (135, 40, 165),
    "чёрный": (20, 20, 20),
    "коричневый": (110, 65, 30),
}
BACKGROUNDS: Mapping[str, RGB] = {
    "белый": (250, 250, 250),
    "серый": (150, 150, 150),
    "голубой": (120, 205, 245),
    "розовый": (250, 165, 200),
}

PICTURE_SIZE = 64
SUPERSAMPLING = 3
COLOUR_JITTER = 4  # of 255, each channel
PLACE_JITTER = 0.015  # of the picture's side
RADIUS_JITTER = (0.93, 1.05)

# Centres within a group's box, and a shape's radius as a share of the picture's side.
ALONE_CENTRES: Mapping[int, tuple[tuple[float, float], ...]] = {
    1: ((0.5, 0.5),),
    2: ((0.26, 0.5), (0.74, 0.5)),
    3: ((0.5, 0.26), (0.26, 0.74), (0.74, 0.74)),
    4: ((0.26, 0.26), (0.74, 0.26), (0.26, 0.74), (0.74, 0.74)),
}
ALONE_RADIUS: Mapping[int, float] = {1: 0.36, 2: 0.21, 3: 0.21, 4: 0.21}
ALONG: Mapping[int, tuple[float, ...]] = {1: (0.5,), 2: (0.26, 0.74), 3: (0.165, 0.5, 0.835)}
HALF_RADIUS: Mapping[int, float] = {1: 0.22, 2: 0.20, 3: 0.14}
THIRD_RADIUS: Mapping[int, float] = {1: 0.145, 2: 0.145}
_LARGEST_COUNTS: Mapping[int, int] = {1: max(ALONE_CENTRES), 2: max(HALF_RADIUS), 3: max(THIRD_RADIUS)}  # by groups


@dataclass(frozen=True, slots=True)
class ShapeGroup:
    """`count` equal shapes of one colour. Raises ValueError for what the world does not have."""

    count: int
    colour: str
    shape: str

    def __post_init__(self) -> None:
        if self.count not in ALONE_CENTRES or self.colour not in COLOURS or self.shape not in SHAPES:
            raise ValueError(f"no such group in this world: {self.count} x {self.colour} {self.shape}")


@dataclass(frozen=True, slots=True)
class Scene:
    """One to three groups on a background, from left to right ("row") or from top to bottom ("column").

    Groups differ in colour and in shape, so that a colour or a shape names its group. `jitter` seeds the small
    differences of place, size and colour that no caption mentions. Raises ValueError for a scene that cannot be.
    """

    background: str
    groups: tuple[ShapeGroup, ...]
    arrangement: Arrangement
    jitter: int

    def __post_init__(self) -> None:
        largest = _LARGEST_COUNTS.get(len(self.groups))
        if largest is None or self.background not in BACKGROUNDS:
            raise ValueError(f"no such scene in this world: {len(self.groups)} groups on {self.background}")
        if any(group.count > largest for group in self.groups):
            raise ValueError(f"a group of a scene of {len(self.groups)} has at most {largest} shapes: {self.groups}")
        if (self.arrangement == "alone") != (len(self.groups) == 1):
            raise ValueError(f"{len(self.groups)} group(s) cannot be arranged as {self.arrangement!r}")
        for names in ({group.colour for group in self.groups}, {group.shape for group in self.groups}):
            if len(names) != len(self.groups):
                raise ValueError(f"groups of a scene must differ in colour and in shape: {self.groups}")


def draw_scene(rng: random.Random, grade: Grade) -> Scene:
    """A scene by chance: easy has 1 or 2 alike, middle 3 or 4 alike or two groups of 1 or 2, hard more than that."""
    if grade == "easy":
        counts = [rng.choice((1, 2))]
    elif grade == "middle":
        counts = [rng.choice((3, 4))] if rng.random() < 0.3 else [rng.choice((1, 2)), rng.choice((1, 2))]
    elif rng.random() < 0.5:
        counts = [1, 1, 1]
    else:
        counts = rng.choice(([3, 1], [3, 2], [1, 3], [2, 3], [3, 3]))
    return arrange(rng, counts)


def arrange(rng: random.Random, counts: list[int]) -> Scene:
    """A scene by chance with one group for each of `counts`."""
    colours = rng.sample(list(COLOURS), len(counts))
    shapes = rng.sample(SHAPES, len(counts))
    arrangements: tuple[Arrangement, ...] = ("alone",) if len(counts) == 1 else ("row", "column")
    return Scene(
        background=rng.choice(list(BACKGROUNDS)),
        groups=tuple(ShapeGroup(*parts) for parts in zip(counts, colours, shapes, strict=True)),
        arrangement=rng.choice(arrangements),
        jitter=rng.randrange(1 << 30),
    )


def paint_scene(scene: Scene) -> Image.Image:
    """The scene as a 64 x 64 RGB picture."""
    rng = random.Random(scene.jitter)
    side = PICTURE_SIZE * SUPERSAMPLING
    background = _jittered(rng, BACKGROUNDS[scene.background])
    picture = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(picture)
    for place, group in enumerate(scene.groups):
        colour = _jittered(rng, COLOURS[group.colour])
        centres, radius = _layout(scene, place)
        for x, y in centres:
            x += rng.uniform(-PLACE_JITTER, PLACE_JITTER)
            y += rng.uniform(-PLACE_JITTER, PLACE_JITTER)
            _paint_shape(pen, group.shape, x * side, y * side, radius * rng.uniform(*RADIUS_JITTER) * side, colour)
            if group.shape == "кольцо":
                _paint_shape(pen, "круг", x * side, y * side, radius * 0.52 * side, background)
    return picture.reduce(SUPERSAMPLING)


def _jittered(rng: random.Random, colour: RGB) -> RGB:
    red, green, blue = (min(255, max(0, v + rng.randint(-COLOUR_JITTER, COLOUR_JITTER))) for v in colour)
    return red, green, blue


def _layout(scene: Scene, place: int) -> tuple[list[tuple[float, float]], float]:
    """Centres in the unit square and radius of the shapes of group `place`."""
    count, boxes = scene.groups[place].count, len(scene.groups)
    if scene.arrangement == "alone":
        return list(ALONE_CENTRES[count]), ALONE_RADIUS[count]
    across = (place + 0.5) / boxes  # along the arrangement; the group's own shapes stand square to it
    radius = (HALF_RADIUS if boxes == 2 else THIRD_RADIUS)[count]
    return [(across, t) if scene.arrangement == "row" else (t, across) for t in ALONG[count]], radius


def _paint_shape(pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, colour: RGB) -> None:
    if shape in ("круг", "кольцо"):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.polygon([(x + r * dx, y + r * dy) for dx, dy in OUTLINES[shape]], fill=colour)


def _on_circle(turns: float, radius: float = 1.0) -> tuple[float, float]:
    """The point `turns` full turns clockwise from the top."""
    return radius * math.sin(2 * math.pi * turns), -radius * math.cos(2 * math.pi * turns)


def _heart() -> list[tuple[float, float]]:
    """The usual heart curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, scaled to radius one."""
    points = []
    for step in range(40):
        t = 2 * math.pi * step / 40
        height = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((math.sin(t) ** 3, -height / 16))
    return points


CROSS_ARM = 0.34
OUTLINES: Mapping[str, list[tuple[float, float]]] = {  # radius one, centre at zero, y downwards
    "квадрат": [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
    "треугольник": [(0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)],
    "ромб": [(0.0, -1.0), (0.68, 0.0), (0.0, 1.0), (-0.68, 0.0)],
    "звезда": [_on_circle(i / 10, 1.08 if i % 2 == 0 else 0.45) for i in range(10)],
    "крест": [
        (-CROSS_ARM, -1.0), (CROSS_ARM, -1.0), (CROSS_ARM, -CROSS_ARM), (1.0, -CROSS_ARM),
        (1.0, CROSS_ARM), (CROSS_ARM, CROSS_ARM), (CROSS_ARM, 1.0), (-CROSS_ARM, 1.0),
        (-CROSS_ARM, CROSS_ARM), (-1.0, CROSS_ARM), (-1.0, -CROSS_ARM), (-CROSS_ARM, -CROSS_ARM),
    ],
    "сердце": _heart(),
}  # fmt: skip
