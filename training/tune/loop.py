"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders: one process or many, any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from contest.console import say
from contest.stop_signals import Stopped, StopRequest, stop_when_convenient
from models.bpe import BPE
from models.rudolph import Rudolph
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.free_memory import free_bytes
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import Vocabulary
from models.weights_folder import require_fit
from training.tune.callbacks.build import build_callbacks
from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.callbacks.epochs import steps_of_epoch
from training.tune.checkpoints import CheckpointNote, last_checkpoint, save_checkpoint
from training.tune.compute_note import ComputeNote
from training.tune.data.loading import Data, open_data, open_encoder, require_vqgan
from training.tune.distributed import Processes, open_processes
from training.tune.errors import SettingsError, make_output
from training.tune.export import export
from training.tune.freezing import freeze
from training.tune.initial_weights import starting_config, starting_model
from training.tune.lora import add_adapters
from training.tune.memory_estimate import require_memory
from training.tune.node_log import NodeLog
from training.tune.nodes import checksum, require_same_start, require_same_work
from training.tune.settings import TuneSettings
from training.tune.train_step import train_step
from training.tune.training_state import TrainState
from training.tune.validation import Validation, validate

# Settings that a run may be resumed with other values of: places, the machine, amounts of watching and keeping, and the
# mixture of tasks.
MAY_CHANGE = ("weights", "output", "tasks", "until", "validation", "checkpoint", "logging", "emissions")
PARTS_THAT_MAY_CHANGE = {
    "data": ("folder", "cache", "workers", "prefetch"),
    "compute": (
        "device",
        "threads",
        "parallel",
        "timeout",
        "accumulate",
        "activation_checkpointing",
        "keep_products",
        "attention",
    ),
}


def fingerprint_of(settings: TuneSettings) -> dict[str, Any]:
    """Return, as nested plain values, the settings that a run must be resumed with unchanged."""
    kept = {key: value for key, value in asdict(settings).items() if key not in MAY_CHANGE}
    for part, keys in PARTS_THAT_MAY_CHANGE.items():
        kept[part] = {key: value for key, value in kept[part].items() if key not in keys}
    return kept


def build_model(settings: TuneSettings) -> Rudolph:
    """Return the model to train, in float32.

    What the settings freeze is frozen; with `lora`, adapters stand beside its layers.
    """
    model = starting_model(settings.model, settings.weights_directory, settings.seed)
    if settings.compute.activation_checkpointing:
        # The transformer's alone: the model's own configuration is written out with the weights.
        model.transformer.config = replace(model.config, gradient_checkpointing=1)
        model.transformer.keeps_products = settings.compute.keep_products
    freeze(model, settings.freeze)
    if settings.lora.rank:
        torch.manual_seed(settings.seed)
        add_adapters(model, settings.lora)
    return model.train()


def read_tokenizer(weights: Path) -> BPE:
    """Return the tokenizer of the weights directory. Raises `SettingsError` where there is none."""
    path = weights / "bpe.model"
    try:
        return BPE(path)
    except OSError as error:
        raise SettingsError(f"weights: {path}: {error.strerror}", "a weights directory has one") from error


def measured(best: str, mean_loss: float, validation: Validation | None) -> float | None:
    """How good the weights are, by the measure that `best` names; None where that was not measured at this step."""
    if best == "loss":
        return mean_loss
    if validation is None:
        return None
    return validation.score if best == "validation" else validation.tasks[best].score


def _not_finite(model: torch.nn.Module) -> str | None:
    """Name of the first parameter with a value that is not finite, as far as this process has it."""
    for name, parameter in model.named_parameters():
        own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        if not bool(own.isfinite().all()):
            return name
    return None


def train(settings: TuneSettings, callbacks: Sequence[Callback] = ()) -> Path:
    """Run the training to its end, from its last checkpoint if there is one; returns the trained weights' folder.

    `callbacks` are called after those that the settings ask for. Under torchrun, every process calls this.

    Raises `UserError`s for settings, data, weights and checkpoints that can not be used, `FloatingPointError` when the
    loss or the gradient is no longer finite, `OSError` for a full disk.
    """
    torch.set_num_threads(settings.compute.threads)
    with open_processes(settings.compute) as processes:
        return _train(settings, callbacks, processes)


@dataclass(frozen=True)
class _Run:
    """What a run's steps need; `callbacks` on the first process alone."""

    settings: TuneSettings
    state: TrainState
    data: Data
    vocabulary: Vocabulary
    callbacks: Callback | None
    fingerprint: Mapping[str, Any]
    nodes: NodeLog
    note: ComputeNote

    def make(self, step: int, request: StopRequest) -> None:
        """Make a step (0-based), and validate and save where that is due.

        Raises `Stopped`, on every process and behind a checkpoint, when one of them was asked to end.
        """
        settings, checkpoint = self.settings, self.settings.checkpoint
        with self.nodes.waiting():
            batch = self.data.batches.batch(step)
        values = train_step(self.state, step, batch)
        self.state.losses.append(values["loss"])
        last = step + 1 == settings.last_step
        if last or (step + 1) % settings.logging.every == 0:
            values |= self.nodes.row()
        if self.callbacks:
            self.callbacks.on_step(step + 1, values)
        stop = self.state.processes.largest(request.number)
        validation = None
        if settings.validation.samples and ((step + 1) % settings.validation.every == 0 or last):
            validation = self._validate(step)
        if (step + 1) % checkpoint.every == 0 or last:
            value = measured(checkpoint.best, fmean(self.state.losses), validation)
            self.state.losses.clear()
            self._save(step, value)
        elif stop:  # the next checkpoint's mean will be what it would have been without this one
            self._save(step, None)
        if stop and not last:
            if self.callbacks:
                say(f"training tune: stopped behind step {step + 1}, with a checkpoint: the same command goes on")
            raise Stopped(stop)

    def _validate(self, step: int) -> Validation | None:
        """Validate on the first process; all must call."""
        whole, settings = self.state.whole(), self.settings
        if self.callbacks is None or whole is None:
            return None
        asked = whole, self.vocabulary, self.data.held_out, settings.tasks, settings.validation.mode
        found = validate(*asked, graphs=self.note.graphs)
        self.note.write()
        self.callbacks.on_validation(step + 1, found)
        return found

    def _save(self, step: int, value: float | None) -> None:
        """Save a checkpoint on the first process; all must call."""
        checkpoint, output = self.settings.checkpoint, Path(self.settings.output)
        weights, rest = self.state.weights(), self.state.state(step + 1, self.fingerprint)
        if self.callbacks:
            note = CheckpointNote(step + 1, checkpoint.best, value)
            path = save_checkpoint(output, note, self.state.model.config, weights, rest, checkpoint.keep_last)
            self.callbacks.on_checkpoint(step + 1, path)


def _train(settings: TuneSettings, others: Sequence[Callback], processes: Processes) -> Path:
    output, weights = Path(settings.output), settings.weights_directory
    make_output(output)
    require_same_work(settings, processes.place, processes.world)
    config, tokenizer = starting_config(settings.model, weights), read_tokenizer(weights)
    require_fit(weights, config, tokenizer, None)
    require_vqgan(settings.tasks, weights, config)
    model = build_model(settings)
    need = None
    if processes.device.type == "cuda":
        free, world, place = free_bytes(processes.device), processes.world, processes.place
        need = require_memory(model, settings, free, world, place.local_world, speaks=place.speaks)
    compares = processes.world > 1 and processes.place.speaks
    weights_sum = checksum(model) if compares else ""  # of whole weights: soon they are shared
    state = TrainState(model, settings, processes)
    graphs = StepGraphs.automatic(processes.device)
    note = ComputeNote(output, processes.device, state.attention, need, graphs)
    vocabulary = Vocabulary(tokenizer, state.model.config)
    data = open_data(
        settings.data,
        settings.tasks,
        open_encoder(settings.data, weights, state.model.config, settings.compute.device),
        vocabulary,
        seed=settings.seed,
        held_out=settings.validation.samples,
        rank=processes.rank,
        world=processes.world,
    )
    require_same_start(weights_sum, data.digests() if compares else {}, processes.place, processes.world)
    fingerprint, end = fingerprint_of(settings), settings.last_step
    resumed = processes.from_first(last_checkpoint(output) if processes.is_first else None)
    done = state.restore(resumed, fingerprint) if resumed else 0
    if done >= end and processes.is_first:
        say(f"training tune: the steps are done: {resumed} is of step {done}, and the run ends with step {end}")
    callbacks = build_callbacks(settings.logging, settings.validation.mode, others) if processes.is_first else None
    if callbacks:
        epoch = settings.logging.epoch_steps or steps_of_epoch(data.sizes, settings.data, settings.tasks)
        note.write()
        callbacks.on_start(TrainingRun(output, done, end, epoch, settings.logging.every, state.means))
    nodes = NodeLog(processes.place, processes.world)
    run = _Run(settings, state, data, vocabulary, callbacks, fingerprint, nodes, note)
    try:
        with stop_when_convenient() as request:
            for step in range(done, end):
                run.make(step, request)
    except NonFiniteLogitsError as error:
        problem = f"step {step + 1}: the answers at validation are not finite"
        raise FloatingPointError(f"{problem}; lower optim.learning_rate or optim.weight_decay") from error
    except FloatingPointError as error:
        if not step and (name := _not_finite(state.model)) is not None:
            raise SettingsError(f"weights: those to start from hold NaN or infinity ({name})", "take others") from error
        raise FloatingPointError(f"step {step + 1}: {error}") from error
    finally:
        if callbacks:
            callbacks.on_end()
        data.batches.close()
    trained = state.weights()
    return export(output, state.model.config, trained) if processes.is_first else output / "rudolph"
