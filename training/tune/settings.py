"""The settings of a fine-tuning run, by component: types, bounds, defaults, and what each is for.

The one source of them: values are checked against it, and `training tune --help` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from contest.emissions.rows import FINAL_MARK
from models.named_folders import weights_folder

PART = ConfigDict(extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool)]
Positive = Annotated[Whole, Field(ge=1)]
Steps = Annotated[Whole, Field(ge=1, le=2**40)]
BatchSize = Annotated[Whole, Field(ge=1, le=2**20)]
Processes = Annotated[Whole, Field(ge=0, le=2**12)]
Share = Annotated[Number, Field(ge=0, le=1)]
Decay = Annotated[Number, Field(ge=0, lt=1)]
# What is multiplied in float32 stays in its range.
Factor = Annotated[Number, Field(ge=0, le=1e6)]
PositiveFactor = Annotated[Number, Field(gt=0, le=1e6)]
TwoFiles = Annotated[list[str], Field(min_length=2, max_length=2)]


@dataclass(config=PART, frozen=True)
class ColumnSettings:
    """What is what in shards that others wrote.

    Each names a column of Parquet files, or an extension in tar files; several by `;`, of which the first counts that
    is there; `json/caption` is `caption` in the column or the member `json`.
    """

    picture: str | None = None
    """The picture: its bytes, or (Parquet) the path of a file beside the shard; none: the samples have none."""
    left: str | None = None
    """The text of the sample: a question, or what is to be drawn."""
    prompt: str | None = None
    """A text that stands before `left`, or alone, in every sample."""
    answer: str | None = None
    """The text to answer, or a list of all that are right; none: the picture is the answer."""
    id: str | None = None
    """What the sample is called; by default its shard, with its key (tar) or row."""


@dataclass(config=PART, frozen=True)
class TaskSettings:
    """How one task is trained; the segments' weights are by default those of the published trainer."""

    samples: BatchSize = 8
    """Samples of it in a batch, with data.sampling: samples."""
    share: PositiveFactor = 1.0
    """How often it is drawn, relative to other tasks, with data.sampling: weights."""
    weight: Factor = 1.0
    """Weight of its loss; 0: the loss is logged, and not trained."""
    left: Factor = 1.0
    """Weight of the left text in its loss."""
    image: Factor = 1.0
    """Weight of the picture in its loss."""
    right: Factor = 7.0
    """Weight of the right text in its loss."""
    folder: str | None = None
    """Its folder; by default that of its name in data.folder."""
    train: TwoFiles | None = None
    """Its files of questions and answers for training, if they are not named after the task."""
    val: TwoFiles | None = None
    """Its files of questions and answers for validation, if they are not named after the task."""
    train_shards: str | None = None
    """Parquet or WebDataset (tar) shards for training, by a pattern in its folder: {000..127}.tar, *.parquet."""
    val_shards: str | None = None
    """The same for validation."""
    columns: ColumnSettings = field(default_factory=ColumnSettings)


@dataclass(config=PART, frozen=True)
class DataSettings:
    """What a run trains on, and how its batches are put together."""

    folder: str
    """Folder of the task folders."""
    cache: str | None = None
    """Folder for what is made of the data once; by default `cache` in data.folder."""
    sampling: Literal["samples", "balanced", "weights"] = "samples"
    """Tasks of a batch: `samples` of each; all equally often, in random order (balanced); or by `share` (weights)."""
    batch: BatchSize | None = None
    """Samples of a step, unless sampling is samples; by default as many as all tasks' `samples`."""
    reference: Literal["first", "value", "random"] = "first"
    """Answer to train on: the first, the first that is more than an option's letter (value), or a random one."""
    special_probability: Share = 0.75
    """How often a task's own left or right token replaces <LT_UNK> or <RT_UNK>, each drawn separately."""
    workers: Processes = 0
    """Processes that decode and encode pictures; 0: the training's own."""
    prefetch: Annotated[Whole, Field(ge=0, le=2**16)] = 2
    """Batches made ahead of the step that needs them."""


@dataclass(config=PART, frozen=True)
class ModelSettings:
    """The network that a run starts from: by default `rudolph/` of the weights directory."""

    start: str | None = None
    """Folder of the RUDOLPH to start from, or the name or id of a fetched one; with model.params a weights file."""
    params: dict[str, Any] = field(default_factory=dict)
    """Keywords of the configuration of a weights file, or its size as `name`."""
    scratch: str | None = None
    """Configuration file (JSON) of a RUDOLPH with random weights to start from."""
    initialization: Literal["normal", "induction"] = "normal"
    """How random weights are drawn; induction lays out heads that look things up."""


@dataclass(config=PART, frozen=True)
class OptimSettings:
    """The optimiser and its learning rate."""

    name: Literal["adamw", "adamw8bit"] = "adamw"
    """Optimiser; the state of adamw8bit takes a quarter of the memory."""
    schedule: Literal["cosine", "onecycle"] = "cosine"
    """Learning rate: warm-up, constant, cosine down (cosine), or the published schedule (onecycle)."""
    learning_rate: PositiveFactor = 2e-5
    """Peak of the learning rate."""
    warmup_steps: Annotated[Whole, Field(ge=0)] = 80
    """Steps of the linear warm-up."""
    decay_share: Share = 0.4
    """Last share of the steps, in which the rate falls."""
    final_rate_share: Share = 0.03
    """What the rate falls to, as a share of its peak."""
    beta1: Decay = 0.9
    """Decay of the mean of the gradients."""
    beta2: Decay = 0.98
    """Decay of the mean of their squares."""
    weight_decay: Factor = 0.02
    """Weight decay; norms and biases have none."""
    clip: Annotated[Number, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""


@dataclass(config=PART, frozen=True)
class LossSettings:
    """What is minimised."""

    kind: Literal["corrected", "published"] = "corrected"
    """The published loss with its mistakes, or corrected."""


@dataclass(config=PART, frozen=True)
class ComputeSettings:
    """Where and how the network computes; all but `dtype` change time and memory, and nothing else."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes a GPU where there is one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """What the network computes in; its weights are float32 always."""
    threads: Annotated[Whole, Field(ge=1, le=2**12)] = 1
    """Processor threads of each process."""
    accumulate: BatchSize = 1
    """Parts in which a step's batch runs through the network."""
    activation_checkpointing: bool = False
    """Keep only the layers' inputs, and compute the rest again."""
    keep_products: bool = False
    """With activation_checkpointing: keep what the layers' weights gave as well: more memory, hardly more work."""
    attention: Literal["auto", "dense", "pieces"] = "auto"
    """On a GPU: under whole masks (dense), or by pieces that hardly need one; auto: pieces from 1024 tokens on."""
    parallel: Literal["ddp", "fsdp", "hsdp"] = "ddp"
    """Each of several processes holds all weights (ddp), a part of them (fsdp), or a part within its node (hsdp)."""
    timeout: Annotated[Number, Field(ge=1, le=10**6)] = 7200.0
    """Seconds that processes wait for each other, also while the first one validates and saves; then all end."""


@dataclass(config=PART, frozen=True)
class ValidationSettings:
    """Validation on held-out samples."""

    every: Positive = 500
    """Steps between two validations."""
    samples: Annotated[Whole, Field(ge=0, le=2**40)] = 48
    """Samples of each task; 0: nothing is validated."""
    mode: Literal["official", "strict"] = "official"
    """Answers are scored by the organisers' scripts (official), or by their rules (strict)."""


@dataclass(config=PART, frozen=True)
class CheckpointSettings:
    """What a run keeps, to go on from or to take."""

    every: Positive = 250
    """Steps between two checkpoints."""
    keep_last: Positive = 2
    """Checkpoints kept, besides the best one."""
    best: str = "loss"
    """What makes one the best: lowest mean loss since the one before, highest validation score, or a task's score."""


@dataclass(config=PART, frozen=True)
class LoggingSettings:
    """What is written down of a run."""

    every: Positive = 25
    """Steps between two rows of the log."""
    tensorboard: bool = True
    """Whether OUTPUT/tensorboard is written."""
    plots: bool = True
    """Whether OUTPUT/plots is drawn at each validation."""
    answers: Annotated[Whole, Field(ge=0)] = 5
    """Answers of each task that are written to OUTPUT/validation at each validation."""
    epoch_steps: Positive | None = None
    """Steps of an epoch; by default one pass over the task that takes longest to go round."""


@dataclass(config=PART, frozen=True)
class EmissionsSettings:
    """How the CO2 of a run is measured, as the contest's rules ask: by eco2AI."""

    file: str | None = None
    """CSV file of eco2AI, relative to the output folder; none: nothing is measured."""
    project_name: str = "FusionBrain Challenge 2.0"
    """Name of the contest's task."""
    experiment_description: str = "RUDOLPH"
    """What is trained; the model's size and the run's are added."""
    final: bool = False
    """Whether this is the run that counts."""
    country: str = "RU"
    """Where it runs: two capital letters (ISO 3166)."""
    tdp_watts: Annotated[Number, Field(gt=0, lt=1e5)] | None = None
    """Power of one processor package, in watts; by default eco2AI's guess from its name."""
    period: Annotated[Number, Field(ge=0.1, le=3600)] = 1.0
    """Seconds between two measurements."""


@dataclass(config=PART, frozen=True)
class FreezeSettings:
    """Parameters that stay as they are, by the groups of the published trainer; see `training.tune.freezing`."""

    embeddings: bool = False
    """Embeddings of tokens and positions."""
    norms: bool = False
    """All norms."""
    attention: bool = False
    """Attention of all layers."""
    feed_forward: bool = False
    """Feed-forward parts of all layers."""
    rest: bool = False
    """The output layer."""


@dataclass(config=PART, frozen=True)
class LoraSettings:
    """Low-rank adapters (Hu et al., LoRA, 2021) beside the linear layers, scaled by alpha / rank."""

    rank: Annotated[Whole, Field(ge=0, le=2**16)] = 0
    """Their width; 0: none, all weights are trained."""
    alpha: Annotated[Number, Field(gt=0, allow_inf_nan=False)] = 16.0
    """Numerator of their scale."""
    dropout: Decay = 0.0
    """Dropout before them."""
    attention: bool = True
    """Whether the attention has some."""
    feed_forward: bool = False
    """Whether the feed-forward parts have some."""


@dataclass(config=PART, frozen=True)
class TuneSettings:
    """A fine-tuning run."""

    weights: str
    """Weights directory (`bpe.model`, `vqgan/`, and `rudolph/` unless the model says otherwise), or a fetched id."""
    output: str
    """Folder for checkpoints, logs and the trained RUDOLPH."""
    data: DataSettings
    tasks: dict[str, TaskSettings] = field(default_factory=dict)
    """Tasks to train, each with settings of its own."""
    steps: Steps = 1000
    """Steps of the whole run."""
    until: Positive | None = None
    """Step to end at early, on the same schedule; without it, or with other tasks, the run then goes on."""
    seed: Annotated[Whole, Field(ge=-(2**40), le=2**40)] = 0
    """Seed of random weights, batches and dropout."""  # times a million, it is still a seed to torch
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    freeze: FreezeSettings = field(default_factory=FreezeSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    emissions: EmissionsSettings = field(default_factory=EmissionsSettings)

    @property
    def weights_directory(self) -> Path:
        """Where the weights lie; raises NotFetchedError for the name of weights that were not fetched."""
        return weights_folder(self.weights)

    @property
    def last_step(self) -> int:
        """The step with which the run ends."""
        return self.steps if self.until is None else self.until


def conflicts(settings: TuneSettings) -> Iterator[tuple[str, str]]:
    """Yield the key, and what is wrong, of each value that does not go with the others."""
    model, frozen = settings.model, vars(settings.freeze).values()
    if model.start is not None and model.scratch is not None:
        yield "model.start", "cannot be given together with model.scratch"
    if model.params and model.start is None:
        yield "model.params", "describes the weights file model.start, which is not set"
    if model.initialization != "normal" and model.scratch is None:
        yield "model.scratch", "is not set, and only random weights have an initialization"
    if settings.until is not None and settings.until > settings.steps:
        yield "until", f"must be a whole number from 1 to steps ({settings.steps}), not {settings.until}"
    if settings.data.batch is not None and settings.data.sampling == "samples":
        yield "data.batch", "needs another data.sampling than samples"
    if problem := _best_problem(settings):
        yield "checkpoint.best", problem
    if settings.lora.rank and not (settings.lora.attention or settings.lora.feed_forward):
        yield "lora", "names no layers: set lora.attention or lora.feed_forward"
    if settings.lora.rank and any(frozen):
        yield "freeze", "cannot be given together with lora"
    if all(frozen):
        yield "freeze", "leaves nothing to train"
    if not any(task.weight for task in settings.tasks.values()):
        yield "tasks", "has weight 0 for every task" if settings.tasks else "names no task"
    for name, task in settings.tasks.items():
        if not any((task.left, task.image, task.right)):
            yield f"tasks.{name}", "needs a positive segment weight"
        yield from _shard_conflicts(name, task)
    emissions = settings.emissions
    if emissions.file is not None and not emissions.file.strip():
        yield "emissions.file", "is empty"
    if not (len(emissions.country) == 2 and emissions.country.isascii() and emissions.country.isupper()):
        yield "emissions.country", f"must be two capital letters such as RU, not {emissions.country!r}"
    if FINAL_MARK in emissions.experiment_description and not emissions.final:
        problem = f"has the key phrase {FINAL_MARK}, which marks the run that counts: set emissions.final to true"
        yield "emissions.experiment_description", f"{problem} instead"


def _shard_conflicts(name: str, task: TaskSettings) -> Iterator[tuple[str, str]]:
    key, shards = f"tasks.{name}", (task.train_shards, task.val_shards)
    for one, given, other in (("train_shards", *shards), ("val_shards", *reversed(shards))):
        if given is None and other is not None:
            yield f"{key}.{one}", "is not set, and the other of train_shards, val_shards is"
    if any(shards) and (task.train or task.val):
        yield f"{key}.train_shards", "cannot be given together with train, val"
    if any(shards) and task.columns.picture is None and task.columns.answer is None:
        yield f"{key}.columns", "names neither a picture nor an answer"


def _best_problem(settings: TuneSettings) -> str | None:
    best, samples = settings.checkpoint.best, settings.validation.samples
    if best == "loss":
        return None
    if best == "validation" and not samples:
        return "must be loss: with validation.samples: 0 nothing is validated"
    if best not in ("validation", *settings.tasks):
        return f"must be one of {', '.join(('loss', 'validation', *settings.tasks))}, not {best!r}"
    larger, smaller = sorted((settings.checkpoint.every, settings.validation.every), reverse=True)
    return "needs one of checkpoint.every, validation.every to divide the other" if larger % smaller else None
