"""Captions of pictures: which samples ask for one, and which of several that were drawn is kept.

Sources: minimum Bayes risk (Kumar and Byrne, Minimum Bayes-Risk Decoding for Statistical Machine Translation, 2004) and
the RUDOLPH family's own reranking. What each way is worth, `benchmarks/answers.py` shows.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, TypeAlias, TypeVar, get_args

from models.rudolph.sampling import Sampling
from submission.answer_options import joined
from submission.option_patterns import SENTENCE_END

Part = TypeVar("Part", bound=Hashable)
CaptionScore: TypeAlias = Literal["consensus", "likelihood", "picture", "ruclip"]

MOST_CAPTIONS = 64  # of one sample, beside the first
CAPTIONS_A_ROUND = 8  # their keys and values lie in memory together
MOST_CHARACTERS = 300  # of what asks for a caption and nothing else


@dataclass(frozen=True)
class CaptionChoice:
    """How many more captions are drawn of a sample's picture, and which of all is kept.

    Attributes:
        num_samples: how many more than the first answer, 1 to `MOST_CAPTIONS`.
        score: what they are compared by: `consensus`, how much all others say the same; `likelihood`, the mean of a
            caption's log-probabilities behind the picture; `picture`, how probable the caption makes the picture;
            `ruclip`, by the network that the run is given for that.
        text: how they are drawn; the first one is drawn as the profile draws any answer.

    Raises ValueError for a value that there is not.

    """

    num_samples: int = 8
    score: CaptionScore = "consensus"
    text: Sampling = field(default_factory=lambda: Sampling(temperature=1.0, top_k=32, top_p=0.8))

    def __post_init__(self) -> None:
        if not 1 <= self.num_samples <= MOST_CAPTIONS:
            raise ValueError(f"num_samples must lie in 1..{MOST_CAPTIONS}, not {self.num_samples}")
        if self.score not in get_args(CaptionScore):
            raise ValueError(f"score must be one of {', '.join(get_args(CaptionScore))}, not {self.score!r}")


@dataclass(frozen=True)
class DrawnCaptions:
    """What was drawn for a sample so far: the best, and each text with how often it came, in the order of the first.

    A caption without text is "" in `said`; the best is the profile's empty answer while there is no other.
    """

    best: str
    said: Mapping[str, int]

    @classmethod
    def first(cls, answer: str, empty_answer: str) -> DrawnCaptions:
        """The first answer alone."""
        return cls(answer, {"" if answer == empty_answer else answer: 1})

    def with_more(self, texts: Iterable[str]) -> DrawnCaptions:
        """The same with some more, which are not compared yet."""
        said = dict(self.said)
        for text in texts:
            said[text] = said.get(text, 0) + 1
        return replace(self, said=said)

    def candidates(self, compared: DrawnCaptions) -> list[str]:
        """What can be the best where some were compared before: the best of those, then what came since; none empty."""
        return [text for text in self.said if text and (text == compared.best or text not in compared.said)]

    def chosen(self, best: str) -> DrawnCaptions:
        """The same with another best."""
        return replace(self, best=best)


def rounds_of_captions(asked: int) -> list[int]:
    """How many captions a sample has had after each round, of `asked` more than the first, which was drawn before."""
    return [1 + stop for stop in (*range(CAPTIONS_A_ROUND, asked, CAPTIONS_A_ROUND), asked)]


def consensus(said: Mapping[str, int]) -> str:
    """The text that is most like all others, each as often as it came; of equal ones the first. Empty ones don't count.

    Raises ValueError where no text is left.
    """
    texts = [text for text in said if text]
    if not texts:
        raise ValueError("there is no caption to choose")
    parts = [(Counter(words), Counter(pairwise(words))) for words in map(_words, texts)]
    gains = [
        math.fsum(said[other] * _similarity(of_text, of_other) for other, of_other in zip(texts, parts, strict=True))
        for of_text in parts
    ]
    return texts[max(range(len(texts)), key=gains.__getitem__)]


def best_of(texts: Sequence[str], scores: Sequence[float]) -> str:
    """The text with the highest score; of equal ones the first, and never one whose score is no number over another."""
    numbers = [-math.inf if math.isnan(score) else score for score in scores]
    return texts[max(range(len(texts)), key=numbers.__getitem__)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


Parts: TypeAlias = tuple[Counter[str], Counter[tuple[str, str]]]


def _similarity(one: Parts, other: Parts) -> float:
    """Mean F1 of two texts' words, and of their pairs of neighbours: in which order a caption says things counts."""
    words, pairs = _f1(one[0], other[0]), _f1(one[1], other[1])
    return words if not (one[1] or other[1]) else (words + pairs) / 2


def _f1(one: Counter[Part], other: Counter[Part]) -> float:
    size = one.total() + other.total()
    return 2 * (one & other).total() / size if size else 1.0


_PICTURE = (
    r"(?:(?:эт\w{1,3}|данн\w{2,3})\s)?(?:картинк|изображени|фотографи|фото|снимк|снимок|рисунк|рисунок|иллюстраци|кадр)"
    r"[а-яё]{0,3}"
)
_HERE = rf"(?:на\s{_PICTURE}|здесь|тут)"
_SHOWN = (
    r"(?:изображен[аоы]?|изображён\w?|представлен[аоы]?|показан[аоы]?|нарисован[аоы]?|запечатлен[аоы]?|запечатлён|"
    r"снят[аоы]?|видно|происходит|(?:ты\s)?видишь|(?:вы\s)?видите|можно\s(?:у?видеть))"
)
_WHAT = rf"(?:что|кто)\s(?:(?:{_HERE}\s)?{_SHOWN}(?:\s{_HERE})?|{_HERE})"
_BRIEFLY = (
    r"(?:,?\s?(?:кратко|коротко|вкратце|подробно|пожалуйста|одним\sпредложением|в\sодном\sпредложении|словами),?\s?)"
)
_WHOLE = rf"(?:вс[её]\s)?(?:{_PICTURE}|то,\s{_WHAT}|е[её]|его|увиденное)"
_REQUEST = re.compile(
    rf"{_WHAT}"
    rf"|{_BRIEFLY}{{0,2}}(?:(?:опиши|подпиши)(?:те)?{_BRIEFLY}{{0,2}}\s?(?:{_WHOLE}|,?\s?{_WHAT})"
    rf"|(?:расскажи|скажи)(?:те)?(?:\sмне)?{_BRIEFLY}{{0,2}},?\s?(?:{_WHAT}|о\sтом,\s{_WHAT}|об?\s{_PICTURE})"
    r"|(?:(?:дай|составь|придумай|сделай|напиши|создай|сформулируй|предложи)(?:те)?\s)?(?:[а-яё]{3,12}(?:ую|ое)\s)?"
    rf"(?:описание|подпись)(?:\s(?:к|для))?\s{_PICTURE}){_BRIEFLY}{{0,2}}",
    re.IGNORECASE,
)
_LOOK = re.compile(
    rf"(?:внимательно\s)?(?:посмотри|рассмотри|изучи|взгляни)(?:те)?\s(?:внимательно\s)?(?:на\s)?{_PICTURE}",
    re.IGNORECASE,
)
_LOOK_FIRST = re.compile(rf"{_LOOK.pattern}(?:,|\sи|,\sи)\s", re.IGNORECASE)


def asks_for_caption(texts: Sequence[str]) -> bool:
    """Whether the texts beside a picture ask what it shows as a whole, and nothing else."""
    whole = joined(texts)
    if len(whole) > MOST_CHARACTERS:
        return False
    sentences = [sentence.strip(" .!?:…\n") for sentence in SENTENCE_END.split(whole)]
    requests = [sentence for sentence in sentences if sentence and not _LOOK.fullmatch(sentence)]
    return bool(requests) and all(_REQUEST.fullmatch(_LOOK_FIRST.sub("", each)) for each in requests)
