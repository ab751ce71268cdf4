"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders: one process, any size."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from models.bpe import BPE
from models.rudolph import Config, Rudolph, load_rudolph, read_config
from models.rudolph.vocabulary import Vocabulary
from models.weights import save_safetensors
from training.tune.batches import TASK_TOKENS, BatchMaker
from training.tune.checkpoints import load_state, save_state
from training.tune.examples import Example, PictureEncoder, read_task
from training.tune.objective import objective
from training.tune.schedule import learning_rate
from training.tune.settings import SettingsError, TuneSettings
from training.tune.validation import exact_match

PIXELS_PER_CODE = 8
LOG_EVERY = 25
# Settings that a run may be resumed with other values of: places, amounts of watching, and the mixture of tasks.
MAY_CHANGE = frozenset(
    ["data", "weights", "out", "threads", "validate_every", "validation_samples", "checkpoint_every", "tasks", "until"]
)


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


def read_examples(settings: TuneSettings, config: Config) -> dict[str, dict[str, list[Example]]]:
    """Training and validation examples: `{"train" | "val": {task: examples}}`."""
    unknown = sorted(set(settings.tasks) - set(TASK_TOKENS))
    if unknown:
        raise SettingsError(f"tasks: unknown {', '.join(unknown)}; known are {', '.join(TASK_TOKENS)}")
    encoder = PictureEncoder(Path(settings.weights) / "vqgan", config.image_tokens_per_dim * PIXELS_PER_CODE)
    data = Path(settings.data)
    return {
        split: {task: read_task(data / task, task, split, encoder) for task in settings.tasks}
        for split in ("train", "val")
    }


class Log:
    """Appends rows to `log.csv` and prints them; a resumed run appends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one long-format row for each value: step, name, value."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(("step", "name", "value"))
            for name, value in row.items():
                if name != "step":
                    writer.writerow((row["step"], name, value))
        tqdm.write("  ".join(f"{name} {value:.4g}" for name, value in row.items()))


def train(settings: TuneSettings) -> Path:
    """Run the training to its end, from its last checkpoint if there is one; returns the trained weights' folder."""
    torch.set_num_threads(settings.threads)
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    model = build_model(settings).train()
    optimizer = build_optimizer(model, settings)
    vocabulary = Vocabulary(BPE(Path(settings.weights) / "bpe.model"), model.config)
    examples = read_examples(settings, model.config)
    maker = BatchMaker(
        vocabulary, examples["train"], settings.tasks, settings.seed, settings.special_probability, settings.reference
    )
    held_out = {task: found[: settings.validation_samples] for task, found in examples["val"].items()}
    fingerprint = {key: value for key, value in asdict(settings).items() if key not in MAY_CHANGE}
    done = load_state(out, model, optimizer, fingerprint)
    log = Log(out / "log.csv")
    running: dict[str, float] = {}
    started = time.monotonic()
    end = settings.steps if settings.until is None else settings.until
    for step in tqdm(range(done, end), "tune", initial=done, total=end, disable=None):
        rate = learning_rate(step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Dropout must draw the same numbers whether or not the run was interrupted.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.dtype == "bfloat16"):
            loss, means = objective(model, maker.batch(step), settings.tasks)
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"step {step}: the loss is {loss.item()}; lower learning_rate or use float32")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        for task, segments in means.items():
            for segment, value in segments.items():
                name = f"{task}.{segment}"
                running[name] = 0.95 * running.get(name, value) + 0.05 * value
        last = step + 1 == end
        if (step + 1) % LOG_EVERY == 0 or last:
            speed = (step + 1 - done) / (time.monotonic() - started)
            extra = {"loss": loss.item(), "rate": rate, "gradient_norm": float(norm), "steps_per_second": speed}
            log.write({"step": step + 1, **extra, **running})
        if (step + 1) % settings.validate_every == 0 or last:
            scores = exact_match(model, vocabulary, held_out)
            log.write({"step": step + 1, **{f"validation.{task}": score for task, score in scores.items()}})
        if (step + 1) % settings.checkpoint_every == 0 or last:
            save_state(out, model, optimizer, step + 1, fingerprint)
    trained = out / "rudolph"
    trained.mkdir(exist_ok=True)
    model.config.save(trained / "config.json")
    save_safetensors(model, trained / "model.safetensors", torch.float16)
    return trained
