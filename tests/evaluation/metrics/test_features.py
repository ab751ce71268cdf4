"""Features in batches, and those of the ground truth kept on disk under what they depend on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contest.errors import Code, ContestError
from evaluation.metrics.features import FeatureStore, picture_features, sound_features
from tests.evaluation.metrics.cases import GOLDEN
from tests.evaluation.metrics.fake_features import MeanColour

PICTURES = [GOLDEN / "images" / name for name in ("00000.png", "gray.png", "rgba.png")]
BROKEN = GOLDEN / "images" / "broken.png"


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_features_do_not_depend_on_the_batch(batch_size: int) -> None:
    network = MeanColour()
    found = picture_features(PICTURES, network, batch_size=batch_size)
    expected = [np.array(Image.open(path).convert("RGB")).mean((0, 1)) / 255 for path in PICTURES]
    np.testing.assert_allclose(found.rows.numpy(), expected, atol=1e-6)
    assert found.places == (0, 1, 2)
    assert max(network.batches) <= batch_size


def test_what_can_not_be_opened_is_left_out_and_named() -> None:
    found = picture_features([PICTURES[0], BROKEN, GOLDEN / "none.png", PICTURES[1]], MeanColour(), batch_size=2)
    assert found.places == (0, 3)
    assert [error.code for error in found.errors] == [Code.NOT_A_PICTURE, Code.PICTURE_MISSING]
    with pytest.raises(ContestError, match="NOT_A_PICTURE"):
        sound_features([PICTURES[0], BROKEN], MeanColour())


def test_no_pictures_have_no_features() -> None:
    assert picture_features([], MeanColour()).rows.shape == (0, 3)


def test_kept_features_are_not_computed_again(tmp_path: Path) -> None:
    store, network = FeatureStore(tmp_path / "new" / "folder"), MeanColour()
    first = store.features(PICTURES, network).rows
    again = store.features(PICTURES, network).rows
    assert torch.equal(first, again)
    assert sum(network.batches) == 3
    assert not list(store.folder.glob(".*")), "no temporary file stays behind"


def test_other_pictures_order_or_weights_are_other_features(tmp_path: Path) -> None:
    copied = tmp_path / "copy.png"
    copied.write_bytes(PICTURES[0].read_bytes())
    key = FeatureStore.key(PICTURES, MeanColour())
    assert FeatureStore.key([copied, *PICTURES[1:]], MeanColour()) == key, "names do not matter, bytes do"
    assert FeatureStore.key(PICTURES[::-1], MeanColour()) != key
    assert FeatureStore.key(PICTURES, MeanColour(weights_sha256="other")) != key


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    store, network = FeatureStore(tmp_path), MeanColour()
    path = tmp_path / f"{store.key(PICTURES, network)}.npz"
    path.write_bytes(content)
    rows = store.features(PICTURES, network).rows
    assert rows.shape == (3, 3)
    assert torch.equal(store.features(PICTURES, MeanColour()).rows, rows)
    assert path.read_bytes() != content


def test_a_folder_that_can_not_be_written_to_costs_no_score(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = FeatureStore(tmp_path / "file" / "folder").features(PICTURES, MeanColour())
    assert kept.rows.shape == (3, 3)
    assert kept.problem is not None
    assert "could not be kept" in kept.problem


def test_a_missing_picture_of_the_ground_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContestError, match="PICTURE_MISSING"):
        FeatureStore(tmp_path).features([GOLDEN / "none.png"], MeanColour())
