"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders: one process or many, any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from contest.console import say
from models.bpe import BPE
from models.rudolph import Rudolph
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.vocabulary import Vocabulary
from models.weights_folder import require_fit
from training.tune.callbacks.build import build_watcher
from training.tune.callbacks.callback import Run, Watcher
from training.tune.callbacks.epochs import steps_of_epoch
from training.tune.checkpoints import Note, last_checkpoint, save_checkpoint
from training.tune.data.loading import demand_vqgan, open_data
from training.tune.distributed import Processes, open_processes
from training.tune.errors import SettingsError, make_out
from training.tune.export import export
from training.tune.freezing import freeze
from training.tune.initial_weights import starting_config, starting_model
from training.tune.lora import add_adapters
from training.tune.settings import TuneSettings
from training.tune.train_step import Stepper
from training.tune.training_state import Trainee
from training.tune.validation import Validation, validate

# Settings that a run may be resumed with other values of: places, the machine, amounts of watching and keeping, and the
# mixture of tasks.
MAY_CHANGE = frozenset(
    (
        *("data", "weights", "out", "cache", "workers", "prefetch", "threads", "device", "parallel", "accumulate"),
        *("activation_checkpointing", "validate_every", "validation_samples", "checkpoint_every", "keep_last", "best"),
        *("tasks", "until", "watch", "emissions"),
    )
)


def build_model(settings: TuneSettings) -> Rudolph:
    """Return the model to train, in float32.

    What the settings freeze is frozen; with `lora`, adapters stand beside its layers.
    """
    model = starting_model(settings)
    if settings.activation_checkpointing:
        # The transformer's alone: the model's own configuration is written out with the weights.
        model.transformer.config = replace(model.config, gradient_checkpointing=1)
    freeze(model, settings.freeze)
    if settings.lora.rank:
        torch.manual_seed(settings.seed)
        add_adapters(model, settings.lora)
    return model.train()


def read_tokenizer(settings: TuneSettings) -> BPE:
    """Return the tokenizer of the weights directory. Raises `SettingsError` for one that is not there, ValueError."""
    path = Path(settings.weights) / "bpe.model"
    try:
        return BPE(path)
    except OSError as error:
        raise SettingsError(f"weights: {path}: {error.strerror}; a weights directory has one") from error


def measured(settings: TuneSettings, mean_loss: float, validation: Validation | None) -> float | None:
    """How good the weights are, by the measure that `best` names; None where that was not measured at this step."""
    if settings.best == "loss":
        return mean_loss
    if validation is None:
        return None
    if settings.best == "validation":
        return validation.score
    return validation.tasks[settings.best].score


def _not_finite(model: torch.nn.Module) -> str | None:
    """Name of the first parameter with a value that is not finite, as far as this process has it."""
    for name, parameter in model.named_parameters():
        own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        if not bool(own.isfinite().all()):
            return name
    return None


def train(settings: TuneSettings, watchers: Sequence[Watcher] = ()) -> Path:
    """Run the training to its end, from its last checkpoint if there is one; returns the trained weights' folder.

    `watchers` are told what happens beside those that the settings ask for. Under torchrun, every process calls this.

    Raises `ValueError` (and what derives from it) and `ContestFileError` for settings, data, weights and checkpoints
    that can not be used, `FloatingPointError` when the loss or the gradient is no longer finite, `OSError` for a full
    disk.
    """
    torch.set_num_threads(settings.threads)
    with open_processes(settings) as processes:
        return _train(settings, watchers, processes)


def _train(settings: TuneSettings, watchers: Sequence[Watcher], processes: Processes) -> Path:
    out = Path(settings.out)
    make_out(out)
    config, tokenizer = starting_config(settings), read_tokenizer(settings)
    require_fit(Path(settings.weights), config, tokenizer, None)
    demand_vqgan(settings, config)
    trainee = Trainee(build_model(settings), settings, processes)
    model = trainee.model
    vocabulary = Vocabulary(tokenizer, model.config)
    data = open_data(settings, vocabulary, processes.rank, processes.world)
    fingerprint = {key: value for key, value in asdict(settings).items() if key not in MAY_CHANGE}
    resumed = processes.from_first(last_checkpoint(out) if processes.is_first else None)
    done = trainee.restore(resumed, fingerprint) if resumed else 0
    end = settings.steps if settings.until is None else settings.until
    if done >= end and processes.is_first:
        say(f"tune: the steps are done: {resumed} is of step {done}, and the run ends with step {end}")
    watcher = build_watcher(settings, watchers) if processes.is_first else None
    if watcher:
        watcher.start(Run(settings, done, steps_of_epoch(data.sizes, settings), trainee.means))
    stepper, losses = Stepper(trainee, settings), []
    try:
        for step in range(done, end):
            values = stepper.step(step, data.batches.batch(step))
            losses.append(values["loss"])
            if watcher:
                watcher.step(step + 1, values)
            last = step + 1 == end
            validation = None
            if settings.validation_samples and ((step + 1) % settings.validate_every == 0 or last):
                whole = trainee.whole()
                if watcher and whole is not None:
                    validation = validate(whole, vocabulary, data.held_out, settings.tasks, settings.watch.scoring)
                    watcher.validated(step + 1, validation)
                del whole  # perhaps a copy
            if (step + 1) % settings.checkpoint_every == 0 or last:
                weights, state = trainee.weights(), trainee.state(step + 1, fingerprint)
                if watcher:
                    value = measured(settings, sum(losses) / len(losses), validation)
                    note = Note(step + 1, settings.best, value)
                    watcher.saved(
                        step + 1, save_checkpoint(out, note, model.config, weights, state, settings.keep_last)
                    )
                losses.clear()
    except NonFiniteLogitsError as error:
        problem = f"step {step + 1}: the answers at validation are not finite"
        raise FloatingPointError(f"{problem}; lower learning_rate or weight_decay") from error
    except FloatingPointError as error:
        if not step and (name := _not_finite(model)) is not None:
            raise SettingsError(f"weights: those to start from hold NaN or infinity ({name}); take others") from error
        raise FloatingPointError(f"step {step + 1}: {error}") from error
    finally:
        if watcher:
            watcher.finish()
        data.batches.close()
    weights = trainee.weights()
    return export(out, model.config, weights) if processes.is_first else out / "rudolph"
