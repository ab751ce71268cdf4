"""Checkpoints: every published form is read, nothing in a file runs, and what does not fit is listed by name."""

import argparse
import collections
import pathlib
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.weights import (
    WeightsError,
    WeightsFormatError,
    WeightsMismatchError,
    file_sha256,
    find_weights,
    load_weights,
    read_state_dict,
    save_safetensors,
    save_state_dict,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "models"


class Net(nn.Module):
    """A linear layer, a norm, a mask in the state dict and a table outside of it."""

    def __init__(self, *, with_table: bool = False) -> None:
        super().__init__()
        self.dense = nn.Linear(3, 2)
        self.norm = nn.LayerNorm(2)
        self.register_buffer("mask", torch.ones(2, 2, dtype=torch.bool))
        if with_table:
            self.register_buffer("table", torch.arange(4), persistent=False)


def net_state() -> dict[str, torch.Tensor]:
    return {
        "dense.weight": torch.arange(6.0).reshape(2, 3) / 8,
        "dense.bias": torch.tensor([0.5, -0.25]),
        "norm.weight": torch.tensor([1.0, 2.0]),
        "norm.bias": torch.tensor([0.0, 1.0]),
        "mask": torch.tensor([[True, False], [True, True]]),
    }


def meta_net(**keywords: bool) -> Net:
    with torch.device("meta"):
        return Net(**keywords)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in net_state().items()}


# What a Lightning checkpoint holds beside its weights.
def lightning_surplus() -> dict[str, object]:
    return {
        "pytorch-lightning_version": "1.7.7",
        "epoch": 1,
        "global_step": 2000,
        "callbacks": {Callback: {"best": torch.tensor(1.0), "path": pathlib.PurePosixPath("a/b")}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": np.float64(0.1)}]}],
        "lr_schedulers": [collections.defaultdict(list, a=[1])],
        "hyper_parameters": AttributeDict(args=argparse.Namespace(lr=0.1), names={"a"}),
        "loops": None,
    }


class Callback:
    """Stands for a callback class, which Lightning uses as a key."""


class AttributeDict(dict):
    """Stands for Lightning's own class of hyper-parameters."""


FORMS = {
    "pytorch_model.bin": lambda path: torch.save(collections.OrderedDict(net_state()), path),
    "model.pt": lambda path: torch.save(
        {k: nn.Parameter(v, v.is_floating_point()) for k, v in net_state().items()}, path
    ),
    "legacy.pth": lambda path: torch.save(net_state(), path, _use_new_zipfile_serialization=False),
    "model.safetensors": lambda path: save_file(net_state(), path),
    "plain.ckpt": lambda path: torch.save({"state_dict": net_state(), "epoch": 3}, path),
    "prefixed.ckpt": lambda path: torch.save({"state_dict": prefixed("model.") | {"vae.x": torch.ones(1)}}, path),
    "lightning.ckpt": lambda path: torch.save({"state_dict": prefixed("model.")} | lightning_surplus(), path),
    "bare_prefixed.bin": lambda path: torch.save(prefixed("model.") | {"loss.w": torch.ones(1)}, path),
    "misnamed.bin": lambda path: save_file(net_state(), path),
    "misnamed.safetensors": lambda path: torch.save(net_state(), path),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_tensors(tmp_path, name):
    FORMS[name](tmp_path / name)
    state = read_state_dict(tmp_path / name)
    assert set(state) == set(net_state())
    for key, tensor in net_state().items():
        assert type(state[key]) is torch.Tensor
        assert not state[key].requires_grad
        assert state[key].dtype == tensor.dtype
        assert torch.equal(state[key], tensor)


def test_golden_state_dict_and_lightning_checkpoint():
    arrays = np.load(GOLDEN / "mini_state.npz")
    expected = {name.removeprefix("noflags/"): arrays[name] for name in arrays.files if name.startswith("noflags/")}
    for file, dtype in (("mini_noflags_pytorch_model.bin", np.float32), ("mini_noflags_last.ckpt", np.float16)):
        state = read_state_dict(GOLDEN / file)
        assert set(state) == set(expected)
        for name, array in expected.items():
            values = state[name].numpy()
            assert np.array_equal(values.astype(np.float32), array.astype(np.float32)), (file, name)
            if name == "transformer.layers.0.mlp.dense_h_to_4h.weight":
                assert values.dtype == dtype


def test_surplus_is_ignored_only_where_it_is_named(tmp_path):
    path = tmp_path / "vqgan.ckpt"
    torch.save({"state_dict": net_state() | {"loss.logvar": torch.ones(1), "lossy": torch.ones(1)}}, path)
    assert set(read_state_dict(path, ignore=("loss.",))) == {*net_state(), "lossy"}
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(meta_net(), path, device="cpu", ignore=("loss.",))
    assert caught.value.unexpected == ("lossy",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "lightning.ckpt", "model.safetensors"])
def test_the_tensors_are_the_mapped_file_itself(tmp_path, name):
    """Neither reading nor loading copies: the parameters lie where the file is mapped."""
    path = tmp_path / name
    FORMS[name](path)
    net = load_weights(meta_net(), path, device="cpu")
    for tensor in net.state_dict().values():
        assert mapped_file(tensor.data_ptr()) == str(path)
    with torch.no_grad():
        net.dense.weight.zero_()
    assert torch.equal(read_state_dict(path)["dense.weight"], net_state()["dense.weight"]), "a write reached the file"


def mapped_file(address: int) -> str | None:
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in fields[0].split("-"))
        if first <= address < last:
            return fields[5] if len(fields) == 6 else None
    return None


def test_converted_tensors_are_let_go_one_by_one(tmp_path, monkeypatch):
    """Of a file read into memory, each tensor is let go before the next one is converted."""
    layers = 6
    path = tmp_path / "old.bin"
    torch.save(nn.Sequential(*(nn.Linear(64, 64) for _ in range(layers))).state_dict(), path)
    alive: set[int] = set()
    remaining: list[int] = []

    class Counted:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor
            self.shape = tensor.shape
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

        def is_floating_point(self) -> bool:
            return True

        def to(self, **keywords: object) -> torch.Tensor:
            remaining.append(len(alive))
            return self.tensor.to(**keywords)

    monkeypatch.setattr(
        "models.weights.loading.read_state_dict",
        lambda *_, **__: {k: Counted(v) for k, v in read_state_dict(path).items()},
    )
    with torch.device("meta"):
        module = nn.Sequential(*(nn.Linear(64, 64) for _ in range(layers)))
    load_weights(module, path, device="cpu", dtype=torch.float16)
    assert remaining == list(range(2 * layers, 0, -1))


def test_loading_converts_floating_point_alone_and_moves_all(tmp_path):
    save_file(net_state(), tmp_path / "a.safetensors")
    net = load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu", dtype=torch.float16)
    assert net.dense.weight.dtype == torch.float16
    assert net.mask.dtype == torch.bool
    assert torch.equal(net.dense.weight.float(), net_state()["dense.weight"])
    assert isinstance(net.dense.weight, nn.Parameter)
    assert net.dense.weight.requires_grad
    assert load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu").dense.weight.dtype == torch.float32
    on_meta = load_weights(meta_net(), tmp_path / "a.safetensors", device="meta")
    assert {tensor.device.type for tensor in on_meta.state_dict().values()} == {"meta"}


def test_frozen_parameters_stay_frozen(tmp_path):
    save_file(net_state(), tmp_path / "a.safetensors")
    net = load_weights(meta_net().requires_grad_(False), tmp_path / "a.safetensors", device="cpu")
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_every_difference_is_listed_and_the_module_stays_as_it_was(tmp_path):
    state = net_state()
    del state["dense.bias"], state["norm.bias"]
    state |= {"extra": torch.ones(1), "other": torch.ones(1), "dense.weight": torch.ones(3, 2)}
    state["norm.weight"] = torch.ones(2, dtype=torch.int64)
    path = tmp_path / "a.safetensors"
    save_file(state, path)
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(net, path, device="cpu")
    error = caught.value
    assert error.missing == ("dense.bias", "norm.bias")
    assert sorted(error.unexpected) == ["extra", "other"]
    assert sorted(error.mismatched) == [
        "dense.weight: shape [2, 3] expected, [3, 2] found",
        "norm.weight: torch.float32 expected, torch.int64 found",
    ]
    for part in (str(path), "missing (2)", "unexpected (2)", "different (2)", *error.missing, *error.mismatched):
        assert part in str(error)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_optional_tensors_may_be_absent_and_are_left_to_the_caller(tmp_path):
    state = net_state()
    del state["mask"]
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError):
        load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu")
    net = load_weights(meta_net(), tmp_path / "a.safetensors", device="cpu", optional=("mask",))
    assert net.mask.is_meta
    assert not net.dense.weight.is_meta


def test_a_buffer_outside_the_state_dict_never_stays_without_values_unnoticed(tmp_path):
    save_file(net_state(), tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(meta_net(with_table=True), tmp_path / "a.safetensors", device="cpu")
    assert caught.value.missing == ("table",)
    net = load_weights(Net(with_table=True), tmp_path / "a.safetensors", device="cpu")
    assert torch.equal(net.table, torch.arange(4))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "legacy.pth", "model.safetensors", "lightning.ckpt"])
@pytest.mark.parametrize("kept", [0, 1, 3, 9, 100, 0.3, 0.6, 0.95, -1])
def test_a_truncated_file_is_a_typed_error(tmp_path, name, kept):
    FORMS[name](tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsFormatError, match=name):
        read_state_dict(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.bin"):
        read_state_dict(tmp_path / "absent.bin")


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "a page of HTML stands in for the file"),
        (lambda path: path.write_bytes(b"\xef\xbb\xbf\n<!DOCTYPE HTML><p>"), "a page of HTML stands in for the file"),
        (lambda path: path.write_bytes(b"not found"), "not a weights file"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
        (lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f{}"), "damaged safetensors file .*header too large"),
        (lambda path: path.write_bytes(header(b'{"a":' * 50_000)), "damaged safetensors file .*recursion"),
        (lambda path: path.write_bytes(header(ENTRY % (b"F32", b"1099511627776,1099511627776"))), "damaged .*overflow"),
        (lambda path: path.write_bytes(header(ENTRY % (b"F4", b"8"))), "values of the kind torch.float4"),
        (lambda path: path.write_bytes(header(ENTRY % (b"F99", b"1"))), "damaged safetensors file"),
        (lambda path: torch.save(torch.ones(3), path), "holds a Tensor"),
        (lambda path: torch.save([torch.ones(3)], path), "holds a list"),
        (lambda path: torch.save({"a": torch.ones(3), "b": 3}, path), "'b' is not a plain dense tensor"),
        (lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path), "'a' is not a plain dense tensor"),
        (lambda path: torch.save(Net(), path), "not a dict of tensors"),
        (lambda path: torch.jit.script(nn.Linear(1, 1)).save(str(path)), "refused|damaged"),
        (lambda path: repack(path, zipfile.ZIP_DEFLATED), "compressed"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_files_are_refused(tmp_path, write, problem):
    path = tmp_path / "weights.bin"
    write(path)
    with pytest.raises(WeightsFormatError, match=problem):
        read_state_dict(path)


ENTRY = b'{"a":{"dtype":"%s","shape":[%s],"data_offsets":[0,4]}}'


def header(content: bytes) -> bytes:
    return len(content).to_bytes(8, "little") + content + bytes(4)


def repack(path: Path, compression: int) -> None:
    torch.save(net_state(), path.with_suffix(".tmp"))
    with zipfile.ZipFile(path.with_suffix(".tmp")) as old, zipfile.ZipFile(path, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_refusal_repeats_none_of_the_advice_to_trust_the_file(tmp_path, protocol, zipped):
    path = tmp_path / "weights.bin"
    torch.save({"a": argparse.Namespace(x=1)}, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsFormatError) as caught:
        read_state_dict(path)
    for word in ("weights_only", "torch.load", "add_safe_globals", "serialization"):
        assert word not in str(caught.value)


def test_reading_leaves_no_stand_in_behind(tmp_path):
    FORMS["lightning.ckpt"](tmp_path / "a.ckpt")
    before = set(torch.serialization.get_safe_globals())
    read_state_dict(tmp_path / "a.ckpt")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("save", [save_safetensors, save_state_dict])
def test_saving_and_reading_gives_the_same_back(tmp_path, save):
    net = load_weights(meta_net(), write_net(tmp_path), device="cpu")
    save(net, tmp_path / "out")
    assert all(torch.equal(tensor, net_state()[name]) for name, tensor in read_state_dict(tmp_path / "out").items())
    save(net_state(), tmp_path / "half", dtype=torch.float16)
    half = read_state_dict(tmp_path / "half")
    assert half["dense.weight"].dtype == torch.float16
    assert half["mask"].dtype == torch.bool


def write_net(folder: Path) -> Path:
    save_file(net_state(), folder / "net.safetensors")
    return folder / "net.safetensors"


@pytest.mark.parametrize("save", [save_safetensors, save_state_dict])
def test_views_and_shared_tensors_are_saved_as_what_they_show(tmp_path, save):
    whole = torch.arange(10_000.0).reshape(100, 100)
    save({"row": whole[3], "column": whole[:, 3], "again": whole[3]}, tmp_path / "out")
    state = read_state_dict(tmp_path / "out")
    assert torch.equal(state["row"], whole[3])
    assert torch.equal(state["column"], whole[:, 3])
    assert torch.equal(state["again"], whole[3])
    assert (tmp_path / "out").stat().st_size < 8_000


@pytest.mark.parametrize("save", [save_safetensors, save_state_dict])
def test_saving_replaces_the_file_in_one_step_or_leaves_it(tmp_path, save):
    path = tmp_path / "out"
    save(net_state(), path)
    first = file_sha256(path)
    mapped = read_state_dict(path)
    save({name: tensor * 1 for name, tensor in mapped.items() if name != "mask"}, path)
    assert torch.equal(mapped["mask"], net_state()["mask"]), "the old file's mapping was overwritten"
    save(net_state(), path)
    assert file_sha256(path) == first, "equal weights give equal bytes"
    with pytest.raises(AttributeError):
        save(net_state() | {"bad": "not a tensor"}, path)
    with pytest.raises(OSError, match="absent"):
        save(net_state(), tmp_path / "absent" / "out")
    assert file_sha256(path) == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert path.stat().st_mode & 0o444 == 0o444


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_finding_the_one_weights_file(tmp_path):
    (tmp_path / "config.json").touch()
    (tmp_path / "below.bin").mkdir()
    with pytest.raises(WeightsError, match="no weights file"):
        find_weights(tmp_path)
    (tmp_path / "last.ckpt").touch()
    assert find_weights(tmp_path) == tmp_path / "last.ckpt"
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(WeightsError, match=r"several weights files \(last.ckpt, model.safetensors\)"):
        find_weights(tmp_path)
    with pytest.raises(WeightsError, match="no such folder"):
        find_weights(tmp_path / "absent")
