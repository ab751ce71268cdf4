"""Drawing guided by a second text: against the published steps done without caches, and the laws that must hold."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.abilities import generate_codebooks
from models.rudolph.guidance import GUIDANCE_FORMS, Guidance, NoCommonCodesError, generate_codebooks_cfg, guided_logits
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.vocabulary import Vocabulary

WARM, NARROW = Sampling(temperature=1.0), Sampling(temperature=0.8, top_k=100, top_p=0.95)


def filtered(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """As `transformers` filters one row of logits: top-k, then the nucleus of what is left."""
    logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], -math.inf)
    ordered, places = logits.sort(descending=True)
    removed = ordered.softmax(0).cumsum(0) > top_p
    removed = F.pad(removed[:-1], (1, 0))
    return logits.scatter(0, places, ordered.masked_fill(removed, -math.inf))


def published(model: Rudolph, left_ids: Tensor, weight: float, late_softmax: bool, numbers: Tensor) -> list[int]:
    """One picture of `generate_codebooks_cfg`, each step a full forward pass of both texts."""
    config, codes = model.config, torch.empty(2, 0, dtype=torch.int64)
    shares = (1 - weight, weight)
    for number in numbers:
        with torch.no_grad():
            logits = model(torch.cat((left_ids, codes), dim=1))[:, -1]
        logits = logits[:, config.text_vocab : config.text_vocab + config.image_vocab_size] / NARROW.temperature
        rows = [filtered(row, NARROW.top_k, NARROW.top_p) for row in logits]
        if late_softmax:
            mixed = sum((row * share for row, share in zip(rows, shares, strict=True)), torch.zeros(())).softmax(0)
        else:
            mixed = sum((row.softmax(0) * share for row, share in zip(rows, shares, strict=True)), torch.zeros(()))
        cumulative = mixed.double().cumsum(0)
        code = int((cumulative <= number.double() * cumulative[-1]).sum())
        codes = torch.cat((codes, torch.tensor([[code], [code]])), dim=1)
    return [int(code) for code in codes[0]]


@pytest.mark.parametrize("form", GUIDANCE_FORMS)
@pytest.mark.parametrize("weight", [0.2, 0.6])
def test_guided_drawing_is_the_published(
    form: str, weight: float, golden_rudolph: Rudolph, golden_vocabulary: Vocabulary
) -> None:
    guidance = Guidance(weight, form, "кот и {text}")  # type: ignore[arg-type]
    drawn = generate_codebooks_cfg(
        golden_rudolph, golden_vocabulary, "Дом", 3, guidance=guidance, sampling=NARROW, batch=4
    )
    left = torch.stack(
        [golden_vocabulary.encode_left("дом", "<LT_T2I>"), golden_vocabulary.encode_left("кот и дом", "<LT_UNK>")]
    )
    numbers = uniforms(0, ["0", "1", "2"], "image", golden_rudolph.config.image_seq_length)
    assert drawn.tolist() == [published(golden_rudolph, left, weight, form == "logits", row) for row in numbers]


@pytest.mark.parametrize("form", GUIDANCE_FORMS)
def test_a_guidance_of_hardly_any_weight_changes_nothing(
    form: str, golden_rudolph: Rudolph, golden_vocabulary: Vocabulary
) -> None:
    guidance = Guidance(1e-9, form)  # type: ignore[arg-type]
    guided = generate_codebooks_cfg(golden_rudolph, golden_vocabulary, "дом", 2, guidance=guidance, sampling=WARM)
    alone = generate_codebooks(golden_rudolph, golden_vocabulary, "дом", 2, sampling=WARM)
    assert guided.tolist() == alone.tolist()


@pytest.mark.parametrize("form", GUIDANCE_FORMS)
def test_the_batch_changes_nothing_and_what_is_kept_stays(
    form: str, golden_rudolph: Rudolph, golden_vocabulary: Vocabulary
) -> None:
    guidance = Guidance(0.3, form)  # type: ignore[arg-type]
    prompt = torch.full((golden_rudolph.config.image_seq_length,), -1)
    prompt[:6] = torch.arange(6)

    def drawn(batch: int) -> list[list[int]]:
        codes = generate_codebooks_cfg(
            golden_rudolph,
            golden_vocabulary,
            "дом",
            3,
            guidance=guidance,
            prompt=prompt,
            sampling=WARM,
            batch=batch,
        )
        rows: list[list[int]] = codes.tolist()
        return rows

    assert drawn(1) == drawn(6)
    assert all(row[:6] == [0, 1, 2, 3, 4, 5] for row in drawn(6))


def test_what_the_forms_mix() -> None:
    logits = torch.tensor([[0.8, 0.2, 0.0], [0.0, 0.5, 0.5]]).log()[:, None]  # each text leaves two of three codes
    either = guided_logits(logits, Guidance(0.25, "probabilities"), WARM).softmax(-1)
    both = guided_logits(logits, Guidance(0.25, "logits"), WARM).softmax(-1)
    assert either[0].tolist() == pytest.approx([0.6, 0.275, 0.125])
    assert both[0].tolist() == [0.0, 1.0, 0.0]


def test_texts_that_leave_no_code_in_common(golden_rudolph: Rudolph, golden_vocabulary: Vocabulary) -> None:
    greedy = Sampling(top_k=1)
    with pytest.raises(NoCommonCodesError, match="no code in common"):
        generate_codebooks_cfg(
            golden_rudolph, golden_vocabulary, "дом", 1, guidance=Guidance(0.5, "logits", "кот"), sampling=greedy
        )


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.2, math.nan])
def test_a_share_lies_between_nothing_and_all(weight: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        Guidance(weight)
    with pytest.raises(ValueError, match="must be one of"):
        Guidance(0.5, "late")  # type: ignore[arg-type]
