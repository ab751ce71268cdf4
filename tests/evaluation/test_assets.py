"""Networks are found where the caller or the environment says, and what is missing is named with a remedy."""

import shutil
from pathlib import Path

import pytest

from evaluation.assets import AssetError, Assets, MissingAssetError, feature_store, is_contest_ruclip
from models.weights import save_state_dict
from tests.inception_weights import made_up_weights

RUCLIP = Path(__file__).parents[1] / "golden" / "ruclip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(RUCLIP, tmp_path / "ruclip")
    return tmp_path


def test_the_option_comes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "told").mkdir()
    environment = {"FBC2_ASSETS": str(tmp_path / "told")}
    assert Assets.named(None, environment).folder == tmp_path / "told"
    assert Assets.named(tmp_path, environment).folder == tmp_path
    assert Assets.named(None, {}).folder is None


@pytest.mark.parametrize(("option", "where"), [(True, "--assets"), (False, "FBC2_ASSETS")])
def test_a_folder_that_is_none_is_named_with_its_source(tmp_path: Path, option: bool, where: str) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(MissingAssetError, match=rf"absent: no such folder \({where}\)"):
        Assets.named(absent if option else None, {"FBC2_ASSETS": str(absent)})


def test_networks_are_loaded(folder: Path) -> None:
    (folder / "inception").mkdir()
    save_state_dict(made_up_weights(), folder / "inception" / "any.pth")
    assets = Assets(folder)
    network = assets.ruclip()
    assert not is_contest_ruclip(network)
    features = assets.features("inception")
    assert features.is_substitute, "made-up weights are not the published ones"
    assert features.name == f"inception-v3-fid-{features.weights_sha256[:8]}-2048"


def test_the_substitute_is_had_by_name_only(folder: Path) -> None:
    with pytest.raises(
        MissingAssetError, match=r"inception does not exist.*--fid-features ruclip, which is not comparable"
    ):
        Assets(folder).features("inception")
    features = Assets(folder).features("ruclip")
    assert features.is_substitute
    assert features.name == f"{Assets(folder).ruclip().name}-latents-x10"
    assert features.width == 24


def test_what_is_missing_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        MissingAssetError, match=r"ruCLIP.*no folder of assets was named.*FBC2_ASSETS.*pytorch_model.bin"
    ):
        Assets(None).ruclip()
    with pytest.raises(
        MissingAssetError, match=r"ruclip does not exist; put config.json.*python -m fetch metrics ruclip --to"
    ):
        Assets(tmp_path).ruclip()


def test_what_can_not_be_used_is_named(folder: Path) -> None:
    (folder / "ruclip" / "bpe.model").unlink()
    with pytest.raises(AssetError, match=r"needs bpe.model as well; get its three files again"):
        Assets(folder).ruclip()
    (folder / "inception").mkdir()
    with pytest.raises(AssetError, match="no weights file"):
        Assets(folder).features("inception")
    save_state_dict({"weight": made_up_weights()["fc.bias"]}, folder / "inception" / "other.pth")
    with pytest.raises(AssetError, match=r"Conv2d_1a_3x3\.conv\.weight"):
        Assets(folder).features("inception")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ruclip/config.json", "ruCLIP"),
        ("ruclip/pytorch_model.bin", "ruCLIP"),
        ("ruclip/bpe.model", "ruCLIP"),
        ("inception/any.pth", "Inception"),
    ],
)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer stands in for the file; fetch it with"),
        (
            "/annex/objects/SHA256E-s5--5e\n",
            "a git-annex pointer stands in for the file; fetch it with `git annex get`",
        ),
        ("<!DOCTYPE html><html></html>", "a page of HTML stands in for the file; get it again, from the address of"),
        ("", "the file is empty; get it again"),
    ],
)
def test_a_stand_in_for_a_network_is_named_with_one_remedy(
    name: str, what: str, content: str, told: str, folder: Path
) -> None:
    (folder / "inception").mkdir()
    (folder / name).write_text(content)
    assets = Assets(folder)
    with pytest.raises(AssetError) as refused:
        assets.features("inception") if what == "Inception" else assets.ruclip()
    assert str(refused.value).startswith(f"{what} can not be used: {folder / name}: {told}")
    assert str(refused.value).count("; ") == 1


def test_where_features_are_kept() -> None:
    for environment, expected in (
        ({"FBC2_CACHE": "kept", "XDG_CACHE_HOME": "shared"}, Path("kept")),
        ({"XDG_CACHE_HOME": "shared"}, Path("shared/fbc2")),
        ({}, Path.home() / ".cache" / "fbc2"),
    ):
        store = feature_store(environment)
        assert store is not None
        assert store.folder == expected


def test_a_user_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert feature_store({}) is None


def test_what_was_fetched_is_found(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    (home / "fbc2" / "metrics").mkdir(parents=True)
    (home / "fbc2" / "metrics" / "assets").symlink_to(folder)
    assert Assets.named(None, {"HF_HOME": str(home)}).folder == home / "fbc2" / "metrics" / "assets"
    assert Assets.named(tmp_path, {"HF_HOME": str(home)}).folder == tmp_path
    assert Assets.named(None, {"HF_HOME": str(tmp_path)}).folder is None
