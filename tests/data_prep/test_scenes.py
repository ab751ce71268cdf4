"""Scenes: what is painted is what is said."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.synthetic.captions import captions, content
from data_prep.synthetic.grades import GRADES
from data_prep.synthetic.language import SHAPE_NOUNS
from data_prep.synthetic.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene, ShapeGroup, draw_scene, paint_scene

ONE = Scene("белый", (ShapeGroup(1, "красный", "звезда"),), "alone", 0)
SEVERAL = Scene("серый", (ShapeGroup(4, "синий", "кольцо"),), "alone", 0)
ROW = Scene("розовый", (ShapeGroup(2, "жёлтый", "ромб"), ShapeGroup(3, "оранжевый", "квадрат")), "row", 0)
COLUMN = Scene("голубой", (ShapeGroup(1, "чёрный", "сердце"), ShapeGroup(2, "зелёный", "звезда")), "column", 0)
THREE = Scene("белый", tuple(map(ShapeGroup, (1, 1, 1), COLOURS, SHAPES)), "column", 0)

scenes = st.builds(lambda seed, grade: draw_scene(random.Random(seed), grade), st.integers(0), st.sampled_from(GRADES))


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (
            ONE,
            (
                "красная звезда на белом фоне",
                "на белом фоне красная звезда",
                "на картинке изображена красная звезда, фон белый",
                "на белом фоне изображена одна красная звезда",
            ),
        ),
        (
            SEVERAL,
            (
                "четыре синих кольца на сером фоне",
                "на сером фоне четыре синих кольца",
                "на картинке изображены четыре синих кольца, фон серый",
                "на сером фоне изображены четыре синих кольца",
            ),
        ),
        (
            ROW,
            (
                "два жёлтых ромба слева от трёх оранжевых квадратов на розовом фоне",
                "на розовом фоне два жёлтых ромба слева от трёх оранжевых квадратов",
                "слева два жёлтых ромба, справа три оранжевых квадрата, фон розовый",
                "три оранжевых квадрата справа от двух жёлтых ромбов на розовом фоне",
            ),
        ),
        (
            COLUMN,
            (
                "чёрное сердце над двумя зелёными звёздами на голубом фоне",
                "на голубом фоне чёрное сердце над двумя зелёными звёздами",
                "сверху чёрное сердце, снизу две зелёные звезды, фон голубой",
                "две зелёные звезды под чёрным сердцем на голубом фоне",
            ),
        ),
        (
            THREE,
            (
                "сверху вниз красный круг, синий квадрат и зелёный треугольник на белом фоне",
                "на белом фоне сверху вниз красный круг, синий квадрат и зелёный треугольник",
                "сверху красный круг, в центре синий квадрат, снизу зелёный треугольник, фон белый",
                "снизу вверх зелёный треугольник, синий квадрат и красный круг на белом фоне",
            ),
        ),
    ],
)
def test_captions(scene, expected):
    assert captions(scene) == expected
    assert expected[0].startswith(content(scene))


@given(scenes, scenes)
def test_captions_tell_scenes_apart_but_for_jitter(one, other):
    def facts(scene):
        return scene.background, scene.groups, scene.arrangement

    assert (captions(one)[0] == captions(other)[0]) == (facts(one) == facts(other))


@given(scenes)
def test_captions_are_four_and_short_enough_for_a_tiny_model(scene):
    assert len(set(captions(scene))) == 4
    assert all(len(caption.replace(",", " ,").split()) <= 17 for caption in captions(scene))


def masks(scene):
    """For each group, which pixels are nearer to its colour than to the scene's other colours, `[64, 64]` each."""
    pixels = np.asarray(paint_scene(scene), dtype=np.float64)
    palette = np.array([BACKGROUNDS[scene.background], *(COLOURS[group.colour] for group in scene.groups)])
    nearest = ((pixels[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    return [nearest == 1 + i for i in range(len(scene.groups))]


def islands(mask, smallest):
    """How many connected regions of at least `smallest` pixels."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    count = 0
    while left:
        frontier, size = [left.pop()], 0
        while frontier:
            y, x = frontier.pop()
            size += 1
            for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if neighbour in left:
                    left.remove(neighbour)
                    frontier.append(neighbour)
        count += size >= smallest
    return count


@pytest.mark.parametrize("grade", GRADES)
def test_picture_shows_each_group_in_its_place_and_number(grade):
    for seed in range(40):
        scene = draw_scene(random.Random(seed), grade)
        axis = 1 if scene.arrangement == "row" else 0
        centres = []
        for group, mask in zip(scene.groups, masks(scene), strict=True):
            assert mask.sum() >= 64 * group.count, "a shape is larger than one cell of 8 x 8"
            assert islands(mask, smallest=25) == group.count
            centres.append(np.nonzero(mask)[axis].mean())
        assert centres == sorted(centres)


def test_shapes_differ_in_their_pixels():
    painted = [masks(Scene("белый", (ShapeGroup(1, "чёрный", shape),), "alone", 0))[0] for shape in SHAPES]
    for i, one in enumerate(painted):
        for other in painted[:i]:
            assert (one != other).sum() > 0.1 * one.sum()


def test_jitter_moves_the_picture_but_not_the_caption():
    moved = Scene(ROW.background, ROW.groups, ROW.arrangement, jitter=1)
    assert captions(moved) == captions(ROW)
    assert paint_scene(moved).tobytes() != paint_scene(ROW).tobytes()


def test_pictures_are_64_by_64_rgb():
    assert (paint_scene(ROW).size, paint_scene(ROW).mode) == ((64, 64), "RGB")


def test_grades_differ_in_groups_and_counts():
    def shapes_of(grade):
        drawn = [draw_scene(random.Random(seed), grade) for seed in range(200)]
        return {tuple(group.count for group in scene.groups) for scene in drawn}

    assert shapes_of("easy") == {(1,), (2,)}
    assert shapes_of("middle") == {(3,), (4,), (1, 1), (1, 2), (2, 1), (2, 2)}
    assert shapes_of("hard") == {(1, 1, 1), (3, 1), (1, 3), (3, 2), (2, 3), (3, 3)}


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: ShapeGroup(5, "красный", "круг"), "no such group"),
        (lambda: ShapeGroup(1, "белый", "круг"), "no such group"),
        (lambda: Scene("чёрный", ROW.groups, "row", 0), "no such scene"),
        (lambda: Scene("белый", (), "alone", 0), "no such scene"),
        (lambda: Scene("белый", ROW.groups, "alone", 0), "cannot be arranged"),
        (lambda: Scene("белый", (ShapeGroup(4, "красный", "круг"), ROW.groups[0]), "row", 0), "at most 3 shapes"),
        (
            lambda: Scene("белый", (ShapeGroup(1, "красный", "ромб"), ROW.groups[0]), "row", 0),
            "differ in colour and in shape",
        ),
    ],
)
def test_impossible_scenes_are_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_every_shape_of_the_world_is_drawn():
    drawn = {group.shape for seed in range(200) for group in draw_scene(random.Random(seed), "hard").groups}
    assert drawn == set(SHAPE_NOUNS)
