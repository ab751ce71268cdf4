"""Which samples without a picture ask for one, by their wording."""

import pytest

from contest.drawing import asks_for_drawing


@pytest.mark.parametrize(
    ("texts", "asks"),
    [
        (("Сгенерируй изображение по тексту.", "кот"), True),
        (("кот на крыше", "Нарисуй картинку."), True),
        (("Пожалуйста, нарисуйте кота на крыше",), True),
        (("Собери картинку из частей. Фон: белый.",), True),
        (("НАРИСУЙ",), True),
        (("Два красных круга на белом фоне.",), True),
        (("Сколько будет два и два?",), False),
        (("Найди x: x + 2 = 3",), False),
        (("Выбери верное: a) да; b) нет",), False),
        (("Москва стоит на реке.", "Найди ответ в тексте."), False),
        (("Показание счётчика записано.", "Каково оно"), False),
        (("очень длинный текст " * 20,), False),
        (("",), False),
        ((), False),
    ],
)
def test_wording(texts: tuple[str, ...], asks: bool) -> None:
    assert asks_for_drawing(texts) is asks
