"""Visual Genome questions. In: `question_answers.json`, `image_data.json`, the pictures. Out: VisualQA samples.

    question_answers.json  [{"id", "qas": [{"qa_id", "image_id", "question", "answer", ...}, ...]}, ...]
    image_data.json        [{"image_id", "url", "width", "height", "coco_id", "flickr_id"}, ...]

Half of the pictures are COCO's: those are split as COCO's are, by `coco_id`. A question is translated with its answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from contest.checking import described
from data_prep.answer_forms import references, wrong_answers
from data_prep.cleaning import clean
from data_prep.gathering import Gathering
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourcePicture, SourceRecord
from data_prep.sources.reading import FieldError, describe, field_of, id_of, json_elements, object_of, text_of, writable
from data_prep.tasks import NO, YES, claim_of, options_of, picture_question, rng_of
from data_prep.translation import RUSSIAN, Translation, Translator, check_translation

PICTURES_AT_ONCE = 32  # whose questions a translator gets together
OPTIONS_SHARE = 0.5  # of the answers that have surely wrong others


@dataclass(frozen=True)
class VisualGenome:
    """The data set.

    Args:
        questions: `question_answers.json`.
        image_data: `image_data.json`.
        images: the folder that holds `VG_100K/` and `VG_100K_2/`.
        seed: of the wording and of the questions that are drawn.
        per_picture: how many questions of a picture are taken, drawn at random; all of them if 0.
        translation: where translations come from of "question answer".
        variants: share of the questions with surely wrong answers that ask whether one is right ("Верно ли, что ...").

    """

    questions: Sequence[Path]
    image_data: Path
    images: Path
    seed: int = 0
    per_picture: int = 0
    translation: Translation = RUSSIAN
    variants: float = 0.0

    name: ClassVar[str] = "visual-genome"
    tasks: ClassVar[tuple[str, ...]] = ("vqa",)
    licence: ClassVar[str] = "CC BY 4.0"

    @property
    def settings(self) -> dict[str, object]:
        """What the output depends on."""
        return {
            "files": describe([*self.questions, self.image_data, *self.translation.files]),
            "seed": self.seed,
            "per_picture": self.per_picture,
            "translator": self.translation.hook,
            "variants": self.variants,
        }

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream the questions of each picture with what is known of it, translated."""
        translator = self.translation.translator(scratch)
        with Gathering(scratch / "image_data.sqlite") as gathering:
            yield from _gather(self.image_data, gathering)
            for file in self.questions:
                pictures = self._pictures(file, gathering)
                while batch := list(islice(pictures, PICTURES_AT_ONCE)):
                    drawn = [record for record in batch if isinstance(record, SourceRecord)]
                    said = iter(_said(translator, [pair for record in drawn for pair in record.value[1]]))
                    for record in batch:
                        if isinstance(record, SourceRecord):
                            about, pairs = record.value
                            translated = [(*pair, next(said)) for pair in pairs]
                            yield SourceRecord(record.file, record.place, (about, translated))
                        else:
                            yield record

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make a sample of each question of a picture."""
        (picture_id, coco_id, path), pairs = record.value
        group = f"vg:{picture_id}" if coco_id is None else f"coco:{coco_id}"
        picture = SourcePicture(picture_path(self.images, path), path.replace("/", "_"))
        for place, question, answer, translation in pairs:
            try:
                asked, answered = _translated(question, answer, translation)
            except FieldError as error:
                yield error.at(record, place)
                continue
            yield (self._sample(group, picture, asked, answered),)

    def _sample(self, group: str, picture: SourcePicture, asked: str, answered: str) -> ConvertedSample:
        rng = rng_of(self.seed, self.name, picture.name, asked)
        content = f"{picture.name}\n{asked}"
        wrong = wrong_answers(rng, answered)
        if self.variants and wrong and rng.random() < self.variants:
            holds = rng.random() < 0.5
            claim = claim_of(rng, asked, answered.lower() if holds else wrong[0])
            items = picture_question(rng, picture, claim)
            return ConvertedSample(
                "vqa", group, "claim", items, YES if holds else NO, f"{content}\n{claim}", picture=picture
            )
        if wrong and rng.random() < OPTIONS_SHARE:
            options = options_of(rng, answered.lower(), wrong)
            if options is not None:
                text, answers = options
                items = picture_question(rng, picture, asked, text)
                return ConvertedSample("vqa", group, "options", items, answers, content, picture=picture)
        items = picture_question(rng, picture, asked)
        return ConvertedSample("vqa", group, "answer", items, references(answered), content, picture=picture)

    def _pictures(self, file: Path, gathering: Gathering) -> Iterator[SourceRecord | SkippedRecord]:
        """The pictures of a file: ((id, coco_id, path), [(place, question, answer), ...])."""
        for record in json_elements(file):
            try:
                value = object_of(record.value, "the picture")
                picture_id = id_of(value, "id" if "id" in value else "image_id")
                about = gathering.get(picture_id)
                if about is None:
                    raise FieldError(SkipReason.PICTURE_UNKNOWN, f"image {picture_id}")
                questions = field_of(value, "qas", list)
            except FieldError as error:
                yield error.at(record)
                continue
            pairs = []
            for place in self._drawn(picture_id, len(questions)):
                try:
                    question = object_of(questions[place], "the question")
                    pair = (text_of(question, "question", clean), text_of(question, "answer", clean))
                    pairs.append((f".qas[{place}]", *pair))
                except FieldError as error:
                    yield error.at(record, f".qas[{place}]")
            yield SourceRecord(record.file, f"{record.place} (image {picture_id})", ((picture_id, *about), pairs))

    def _drawn(self, picture_id: str, count: int) -> list[int]:
        if not self.per_picture or count <= self.per_picture:
            return list(range(count))
        return sorted(rng_of(self.seed, self.name, picture_id).sample(range(count), self.per_picture))


def _gather(file: Path, gathering: Gathering) -> Iterator[SkippedRecord]:
    """Note each picture's path and `coco_id`; yield what is wrong with single ones."""
    for record in json_elements(file):
        try:
            value = object_of(record.value, "the picture")
            picture_id = id_of(value, "image_id" if "image_id" in value else "id")
            coco_id = value.get("coco_id")
            if not isinstance(coco_id, int | None) or isinstance(coco_id, bool):
                raise FieldError(SkipReason.FIELD_TYPE, f'"coco_id" is {described(coco_id)}')
            if not gathering.put(picture_id, (coco_id, _path(text_of(value, "url")))):
                raise FieldError(SkipReason.DUPLICATE_RECORD, f"image {picture_id}")
        except FieldError as error:
            yield error.at(record)


def _path(url: str) -> str:
    """The last two parts of a picture's address, which is where the published archives have it."""
    try:
        parts = [part for part in urlsplit(url).path.split("/") if part not in ("", ".", "..")]
    except ValueError as error:
        raise FieldError(SkipReason.FIELD_TYPE, f'"url" is none: {url!r} ({error})') from error
    if len(parts) < 2:  # folder and file
        raise FieldError(SkipReason.FIELD_TYPE, f'"url" names no folder and file: {url!r}')
    return "/".join(parts[-2:])


def picture_path(folder: Path, path: str) -> Path:
    """Where a picture lies: in its published folder, or, where that one is named or left out, in the folder itself."""
    published, flat = folder / path, folder / path.rpartition("/")[2]
    return flat if not os.path.exists(published) and os.path.exists(flat) else published


def _said(translator: Translator, pairs: Sequence[tuple[str, str, str]]) -> list[str | None]:
    """Translations of questions with their answers: in one text, so that the translator sees what an answer means.

    A table may have the two side by side as they are published, where no question mark is put in.
    """
    said = translator.translate([_together(question, answer) for _, question, answer in pairs])
    missing = [place for place, found in enumerate(said) if found is None]
    if missing:
        plain = translator.translate([" ".join(pairs[place][1:]) for place in missing])
        for place, found in zip(missing, plain, strict=True):
            said[place] = found
    return said


def _together(question: str, answer: str) -> str:
    asked = question if question.endswith("?") else f"{question.rstrip('.')}?"
    return f"{asked} {answer}"


def _translated(question: str, answer: str, translation: Any) -> tuple[str, str]:
    """Question and answer in Russian, the answer without its full stop. Raises FieldError."""
    if translation is None:
        raise FieldError(SkipReason.TRANSLATION_MISSING, repr(question[:60]))
    said = clean(writable(translation))
    doubted = check_translation(_together(question, answer), said)
    if doubted is not None:
        raise FieldError(SkipReason.TRANSLATION_DOUBTFUL, f"{said[:60]!r}: {doubted}")
    asked, _, answered = said.partition("?")
    answered = answered.strip().rstrip(".").rstrip()
    if not asked or not answered:
        raise FieldError(SkipReason.TRANSLATION_DOUBTFUL, f"{said[:60]!r}: question and answer can not be told apart")
    return f"{asked}?", answered
