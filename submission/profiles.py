"""The two ways to run the model, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from models.rudolph.sampling import Sampling
from models.rudolph.vocabulary import EMPTY_ANSWER, EOS, PAD
from submission.asked_forms import AskedForm
from submission.captions import CaptionChoice
from submission.choosing import OptionChoice

PIL_DEFAULT_JPEG_QUALITY = 75


@dataclass(frozen=True)
class Profile:
    """Everything in which one way of running the model differs from another.

    Attributes:
        name: what the profile is called on the command line and in `run.json`.
        text: how an answer's tokens are drawn.
        image: how a picture's codes are drawn.
        noisy_picture_codes: whether an input picture's codes are drawn from the VQGAN's distribution; otherwise each
            is the most probable one.
        published_pictures: whether an input picture is read as the published code does, which clips grey of 16 bits to
            white and refuses damaged files; otherwise as well as it can be seen.
        black_is_absent: whether an all-black input picture counts as no picture, so that one is drawn for it.
        answer_on_drawing: whether a sample without a picture is answered on the picture drawn for it; otherwise on
            image codes of zeros, as the text tasks were trained, and drawing does not have to come first.
        first_allowed_id: lowest text id an answer may hold; the highest is the last BPE piece.
        empty_answer: what is written for an answer without text.
        shorten_passage: whether a left text that is too long loses parts of its passage; otherwise its end.
        jpeg_quality: of the pictures drawn, 1 to 95.
        options: how one of a sample's own options is chosen; None answers such a sample like any other.
        statements: whether "Верно ли, что ..?" behind a passage is answered by whether the passage lets the model end
            the statement so; of effect where `options` chooses.
        asked_forms: what a free answer is brought to where the question asks for it: one character, or a number.
        lengths: whether "Сколько букв в слове?" of a picture is answered by counting in what the model reads there.
        spans: the most words of a run of the passage that a question about one is answered with, unless the model finds
            it much less likely than a free answer (`submission/spans.py`); 0 answers freely.
        crops: whether the text in a picture that is not square is read again in other squares than its centre's.
        captions: how many captions more are drawn where a sample asks for one, and which is kept; None draws no more.

    Raises ValueError for a field out of its range.

    """

    name: str
    text: Sampling
    image: Sampling
    noisy_picture_codes: bool
    published_pictures: bool
    black_is_absent: bool
    answer_on_drawing: bool
    first_allowed_id: int
    empty_answer: str
    shorten_passage: bool
    jpeg_quality: int
    options: OptionChoice | None = None
    statements: bool = False
    asked_forms: tuple[AskedForm, ...] = ()
    lengths: bool = False
    spans: int = 0
    crops: bool = False
    captions: CaptionChoice | None = None

    def __post_init__(self) -> None:
        if not self.empty_answer:
            raise ValueError("empty_answer must have text: a scorer may fail on an empty answer")
        if not PAD <= self.first_allowed_id <= EOS:
            raise ValueError(f"first_allowed_id must lie in {PAD}..{EOS}, not {self.first_allowed_id}")
        if not 1 <= self.jpeg_quality <= 95:
            raise ValueError(f"jpeg_quality must lie in 1..95, not {self.jpeg_quality}")
        if self.spans < 0:
            raise ValueError(f"spans must not be negative (0: free answers), not {self.spans}")
        if unknown := set(self.asked_forms) - set(get_args(AskedForm)):
            raise ValueError(f"asked_forms are {', '.join(get_args(AskedForm))}, not {', '.join(sorted(unknown))}")


# The published inference, to the letter.
BASELINE = Profile(
    name="baseline",
    text=Sampling(temperature=1.0, top_k=32, top_p=0.8),
    image=Sampling(temperature=1.0, top_k=1024, top_p=0.975),
    noisy_picture_codes=True,
    published_pictures=True,
    black_is_absent=True,
    answer_on_drawing=True,
    first_allowed_id=PAD,
    empty_answer=EMPTY_ANSWER,
    shorten_passage=False,
    jpeg_quality=PIL_DEFAULT_JPEG_QUALITY,
)

TUNED = Profile(
    name="tuned",
    text=Sampling(temperature=1.0, top_k=1, top_p=1.0),
    image=Sampling(temperature=0.7, top_k=256, top_p=0.9),
    noisy_picture_codes=False,
    published_pictures=False,
    black_is_absent=False,
    answer_on_drawing=False,
    first_allowed_id=EOS,
    empty_answer=EMPTY_ANSWER,
    shorten_passage=True,
    jpeg_quality=95,
    options=OptionChoice(),
    statements=True,
    asked_forms=("character",),
    lengths=True,
    crops=True,
)

# What the switches of `submission.switches` change of a profile.
SWITCHED: Mapping[str, Mapping[str, Any]] = {"spans": {"spans": 12}, "captions": {"captions": CaptionChoice()}}

PROFILES = {profile.name: profile for profile in (TUNED, BASELINE)}


def with_switches(profile: Profile, names: Collection[str], *, ruclip: bool = False) -> Profile:
    """Return the profile with some of `SWITCHED` on, which its name tells; with `ruclip` captions are compared by it.

    Raises KeyError for a name that is unknown.
    """
    for name in sorted(set(names)):
        profile = replace(profile, name=f"{profile.name}+{name}", **SWITCHED[name])
    if ruclip and profile.captions is not None:
        profile = replace(profile, captions=replace(profile.captions, score="ruclip"))
    return profile


def greedy(profile: Profile) -> Profile:
    """Return the profile without chance: the most probable token and code everywhere."""
    return replace(
        profile,
        text=replace(profile.text, top_k=1),
        image=replace(profile.image, top_k=1),
        noisy_picture_codes=False,
        captions=None,
    )
