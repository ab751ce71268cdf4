"""Weights in several files: the index says what lies where, and nothing else is believed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.weights import (
    WeightsError,
    WeightsFormatError,
    WeightsMismatchError,
    file_sha256,
    find_weights,
    load_weights,
    not_finite,
    read_state_dict,
    weights_files,
    weights_sha256,
)
from tests.models.test_weights import meta_net, net_state

ONE, TWO, INDEX = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"


def listed() -> dict[str, str]:
    return {name: (ONE, TWO)[number % 2] for number, name in enumerate(net_state())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard in (ONE, TWO):
        save_file({name: net_state()[name] for name, file in listed().items() if file == shard}, tmp_path / shard)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": listed()}))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_shards_are_one_checkpoint(folder: Path) -> None:
    path = find_weights(folder)
    assert path == folder / INDEX
    assert weights_files(path) == (folder / INDEX, folder / ONE, folder / TWO)
    state = read_state_dict(path)
    assert {name: tensor.tolist() for name, tensor in state.items()} == {k: v.tolist() for k, v in net_state().items()}
    net = load_weights(meta_net(), path, device="cpu")
    assert torch.equal(net.dense.weight, net_state()["dense.weight"])


def test_the_hash_covers_every_shard(folder: Path) -> None:
    before = weights_sha256(folder / INDEX)
    assert weights_sha256(folder / ONE) == file_sha256(folder / ONE)
    save_file({name: net_state()[name] * 1 for name, file in listed().items() if file == TWO}, folder / TWO)
    assert weights_sha256(folder / INDEX) == before
    save_file({name: net_state()[name] ^ True if name == "mask" else net_state()[name] for name, file in listed().items() if file == ONE}, folder / ONE)  # fmt: skip  # noqa: E501
    assert weights_sha256(folder / INDEX) != before


def rewritten(folder: Path, shard: str, **changes: torch.Tensor | None) -> None:
    state = {name: net_state()[name] for name, file in listed().items() if file == shard} | changes
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, folder / shard)


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("", "the file is empty"),
        ("{", "no index of shards: not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", 'no "weight_map"'),
        ('{"weight_map": ["a"]}', 'no "weight_map"'),
        ('{"weight_map": {"a": 3}}', "gives tensor 'a' to 3, no weights file"),
        ('{"weight_map": {"a": "notes.txt"}}', r"gives tensor 'a' to 'notes\.txt', no weights file"),
        ('{"weight_map": {"a": "../other/model.bin"}}', "does not lie in its own folder"),
        ('{"weight_map": {"a": "/etc/model.bin"}}', "does not lie in its own folder"),
        ('{"weight_map": {"a": "below/model.bin"}}', "does not lie in its own folder"),
        ('{"weight_map": {"a": "gone.bin"}}', r"names the shard gone\.bin, which is not there"),
    ],
)
def test_an_index_that_can_not_be_is_refused(folder: Path, index: str, problem: str) -> None:
    (folder / INDEX).write_text(index)
    with pytest.raises(WeightsFormatError, match=problem) as caught:
        read_state_dict(folder / INDEX)
    assert str(caught.value).startswith(f"{folder / INDEX}: ")


def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    rewritten(folder, TWO, **{"dense.weight": torch.ones(2, 3)})
    with pytest.raises(WeightsFormatError, match=r"tensor 'dense\.weight' lies in two of the shards"):
        read_state_dict(folder / INDEX)


def test_a_tensor_that_the_index_does_not_name_is_refused(folder: Path) -> None:
    rewritten(folder, ONE, extra=torch.ones(1))
    with pytest.raises(WeightsFormatError, match=f"{ONE} holds the tensor 'extra', which the index does not give"):
        read_state_dict(folder / INDEX)


def test_a_tensor_that_a_shard_lacks_is_refused(folder: Path) -> None:
    rewritten(folder, TWO, **{"dense.bias": None})
    with pytest.raises(WeightsFormatError, match=rf"{TWO} lacks 1 tensors of the index, 'dense\.bias' for one"):
        read_state_dict(folder / INDEX)


def test_a_pointer_in_the_place_of_a_shard_is_called_that(folder: Path) -> None:
    (folder / TWO).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(WeightsFormatError, match=f"{TWO}: a Git LFS pointer .* `git lfs pull`"):
        read_state_dict(folder / INDEX)


def test_which_of_several_files_is_meant_is_asked(folder: Path) -> None:
    (folder / "pytorch_model.bin").touch()
    with pytest.raises(WeightsError, match=f"several weights files \\(pytorch_model.bin, {INDEX}\\); leave one"):
        find_weights(folder)
    (folder / "pytorch_model.bin").unlink()
    (folder / INDEX).unlink()
    with pytest.raises(WeightsError, match=rf"shards of weights \({ONE}, {TWO}\), and no index .*; copy the file that"):
        find_weights(folder)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_forward_module.", "model.module."])
def test_what_wrappers_put_before_names_is_taken_off(tmp_path: Path, prefix: str) -> None:
    save_file({prefix + name: tensor for name, tensor in net_state().items()}, tmp_path / "a.safetensors")
    assert set(read_state_dict(tmp_path / "a.safetensors")) == set(net_state())


def test_a_prefix_that_not_all_names_have_stays(tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in net_state().items()} | {"extra": torch.ones(1)}
    save_file(state, tmp_path / "a.safetensors")
    assert set(read_state_dict(tmp_path / "a.safetensors")) == set(state)


def test_an_unknown_prefix_is_named(tmp_path: Path) -> None:
    save_file({f"student.{name}": tensor for name, tensor in net_state().items()}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu")
    assert str(caught.value).splitlines()[-1] == "  save the weights again without 'student.'"


def test_a_mismatch_in_brief_names_the_first_tensors(tmp_path: Path) -> None:
    save_file({"other": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu")
    assert caught.value.brief == (
        f"{tmp_path / 'a.safetensors'}: the tensors are not those of the network: "
        "5 missing (mask, dense.weight, dense.bias and 2 more); 1 unexpected (other)"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_values_that_are_no_numbers_are_counted(tmp_path: Path, dtype: torch.dtype) -> None:
    bad = torch.tensor([1.0, float("nan"), float("nan"), 2.0]).to(dtype)
    torch.save({"good": torch.ones(3), "bad": bad, "whole": torch.arange(3), "none": torch.ones(0)}, tmp_path / "a.bin")
    assert list(not_finite(tmp_path / "a.bin")) == ["bad (2 of 4 values)"]


def test_a_large_tensor_is_looked_at_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.weights.finite.VALUES_AT_ONCE", 10)
    tensor = torch.zeros(7, 15)
    tensor[6, 14] = float("inf")
    torch.save({"flat": tensor, "turned": tensor.T, "spread": torch.zeros(1).expand(4, 9)}, tmp_path / "a.bin")
    parts: list[int] = []
    found = list(not_finite(tmp_path / "a.bin", tick=lambda: parts.append(1)))
    assert found == ["flat (1 of 105 values)", "turned (1 of 105 values)"]
    assert len(parts) == 11 + 15 + 4
