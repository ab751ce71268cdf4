"""How the bundled tiny networks but RUDOLPH are trained, and the options of their commands."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from training.tune.settings_keys import allowed, fields_of

R = TypeVar("R")
PART = ConfigDict(extra="forbid", use_attribute_docstrings=True)
Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastTwo = Annotated[int, Field(ge=2)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Recipe:
    """The schedule that all recipes share; `warmup` is how many steps the rate rises for."""

    warmup: ClassVar[int]
    steps: int
    learning_rate: float
    report_every: int

    def learning_rate_at(self, step: int) -> float:
        """Linear over the first `warmup` steps, and a cosine down to a fiftieth."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min(1.0, (step + 1) / self.warmup) * (0.02 + 0.98 * cosine)


class DecayedRecipe(Recipe):
    """A recipe whose matrices decay."""

    weight_decay: float


@dataclass(config=PART, frozen=True)
class VqganRecipe(Recipe):
    """How the VQGAN is trained. Shares are of the steps; losses are of pictures in [-1, 1]."""

    steps: AtLeastTwo = 4000
    """training steps"""
    batch: AtLeastTwo = 16
    """pictures a step"""
    seed: Seed = 0
    """seed of weights and batches"""
    learning_rate: Rate = 1.5e-3
    """peak of the learning rate"""
    signs: Share = 0.6
    """share of signs in a batch: they are the harder pictures"""
    gradient_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    """weight of the loss on differences between neighbouring pixels, which keeps edges sharp"""
    report_every: Positive = 250
    """steps between two reports"""
    commitment: float = 0.25
    plain: Share = 0.12  # share without quantisation
    restart_until: Share = 0.8  # share after which dead codes stay, so that the decoder meets a settled codebook
    warmup: ClassVar[int] = 100


@dataclass(config=PART, frozen=True)
class RuclipRecipe(DecayedRecipe):
    """How the ruCLIP is trained."""

    steps: Positive = 800
    """training steps"""
    batch: AtLeastTwo = 128
    """pairs a step"""
    seed: Seed = 0
    """seed of weights and batches"""
    learning_rate: Rate = 1.5e-3
    """peak of the learning rate"""
    neighbours: Annotated[float, Field(ge=0, le=1)] = 0.5
    """share of a batch whose captions share words: the hard negatives"""
    report_every: Positive = 250
    """steps between two reports"""
    weight_decay: float = 0.05
    warmup: ClassVar[int] = 60


@dataclass(config=PART, frozen=True)
class MalevichRecipe(DecayedRecipe):
    """How the tiny ruDALL-E is trained."""

    steps: Positive = 900
    """training steps"""
    batch: Positive = 32
    """pictures a step"""
    seed: Seed = 0
    """seed of weights and batches"""
    learning_rate: Rate = 2e-3
    """peak of the learning rate"""
    report_every: Positive = 50
    """steps between two reports"""
    weight_decay: float = 0.05
    warmup: ClassVar[int] = 60


@dataclass(config=PART, frozen=True)
class UpscalerRecipe(Recipe):
    """How an upscaler is trained."""

    steps: Positive = 800
    """training steps"""
    batch: Positive = 16
    """pictures a step"""
    seed: Seed = 0
    """seed of weights and batches"""
    learning_rate: Rate = 4e-3
    """peak of the learning rate"""
    report_every: Positive = 100
    """steps between two reports"""
    warmup: ClassVar[int] = 50


def _options(kind: type) -> dict[str, FieldInfo]:
    return {name: field for name, field in fields_of(kind).items() if field.description is not None}


def add_recipe_arguments(parser: argparse.ArgumentParser, kind: type) -> None:
    """Add an option for each number of a recipe that has a description."""
    types = get_type_hints(kind, include_extras=True)
    for name, field in _options(kind).items():
        metavar = "N" if field.annotation is int else "X"
        option, reader = f"--{name.replace('_', '-')}", _reader(TypeAdapter(types[name]), field)
        parser.add_argument(option, type=reader, default=field.default, metavar=metavar, help=field.description)


def _reader(adapter: TypeAdapter[Any], field: FieldInfo) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(f"must be {allowed(field)}, not {text!r}") from error

    return read


def recipe_of(options: argparse.Namespace, kind: type[R]) -> R:
    """Return the recipe that a command line asks for."""
    return kind(**{name: getattr(options, name) for name in _options(kind)})


def changed_options(recipe: object) -> list[str]:
    """Return the words of a command line that asks for a recipe, but for its defaults."""
    words: list[str] = []
    for name, field in _options(type(recipe)).items():
        if (value := getattr(recipe, name)) != field.default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words
