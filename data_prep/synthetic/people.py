"""People of the synthetic world and what may be said of them, in the case forms that sentences need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data_prep.synthetic.language import Gender, adjective


@dataclass(frozen=True, slots=True)
class Name:
    """A first name: "Пётр", genitive "Петра"."""

    gender: Gender
    nominative: str
    genitive: str

    def by_gender(self, masculine: str, feminine: str) -> str:
        """The one of two words that agrees with the name."""
        return feminine if self.gender == "feminine" else masculine


NAMES: tuple[Name, ...] = (
    Name("masculine", "Иван", "Ивана"), Name("masculine", "Пётр", "Петра"), Name("masculine", "Олег", "Олега"),
    Name("masculine", "Егор", "Егора"), Name("masculine", "Максим", "Максима"), Name("masculine", "Артём", "Артёма"),
    Name("masculine", "Павел", "Павла"), Name("masculine", "Денис", "Дениса"), Name("masculine", "Роман", "Романа"),
    Name("masculine", "Антон", "Антона"), Name("masculine", "Глеб", "Глеба"), Name("masculine", "Юрий", "Юрия"),
    Name("feminine", "Анна", "Анны"), Name("feminine", "Мария", "Марии"), Name("feminine", "Ольга", "Ольги"),
    Name("feminine", "Елена", "Елены"), Name("feminine", "Дарья", "Дарьи"), Name("feminine", "Ирина", "Ирины"),
    Name("feminine", "Вера", "Веры"), Name("feminine", "Нина", "Нины"), Name("feminine", "Полина", "Полины"),
    Name("feminine", "Алиса", "Алисы"), Name("feminine", "Юлия", "Юлии"), Name("feminine", "Тамара", "Тамары"),
)  # fmt: skip

JOBS: Mapping[str, str] = {  # nominative -> instrumental
    "врач": "врачом", "учитель": "учителем", "повар": "поваром", "инженер": "инженером", "пилот": "пилотом",
    "художник": "художником", "водитель": "водителем", "строитель": "строителем", "программист": "программистом",
    "журналист": "журналистом", "фермер": "фермером", "музыкант": "музыкантом",
}  # fmt: skip

CITIES: Mapping[str, str] = {  # nominative -> prepositional
    "Москва": "Москве", "Казань": "Казани", "Омск": "Омске", "Самара": "Самаре", "Сочи": "Сочи", "Тверь": "Твери",
    "Пермь": "Перми", "Тула": "Туле", "Псков": "Пскове", "Уфа": "Уфе", "Томск": "Томске", "Калуга": "Калуге",
}  # fmt: skip

PETS: tuple[str, ...] = (  # nominative, as after "есть"
    "кот", "пёс", "попугай", "хомяк", "кролик", "ёж", "собака", "кошка", "черепаха", "рыбка",
)  # fmt: skip

FOODS: Mapping[str, str] = {  # nominative -> accusative
    "борщ": "борщ", "плов": "плов", "суп": "суп", "салат": "салат", "сыр": "сыр", "мёд": "мёд", "каша": "кашу",
    "пицца": "пиццу", "блины": "блины", "яблоки": "яблоки", "груши": "груши", "торты": "торты",
}  # fmt: skip

CAR_COLOURS: tuple[str, ...] = ("красный", "синий", "зелёный", "жёлтый", "белый", "чёрный", "серый", "голубой")
CARS: Mapping[str, str] = {lemma: adjective(lemma, "nominative", "feminine") for lemma in CAR_COLOURS}

BIRTH_YEARS = range(1960, 2010)
