"""Drawing and ranking by ruDALL-E against the published pipeline (tests/golden/dalle)."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.bpe import BPE
from models.dalle import Config, Dalle
from models.dalle.generation import (
    ce_to_ppl,
    cherry_pick_by_ruclip,
    draw_codes,
    encode_text,
    generate_images,
    image_perplexity,
    rank_images,
)
from models.rudolph import decoding
from models.rudolph.sampling import Sampling

GREEDY = Sampling(top_k=1)
VERSIONS = ("v3", "v2")


@pytest.mark.parametrize("version", VERSIONS)
def test_texts_become_the_published_ids(
    version: str, dalles: dict[str, Dalle], facts: dict[str, Any], arrays: dict[str, Tensor], tokenizer: BPE
) -> None:
    length = dalles[version].config.text_seq_length
    ids = [encode_text(tokenizer, text, length) for text in facts["models"][version]["texts"]]
    assert torch.equal(torch.stack(ids), arrays[f"{version}/input_ids"][:, :length])


@pytest.mark.parametrize("version", VERSIONS)
def test_greedy_drawing_with_and_without_prompts(
    version: str, dalles: dict[str, Dalle], facts: dict[str, Any], arrays: dict[str, Tensor], tokenizer: BPE
) -> None:
    model, golden = dalles[version], facts["models"][version]
    length = model.config.image_seq_length
    cases = [case for case in golden["generate"] if case["use_cache"]]
    assert len(cases) == 9
    for case in cases:
        text = encode_text(tokenizer, case["text"], model.config.text_seq_length)
        prompt = None
        if case["prompt"] is not None:
            codes = arrays[f"{version}/gen{golden['texts'].index(case['text'])}_{case['prompt']}_prompt"][0]
            prompt = torch.full((length,), -1)
            prompt[case["prompt_idx"]] = codes[case["prompt_idx"]]
        drawn = draw_codes(model, text, GREEDY, torch.zeros(2, length), prompt=prompt)
        assert drawn.tolist() == [case["codes"]] * 2
        assert image_perplexity(model, text, drawn).tolist() == pytest.approx(case["ppl"], rel=1e-5)


def test_sampled_drawing_and_its_ranking(
    dalles: dict[str, Dalle], facts: dict[str, Any], arrays: dict[str, Tensor], tokenizer: BPE
) -> None:
    golden = facts["sampled"]
    sampling = Sampling(golden["temperature"], golden["top_k"], golden["top_p"])
    text = encode_text(tokenizer, golden["text"], 10)
    codes = draw_codes(dalles["v3"], text, sampling, arrays["sampled/uniforms"])
    assert torch.equal(codes, arrays["sampled/codes_in_drawing_order"])
    ranked = rank_images(dalles["v3"], text, codes, batch=2)
    assert ranked.perplexity.tolist() == pytest.approx(golden["ppl_sorted"], rel=1e-5)
    assert ranked.codes[:, 0].tolist() == golden["first_code_of_the_sorted_pictures"]


@pytest.mark.parametrize("version", VERSIONS)
def test_several_drawings_share_the_text(version: str, dalles: dict[str, Dalle], arrays: dict[str, Tensor]) -> None:
    model = dalles[version]
    length = model.config.image_seq_length
    texts = arrays[f"{version}/input_ids"][:2, : model.config.text_seq_length]
    numbers = arrays["sampled/uniforms"][:4, :length]
    together = decoding.generate_images(model, model.sequence(texts), Sampling(top_k=9), numbers.unflatten(0, (2, 2)))
    for text, row, of_text in zip(texts, together, numbers.split(2), strict=True):
        assert torch.equal(row, draw_codes(model, text, Sampling(top_k=9), of_text))


def test_a_picture_depends_on_seed_and_number_alone(dalles: dict[str, Dalle], tokenizer: BPE) -> None:
    model, text = dalles["v3"], encode_text(tokenizer, "кот на окне", 10)
    three = generate_images(model, text, 3, sampling=Sampling(), seed=7, batch=2)
    one = generate_images(model, text, 1, sampling=Sampling(), seed=7)
    assert one.codes[0].tolist() in three.codes.tolist()
    assert three.perplexity.tolist() == sorted(three.perplexity.tolist())
    assert not torch.equal(one.codes, generate_images(model, text, 1, sampling=Sampling(), seed=8).codes)
    with pytest.raises(ValueError, match="at least one picture must be drawn, not 0"):
        generate_images(model, text, 0)


def test_the_second_version_draws_with_a_wrapped_convolution() -> None:
    torch.manual_seed(1)
    config = Config(
        num_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        vocab_size=20,
        text_seq_length=3,
        image_tokens_per_dim=13,
        image_vocab_size=7,
        hf_version="v2",
        init_method_std=0.5,
    )
    model, text = Dalle(config).eval(), torch.tensor([2, 5, 3])
    codes = draw_codes(model, text, GREEDY, torch.zeros(1, 169))
    again: list[int] = []
    with torch.no_grad():
        for _ in range(169):  # without a cache
            ids = torch.cat((text, torch.tensor(again, dtype=torch.int64)))
            again.append(int(model(ids[None])[0, -1, config.text_vocab :].argmax()))
    assert codes[0].tolist() == again
    assert not torch.equal(codes, draw_codes(_clamped(model), text, GREEDY, torch.zeros(1, 169)))


def _clamped(model: Dalle) -> Dalle:
    other = Dalle(replace(model.config, hf_version="v3"))
    state = {name: value for name, value in model.state_dict().items() if "mask" not in name}
    other.load_state_dict(state, strict=False)
    return other.eval()


def test_published_perplexity_leaves_zeros_out(facts: dict[str, Any]) -> None:
    for case in facts["ce_to_ppl"]:
        assert ce_to_ppl(torch.tensor(case["ce"])).tolist() == pytest.approx(case["ppl"], rel=1e-6)
    assert ce_to_ppl(torch.zeros(1, 3)).isnan().all()


def test_cherry_picking_by_ruclip(facts: dict[str, Any]) -> None:
    assert len(facts["cherry_pick"]) > 3
    for case in facts["cherry_pick"]:
        latents = torch.tensor(case["image_latents"])
        picked, scores = cherry_pick_by_ruclip(torch.tensor(case["text_latents"]), latents, case["count"])
        assert scores == pytest.approx(case["scores"], abs=1e-6)
        if len({tuple(row) for row in case["image_latents"]}) == len(latents):  # no two are equal
            assert picked == case["indexes"]
    with pytest.raises(ValueError, match="for one text, not 2"):
        cherry_pick_by_ruclip(torch.zeros(2, 6), torch.zeros(3, 6), 1)
