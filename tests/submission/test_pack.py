"""The archive: the same bytes from the same files, all that a run needs, and nothing that must not leave."""

import ast
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from contest.errors import ContestError
from models.weights import WeightsError
from submission.__main__ import main
from submission.checks.checking import check
from submission.pack import CODE_FOLDERS, PackError, pack
from tests.submission.conftest import ROOT

KEY = "-----BEGIN RSA " + "PRIVATE KEY-----"  # in two, so that this file is no secret itself


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A repository with a little code in each folder."""
    root = tmp_path / "root"
    for folder in CODE_FOLDERS:
        (root / folder / "__pycache__").mkdir(parents=True)
        (root / folder / "__init__.py").write_text('"""A room."""\n')
        (root / folder / "__pycache__" / "a.pyc").write_bytes(b"\0")
        (root / folder / "README.md").write_text("read me")
    (root / "run.sh").write_text("exec python3 -m submission run\n")
    return root


def test_the_same_files_give_the_same_bytes(code: Path, weights: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    pack(weights, first, "team/rudolph:1", code)
    copy = tmp_path / "copy"
    for name in ("root", "weights"):  # other dates, other order on the disk, other permissions
        shutil.copytree(code if name == "root" else weights, copy / name, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    pack(copy / "weights", second, "team/rudolph:1", copy / "root")
    assert first.read_bytes() == second.read_bytes()


def test_archive_holds_what_a_run_needs(code: Path, weights: Path, tmp_path: Path) -> None:
    (weights / "notes.txt").write_text("my notes")
    packed = pack(weights, tmp_path / "a.zip", "team/rudolph:1", code)
    (weights / "notes.txt").unlink()
    assert packed.left_out == ("notes.txt",)
    with zipfile.ZipFile(packed.path) as archive:
        names = archive.namelist()
        assert names == [
            "contest/__init__.py",
            "errors/__init__.py",
            "metadata.json",
            "models/__init__.py",
            "run.sh",
            "submission/__init__.py",
            "weights/bpe.model",
            "weights/rudolph/config.json",
            "weights/rudolph/pytorch_model.bin",
            "weights/vqgan/config.json",
            "weights/vqgan/model.safetensors",
            "manifest.json",
        ]
        assert json.loads(archive.read("metadata.json")) == {"image": "team/rudolph:1", "entrypoint": "bash run.sh"}
        files = json.loads(archive.read("manifest.json"))["files"]
        assert list(files) == names[:-1]
        for name, entry in files.items():
            content = archive.read(name)
            assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert (modes["run.sh"], modes["metadata.json"]) == (0o100755, 0o100644)
    assert packed.packed_bytes == packed.path.stat().st_size
    assert packed.unpacked_bytes == sum(info.file_size for info in zipfile.ZipFile(packed.path).infolist())


# (what is put into the repository, a word of the refusal)
REFUSED: tuple[tuple[Callable[[Path], object], str], ...] = (
    (lambda root: (root / "submission/.env").write_text("A=1"), "submission/.env: a name that secrets"),
    (lambda root: (root / "contest/id_rsa").write_text("x"), "contest/id_rsa: a name that secrets"),
    (lambda root: (root / "models/server.pem").write_text("x"), "models/server.pem: a name that secrets"),
    (lambda root: (root / "submission/key.py").write_text(f'K = """{KEY}"""'), "key.py: it holds a private"),
    (lambda root: (root / "contest/hub.py").write_text("T = 'hf_" + "a" * 34 + "'"), "hub.py: it holds a Hugging"),
    (lambda root: (root / "contest/data.csv").write_text("1,2"), "contest/data.csv: a stray file"),
    (lambda root: (root / "contest/more.py").symlink_to("__init__.py"), "contest/more.py: a link"),
    (lambda root: (root / "contest/more").symlink_to("../models"), "contest/more: a link"),
    (lambda root: (root / "run.sh").unlink(), "run.sh: not there"),
)  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_must_not_leave_is_refused_by_name(
    spoil: Callable[[Path], object], says: str, code: Path, weights: Path, tmp_path: Path
) -> None:
    spoil(code)
    with pytest.raises(PackError) as raised:
        pack(weights, tmp_path / "a.zip", "team/rudolph:1", code)
    assert says in str(raised.value)
    assert not list(tmp_path.glob("*.zip*"))


def test_secret_in_a_weights_config_is_refused(code: Path, weights: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(weights, tmp_path / "weights")
    config = json.loads((copy / "rudolph/config.json").read_text())
    (copy / "rudolph/config.json").write_text(json.dumps({**config, "token": "hf_" + "a" * 34}))
    with pytest.raises(PackError, match=r"weights/rudolph/config\.json: it holds a Hugging Face token"):
        pack(copy, tmp_path / "a.zip", "team/rudolph:1", code)


def test_a_git_folder_is_refused(code: Path, weights: Path, tmp_path: Path) -> None:
    (code / "models/.git").mkdir()
    (code / "models/.git/config").write_text("[remote]")
    with pytest.raises(PackError, match=r"models/\.git/config: a name that secrets"):
        pack(weights, tmp_path / "a.zip", "team/rudolph:1", code)


def test_too_much_is_refused_and_an_earlier_archive_stays(
    code: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_text("earlier")
    monkeypatch.setattr("submission.pack.MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(PackError, match="at most 1000 are allowed"):
        pack(weights, tmp_path / "a.zip", "team/rudolph:1", code)
    assert (tmp_path / "a.zip").read_text() == "earlier"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_name_that_is_no_image_is_refused(code: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ContestError, match="no name of an image"):
        pack(weights, tmp_path / "a.zip", "--privileged", code)


def test_weights_that_are_not_there_are_named(code: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such folder"):
        pack(tmp_path / "none", tmp_path / "a.zip", "team/rudolph:1", code)


def our_imports(path: Path) -> set[str]:
    """The modules of this repository that the packed code imports, at once or later."""
    imported: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            for node in ast.walk(ast.parse(archive.read(name))) if name.endswith(".py") else ():
                if isinstance(node, ast.Import):
                    imported.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    assert node.module is not None
                    assert not node.level
                    imported.add(node.module)
    ours = {module for module in imported if (ROOT / module.partition(".")[0] / "__init__.py").is_file()}
    assert {"errors", "contest.errors", "submission.run"} <= ours
    return ours


def test_this_repository_packs_and_checks(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "submission.zip"
    assert main(["pack", "--weights", str(weights), "--output", str(out), "--image", "team/rudolph:1"]) == 0
    assert "GB packed" in capsys.readouterr().out
    assert main(["check", str(out)]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    with zipfile.ZipFile(out) as archive:
        packed = set(archive.namelist())
    assert {"submission/run.py", "contest/reading.py", "models/weights/reading.py", "run.sh"} <= packed
    assert not [name for name in packed if name.startswith(("tests/", "training/", "evaluation/", ".git"))]
    assert our_imports(out) <= {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in packed}
    assert check(out).findings == ()
    assert (ROOT / "run.sh").read_bytes() == zipfile.ZipFile(out).read("run.sh")


def test_the_command_ends_with_2_when_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", "--weights", str(tmp_path), "--output", str(tmp_path / "a.zip"), "--image", "a:1"]) == 2
    assert "submission pack: error [" in capsys.readouterr().err
