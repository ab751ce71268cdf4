"""Several codes a pass: the pictures that are drawn one by one, from keys that equal the full forward pass."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.bpe import BPE
from models.dalle.config import Config as DalleConfig
from models.dalle.network import Dalle
from models.rudolph import Config, Rudolph, load_rudolph, many_codes, named
from models.rudolph.decoding import NonFiniteLogitsError, forward_cached, generate_image, generate_images, output_head
from models.rudolph.geometry import MASK_KINDS
from models.rudolph.many_codes_cache import ManyCodesCache, many_codes_slots
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.transformer import SparseDecoder
from models.rudolph.vocabulary import Vocabulary
from models.rudolph.window_width import WIDTHS, WindowWidth

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
WEIGHTS = Path(__file__).parents[2] / "weights"
SAME = {"atol": 1e-5, "rtol": 0.0}
FREE, GREEDY = Sampling(temperature=1.2, top_k=20, top_p=0.95), Sampling(top_k=1)
SEQUENCE = "l_text_seq_length image_tokens_per_dim r_text_seq_length kernel_size last_kernel_size"


def small(**keywords: int) -> Rudolph:
    """Row, column, row, convolution, last convolution."""
    base = {
        "num_layers": 5,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "vocab_size": 40,
        "l_text_seq_length": 5,
        "r_text_seq_length": 2,
        "image_vocab_size": 30,
    }
    return shaken(Rudolph(Config(**{**base, **keywords})))


def shaken(model: SparseDecoder) -> SparseDecoder:
    """Weights large enough that positions and codes matter."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def published(size: str) -> Rudolph:
    """The sequence and kernels of a published size, in a layer of each kind, narrow."""
    shape = {name: getattr(named(size), name) for name in SEQUENCE.split()}
    return small(hidden_size=16, num_attention_heads=2, vocab_size=20 + shape["l_text_seq_length"], **shape)


GRIDS = {
    "kernels 3 and 5": {"image_tokens_per_dim": 6, "kernel_size": 3, "last_kernel_size": 5},
    "kernels 7 and 9 on 8 x 8": {"image_tokens_per_dim": 8, "kernel_size": 7, "last_kernel_size": 9},
    "kernels wider than the image": {"image_tokens_per_dim": 4, "kernel_size": 7, "last_kernel_size": 11},
    "kernel 1": {"image_tokens_per_dim": 3, "kernel_size": 1, "last_kernel_size": 1},
    "even kernels": {"image_tokens_per_dim": 7, "kernel_size": 4, "last_kernel_size": 2},
    "one image token": {"image_tokens_per_dim": 1},
    "a column layer last": {"num_layers": 6, "image_tokens_per_dim": 5, "kernel_size": 3},
    "one layer": {"num_layers": 1, "image_tokens_per_dim": 9, "last_kernel_size": 5},
}


def passes_with_wrong_guesses(model: SparseDecoder, ids: Tensor, num_samples: int, widest: int) -> Tensor:
    """Logits behind every code but the last, by passes of changing width over rows that stand at different places.

    ids `[rows, L + I]`; a pass has some right codes of each row and wrong ones behind them, and goes on behind the
    right ones. Logits that a row has twice must be the same.
    """
    config, generator = model.config, torch.Generator().manual_seed(3)
    (rows, _), left, steps = ids.shape, config.l_text_seq_length, config.image_seq_length
    cache, head = (
        ManyCodesCache(model.transformer, rows // num_samples, num_samples, widest),
        output_head(model, slice(None)),
    )
    forward_cached(model, cache, ids[::num_samples, :left], 0, head)
    found = torch.full((rows, steps, config.total_vocab), float("nan"))
    known, codes = torch.zeros(rows, dtype=torch.int64), ids[:, left:]
    while (known < steps).any():
        width = int(torch.randint(1, widest + 1, (1,), generator=generator))
        right = torch.randint(1, width + 1, (rows,), generator=generator)
        places = known[:, None] + torch.arange(width)
        wrong = torch.randint(0, config.image_vocab_size, places.shape, generator=generator)
        given = torch.where(torch.arange(width) < right[:, None], codes.gather(1, places.clamp(max=steps - 1)), wrong)
        x = model.embed_codes(given, places.clamp(max=steps - 1))
        logits = head(model.transformer(x, cache.attention_at(places)))
        for row in range(rows):
            for place, of_place in zip(places[row, : right[row]].tolist(), logits[row], strict=False):
                if place < steps:
                    found[row, place] = of_place
        known = (known + right).clamp(max=steps)
    return found


def random_ids(model: Rudolph, rows: int, num_samples: int = 1) -> Tensor:
    config = model.config
    ids = torch.randint(1, 20, (rows, config.prefix_length), generator=torch.Generator().manual_seed(2))
    ids[0, 3:5] = 0  # padding
    ids[:, : config.l_text_seq_length] = ids[::num_samples, : config.l_text_seq_length].repeat_interleave(
        num_samples, 0
    )
    return ids


@pytest.mark.parametrize("num_samples", [1, 2])
@pytest.mark.parametrize("grid", GRIDS)
@torch.inference_mode()
def test_passes_with_wrong_guesses_equal_the_full_forward_pass(grid: str, num_samples: int) -> None:
    model = small(**GRIDS[grid])
    ids, left = random_ids(model, 4, num_samples), model.config.l_text_seq_length
    for widest in (2, 7, 16):
        found = passes_with_wrong_guesses(model, ids, num_samples, widest)
        torch.testing.assert_close(found, model(ids)[:, left:], **SAME)


@pytest.mark.parametrize("size", ["350M", "1.3B", "2.7B"])
@torch.inference_mode()
def test_passes_of_the_published_layouts_equal_the_full_forward_pass(size: str) -> None:
    model = published(size)
    assert model.transformer.kinds == ("row", "col", "row", "conv", "last_conv")
    ids, left = random_ids(model, 2), model.config.l_text_seq_length
    found = passes_with_wrong_guesses(model, ids, 1, 16)
    torch.testing.assert_close(found, model(ids)[:, left:], **SAME)


@pytest.mark.parametrize("widest", [1, 2, 16])
@pytest.mark.parametrize("kind", MASK_KINDS)
def test_a_ring_has_room_for_the_guesses(kind: str, widest: int) -> None:
    config = named("2.7B")
    needed = {"row": 25, "col": 576, "conv": 76, "last_conv": 101}[kind] + widest - 1
    for ahead in (0, 384):
        slots = many_codes_slots(kind, config, widest, ahead)  # type: ignore[arg-type]
        assert needed <= slots < needed + 8
        assert (ahead + slots) % 8 == 0


def test_a_cache_of_shared_left_texts_keeps_all_rows() -> None:
    cache = ManyCodesCache(small(image_tokens_per_dim=3).transformer, 2, 2, 4)
    with pytest.raises(ValueError, match="stay together"):
        cache.keep(torch.tensor([0]))
    with pytest.raises(ValueError, match="not 2 at 5"):
        cache.attention(5, 2)


# Whole pictures.


def numbers_of(rows: int, steps: int, seed: int = 0) -> Tensor:
    return uniforms(seed, [str(row) for row in range(rows)], "image", steps)


def left_of(model: SparseDecoder, rows: int) -> Tensor:
    shape = (rows, model.config.prompt_length)
    return torch.randint(1, 20, shape, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def bundled() -> Rudolph:
    return load_rudolph(WEIGHTS / "rudolph")


TEXTS = [
    "красный круг слева от синего квадрата на сером фоне",
    "два фиолетовых ромба слева от чёрной звезды на сером фоне",
    "зелёный треугольник на белом фоне",
    "синий круг",
]
SAMPLINGS = {
    "tuned": Sampling(temperature=0.7, top_k=256, top_p=0.9),
    "published": Sampling(temperature=1.0, top_k=1024, top_p=0.975),
    "greedy": GREEDY,
}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_bundled_pictures_are_those_drawn_one_by_one(bundled: Rudolph, name: str) -> None:
    vocabulary = Vocabulary(BPE(WEIGHTS / "bpe.model"), bundled.config)
    left, numbers = torch.stack([vocabulary.encode_left(text, "<LT_UNK>") for text in TEXTS]), numbers_of(4, 64)
    one_by_one = generate_image(bundled, left, SAMPLINGS[name], numbers)
    fewest = {2: 1.2, 3: 1.4, 8: 1.9, 16: 2.4}  # codes a pass
    for window, least in fewest.items():
        width = WindowWidth((window,))
        assert torch.equal(generate_image(bundled, left, SAMPLINGS[name], numbers, window=width), one_by_one)
        assert width.codes == 4 * 63
        assert width.codes / width.passes > least
    alone = generate_image(bundled, left[1:2], SAMPLINGS[name], numbers[1:2], window=8)
    assert torch.equal(alone, one_by_one[1:2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", SAMPLINGS)
def test_a_picture_that_differs_has_a_near_tie(bundled: Rudolph, name: str, dtype: torch.dtype) -> None:
    model = copy.deepcopy(bundled).to(dtype)
    vocabulary = Vocabulary(BPE(WEIGHTS / "bpe.model"), model.config)
    left, numbers = torch.stack([vocabulary.encode_left(text, "<LT_UNK>") for text in TEXTS]), numbers_of(4, 64)
    one_by_one = generate_image(model, left, SAMPLINGS[name], numbers)
    for row in range(4):
        width = WindowWidth((8,))
        alone = generate_image(model, left[row : row + 1], SAMPLINGS[name], numbers[row : row + 1], window=width)
        same = torch.equal(alone[0], one_by_one[row])
        assert same or width.near_ties > 0
        assert dtype != torch.float32 or (same and width.near_ties <= 1)


@pytest.mark.parametrize("window", [2, 3, 8, 16])
@pytest.mark.parametrize("grid", GRIDS)
def test_pictures_of_every_grid_are_those_drawn_one_by_one(grid: str, window: int) -> None:
    model = small(**GRIDS[grid])
    left, numbers = left_of(model, 5), numbers_of(5, model.config.image_seq_length)
    for sampling in (FREE, GREEDY):
        one_by_one = generate_image(model, left, sampling, numbers)
        assert torch.equal(generate_image(model, left, sampling, numbers, window=window), one_by_one)


@pytest.mark.parametrize("size", ["350M", "2.7B"])
def test_pictures_of_published_layouts_are_those_drawn_one_by_one(size: str) -> None:
    model = published(size)
    steps = model.config.image_seq_length
    left, numbers = left_of(model, 2), numbers_of(2, steps)
    one_by_one = generate_image(model, left, GREEDY, numbers)
    assert torch.equal(generate_image(model, left, GREEDY, numbers, window=16), one_by_one)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_pictures_of_rudalle_are_those_drawn_one_by_one(version: str) -> None:
    config = DalleConfig(
        6, 32, 4, 40, text_seq_length=6, image_tokens_per_dim=7, image_vocab_size=30, hf_version=version
    )
    model = shaken(Dalle(config))
    left, numbers = left_of(model, 3), numbers_of(3, 49)
    one_by_one = generate_image(model, left, FREE, numbers)
    assert torch.equal(generate_image(model, left, FREE, numbers, window=5), one_by_one)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_small_model_draws_what_it_draws_one_by_one(data: st.DataObject) -> None:
    choose = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    model = small(
        num_layers=choose(1, 7),
        image_tokens_per_dim=choose(1, 7),
        kernel_size=choose(1, 8),
        last_kernel_size=choose(1, 8),
        l_text_seq_length=choose(1, 6),
    )
    prompts, num_samples, steps = choose(1, 3), choose(1, 3), model.config.image_seq_length
    left = left_of(model, prompts)
    numbers = numbers_of(prompts * num_samples, steps, choose(0, 99)).unflatten(0, (prompts, num_samples))
    prompt = torch.randint(-30, 30, numbers.shape, generator=torch.Generator().manual_seed(choose(0, 99))).clamp(min=-1)
    sampling = Sampling(temperature=0.5, top_k=choose(0, 9), top_p=0.9)
    for given_codes in (None, prompt):
        one_by_one = generate_images(model, left, sampling, numbers, prompt=given_codes)
        widths = WindowWidth() if data.draw(st.booleans()) else choose(2, 17)
        many = generate_images(model, left, sampling, numbers, prompt=given_codes, window=widths)
        assert torch.equal(many, one_by_one)


@pytest.mark.parametrize("num_samples", [1, 3])
def test_known_codes_are_accepted_a_whole_window_a_pass(golden_rudolph: Rudolph, num_samples: int) -> None:
    steps = golden_rudolph.config.image_seq_length  # 36
    left, numbers = left_of(golden_rudolph, 2), numbers_of(2 * num_samples, steps).unflatten(0, (2, num_samples))
    drawn = generate_images(golden_rudolph, left, FREE, numbers)
    width = WindowWidth((5,))
    assert torch.equal(generate_images(golden_rudolph, left, FREE, numbers, prompt=drawn, window=width), drawn)
    assert width.passes == 2 * num_samples * 7  # 35 codes behind the first one
    assert width.near_ties == 0  # of codes that are given none is counted
    half = torch.where(torch.arange(steps) % 2 == 0, drawn, -1)
    assert torch.equal(generate_images(golden_rudolph, left, FREE, numbers, prompt=half, window=5), drawn)


def test_codes_are_counted_once_where_the_width_is_chosen(golden_rudolph: Rudolph) -> None:
    steps, rows = golden_rudolph.config.image_seq_length, 3  # 36
    left, numbers = left_of(golden_rudolph, rows), numbers_of(rows, steps)
    prompt = torch.where(torch.arange(steps) < steps // 2, 7, -1).expand(rows, -1)  # a picture's upper half
    expected = generate_image(golden_rudolph, left, FREE, numbers, prompt=prompt)
    width = WindowWidth()
    assert torch.equal(generate_image(golden_rudolph, left, FREE, numbers, prompt=prompt, window=width), expected)
    assert bool((expected[:, : steps // 2] == 7).all())
    assert width.codes == rows * (steps - 1)  # all behind the first one, those that are given too
    assert rows * (steps - 1) / WIDTHS[-1] <= width.passes <= rows * (steps - 1)


def test_published_images_in_windows(golden_rudolph: Rudolph) -> None:
    facts = json.loads((GOLDEN / "inference_golden.json").read_text())["e2e"]
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        left, codes = torch.from_numpy(arrays["e2e/left_text_ids"]), torch.from_numpy(arrays["e2e/image_tokens"])
    rows = [i * facts["bs"] + row for i, of in enumerate(facts["generated_idxs_per_batch"]) for row in of]
    for window in (2, 8):
        drawn = generate_image(golden_rudolph, left[rows], GREEDY, torch.zeros(len(rows), 36), window=window)
        assert torch.equal(drawn, codes[rows])


def test_finished_rows_leave_the_batch(golden_rudolph: Rudolph, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = many_codes.draw_one_pass

    def spy(model: Rudolph, cache: ManyCodesCache, *rest: object) -> None:
        seen.append(cache.rows)
        original(model, cache, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(many_codes, "draw_one_pass", spy)
    left, numbers = left_of(golden_rudolph, 4), numbers_of(4, 36)
    expected = generate_image(golden_rudolph, left, FREE, numbers)
    prompt = expected.clone()
    prompt[[0, 2]] = -1  # the others know all their codes
    width = WindowWidth((6,))
    assert torch.equal(generate_image(golden_rudolph, left, FREE, numbers, prompt=prompt, window=width), expected)
    assert seen[:6] == [4] * 6
    assert set(seen[6:]) <= {1, 2}
    assert seen[-1] in (1, 2)


def test_what_overflows_behind_a_wrong_guess_alone_is_drawn_one_by_one(golden_rudolph: Rudolph) -> None:
    model = copy.deepcopy(golden_rudolph)
    linear = model.to_logits[1]
    assert isinstance(linear, nn.Linear)
    linear.bias.data[model.config.text_vocab] = -1e4  # code 0, the first guess in the first row, is never drawn
    left, numbers = left_of(model, 3), numbers_of(3, 36)
    expected = generate_image(model, left, GREEDY, numbers)
    model.image_embeddings.weight.data[0] = float("inf")
    width = WindowWidth((8,))
    assert torch.equal(generate_image(model, left, GREEDY, numbers, window=width), expected)
    assert width.codes == 2 * 3 * 35


@pytest.mark.parametrize("num_samples", [1, 2])
def test_overflow_names_the_texts_and_counts_as_one_by_one(golden_rudolph: Rudolph, num_samples: int) -> None:
    model, left = copy.deepcopy(golden_rudolph), left_of(golden_rudolph, 3)
    numbers = numbers_of(3 * num_samples, 36).unflatten(0, (3, num_samples))
    left[1, 4] = 21
    model.text_embeddings.weight.data[21] = float("inf")
    errors = []
    for window in (1, 4):
        with pytest.raises(NonFiniteLogitsError) as error:
            generate_images(model, left, GREEDY, numbers, window=window)
        errors.append((error.value.rows, error.value.values))
    assert errors[0] == errors[1] == ((1,), num_samples * 36 * 128)


def test_impossible_widths_are_refused(golden_rudolph: Rudolph) -> None:
    widths: Sequence[int]
    for widths in ((), (0,), (2, 1), (3, 3)):
        with pytest.raises(ValueError, match="widths must ascend"):
            WindowWidth(widths)
    with pytest.raises(ValueError, match="widths must ascend"):
        generate_image(golden_rudolph, left_of(golden_rudolph, 1), GREEDY, numbers_of(1, 36), window=0)
