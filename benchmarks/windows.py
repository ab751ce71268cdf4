"""Several codes a pass beside one by one: codes a pass, and seconds a picture, in one process by turns.

    python benchmarks/windows.py pictures --batch 1 4 8 16 64 --repeats 5 --threads 1
    python benchmarks/windows.py passes --size 350M --batch 1 4 16 64 --repeats 5 --threads 1

`pictures` draws whole pictures of the bundled model, by the profiles' sampling. `passes` times a step and passes of a
published size with random weights, from the beginning of a picture. Random weights say what a pass costs, but little of
how many codes it gives: their pictures have hardly any order to guess by. Both ways are timed by turns, and medians
are given; `--clock cpu` counts processor time, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from benchmarks.record import markdown
from models.bpe import BPE
from models.rudolph import SIZES, Rudolph, load_rudolph, named
from models.rudolph.compact_cache import CompactCache
from models.rudolph.decoding import forward_cached, generate_image, output_head
from models.rudolph.many_codes import draw_one_pass, first_codes
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.packed import pack_linears
from models.rudolph.sampling import Sampling, count_not_finite, sample_token, uniforms
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import Vocabulary
from models.rudolph.window_width import WindowWidth

CPU = torch.device("cpu")
WEIGHTS = Path(__file__).parents[1] / "weights"
SAMPLINGS = {
    "tuned": Sampling(temperature=0.7, top_k=256, top_p=0.9),
    "published": Sampling(temperature=1.0, top_k=1024, top_p=0.975),
    "greedy": Sampling(top_k=1),
}
TEXTS = (
    "красный круг слева от синего квадрата на сером фоне",
    "два фиолетовых ромба слева от чёрной звезды на сером фоне",
    "зелёный треугольник на белом фоне",
    "жёлтая звезда и белое сердце на чёрном фоне",
    "слева направо красное сердце, коричневое кольцо и оранжевое сердце на сером фоне",
    "синий круг",
    "три чёрных квадрата",
    "розовый ромб на зелёном фоне",
)
Clock = Callable[[], float]


def by_turns(ways: dict[str, Callable[[], object]], repeats: int, clock: Clock) -> dict[str, float]:
    """Median seconds of each way, all of them once a turn, after one turn that counts for nothing."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            began = clock()
            way()
            if turn:
                seconds[name].append(clock() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def pictures(
    batches: Sequence[int],
    widths: Sequence[int],
    samplings: Sequence[str],
    repeats: int,
    clock: Clock,
    device: torch.device = CPU,
) -> Iterator[dict[str, object]]:
    """Yield rows of whole pictures of the bundled model, in float32."""
    model = load_rudolph(WEIGHTS / "rudolph", device)
    vocabulary = Vocabulary(BPE(WEIGHTS / "bpe.model"), model.config)
    pack_linears(model.transformer)
    graphs = StepGraphs.automatic(device)  # as in a run
    texts = torch.stack([vocabulary.encode_left(text, "<LT_UNK>") for text in TEXTS])
    for name in samplings:
        sampling = SAMPLINGS[name]
        for batch in batches:
            left = texts[torch.arange(batch) % len(texts)]
            numbers = uniforms(0, [str(i) for i in range(batch)], "image", model.config.image_seq_length)
            chosen = {"auto": WindowWidth.automatic(device), **{str(width): WindowWidth((width,)) for width in widths}}

            def draw(width: int | WindowWidth, left: Tensor = left, numbers: Tensor = numbers, sampling=sampling):  # type: ignore[no-untyped-def]
                return generate_image(model, left, sampling, numbers, window=width, graphs=graphs)

            ways = {"one by one": lambda draw=draw: draw(1)}  # type: ignore[misc]
            ways |= {key: lambda draw=draw, width=width: draw(width) for key, width in chosen.items()}  # type: ignore[misc]
            expected = draw(1)
            differ = {key: int((draw(width) != expected).any(1).sum()) for key, width in chosen.items()}
            seconds = by_turns(ways, repeats, clock)
            for key, width in chosen.items():
                yield {
                    "sampling": name,
                    "batch": batch,
                    "window": key,
                    "codes a pass": round(width.codes / width.passes, 2),
                    "s a picture, one by one": round(seconds["one by one"] / batch, 4),
                    "in windows": round(seconds[key] / batch, 4),
                    "times faster": round(seconds["one by one"] / seconds[key], 2),
                    "pictures that differ": differ[key],
                }


@torch.inference_mode()
def passes(
    model: Rudolph, batches: Sequence[int], widths: Sequence[int], sampling: Sampling, repeats: int, clock: Clock
) -> Iterator[dict[str, object]]:
    """Yield rows of what a pass costs beside a step, and of how many codes it gives behind random weights."""
    config, device = model.config, model.text_embeddings.weight.device
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    steps, start = config.image_seq_length, config.l_text_seq_length
    for batch in batches:
        left = torch.randint(1, config.bpe_vocab, (batch, start), generator=torch.Generator().manual_seed(0)).to(device)
        numbers = uniforms(0, [str(i) for i in range(batch)], "image", steps).to(device)
        single = CompactCache(model.transformer, batch)
        logits = forward_cached(model, single, left, 0, head)
        place = iter(range(steps - 1))

        def step(single=single, logits=logits, numbers=numbers, place=place) -> None:  # type: ignore[no-untyped-def]
            count_not_finite(logits)
            code = sample_token(logits, sampling, numbers[:, 0])
            forward_cached(model, single, code[:, None], start + next(place), head)

        ways, rows_of = {"step": step}, {}
        for width in widths:
            cache = ManyCodesCache(model.transformer, batch, 1, width)
            forward_cached(model, cache, left, 0, head)
            rows = first_codes(logits, sampling, numbers, None, config.image_tokens_per_dim, width)
            rows_of[width] = rows
            ways[str(width)] = lambda cache=cache, rows=rows, width=width: draw_one_pass(  # type: ignore[misc]
                model, cache, head, sampling, rows, width
            )
        seconds = by_turns(ways, repeats, clock)
        for width, rows in rows_of.items():
            yield {
                "batch": batch,
                "window": width,
                "ms a step": round(1e3 * seconds["step"], 1),
                "ms a pass": round(1e3 * seconds[str(width)], 1),
                "codes a pass to be as fast": round(seconds[str(width)] / seconds["step"], 2),
                "codes a pass, random weights": round((rows.known.float().mean().item() - 1) / (repeats + 1), 2),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pictures", "passes"])
    parser.add_argument("--size", default="350M", choices=SIZES, help="of passes")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8, 16, 64])
    parser.add_argument("--window", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--sampling", nargs="+", default=["tuned"], choices=SAMPLINGS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    if arguments.what == "pictures":
        rows = list(pictures(arguments.batch, arguments.window, arguments.sampling, arguments.repeats, clock))
    else:
        model = Rudolph(named(arguments.size)).eval()
        pack_linears(model.transformer)
        sampling = SAMPLINGS[arguments.sampling[0]]
        rows = list(passes(model, arguments.batch, arguments.window, sampling, arguments.repeats, clock))
    print(markdown(rows))


if __name__ == "__main__":
    main()
