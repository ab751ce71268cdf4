"""Signs: the text fits, stands out from its ground, and keeps to its grade."""

import random
from dataclasses import replace

import numpy as np
import pytest

from data_prep.synthetic.grades import GRADES
from data_prep.synthetic.sign_words import LONG_WORDS, MIDDLE_WORDS, SHORT_WORDS, WORDS
from data_prep.synthetic.signs import FONT_FILES, GROUND, Sign, draw_sign, paint_sign

PLAIN = Sign("хлеб", True, "bold", "чёрный", "белый", 0.0, 1.0, None, False, 0.0, 0)


def ink(sign):
    """Where the picture differs from its ground, `[64, 64]`."""
    pixels = np.asarray(paint_sign(sign), dtype=np.int64)
    return np.abs(pixels - np.array(GROUND[sign.ground])).sum(-1) > 90


def test_words_are_about_a_hundred_lower_case_and_different():
    assert len(WORDS) == len(set(WORDS)) == 99
    assert all(word.isalpha() and word == word.lower() for word in WORDS)
    assert (len(SHORT_WORDS), len(MIDDLE_WORDS), len(LONG_WORDS)) == (40, 42, 17)


def test_fonts_and_their_licence_are_bundled():
    for file in FONT_FILES.values():
        assert file.stat().st_size < 1_000_000
        assert (file.parent / "LICENSE_DEJAVU").exists()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_every_word_fits_and_fills_the_picture(word, weight):
    marked = ink(replace(PLAIN, text=word, weight=weight, angle=5.0))
    assert not marked[[0, -1]].any()
    assert not marked[:, [0, -1]].any()
    columns = np.nonzero(marked.any(0))[0]
    rows = np.nonzero(marked.any(1))[0]
    assert columns[-1] - columns[0] >= 44 or rows[-1] - rows[0] >= 44
    assert rows[-1] - rows[0] >= 16, "letters are higher than two cells of 8 x 8"


def test_easy_signs_are_short_straight_upper_case_of_one_font():
    for seed in range(200):
        sign = draw_sign(random.Random(seed), "easy")
        assert len(sign.text) <= (2 if sign.text.isdigit() else 4)
        assert (sign.upper, sign.weight, sign.angle, sign.noise, sign.band) == (True, "bold", 0.0, 0.0, None)


def test_middle_signs_have_at_most_six_letters_and_little_tilt():
    drawn = [draw_sign(random.Random(seed), "middle") for seed in range(200)]
    assert all(len(sign.text) <= 6 and abs(sign.angle) <= 2 and not sign.noise for sign in drawn)
    assert {sign.upper for sign in drawn} == {True, False}


def test_hard_signs_are_long_tilted_noisy_and_sometimes_banded():
    drawn = [draw_sign(random.Random(seed), "hard") for seed in range(200)]
    assert all(len(sign.text) >= 7 or (sign.text.isdigit() and len(sign.text) == 3) for sign in drawn)
    assert all(abs(sign.angle) <= 5 and sign.noise for sign in drawn)
    assert {sign.weight for sign in drawn} == {"regular", "bold"}
    assert {sign.band is None for sign in drawn} == {True, False}


@pytest.mark.parametrize("grade", GRADES)
def test_signs_are_64_by_64_rgb_with_visible_text(grade):
    for seed in range(30):
        sign = draw_sign(random.Random(seed), grade)
        picture = paint_sign(sign)
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        assert ink(sign).mean() > 0.04


def test_sign_is_painted_from_its_description_alone():
    for seed in range(10):
        sign = draw_sign(random.Random(seed), "hard")
        assert paint_sign(sign).tobytes() == paint_sign(sign).tobytes()
    assert paint_sign(PLAIN).tobytes() != paint_sign(replace(PLAIN, upper=False)).tobytes()


def test_band_stands_at_its_edge():
    top = np.asarray(paint_sign(replace(PLAIN, band="красный", band_on_top=True)))
    bottom = np.asarray(paint_sign(replace(PLAIN, band="красный", band_on_top=False)))
    assert tuple(top[0, 0]) == tuple(bottom[-1, 0]) == GROUND["красный"]
    assert tuple(top[-1, 0]) == tuple(bottom[0, 0]) == GROUND["белый"]


@pytest.mark.parametrize("text", ["", "Хлеб", "два слова", "хлеб!"])
def test_bad_texts_are_refused(text):
    with pytest.raises(ValueError, match="lower-case word or a number"):
        replace(PLAIN, text=text)
