"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders: one process, any size."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from models.bpe import BPE
from models.rudolph import Rudolph, load_rudolph, read_config
from models.rudolph.vocabulary import Vocabulary
from models.weights import save_safetensors
from training.tune.checkpoints import STATE_FILE, load_state, save_state
from training.tune.objective import objective
from training.tune.sampler import open_data
from training.tune.schedule import learning_rate
from training.tune.settings import TuneSettings
from training.tune.validation import validate
from training.tune.watching.build import build_watcher
from training.tune.watching.epochs import steps_of_epoch
from training.tune.watching.watcher import Run

# Settings that a run may be resumed with other values of: places, amounts of watching, and the mixture of tasks.
MAY_CHANGE = frozenset(
    ["data", "weights", "out", "threads", "validate_every", "validation_samples", "checkpoint_every", "tasks", "until"]
) | {"watch", "emissions"}


def build_model(settings: TuneSettings) -> Rudolph:
    """Return the model to train, in float32: random if `scratch` names a configuration, else one from a folder."""
    if settings.scratch is not None:
        torch.manual_seed(settings.seed)
        return Rudolph(read_config(Path(settings.scratch)))
    return load_rudolph(Path(settings.start) if settings.start else Path(settings.weights) / "rudolph")


def build_optimizer(model: Rudolph, settings: TuneSettings) -> torch.optim.AdamW:
    """AdamW; norms and biases are not decayed."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, settings.learning_rate, (settings.beta1, settings.beta2))


def train(settings: TuneSettings) -> Path:
    """Run the training to its end, from its last checkpoint if there is one; returns the trained weights' folder."""
    torch.set_num_threads(settings.threads)
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    model = build_model(settings).train()
    optimizer = build_optimizer(model, settings)
    vocabulary = Vocabulary(BPE(Path(settings.weights) / "bpe.model"), model.config)
    data = open_data(settings, vocabulary)
    fingerprint = {key: value for key, value in asdict(settings).items() if key not in MAY_CHANGE}
    done = load_state(out, model, optimizer, fingerprint)
    end = settings.steps if settings.until is None else settings.until
    watcher = build_watcher(settings)
    watcher.start(Run(settings, done, steps_of_epoch(data.sizes, settings)))
    try:
        for step in range(done, end):
            rate = learning_rate(step, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate
            # Dropout must draw the same numbers whether or not the run was interrupted.
            torch.manual_seed(settings.seed * 1_000_003 + step)
            batch = data.batches.batch(step)
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.dtype == "bfloat16"):
                loss, means = objective(model, batch, settings.tasks)
            if not bool(loss.isfinite()):
                raise FloatingPointError(f"step {step}: the loss is {loss.item()}; lower learning_rate or use float32")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            values = {"loss": loss.item(), "rate": rate, "gradient_norm": float(norm)}
            values |= {"samples": batch.ids.shape[0], "tokens": batch.ids.numel()}
            for task, segments in means.items():
                values |= {f"{task}.{segment}": value for segment, value in segments.items()}
            watcher.step(step + 1, values)
            last = step + 1 == end
            if (step + 1) % settings.validate_every == 0 or last:
                found = validate(model, vocabulary, data.held_out, settings.tasks, settings.watch.scoring)
                watcher.validated(step + 1, found)
            if (step + 1) % settings.checkpoint_every == 0 or last:
                save_state(out, model, optimizer, step + 1, fingerprint)
                watcher.saved(step + 1, out / STATE_FILE)
    finally:
        watcher.finish()
    trained = out / "rudolph"
    trained.mkdir(exist_ok=True)
    model.config.save(trained / "config.json")
    save_safetensors(model, trained / "model.safetensors", torch.float16)
    return trained
