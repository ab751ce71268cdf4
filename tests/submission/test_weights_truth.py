"""One truth about a weights folder: what `run` refuses, `doctor`, `pack` and `check` refuse too, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from errors import UserError
from models.weights import read_state_dict, save_safetensors
from submission.__main__ import main
from submission.checks.checking import check
from submission.doctor.weights import look_at_weights
from submission.loading import fingerprint
from submission.pack import CODE_FOLDERS, PackError, pack
from tests.submission.conftest import image, text

RUDOLPH, VQGAN = "rudolph/pytorch_model.bin", "vqgan/model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
State = dict[str, torch.Tensor]
Spoil = Callable[[Path], object]


@pytest.fixture
def copied(weights: Path, tmp_path: Path) -> Path:
    return shutil.copytree(weights, tmp_path / "weights")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with next to no code: the weights are what is packed."""
    root = tmp_path_factory.mktemp("root")
    for folder in CODE_FOLDERS:
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").write_text('"""A room."""\n')
    (root / "run.sh").write_text("exec python3 -m submission run\n")
    return root


def question(folder: Path) -> Path:
    """An input folder with one question about a picture: nothing is drawn for it."""
    (folder / "input/images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "input/images/0.png")
    asked = {"0": [text("вопрос"), image("images/0.png")]}
    (folder / "input/input.json").write_text(json.dumps(asked))
    return folder / "input"


def tensors(name: str, change: Callable[[State], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        state = {key: value.clone() for key, value in read_state_dict(folder / name).items()}
        change(state)
        (folder / name).unlink()
        save_safetensors(state, folder / name)

    return spoil


def config(part: str, **changes: object) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / part / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def without(part: str, keyword: str) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / part / "config.json"
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != keyword}))

    return spoil


def written(name: str, content: str) -> Spoil:
    return lambda folder: (folder / name).write_text(content)


def smaller_vocabulary(folder: Path) -> None:
    (folder / "bpe.model").write_text("2 0\n9601 4\n97 5\n1 0 2 3\n")


def float_masks(state: State) -> None:
    for name, tensor in list(state.items()):
        if name.endswith("_mask"):
            state[name] = tensor.float()


def missing_shard(folder: Path) -> None:
    sharded(folder)
    (folder / "rudolph/model-00002-of-00002.safetensors").unlink()


# What is done to a sound folder, and what of it a run says.
REFUSED: dict[str, tuple[Spoil, str]] = {
    "a tensor is missing": (tensors(RUDOLPH, lambda s: s.pop("to_logits.1.bias")), "to_logits.1.bias"),
    "a tensor too many": (tensors(RUDOLPH, lambda s: s.update(extra=torch.ones(1))), "extra"),
    "a tensor of another shape": (
        tensors(RUDOLPH, lambda s: s.update({"to_logits.1.bias": torch.ones(3)})),
        "to_logits.1.bias: shape",
    ),
    "masks as floats": (tensors(RUDOLPH, float_masks), "_mask: torch.bool expected, torch.float32 found"),
    "masks of another kernel": (config("rudolph", kernel_size=1, last_kernel_size=1), "check kernel_size"),
    "another number of layers": (config("rudolph", num_layers=9), "transformer.layers.8"),
    "another width": (config("rudolph", hidden_size=24, num_attention_heads=2), "shape"),
    "no JSON": (written("rudolph/config.json", "{"), "not JSON"),
    "no object": (written("rudolph/config.json", "[]"), "not a JSON object"),
    "nested without end": (written("vqgan/config.json", "[" * 100_000), "nested too deeply"),
    "a number without end": (written("vqgan/config.json", '{"ch": ' + "9" * 9999 + "}"), "a number is too long"),
    "a page of HTML": (written("rudolph/config.json", "<!DOCTYPE html>"), "a page of HTML stands in for the file"),
    "an empty configuration": (written("vqgan/config.json", ""), "the file is empty"),
    "an unknown keyword": (config("rudolph", layers=4), "unknown keywords 'layers'"),
    "a keyword missing": (without("rudolph", "num_layers"), "missing keywords num_layers"),
    "a keyword of the VQGAN missing": (without("vqgan", "n_embed"), "missing keywords n_embed"),
    "a grid that no memory holds": (config("rudolph", image_tokens_per_dim=100_000), "image_tokens_per_dim must be"),
    "a VQGAN of other codes": (
        lambda folder: (
            config("vqgan", n_embed=2)(folder),
            tensors(
                VQGAN, lambda s: s.update({k: v[:2].clone() for k, v in s.items() if k.startswith("quantize.")})
            )(folder),
        ),
        "the VQGAN has 2 codes",
    ),
    "a smaller vocabulary": (smaller_vocabulary, "bpe.model has 6 pieces"),
    "a tokenizer without PAD": (written("bpe.model", "2 0\n9601 1\n97 2\n0 -1 -1 -1\n"), "without PAD and BOS and EOS"),
    "a pointer for the tokenizer": (written("bpe.model", POINTER), "a Git LFS pointer"),
    "a pointer for weights": (written(RUDOLPH, POINTER), "a Git LFS pointer"),
    "empty weights": (written(VQGAN, ""), "the file is empty"),
    "a shard is missing": (missing_shard, "names the shard model-00002-of-00002.safetensors"),
    "no tokenizer": (lambda folder: (folder / "bpe.model").unlink(), "bpe.model"),
    "two weights files": (lambda folder: shutil.copy(folder / VQGAN, folder / "vqgan/b.ckpt"), "several weights files"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), REFUSED.values(), ids=REFUSED)
def test_what_a_run_refuses_all_refuse(
    spoil: Spoil, says: str, copied: Path, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copied)
    arguments = ["--input", str(question(tmp_path)), "--output", str(tmp_path / "out"), "--weights", str(copied)]
    assert main(["run", *arguments, "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told

    ill = [reading for reading in look_at_weights(copied, 10**12, None) if reading.health == "error"]
    assert says in " ".join(reading.value + reading.remedy for reading in ill)

    with pytest.raises((UserError, OSError)) as refusal:
        pack(copied, tmp_path / "refused.zip", "team/rudolph:1", code)
    assert says in str(refusal.value)
    assert not (tmp_path / "refused.zip").exists()

    folder = shutil.copytree(code, tmp_path / "folder")
    (folder / "metadata.json").write_text('{"image": "team/rudolph:1", "entrypoint": "bash run.sh"}')
    shutil.copytree(copied, folder / "weights")
    errors = check(folder).errors
    assert {finding.check.code.partition("_")[0] for finding in errors} == {"WEIGHTS"}
    assert says in " ".join(finding.message for finding in errors)


def prefixed(*prefixes: str) -> Spoil:
    def rewrite(state: State) -> None:
        for name in list(state):
            state["".join(prefixes) + name] = state.pop(name)

    return tensors(RUDOLPH, rewrite)


def sharded(folder: Path, form: str = "safetensors") -> None:
    state = read_state_dict(folder / RUDOLPH)
    (folder / RUDOLPH).unlink()
    names = [f"model-0000{number}-of-00002.{form}" for number in (1, 2)]
    listed = {key: names[number % 2] for number, key in enumerate(state)}
    for name in names:
        part = {key: value.clone() for key, value in state.items() if listed[key] == name}
        save_file(part, folder / "rudolph" / name) if form == "safetensors" else torch.save(
            part, folder / "rudolph" / name
        )
    index = folder / f"rudolph/model.{form}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}))


# What is done to a sound folder, and the prefix that a run says once that it took off.
READ: dict[str, tuple[Spoil, str]] = {
    "as they are": (lambda folder: None, ""),
    "module.": (prefixed("module."), "'module.'"),
    "_orig_mod.": (prefixed("_orig_mod."), "'_orig_mod.'"),
    "both": (prefixed("module.", "_orig_mod."), "'module._orig_mod.'"),
    "a compiled network in a harness": (prefixed("model.", "_orig_mod."), "'model._orig_mod.'"),
    "a harness of DeepSpeed": (prefixed("_forward_module.", "model."), "'_forward_module.model.'"),
    "a harness": (prefixed("model."), ""),
    "shards of safetensors": (sharded, ""),
    "shards of torch": (lambda folder: sharded(folder, "bin"), ""),
}


@pytest.mark.parametrize(("change", "taken_off"), READ.values(), ids=READ)
def test_what_a_run_reads_all_read(
    change: Spoil, taken_off: str, copied: Path, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copied)
    arguments = ["--input", str(question(tmp_path)), "--output", str(tmp_path / "out"), "--weights", str(copied)]
    assert main(["run", *arguments, "--device", "cpu", "--greedy"]) == 0
    told = capsys.readouterr().err
    assert told.count("is taken off") == (1 if taken_off else 0)
    assert taken_off in told

    readings = list(look_at_weights(copied, 10**12, None))
    assert [reading for reading in readings if reading.health != "ok"] == []
    packed = pack(copied, tmp_path / "a.zip", "team/rudolph:1", code)
    assert packed.left_out == ()
    assert check(packed.path).findings == ()
    assert set(fingerprint(copied)) == {
        path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()
    }


def test_prefixed_and_sharded_weights(
    copied: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, answers = question(tmp_path), []
    prefixed("module.")(copied)
    for number, folder in enumerate((weights, copied)):
        output = tmp_path / str(number)
        arguments = ["--input", str(source), "--output", str(output), "--weights", str(folder), "--device", "cpu"]
        assert main(["run", *arguments]) == 0
        answers.append((output / "predictions.json").read_bytes())
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("name", "tensor", "value"),
    [
        (RUDOLPH, "transformer.layers.1.mlp.dense_h_to_4h.weight", float("nan")),
        (RUDOLPH, "text_embeddings.weight", float("inf")),
        (VQGAN, "quant_conv.weight", float("-inf")),
    ],
)
def test_values_that_are_no_numbers_are_named_by_all(
    name: str, tensor: str, value: float, copied: Path, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors(name, lambda state: state[tensor].view(-1)[:].fill_(value))(copied)
    arguments = ["--input", str(question(tmp_path)), "--output", str(tmp_path / "out"), "--weights", str(copied)]
    assert main(["run", *arguments, "--device", "cpu"]) == (1 if name == RUDOLPH else 0)
    told = capsys.readouterr().err
    assert f"NaN or Infinity in {tensor} (" in told
    assert "bfloat16 or float32" not in told

    ill = [reading for reading in look_at_weights(copied, 10**12, None) if reading.health == "error"]
    assert [reading.name for reading in ill] == ["weights values"]
    assert tensor in ill[0].value
    with pytest.raises(PackError, match=rf"WEIGHTS_NOT_FINITE.*{tensor}"):
        pack(copied, tmp_path / "refused.zip", "team/rudolph:1", code)
