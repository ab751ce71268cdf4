"""Nothing waits for a GPU in the middle of its work: networks on the meta device, of which no value can be read."""

import pytest
import torch

from benchmarks.counting import Counting
from models.ruclip import TEMPLATES, RuCLIP
from models.rudolph import Rudolph, left_text
from models.rudolph.sampling import Sampling
from models.rudolph.vocabulary import BOS
from models.vqgan import VQGAN
from tests.models.test_ruclip import GOLDEN

META = torch.device("meta")


def test_codes_are_checked_where_they_lie() -> None:
    with META:
        vqgan = VQGAN(
            ch=32,
            ch_mult=[1, 2],
            num_res_blocks=1,
            attn_resolutions=[],
            resolution=16,
            z_channels=32,
            embed_dim=32,
            n_embed=64,
        )
    pictures = vqgan.decode(torch.zeros(2, 16, dtype=torch.int64))
    assert (pictures.device, pictures.shape) == (META, (2, 3, 8, 8))


def test_texts_are_cut_to_the_longest_before_they_are_sent() -> None:
    network = RuCLIP.from_directory(GOLDEN)
    ids = network.tokenize(["a cat"])
    features = network.to(META).text_features(ids)
    assert (features.device, len(features)) == (META, 1)
    assert network.text_latents(["a cat", "a dog"]).shape == (2, network.config.embed_dim)
    assert len(TEMPLATES) > 1


@pytest.mark.parametrize(("every", "looks"), [(1, 12), (8, 1)])
def test_left_texts_look_for_an_end_only_now_and_then(
    golden_rudolph: Rudolph, monkeypatch: pytest.MonkeyPatch, every: int, looks: int
) -> None:
    monkeypatch.setattr(left_text, "LOOK_EVERY", (every, 99))
    with Counting() as counted:
        left_text.continue_left(
            golden_rudolph, torch.tensor([[BOS, 12]]), Sampling(top_k=1), torch.zeros(1, 12), pieces_only=True
        )
    assert counted.operations["all"] == looks
