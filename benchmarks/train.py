"""Samples a second and peak memory of a training step: this trainer beside the published one's work, in one run.

    python benchmarks/train.py --size 350M --layers 2 --samples 1 --steps 3 --clock cpu --json train.json
    python benchmarks/train.py --size 2.7B --device cuda --samples 2

A batch has so many samples of each of the six tasks, random ids, answers of eight tokens. Ours: `training.tune`'s own
step (one forward pass, split output heads, chunked cross-entropy, bfloat16 over float32 weights, AdamW). Theirs: see
`published_training.py`, with all weights, gradients and optimiser states in half precision. Each runs in a process of
its own; times are medians of steps, the first thrown away; peaks are of the whole process (CPU) or of torch's
allocations (GPU). With fewer layers the output head weighs more than it does in the whole model.
On a machine that others use too, `--clock cpu --threads 1` counts processor time, which leaves waiting out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from benchmarks.decode import DTYPES, add_timing, configuration, model_parser, write_rows
from benchmarks.published_training import PublishedTraining
from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import BOS, EOS
from training.allocator import keep_freed_memory
from training.tune.data.batches import Batch
from training.tune.distributed import Processes
from training.tune.settings import ComputeSettings, DataSettings, TaskSettings, TuneSettings
from training.tune.settings_file import PUBLISHED_SEGMENTS
from training.tune.train_step import train_step
from training.tune.training_state import TrainState

ANSWER = 8  # tokens of an answer, with its BOS and EOS
TASKS = {
    task: TaskSettings(weight=0.5, left=left, image=image, right=right)
    for task, (left, image, right) in PUBLISHED_SEGMENTS.items()
}
TEXT_TASKS, WITHOUT_ANSWER = ("textqa", "mathqa"), "generation"


@dataclass(frozen=True)
class Row:
    """One way of training: samples a second, and the most memory held."""

    way: str
    samples_per_second: float
    peak_gib: float


def task_ids(config: Config, task: str, samples: int) -> Tensor:
    """Ids of a task's samples, right text of full length: `[samples, total length]`."""
    text = torch.randint(4, config.bpe_vocab, (samples, config.total_seq_length))
    text[:, 2 * config.l_text_seq_length // 3 : config.l_text_seq_length] = 0  # left text fills two thirds
    image = torch.randint(0, config.image_vocab_size, (samples, config.image_seq_length))
    text[:, config.l_text_seq_length : config.prefix_length] = 0 if task in TEXT_TASKS else image
    right = text[:, config.prefix_length :]
    right[:, 0], right[:, ANSWER - 1], right[:, ANSWER:] = BOS, EOS, 0
    if task == WITHOUT_ANSWER:
        right[:] = 0
    return text


def our_step(config: Config, arguments: argparse.Namespace) -> Callable[[int], float]:
    keep_freed_memory()  # as the command does
    compute = ComputeSettings(dtype=arguments.dtype)
    settings = TuneSettings("", "", DataSettings(""), TASKS, steps=1000, compute=compute)
    state = TrainState(Rudolph(config).train(), settings, Processes(0, 1, torch.device(arguments.device)))
    ids = torch.cat([task_ids(config, task, arguments.samples) for task in TASKS])
    weights = [(s.left, s.image, 0.0 if task == WITHOUT_ANSWER else s.right) for task, s in TASKS.items()]
    batch = Batch(
        ids[:, : config.prefix_length + ANSWER],
        torch.tensor(weights).repeat_interleave(arguments.samples, 0),
        torch.arange(len(TASKS)).repeat_interleave(arguments.samples),
        tuple(TASKS),
    )
    return lambda step: train_step(state, step, batch)["loss"]


def published_step(config: Config, arguments: argparse.Namespace) -> Callable[[int], float]:
    with torch.device(arguments.device):
        model = Rudolph(config).to(DTYPES[arguments.published_dtype])
    batches = {task: task_ids(config, task, arguments.samples).to(arguments.device) for task in TASKS}
    batches[WITHOUT_ANSWER] = batches[WITHOUT_ANSWER][:, : config.prefix_length]
    training = PublishedTraining(model, TASKS, clip=1.0)
    return lambda _: training.step(batches)


WAYS = {"this trainer": our_step, "published": published_step}


def measure(way: str, arguments: argparse.Namespace) -> Row:
    """Time a way; to be called in a process of its own."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    step = WAYS[way](configuration(arguments.size, arguments.layout, arguments.layers), arguments)
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[arguments.clock]
    times = []
    for number in range(arguments.steps + 1):
        start = clock()
        step(number)  # it returns the loss as a number, and so waits for a GPU
        times.append(clock() - start)
    rate = len(TASKS) * arguments.samples / statistics.median(times[1:])
    return Row(way, round(rate, 4), round(process_peak_bytes(arguments.device) / 2**30, 2))


def process_peak_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["VmHWM"].split()[0])


def main() -> None:
    parser = model_parser(__doc__, steps=3)
    add_timing(parser)
    parser.add_argument("--samples", type=int, default=1, help="of each of the six tasks in a batch")
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--published-dtype", choices=DTYPES, help="default: bf16 on a CPU, fp16 on a GPU")
    arguments = parser.parse_args()
    arguments.published_dtype = arguments.published_dtype or ("bf16" if arguments.device == "cpu" else "fp16")
    rows = []
    print(f"{'':<14}{'samples/s':>12}{'peak GiB':>10}")
    for way in WAYS:
        with get_context("spawn").Pool(1) as pool:
            row = pool.apply(measure, (way, arguments))
        rows.append(row)
        print(f"{row.way:<14}{row.samples_per_second:>12}{row.peak_gib:>10}", flush=True)
    speed, memory = (rows[0].samples_per_second / rows[1].samples_per_second, rows[0].peak_gib / rows[1].peak_gib)
    print(f"{'ratio':<14}{speed:>12.2f}{memory:>10.2f}")
    write_rows(arguments, rows)


if __name__ == "__main__":
    main()
