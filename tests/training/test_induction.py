"""Random weights with heads laid out: what they attend to before any training, and what they are refused for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.rudolph import Rudolph, read_config
from models.rudolph.transformer import Attend, masked_attention
from training.tune.errors import SettingsError
from training.tune.induction import OFFSETS, PAIRS, lay_out_induction
from training.tune.initial_weights import starting_model
from training.tune.settings_file import read_settings

TINY = Path("training/configs/tiny_rudolph.json")
LENGTH = 40


@pytest.fixture(scope="module")
def model() -> Rudolph:
    torch.manual_seed(3)
    network = Rudolph(read_config(TINY))
    lay_out_induction(network, seed=3)
    return network.eval()


def attention_of(model: Rudolph, ids: Tensor) -> list[Tensor]:
    """Attention of each layer to the ids `[batch, n]`: `[batch, heads, n, n]`."""
    n, seen = ids.shape[1], []

    def attend(layer: int) -> Attend:
        mask = model.transformer.mask(layer)[:n, :n]

        def attending(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
            seen.append(scores.masked_fill(~mask, -torch.inf).softmax(-1))
            return masked_attention(query, key, value, mask)

        return attending

    with torch.no_grad():
        model.transformer(model.embed(ids), attend)
    return seen


def random_text(rows: int, distinct: int) -> Tensor:
    """Rows of `distinct` different ids, told twice: `[rows, 2 * distinct]`."""
    generator = torch.Generator().manual_seed(1)
    rows_of_ids = [torch.randperm(900, generator=generator)[:distinct] + 50 for _ in range(rows)]
    return torch.stack(rows_of_ids).repeat(1, 2)


@pytest.mark.parametrize(("head", "offset"), list(enumerate(OFFSETS)))
def test_first_layer_head_attends_to_the_token_before(model: Rudolph, head: int, offset: int) -> None:
    attention = attention_of(model, random_text(8, LENGTH // 2))[PAIRS[0][0]][:, head]  # [batch, n, n]
    before = attention.diagonal(-offset, dim1=1, dim2=2)
    assert float(before.mean()) > 0.98
    assert float(before.min()) > 0.8


@pytest.mark.parametrize(("head", "offset"), list(enumerate(OFFSETS)))
def test_a_head_of_the_second_layer_finds_what_followed(model: Rudolph, head: int, offset: int) -> None:
    distinct = LENGTH // 2
    attention = attention_of(model, random_text(8, distinct))[PAIRS[0][1]][:, head]  # [batch, n, n]
    # The second time that a token is told, the place looked at is the one `offset` behind the first time.
    second = attention[:, distinct : 2 * distinct - offset]
    expected = torch.arange(offset, distinct)
    assert float((second.argmax(-1) == expected).float().mean()) > 0.4


def test_without_it_no_head_does_either() -> None:
    torch.manual_seed(3)
    attention = attention_of(Rudolph(read_config(TINY)).eval(), random_text(8, LENGTH // 2))
    assert float(attention[PAIRS[0][0]].diagonal(-1, dim1=2, dim2=3).mean()) < 0.2
    found = attention[PAIRS[0][1]][:, 0, LENGTH // 2 : -1].argmax(-1) == torch.arange(1, LENGTH // 2)
    assert float(found.float().mean()) < 0.2


def test_positions_and_tokens_have_channels_of_their_own(model: Rudolph) -> None:
    width = model.config.hidden_size // model.config.num_attention_heads
    assert not model.text_embeddings.weight[:, :width].any()
    for table in (model.l_text_pos_embeddings, model.r_text_pos_embeddings):
        assert not table.weight[:, width:].any()
    # The right text's first position comes behind the left text's last.
    left, right = model.l_text_pos_embeddings.weight, model.r_text_pos_embeddings.weight
    torch.testing.assert_close(left[model.config.l_text_seq_length], right[0])


def test_it_is_a_function_of_the_seed() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        network = Rudolph(read_config(TINY))
        lay_out_induction(network, seed)
        weights.append(network.transformer.layers[0].attention.query_key_value.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_layers": 3}, "needs 4 layers"),
        ({"num_attention_heads": 3}, "has 6 layers and 3 heads"),
    ],
)
def test_a_network_without_room_is_refused(change: dict[str, int], says: str) -> None:
    network = Rudolph(replace(read_config(TINY), **change))
    with pytest.raises(SettingsError, match=says):
        lay_out_induction(network, seed=0)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["model.initialization=sharp", f"model.scratch={TINY}"],
            "model.initialization: must be one of normal, induction",
        ),
        (
            ["model.initialization=induction", "model.scratch=null"],
            "model.scratch: is not set, and only random weights",
        ),
    ],
)
def test_settings_that_can_not_be_used(overrides: list[str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_settings(Path("training/configs/tiny_text.yaml"), overrides)


@pytest.mark.parametrize("initialization", ["normal", "induction"])
def test_the_setting_decides_what_training_starts_from(initialization: str) -> None:
    settings = read_settings(
        Path("training/configs/tiny_text.yaml"),
        [f"model.scratch={TINY}", "model.start=null", f"model.initialization={initialization}"],
    )
    attention = attention_of(
        starting_model(settings.model, Path(settings.weights), settings.seed).eval(), random_text(2, LENGTH // 2)
    )[0]
    laid_out = float(attention[:, 0].diagonal(-1, dim1=1, dim2=2).mean()) > 0.75
    assert laid_out == (initialization == "induction")
