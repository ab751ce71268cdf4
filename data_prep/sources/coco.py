"""COCO captions. In: `captions_train2014.json` or 2017's, pictures. Out: ImageGeneration and ImageCaptioning samples.

    {"images": [{"id", "file_name", "coco_url"}, ...], "annotations": [{"id", "image_id", "caption"}, ...]}

A picture gives a sample of each task: one of its captions to draw, all of them as references. Captions are taken as
they are, if they are Russian already, or through a translator.
A share of the captioning samples may ask instead which of four captions is right, in the manner of a hidden task; the
three others are captions of pictures nearby in the file.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from data_prep.cleaning import clean, fold
from data_prep.gathering import Gathering
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourcePicture, SourceRecord
from data_prep.sources.reading import FieldError, describe, id_of, json_elements, object_of, text_of, writable
from data_prep.tasks import Options, bare_picture, drawing, options_of, picture_question, rng_of
from data_prep.translation import RUSSIAN, Translation, check_translation

PICTURES_AT_ONCE = 64  # whose captions a translator gets together
OTHERS = 3  # captions of other pictures that a choice offers
_PART = re.compile(r"(?:train|val|test)20\d\d")
WHICH = "Какое описание подходит к картинке?"


@dataclass(frozen=True)
class Coco:
    """The data set.

    Args:
        files: the annotations of captions.
        images: the folder with the pictures, or with `train2014/`, `val2017/` and the like.
        seed: of the wording and of the caption that is drawn.
        translation: where translations come from.
        variants: share of the captioning samples that are a choice of four captions.

    """

    files: Sequence[Path]
    images: Path
    seed: int = 0
    translation: Translation = RUSSIAN
    variants: float = 0.0

    name: ClassVar[str] = "coco"
    tasks: ClassVar[tuple[str, ...]] = ("generation", "captioning")
    licence: ClassVar[str] = "annotations: CC BY 4.0; pictures: Flickr's terms, each its own licence"

    @property
    def settings(self) -> dict[str, object]:
        """What the output depends on."""
        return {
            "files": describe([*self.files, *self.translation.files]),
            "seed": self.seed,
            "translator": self.translation.hook,
            "variants": self.variants,
        }

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Gather the captions of each picture, translate them, and stream the pictures."""
        translator = self.translation.translator(scratch)
        for number, file in enumerate(self.files):
            with Gathering(scratch / f"coco{number}.sqlite") as gathering:
                yield from _gather(file, gathering)
                for place, picture in gathering.orphans():
                    yield SkippedRecord(str(file), place, SkipReason.PICTURE_UNKNOWN, f"image_id {picture}")
                pictures = gathering.pictures()
                while batch := list(islice(pictures, PICTURES_AT_ONCE)):
                    captions = [caption for gathered in batch for _, caption in gathered.entries]
                    said = iter(translator.translate(captions))
                    entries = [[(*entry, next(said)) for entry in gathered.entries] for gathered in batch]
                    for index, gathered in enumerate(batch):
                        others = [captions[0][2] for captions in (*entries[index + 1 :], *entries[:index]) if captions]
                        value = (gathered.picture_id, gathered.about, entries[index], others[: 2 * OTHERS])
                        yield SourceRecord(str(file), f"image {gathered.picture_id}", value)

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make both samples of a picture; captions that can not be used are told one by one."""
        picture_id, (file_name, part), entries, others = record.value
        captions: list[str] = []
        for place, caption, translation in entries:
            try:
                captions.append(_translated(caption, translation))
            except FieldError as error:
                yield SkippedRecord(record.file, place, error.skip_reason, error.detail)
        captions = list(dict.fromkeys(captions))
        if not captions:
            yield record.skipped(SkipReason.NO_CAPTION, "none is left" if entries else "")
            return
        rng = rng_of(self.seed, self.name, picture_id)
        picture = SourcePicture(picture_path(self.images, file_name, part), "_".join(Path(file_name).parts))
        group = f"coco:{picture_id}"
        prompt = rng.choice(captions)
        drawn = ConvertedSample(
            "generation", group, "caption", drawing(rng, prompt), (picture.content,), prompt, "image", picture
        )
        yield drawn, self._captioning(rng, group, picture, captions, others)

    def _captioning(
        self, rng: random.Random, group: str, picture: SourcePicture, captions: list[str], others: list[str | None]
    ) -> ConvertedSample:
        kind, answers = "caption", tuple(captions)
        items = bare_picture(rng, "captioning", picture)
        if self.variants and rng.random() < self.variants:
            choice = _choice(rng, captions, others)
            if choice is not None:
                kind, answers = "caption choice", choice[1]
                items = picture_question(rng, picture, WHICH, choice[0])
        return ConvertedSample("captioning", group, kind, items, answers, picture.content, picture=picture)


def _choice(rng: random.Random, captions: list[str], others: list[str | None]) -> Options | None:
    """One of the picture's captions and three others as options; None if there are no three that differ from it."""
    known = {fold(caption).rstrip(" .") for caption in captions}
    named = {fold(other).rstrip(" ."): other for other in map(clean, filter(None, others))}
    wrong = {folded: other for folded, other in named.items() if folded not in known}
    if len(wrong) < OTHERS:
        return None
    right, *rest = (caption.rstrip(" .") for caption in (rng.choice(captions), *list(wrong.values())[:OTHERS]))
    return options_of(rng, right, rest)


def picture_path(folder: Path, file_name: str, part: str = "") -> Path:
    """Where a picture lies: in the folder, or in the part of the set that it belongs to.

    Its name may tell the part ("COCO_train2014_..."); those of 2017 do not, their address does.
    """
    name = Path(file_name).name
    words = name.split("_")
    parts = [*(words[1:2] if len(words) > 2 else []), *filter(None, [part])]
    places = [folder / file_name, *(folder / found / name for found in parts), folder / name]
    # Path.exists raises for a name that is too long
    return next((place for place in places if os.path.exists(place)), places[1] if parts else places[0])


def part_of(value: dict[str, Any], file: str) -> str:
    """The folder that a picture's published archive has it in, by its address or the annotations' file; or ""."""
    address = value.get("coco_url")
    try:
        folders = urlsplit(address).path.split("/")[:-1] if isinstance(address, str) else []
    except ValueError:  # no address at all, such as "http://["
        folders = []
    named = folders[-1] if folders and _PART.fullmatch(folders[-1]) else None
    told = _PART.search(Path(file).name)
    return named or (told.group() if told else "")


def _gather(file: Path, gathering: Gathering) -> Iterator[SkippedRecord]:
    """Put a file's pictures and captions together; yield what is wrong with single ones."""
    for record in json_elements(file):
        is_picture, is_caption = record.place.startswith("images["), record.place.startswith("annotations[")
        if not is_picture and not is_caption:
            continue  # "info", "licenses"
        try:
            value = object_of(record.value, "the entry")
            if is_picture:
                picture_id, name = id_of(value, "id"), _file_name(value)
                if not gathering.put(picture_id, (name, part_of(value, record.file))):
                    raise FieldError(SkipReason.DUPLICATE_RECORD, f"image {picture_id}")
            else:
                gathering.add(id_of(value, "image_id"), record.place, text_of(value, "caption", clean))
        except FieldError as error:
            yield error.at(record)


def _file_name(value: dict[str, Any]) -> str:
    name = text_of(value, "file_name")
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise FieldError(SkipReason.FIELD_TYPE, f'"file_name" leads out of its folder: {name!r}')
    return name


def _translated(caption: str, translation: str | None) -> str:
    """A caption in Russian. Raises FieldError."""
    if translation is None:
        raise FieldError(SkipReason.TRANSLATION_MISSING, repr(caption[:60]))
    said = clean(writable(translation))
    if (doubted := check_translation(caption, said)) is not None:
        raise FieldError(SkipReason.TRANSLATION_DOUBTFUL, f"{translation[:60]!r}: {doubted}")
    return said
