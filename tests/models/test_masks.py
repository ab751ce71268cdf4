"""Attention masks against the published ones, for every stored shape: the real sizes among them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.rudolph import Config
from models.rudolph.geometry import layer_kind
from models.rudolph.masks import image_mask, sequence_mask

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
CASES = json.loads((GOLDEN / "masks.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["key"])
def test_published_masks(case: dict) -> None:
    kernel = case["kernel"] or 3
    config = Config(
        num_layers=1,
        hidden_size=8,
        num_attention_heads=1,
        vocab_size=10_000,
        l_text_seq_length=case["l_text"],
        image_tokens_per_dim=case["image_tokens_per_dim"],
        r_text_seq_length=case["r_text"],
        kernel_size=kernel,
        last_kernel_size=kernel,
    )
    mask = sequence_mask(case["kind"], config)
    packed = np.packbits(mask.numpy())
    assert int(mask.sum()) == case["ones"]
    assert hashlib.sha256(packed.tobytes()).hexdigest() == case["sha256_of_packbits"]
    assert np.array_equal(packed, np.load(GOLDEN / "masks.npz")[case["key"]].ravel())


@pytest.mark.parametrize(
    ("num_layers", "expected"),
    [
        (1, ["last_conv"]),
        (2, ["row", "col"]),
        (6, ["row", "col", "row", "conv", "row", "col"]),
        (8, ["row", "col", "row", "conv", "row", "col", "row", "last_conv"]),
    ],
)
def test_kind_of_each_layer(num_layers: int, expected: list[str]) -> None:
    assert [layer_kind(i, num_layers) for i in range(num_layers)] == expected


@pytest.mark.parametrize("kind", ["row", "col", "conv", "last_conv"])
def test_every_image_query_sees_itself_and_nothing_later(kind: str) -> None:
    mask = image_mask(kind, 6, 3)  # type: ignore[arg-type]
    assert mask.diagonal().all()
    assert not torch.triu(mask, 1).any()
