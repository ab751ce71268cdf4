"""The bundled networks on the GPU against the CPU, and against themselves in other batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.decode import IMAGE_SAMPLING, TEXT_SAMPLING
from benchmarks.gpu_parts.parts import Setting
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.caches import DenseCache
from models.rudolph.decoding import answer, forward_cached, generate_image, output_head
from models.rudolph.guidance import Guidance, generate_guided
from models.rudolph.sampling import uniforms
from models.rudolph.scored_answers import NO_NODE, TokenGraph, scored_answers
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import EOS
from models.vqgan import load_vqgan

WEIGHTS = Path(__file__).parents[2] / "weights"
TEMPLATE = [2, 3]
EXACT = 1e-4  # the most that logits in float32 may differ from the CPU's


def _ids(model: Rudolph, rows: int) -> Tensor:
    """Random ids of whole sequences `[rows, total length]`, the same on every device."""
    config, numbers = model.config, torch.Generator().manual_seed(0)
    ids = torch.randint(4, config.bpe_vocab, (rows, config.total_seq_length), generator=numbers)
    codes = torch.randint(config.image_vocab_size, (rows, config.image_seq_length), generator=numbers)
    ids[:, config.l_text_seq_length : config.prefix_length] = codes
    return ids


@torch.inference_mode()
def parity(setting: Setting) -> Iterator[dict[str, Any]]:
    """Logits, the loss and the pictures in each precision against the CPU in float32; caches against the full pass."""
    exact = load_rudolph(WEIGHTS / "rudolph", torch.device("cpu"), torch.float32)
    ids = _ids(exact, 2 if setting.tiny else 8)
    expected = exact(ids)  # [rows, n, vocabulary]
    best, loss = expected.argmax(-1), _loss(expected, ids)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        model = load_rudolph(WEIGHTS / "rudolph", torch.device(setting.device), dtype)
        logits = model(ids.to(setting.device)).float().cpu()
        yield _compared("logits", dtype, logits, expected, (logits.argmax(-1) == best).float().mean())
        yield {**_compared("loss", dtype, _loss(logits, ids), loss), "same choice": "-"}
        head = output_head(model, slice(0, expected.shape[-1]))
        cache = DenseCache(model.transformer, len(ids), ids.shape[1])
        cached = forward_cached(model, cache, ids[:, :-1].to(setting.device), 0, head)
        cached = forward_cached(model, cache, ids[:, -1:].to(setting.device), ids.shape[1] - 1, head).float().cpu()
        agreeing = (cached.argmax(-1) == logits[:, -1].argmax(-1)).float().mean()
        yield _compared("cached, to the full pass", dtype, cached, logits[:, -1], agreeing)
    codes = ids[:, exact.config.l_text_seq_length : exact.config.prefix_length]
    pictures = load_vqgan(WEIGHTS / "vqgan").decode(codes)
    for dtype in (torch.float32, torch.bfloat16):
        ours = load_vqgan(WEIGHTS / "vqgan", setting.device).to(dtype).decode(codes).float().cpu()
        yield {**_compared("pictures", dtype, ours, pictures), "same choice": "-"}


def _loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean cross-entropy of the next right-text ids."""
    return torch.nn.functional.cross_entropy(logits[:, -9:-1].flatten(0, 1), ids[:, -8:].flatten())


def _compared(
    what: str, dtype: torch.dtype, ours: Tensor, expected: Tensor, same: Tensor | float = 1.0
) -> dict[str, Any]:
    difference = float((ours - expected).abs().max())
    close = difference <= EXACT * max(1.0, float(expected.abs().max()))
    judged = "-" if dtype != torch.float32 else "yes" if close else "NO"
    row = {"what": what, "dtype": str(dtype).removeprefix("torch."), "largest difference": f"{difference:.1e}"}
    return {**row, "same choice": f"{float(same):.4f}", "within 1e-4": judged}


@dataclass(frozen=True)
class Questions:
    """Some samples of a network, answered and drawn in batches of any size."""

    model: Rudolph
    rows: int
    graphs: StepGraphs | None = None
    stop_at_eos: bool = True

    def batches(self, size: int) -> list[slice]:
        """The samples in batches."""
        return [slice(start, start + size) for start in range(0, self.rows, size)]

    @property
    def names(self) -> list[str]:
        """Ids of the samples, on which their random numbers depend."""
        return [str(number) for number in range(self.rows)]

    def answers(self, size: int) -> list[list[int]]:
        """Ids of the answers."""
        config, ids = self.model.config, _ids(self.model, self.rows)
        left, codes = ids[:, : config.l_text_seq_length], ids[:, config.l_text_seq_length : config.prefix_length]
        numbers = uniforms(0, self.names, "answer", config.r_text_seq_length - len(TEMPLATE))
        found: list[list[int]] = []
        for part in self.batches(size):
            given = left[part], codes[part], TEMPLATE, TEXT_SAMPLING, numbers[part]
            found += answer(self.model, *given, stop_at_eos=self.stop_at_eos, graphs=self.graphs)
        return found

    def drawn(self, size: int, window: int = 1) -> Tensor:
        """Codes of the pictures `[rows, I]`."""
        config = self.model.config
        left = _ids(self.model, self.rows)[:, : config.l_text_seq_length]
        numbers = uniforms(0, self.names, "image", config.image_seq_length)
        options: Any = {"window": window, "graphs": self.graphs}
        parts = (
            generate_image(self.model, left[part], IMAGE_SAMPLING, numbers[part], **options)
            for part in self.batches(size)
        )
        return torch.cat([part.cpu() for part in parts])

    def guided(self) -> Tensor:
        """Codes of as many pictures of one text, guided by another: `[rows, I]`."""
        left = _ids(self.model, 2)[:, : self.model.config.l_text_seq_length]
        numbers = uniforms(0, self.names, "image", self.model.config.image_seq_length)
        return generate_guided(self.model, left, Guidance(), IMAGE_SAMPLING, numbers, graphs=self.graphs).cpu()

    def kept_to_words(self) -> list[list[int]]:
        """Ids of answers of which every other one is a run of these words: 5 6, 7 8, 9 10, and so on."""
        config, ids = self.model.config, _ids(self.model, self.rows)
        left, codes = ids[:, : config.l_text_seq_length], ids[:, config.l_text_seq_length : config.prefix_length]
        words = [node % 2 == 0 for node in range(32)]
        before = tuple((node - 1, NO_NODE) for node in range(len(words)))
        ends = tuple(not begins for begins in words)
        line = TokenGraph(tuple(range(5, 5 + len(words))), before, tuple(words), ends, tuple(words), len(words))
        numbers = uniforms(0, self.names, "answer", config.r_text_seq_length - len(TEMPLATE))
        options: Any = {"allowed": slice(EOS, config.bpe_vocab), "graphs": self.graphs}
        options["token_graphs"] = [line if row % 2 else None for row in range(self.rows)]
        found = scored_answers(self.model, left, codes, TEMPLATE, TEXT_SAMPLING, numbers, **options)
        return [each.ids for each in found]


@torch.inference_mode()
def same_for_any_batch(setting: Setting) -> Iterator[dict[str, Any]]:
    """Answers and pictures one by one, in batches and twice: how many samples and codes differ."""
    rows = 4 if setting.tiny else 64
    for dtype in (torch.float32,) if setting.tiny else (torch.float32, torch.float16):
        asked = Questions(load_rudolph(WEIGHTS / "rudolph", torch.device(setting.device), dtype), rows)
        together, pictures = asked.answers(rows), asked.drawn(rows)
        for batch in (rows, rows // 2, 1):
            others, again = asked.answers(batch), asked.drawn(batch)
            yield {
                "dtype": str(dtype).removeprefix("torch."),
                "batch": batch,
                "compared to batch": rows,
                "answers that differ": sum(one != other for one, other in zip(together, others, strict=True)),
                "pictures that differ": int((pictures != again).any(1).sum()),
                "codes that differ": int((pictures != again).sum()),
                "of": f"{rows}; {rows}; {pictures.numel()}",
            }


def synchronisations(setting: Setting) -> Iterator[dict[str, Any]]:
    """How often drawing waits for the GPU: the same for a picture of any length, as no step of it does."""
    model = load_rudolph(WEIGHTS / "rudolph", torch.device(setting.device), torch.float32)
    left = _ids(model, 2)[:, : model.config.l_text_seq_length].to(setting.device)
    numbers = uniforms(0, ["0", "1"], "image", model.config.image_seq_length).to(setting.device)
    generate_image(model, left, IMAGE_SAMPLING, numbers)  # what happens once
    waits: Any = "none to be had on a CPU"
    if setting.on_gpu:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                generate_image(model, left, IMAGE_SAMPLING, numbers)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        waits = sum("synchroniz" in str(warning.message) for warning in caught)
    yield {"work": "drawing", "steps": model.config.image_seq_length, "waits for the GPU": waits}
