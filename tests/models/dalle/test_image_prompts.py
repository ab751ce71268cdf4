"""What is kept of a picture, against the published image prompts (tests/golden/dalle), and by a mask."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.image_prompts import Borders, border_prompt, mask_prompt
from models.vqgan import VQGAN


@pytest.fixture(scope="module")
def vqgan(facts: dict[str, Any], read_state: Callable[[str], dict[str, Tensor]]) -> VQGAN:
    published = facts["vae"]["model"]["params"]
    network = VQGAN(**published["ddconfig"], n_embed=published["n_embed"], embed_dim=published["embed_dim"])
    wanting, surplus = network.load_state_dict(read_state("vae_encoder.npz"), strict=False)
    assert not surplus
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in wanting)
    return network.eval()


@pytest.fixture(scope="module")
def picture(arrays: dict[str, Tensor]) -> Tensor:
    return arrays["prompts/picture"].permute(2, 0, 1).float() / 255


def test_published_borders(facts: dict[str, Any], vqgan: VQGAN, picture: Tensor) -> None:
    assert len(facts["image_prompts"]) == 9
    for case in facts["image_prompts"]:
        with torch.no_grad():
            prompt = border_prompt(vqgan.encode, picture, Borders(**case["borders"]), crop_first=case["crop_first"])
        kept = [place for place, code in enumerate(prompt.tolist()) if code >= 0]
        assert kept == case["idx"]
        assert prompt[kept].tolist() == [case["codes"][place] for place in kept]


def ordinal(pictures: Tensor) -> Tensor:
    """Codes that tell their place in the whole picture: its pixels are numbered so."""
    return pictures[:, 0, ::2, ::2].long().flatten(1)


NUMBERED = torch.arange(48).view(6, 8).expand(3, 6, 8).float()  # codes 0 2 4 6 / 16 18 .. / 32 34 ..


@pytest.mark.parametrize("crop_first", [False, True])
@pytest.mark.parametrize(
    ("borders", "expected"),
    [
        (Borders(up=1), [0, 2, 4, 6, -1, -1, -1, -1, -1, -1, -1, -1]),
        (Borders(down=1, right=1), [-1, -1, -1, 6, -1, -1, -1, 22, 32, 34, 36, 38]),
        (Borders(left=2), [0, 2, -1, -1, 16, 18, -1, -1, 32, 34, -1, -1]),
        (Borders(up=9), [0, 2, 4, 6, 16, 18, 20, 22, 32, 34, 36, 38]),
        (Borders(right=9), [0, 2, 4, 6, 16, 18, 20, 22, 32, 34, 36, 38]),
    ],
)
def test_borders_of_a_grid(borders: Borders, expected: list[int], crop_first: bool) -> None:
    assert border_prompt(ordinal, NUMBERED, borders, factor=2, crop_first=crop_first).tolist() == expected


def test_a_mask_frees_every_code_that_it_touches() -> None:
    redrawn = torch.zeros(6, 8, dtype=torch.bool)
    redrawn[1, 3] = redrawn[2, 7] = True
    assert mask_prompt(ordinal, NUMBERED, redrawn, factor=2).tolist() == [0, -1, 4, 6, 16, 18, 20, -1, 32, 34, 36, 38]


def test_bad_prompts_are_named() -> None:
    with pytest.raises(ValueError, match="borders must not be negative"):
        Borders(up=-1)
    with pytest.raises(ValueError, match=r"the picture's size \[6, 8\], not \[8, 6\]"):
        mask_prompt(ordinal, NUMBERED, torch.zeros(8, 6, dtype=torch.bool), factor=2)
    with pytest.raises(ValueError, match="multiples of 4, not 6 x 8"):
        border_prompt(ordinal, NUMBERED, Borders(up=1), factor=4)
