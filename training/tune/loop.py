"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders: one process or many, any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from contest.console import say
from models.bpe import BPE
from models.rudolph import Rudolph
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.vocabulary import Vocabulary
from models.weights_folder import require_fit
from training.tune.callbacks.build import build_callbacks
from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.callbacks.epochs import steps_of_epoch
from training.tune.checkpoints import CheckpointNote, last_checkpoint, save_checkpoint
from training.tune.data.loading import open_data, open_encoder, require_vqgan
from training.tune.distributed import Processes, open_processes
from training.tune.errors import SettingsError, make_output
from training.tune.export import export
from training.tune.freezing import freeze
from training.tune.initial_weights import starting_config, starting_model
from training.tune.lora import add_adapters
from training.tune.settings import TuneSettings
from training.tune.train_step import train_step
from training.tune.training_state import TrainState
from training.tune.validation import Validation, validate

# Settings that a run may be resumed with other values of: places, the machine, amounts of watching and keeping, and the
# mixture of tasks.
MAY_CHANGE = ("weights", "output", "tasks", "until", "validation", "checkpoint", "logging", "emissions")
PARTS_THAT_MAY_CHANGE = {
    "data": ("folder", "cache", "workers", "prefetch"),
    "compute": ("device", "threads", "parallel", "accumulate", "activation_checkpointing"),
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
    with open_processes(settings.compute.device) as processes:
        return _train(settings, callbacks, processes)


def _train(settings: TuneSettings, others: Sequence[Callback], processes: Processes) -> Path:
    output, weights = Path(settings.output), settings.weights_directory
    make_output(output)
    config, tokenizer = starting_config(settings.model, weights), read_tokenizer(weights)
    require_fit(weights, config, tokenizer, None)
    require_vqgan(settings.tasks, weights, config)
    state = TrainState(build_model(settings), settings, processes)
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
    fingerprint, checkpoint, end = fingerprint_of(settings), settings.checkpoint, settings.last_step
    resumed = processes.from_first(last_checkpoint(output) if processes.is_first else None)
    done = state.restore(resumed, fingerprint) if resumed else 0
    if done >= end and processes.is_first:
        say(f"training tune: the steps are done: {resumed} is of step {done}, and the run ends with step {end}")
    callbacks = build_callbacks(settings.logging, settings.validation.mode, others) if processes.is_first else None
    if callbacks:
        epoch = settings.logging.epoch_steps or steps_of_epoch(data.sizes, settings.data, settings.tasks)
        callbacks.on_start(TrainingRun(output, done, end, epoch, settings.logging.every, state.means))
    losses = []
    try:
        for step in range(done, end):
            values = train_step(state, step, data.batches.batch(step))
            losses.append(values["loss"])
            if callbacks:
                callbacks.on_step(step + 1, values)
            last = step + 1 == end
            validation = None
            if settings.validation.samples and ((step + 1) % settings.validation.every == 0 or last):
                whole = state.whole()
                if callbacks and whole is not None:
                    validation = validate(whole, vocabulary, data.held_out, settings.tasks, settings.validation.mode)
                    callbacks.on_validation(step + 1, validation)
                del whole  # perhaps a copy
            if (step + 1) % checkpoint.every == 0 or last:
                saved, rest = state.weights(), state.state(step + 1, fingerprint)
                if callbacks:
                    value = measured(checkpoint.best, sum(losses) / len(losses), validation)
                    note = CheckpointNote(step + 1, checkpoint.best, value)
                    path = save_checkpoint(output, note, state.model.config, saved, rest, checkpoint.keep_last)
                    callbacks.on_checkpoint(step + 1, path)
                losses.clear()
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
