"""START and SberIDP: text in pictures. In: annotations, pictures. Out: text recognition samples.

How their annotations are laid out was not to be found; `data_prep.sources.text_layouts` says which layouts are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from contest.items import Item
from data_prep.cleaning import clean
from data_prep.instructions import text_item
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourcePicture, SourceRecord
from data_prep.sources.reading import describe
from data_prep.sources.text_layouts import in_reading_order, read_texts
from data_prep.tasks import bare_picture, rng_of

LETTERS = ("ноль", "одна", "две", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять")


@dataclass(frozen=True)
class TextInPictures:
    """The data set.

    Args:
        name: `start` or `sberidp`; pictures of the two are never the same.
        files: its annotations.
        images: the folder that their file names are relative to.
        seed: of the wording.
        variants: share of the pictures with one word that are asked for its first letter or its length.
        most_characters: longer texts are left out.

    """

    name: str
    files: Sequence[Path]
    images: Path
    seed: int = 0
    variants: float = 0.0
    most_characters: int = 200

    tasks: ClassVar[tuple[str, ...]] = ("text_recognition",)
    licence: ClassVar[str] = "see the data set's own page"

    @property
    def settings(self) -> dict[str, object]:
        """What the output depends on."""
        return {
            "files": describe(self.files),
            "seed": self.seed,
            "variants": self.variants,
            "most_characters": self.most_characters,
        }

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream pictures with their words."""
        for number, file in enumerate(self.files):
            part = scratch / str(number)
            part.mkdir()
            yield from read_texts(file, part)

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make a sample of a picture."""
        file_name, words = record.value
        text = clean(in_reading_order(words))
        if not text:
            yield record.skipped(SkipReason.EMPTY_TEXT, "nothing visible")
            return
        if len(text) > self.most_characters:
            yield record.skipped(SkipReason.TEXT_TOO_LONG, f"{len(text)} characters")
            return
        picture = SourcePicture(self.images / file_name, file_name.replace("/", "_"))
        group = f"{self.name}:{file_name}"
        rng = rng_of(self.seed, self.name, file_name)
        if self.variants and text.isalpha() and rng.random() < self.variants:
            kind, (asked, answers) = "about the word", _question(rng.random() < 0.5, text)
            items: list[Item] = [text_item(asked), Item("image", picture.content)]
            rng.shuffle(items)
            worded = tuple(items)
        else:
            kind, answers, worded = "text", (text,), bare_picture(rng, "text_recognition", picture)
        yield (ConvertedSample("text_recognition", group, kind, worded, answers, file_name, picture=picture),)


def _question(first: bool, word: str) -> tuple[str, tuple[str, ...]]:
    if first:
        return "С какой буквы начинается слово?", (word[0],)
    spoken = [LETTERS[len(word)]] if len(word) < len(LETTERS) else []
    return "Сколько букв в слове?", (str(len(word)), *spoken)
