"""What `fetch` lays is what each reader reads: every entry of the table, from a hub of its own, by the reader's loader.

The checkpoints have the true names, forms and sizes: their tensors are views of one number, so that a file is small.
"""

import io
import shutil
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import abilities.__main__
import data_prep.__main__
import evaluation.__main__
import fetch.__main__
import fetch.table
import submission.__main__
import training.__main__
from abilities.networks import load_dreaming
from abilities.viewer import load_viewer
from contest.command_line import Program
from data_prep.sources.muserc import MuSeRC
from data_prep.sources.sberquad import SberQuAD
from evaluation.assets import Assets
from fetch.table import KINDS, Fetchable, Kind, named, table
from models.dalle import SIZES as DALLE_SIZES
from models.dalle import Dalle
from models.inception import Inception
from models.named_folders import PUBLISHED, weights_folder
from models.rrdbnet import RRDBNet
from models.rudolph import Config, Rudolph
from models.rudolph.config import SIZES
from models.vqgan.loading import read_vqgan_config
from models.weights_folder import inspect_folder
from submission.__main__ import main as submission_main
from tests.fetch.hub_server import FakeHub, serving
from tests.published_tokenizer import bpe_model

RUCLIP = Path(__file__).parents[2] / "weights" / "ruclip"
PROGRAMS: dict[str, Program] = {
    module.PROGRAM.name: module.PROGRAM
    for module in (
        abilities.__main__,
        data_prep.__main__,
        evaluation.__main__,
        fetch.__main__,
        submission.__main__,
        training.__main__,
    )
}


def checkpoint(network: nn.Module, **form: Any) -> bytes:
    """A file of the network's tensors, all zeros, without masks; `prefix` before their names, `inside` a dict."""
    prefix, inside = form.get("prefix", ""), form.get("inside")
    zero = torch.zeros(1, device="cpu")
    state = {
        prefix + name: zero.to(tensor.dtype).expand(tensor.shape) if tensor.dim() else zero.to(tensor.dtype)[0]
        for name, tensor in network.state_dict().items()
        if not name.endswith("_mask")
    }
    stream = io.BytesIO()
    torch.save({inside: state} if inside else state, stream)
    return stream.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def vqgan(name: str, folder: Path) -> nn.Module:
    from contest.writing import write_json

    write_json(folder / "vqgan.json", dict(named("weights", name).configs["vqgan/config.json"]))
    return read_vqgan_config(folder / "vqgan.json")


def published_files(folder: Path) -> dict[str, dict[str, bytes]]:
    with torch.device("meta"):
        rudolphs = {size: checkpoint(Rudolph(config)) for size, config in SIZES.items()}
        first = checkpoint(Rudolph(replace(SIZES["350M"], text_special_tokens=0, image_special_tokens=0)))
        malevich = checkpoint(Dalle(DALLE_SIZES["Malevich"]))
        upscalers = {
            f"RealESRGAN_x{scale}.pth": checkpoint(RRDBNet(scale=scale), inside="params_ema") for scale in (2, 4, 8)
        }
        inception = checkpoint(Inception(""))
    questions = {"id": [1], "context": ["Кот сидит на окне."], "question": ["Где кот?"]}
    answers = pa.array([{"text": ["на окне"], "answer_start": [10]}])
    return {
        **{
            f"ai-forever/RUDOLPH-{size}": {"pytorch_model.bin": rudolphs[size]}
            for size in ("2.7B-FBC2", "2.7B", "1.3B")
        },
        "shonenkov-AI/RuDOLPH-350M-v2": {"pytorch_model.bin": rudolphs["350M"]},
        "sberbank-ai/RuDOLPH-350M": {"pytorch_model.bin": first},
        "sberbank-ai/rudalle-utils": {
            "bpe.model": bpe_model(),
            "vqgan.gumbelf8-sber.model.ckpt": checkpoint(vqgan("rudalle-utils", folder), inside="state_dict"),
            "vqgan.gumbelf8-sber-dwt.model.ckpt": checkpoint(vqgan("rudalle-utils-dwt", folder), prefix="model."),
        },
        "sberbank-ai/rudalle-Malevich": {"pytorch_model_v3.bin": malevich},
        "sberbank-ai/Real-ESRGAN": upscalers,
        "ai-forever/ruclip-vit-large-patch14-336": {
            name: (RUCLIP / name).read_bytes() for name in ("config.json", "pytorch_model.bin", "bpe.model")
        },
        "": {"inception.pth": inception},
        "datasets/kuznetsoffandrey/sberquad": {"sberquad/train.parquet": parquet(**questions, answers=answers)},
        "datasets/RussianNLP/russian_super_glue": {
            "muserc/train/0000.parquet": parquet(
                paragraph=["(1) Кот сидит. (2) Пёс лежит."] * 2,
                question=["Кто сидит?"] * 2,
                answer=["Кот", "Пёс"],
                label=[1, 0],
                idx=[{"paragraph": 0, "question": 0, "answer": number} for number in range(2)],
            )
        },
    }


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    import huggingface_hub.constants

    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch, serving(FakeHub(published_files(folder))) as served:
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "cache"))
        patch.setenv("HF_HOME", str(folder / "home"))
        served.revisions = ("main", "refs%2Fconvert%2Fparquet")
        yield served


def fetched(hub: FakeHub, kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch, *to: str) -> int:
    """Fetch from the hub of the tests; what lies elsewhere is on it as well."""
    real = named(kind, name)
    files = tuple(replace(file, url=f"{hub.url}/inception.pth", sha256="") if file.url else file for file in real.files)
    monkeypatch.setattr(fetch.table, "named", lambda kind, name: replace(real, files=files))
    return fetch.__main__.main([kind, name, "--endpoint", hub.url, *to])


def read_by_its_reader(entry: Fetchable, folder: Path) -> None:
    match entry.kind, entry.name:
        case "metrics", "ruclip":
            assert Assets(folder).ruclip().config.embed_dim
        case "metrics", "inception":
            assert Assets(folder).features("inception").width == 2048
        case "data", "sberquad":
            (record,) = SberQuAD(sorted(folder.rglob("*.parquet"))).records(folder)
            assert "Кот" in str(record)
        case "data", "muserc":
            (record,) = MuSeRC(sorted(folder.rglob("*.parquet"))).records(folder)
            assert "Кто" in str(record)
        case "weights", "rudalle-Malevich":
            for scale in (2, 4, 8):
                networks = load_dreaming(folder, torch.device("meta"), torch.float32, scale)
                assert networks.painter.tokens_per_side == 32
                assert networks.enlarger is not None
                assert networks.enlarger.scale == scale
        case "weights", "Real-ESRGAN":
            assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
                "rrdbnet_x2",
                "rrdbnet_x4",
                "rrdbnet_x8",
            ]
        case "weights", "rudalle-utils" | "rudalle-utils-dwt":
            # Theirs is all but RUDOLPH, which a training makes.
            problems = inspect_folder(folder).problems
            assert {problem.part for problem in problems} == {"rudolph"}
        case _:
            assert inspect_folder(folder).problems == ()
            viewer = load_viewer(folder, torch.device("meta"), torch.float32)
            assert isinstance(viewer.model.config, Config)


@pytest.mark.parametrize(("kind", "name"), sorted(table()))
def test_every_entry_is_read_where_it_is_laid(
    kind: Kind, name: str, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetched(hub, kind, name, monkeypatch, "--to", str(tmp_path / "w")) == 0
    read_by_its_reader(table()[kind, name], tmp_path / "w")


def test_an_id_is_read_where_it_was_fetched_by_default(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetched(hub, "weights", "RuDOLPH-350M", monkeypatch) == 0
    asked = len(hub.requests)
    folder = weights_folder("sberbank-ai/RuDOLPH-350M")
    assert inspect_folder(folder).problems == ()
    assert len(hub.requests) == asked
    shutil.rmtree(folder)


def test_the_doctor_names_what_fetches_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submission_main(["doctor", "--weights", "ai-forever/RUDOLPH-1.3B", "--output", str(tmp_path)]) == 1
    assert "fetch them: python -m fetch weights RUDOLPH-1.3B" in capsys.readouterr().out
    (tmp_path / "w" / "rudolph").mkdir(parents=True)
    assert submission_main(["doctor", "--weights", str(tmp_path / "w"), "--output", str(tmp_path)]) == 1
    assert f"python -m fetch weights rudalle-utils --to {tmp_path / 'w'}" in capsys.readouterr().out
    assert submission_main(["doctor", "--weights", str(tmp_path / "x"), "--output", str(tmp_path)]) == 1
    assert f"python -m fetch weights RUDOLPH-2.7B-FBC2 --to {tmp_path / 'x'}" in capsys.readouterr().out


LOOKUP = str(Path(__file__).parents[2] / "training" / "configs" / "tiny_lookup.yaml")
EVERY_COMMAND_WITH_WEIGHTS = {
    "submission": [["run"], ["pack", "--output", "a.zip", "--image", "i"]],
    "abilities": [
        ["draw", "круг", "--output", "o"],
        ["dream", "круг", "--output", "o"],
        ["complete", "a.png", "круг", "--keep-up", "1", "--output", "o"],
        ["caption", "a.png"],
        ["classify", "a.png", "--classes", "круг,куб"],
        ["rank", "a.png", "--text", "круг", "--text", "куб"],
        ["write", "круг"],
        ["reconstruct", ".", "--output", "o"],
    ],
    "training": [
        ["malevich", "--data", "d", "--output", "o"],
        *([command, "--config", LOOKUP] for command in ("tune", "encode", "merge")),
    ],
}


@pytest.mark.parametrize(
    ("program", "words"),
    [(program, words) for program, commands in EVERY_COMMAND_WITH_WEIGHTS.items() for words in commands],
    ids=lambda given: given if isinstance(given, str) else given[0],
)
def test_commands_name_what_fetches_it(
    program: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    main = import_module(f"{program}.__main__").main
    assert main([*words, "--weights", "ai-forever/RUDOLPH-1.3B"]) == 2
    assert "python -m fetch weights RUDOLPH-1.3B" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_published_names_are_those_of_the_table() -> None:
    assert list(PUBLISHED) == [name for kind, name in table() if kind == "weights"]


@pytest.mark.parametrize("entry", table().values(), ids=lambda entry: entry.name)
def test_the_next_command_is_one(entry: Fetchable) -> None:
    python, m, program, command, *words = entry.next.format(folder="w", files="a b").split()
    assert (python, m) == ("python", "-m")
    parser = ArgumentParser()
    described = PROGRAMS[program].commands[command]
    getattr(import_module(described.module), described.adds)(parser)
    known = set(parser._option_string_actions)
    assert {word for word in words if word.startswith("--")} <= known


def test_every_name_has_files_and_a_place_for_them() -> None:
    assert {kind for kind, _ in table()} == set(KINDS)
    for fetchable in table().values():
        places = [file.to for file in fetchable.files if not file.pattern]
        assert len(places) == len(set(places)), fetchable.name
        for file in fetchable.files:
            assert bool(file.url) != bool(file.repository)
            assert not Path(file.to).is_absolute()
            assert ".." not in file.to
        assert fetchable.about
        assert fetchable.licence


def test_names_are_listed(capsys: Any) -> None:
    assert fetch.__main__.main(["metrics"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ruclip", "inception"]
