"""The ruCLIP halves of captioning and generation: which text and picture reach the model, and the cosine of the two.

Mode `official` takes items from fixed places and makes 0.0 of whatever goes wrong (defects 17 to 19), mode `strict`
takes them by type, clamps to [0, 1] and names each error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from contest.checking import is_unicode
from contest.decoding import PixelBudget
from contest.errors import ContestError, quote
from contest.items import Sample
from contest.pictures import open_published, resolve_picture
from evaluation.errors import NeedsInputError
from evaluation.metrics.answers import copied_path, strict_answer
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.prompts import official_prompt, strict_prompt
from evaluation.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

BATCH_SIZE = 32


class ClipNetwork(Protocol):
    """What is asked of a network for texts and pictures; `models.ruclip.RuCLIP` is the usual one."""

    @property
    def name(self) -> str:
        """Architecture and weights, for signatures."""

    def text_latents(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors [n, d]."""

    def image_latents(self, pixel_values: Tensor) -> Tensor:
        """Return unit vectors [n, d] of stacked preprocessed pictures."""

    def preprocess(self, picture: Image.Image) -> Tensor:
        """Return the picture as the network wants it."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A pair for the network, of the case at `index`."""

    index: int
    text: str
    picture: Image.Image


class _UnanswerableError(Exception):
    """No pair can be made of a case: the score is 0."""

    def __init__(self, message: str, defect: int | None = None) -> None:
        super().__init__(message)
        self.defect = defect


def score_captions(
    cases: Sequence[Case],
    mode: Mode,
    network: ClipNetwork,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
) -> tuple[list[float], list[Note]]:
    """Score each caption against the picture that was asked about; 0 and a note where there is no pair.

    `official`: the answer's first item, which must be a text, against the input's second item, which must be a
    picture. `strict`: the first text against the first picture. Raises NeedsInputError for a case without its input.
    """
    notes: list[Note] = []
    pair = _official_caption if mode == "official" else _strict_caption
    return _score(cases, _questions(cases, pair, notes), notes, mode, network, batch_size, progress)


def score_drawings(
    cases: Sequence[Case],
    mode: Mode,
    network: ClipNetwork,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
    latents: dict[int, Tensor] | None = None,
) -> tuple[list[float], list[Note]]:
    """Score each drawn picture against the text that was asked for; 0 and a note where there is no pair.

    `official`: the answer's second item, which must be a picture, looked for by the last two parts of its path,
    against the text of `official_prompt`: cases must come in order. `strict`: the first picture against
    `strict_prompt`. `latents` gets the pictures' unit vectors [d] by the case's number, of those that were scored.
    Raises NeedsInputError for a case without its input.
    """
    notes: list[Note] = []
    budget = PixelBudget.for_samples(len(cases))
    pair = _OfficialDrawing(notes, budget) if mode == "official" else partial(_strict_drawing, budget=budget)
    return _score(cases, _questions(cases, pair, notes), notes, mode, network, batch_size, progress, latents)


def _score(
    cases: Sequence[Case],
    questions: Iterator[_Question],
    notes: list[Note],
    mode: Mode,
    network: ClipNetwork,
    batch_size: int,
    progress: Progress,
    latents: dict[int, Tensor] | None = None,
) -> tuple[list[float], list[Note]]:
    import torch  # trainings take METEOR from `captioning`, without this half

    scores = [0.0] * len(cases)
    while batch := list(islice(questions, batch_size)):
        pixels = torch.stack([network.preprocess(question.picture) for question in batch])
        texts = network.text_latents([question.text for question in batch])  # [n, d]
        pictures = network.image_latents(pixels)  # [n, d]
        if latents is not None:
            latents |= zip((question.index for question in batch), pictures.float().cpu(), strict=True)
        cosines = (pictures * texts).sum(dim=1).tolist()
        for question, cosine in zip(batch, cosines, strict=True):
            if mode == "strict":
                cosine = min(1.0, max(0.0, cosine))
            elif cosine < 0:
                notes.append(Note(cases[question.index].id, 19, f"the cosine {cosine:.3g} is negative and kept"))
            scores[question.index] = cosine
        progress("ruCLIP scores", batch[-1].index + 1, len(cases))
    return scores, notes


def _questions(
    cases: Sequence[Case], pair: Callable[[Case], tuple[str, Image.Image]], notes: list[Note]
) -> Iterator[_Question]:
    """Yield the pairs there are, with one picture at a time in memory, and note why a case has none."""
    for index, case in enumerate(cases):
        try:
            yield _Question(index, *pair(case))
        except _UnanswerableError as reason:
            notes.append(Note(case.id, reason.defect, f"ruCLIP score 0: {reason}"))


def _official_caption(case: Case) -> tuple[str, Image.Image]:
    asked = _asked(case)
    if len(asked.items) < 2 or asked.items[1].type != "image":
        raise _UnanswerableError("the input's second item is no picture", 18)
    picture = _open(case.input_root, asked.items[1].content, case, None, defect=19)
    kind, content = _official_item(case, 0, 18)
    if kind != "text":
        raise _UnanswerableError("the answer's first item is no text", 18)
    return _official_text(content), picture


def _strict_caption(case: Case) -> tuple[str, Image.Image]:
    answer = strict_answer(case)
    if isinstance(answer, Note):
        raise _UnanswerableError(answer.message)
    if not answer.text.strip():
        raise _UnanswerableError("the answer has no text")
    asked = _asked(case)
    if not asked.images:
        raise _UnanswerableError("the input has no picture")
    return answer.text, _open(case.input_root, asked.images[0], case, None)


class _OfficialDrawing:
    """Finds the pairs of generation; remembers the text of the sample before, as the script's variable does."""

    def __init__(self, notes: list[Note], budget: PixelBudget) -> None:
        self._notes = notes
        self._budget = budget
        self._text: str | None = None

    def __call__(self, case: Case) -> tuple[str, Image.Image]:
        kind, content = _official_item(case, 1, 17)
        if kind != "image":
            raise _UnanswerableError("the answer's second item is no picture", 17)
        if not isinstance(content, str):
            raise _UnanswerableError("the picture's path is no string", 19)
        # The picture is opened first: where that fails, the variable keeps an older text.
        picture = _open(case.answer_root, copied_path(content), case, self._budget, defect=19)
        asked = _asked(case)
        self._text = official_prompt(asked, self._text)
        if self._text is None:
            raise _UnanswerableError("its text stands at no fixed place, and there is no sample before it", 18)
        if self._text.strip() != strict_prompt(asked.texts):
            message = f"asked for {quote(self._text)}, and by the rules {quote(strict_prompt(asked.texts))}"
            self._notes.append(Note(case.id, 18, message))
        return self._text, picture


def _strict_drawing(case: Case, budget: PixelBudget) -> tuple[str, Image.Image]:
    if case.answer is None:
        answer = strict_answer(case)
        raise _UnanswerableError(answer.message if isinstance(answer, Note) else "there is no answer")
    if not case.answer.images:
        raise _UnanswerableError("the answer has no picture")
    prompt = strict_prompt(_asked(case).texts)
    if not prompt:
        raise _UnanswerableError("the input has no text")
    return prompt, _open(case.answer_root, case.answer.images[0], case, budget)


def _asked(case: Case) -> Sample:
    if case.asked is None:
        raise NeedsInputError(f"sample {case.id!r} is scored against its input, which is not there", "give --input")
    return case.asked


def _official_item(case: Case, place: int, defect: int) -> tuple[Any, Any]:
    """Return type and content of an item of the answer, as the file has them; `defect` strikes if it has too few."""
    if case.answer is not None:
        if len(case.answer.items) <= place:
            defect = defect if case.answer.items else 2
            raise _UnanswerableError(f"the answer has {len(case.answer.items)} items", defect)
        item = case.answer.items[place]
        return item.type, item.content
    if case.unsound is None:
        raise _UnanswerableError("there is no prediction", 3)
    value = case.unsound.value
    if isinstance(value, list) and len(value) > place and isinstance(value[place], dict):
        return value[place].get("type"), value[place].get("content")
    raise _UnanswerableError("the answer is no sound list of items", 19)


def _official_text(content: Any) -> str:
    if not isinstance(content, str):
        raise _UnanswerableError("the answer's text is no string", 19)
    if not is_unicode(content):
        raise _UnanswerableError("the answer's text holds half a surrogate pair", 19)
    return content


def _open(
    root: Path | None, content: str, case: Case, budget: PixelBudget | None, *, defect: int | None = None
) -> Image.Image:
    """Open a picture: a stranger's within a budget, and no link out of `root`; without one its owner is trusted.

    A path of the owner with '..' that stays inside is opened in mode `official` (`defect`), as theirs opens it.
    """
    if root is None:
        raise ValueError(f"case {case.id}: it has pictures, but no folder that their paths are relative to")
    try:
        trusted = budget is None
        inner_parents = trusted and defect is not None
        path = resolve_picture(root, content, follow_links=trusted, inner_parents=inner_parents, sample_id=case.id)
        return open_published(path, budget=budget)
    except ContestError as error:
        raise _UnanswerableError(str(error), defect) from error
