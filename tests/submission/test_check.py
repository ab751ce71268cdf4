"""For every check one broken submission that it finds, and a sound one in which none finds anything."""

import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.weights import read_state_dict, save_safetensors
from submission.__main__ import main
from submission.checks import ALL_CHECKS
from submission.checks.checking import check, checks_table
from submission.checks.secret import is_secret_name, secret_in
from submission.pack import pack
from tests.submission.conftest import ROOT

TABLE = ROOT / "submission/checks/README.md"


@pytest.fixture(scope="session")
def sound(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound archive with code so small that it is packed and looked through at once."""
    root = tmp_path_factory.mktemp("sound")
    for folder in ("errors", "contest", "models", "submission"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").write_text('"""A room."""\n')
    (root / "run.sh").write_text("exec python3 -m submission run\n")
    return pack(weights, root / "submission.zip", "team/rudolph:1", root).path


def folder_of(sound: Path, target: Path) -> Path:
    """The sound submission as a folder, without its manifest, so that a change is found by its own check alone."""
    with zipfile.ZipFile(sound) as archive:
        archive.extractall(target)
    (target / "manifest.json").unlink()
    return target


def codes(path: Path, input_path: Path | None = None) -> set[str]:
    return {finding.check.code for finding in check(path, input_path).findings}


def zipped(*files: tuple[str, bytes], mode: int = 0o644, form: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", form) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = form
            archive.writestr(info, content)
    return stream.getvalue()


# How much of nothing stands before an archive, for which no disk has room to be filled.
HOLES = {"ARCHIVE_TOO_LARGE": 15 * 10**9}
# code -> the archive in which it finds something
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "ARCHIVE_UNREADABLE": lambda: b"no archive",
    "ARCHIVE_TOO_LARGE": lambda: zipped(("a", b"x")),
    "ARCHIVE_BOMB": lambda: zipped(*((str(number), bytes(30 * 10**6)) for number in range(7))),
    "ARCHIVE_NAME_REFUSED": lambda: zipped(("../run.sh", b"")),
    "ARCHIVE_NAME_TWICE": lambda: zipped(("a", b""), ("a/b", b"")),
    "ARCHIVE_NOT_A_FILE": lambda: zipped(("a", b"/etc"), mode=stat.S_IFLNK | 0o777),
    "ARCHIVE_FORM": lambda: zipped(("a", b"x"), form=zipfile.ZIP_BZIP2),
}


class Runs:
    """A pickle that would run a command when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def metadata(**changes: object) -> bytes:
    return json.dumps({"image": "team/rudolph:1", "entrypoint": "bash run.sh", **changes}).encode()


def written(name: str, content: bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return write


def unsafe(folder: Path) -> None:
    (folder / "weights/vqgan/model.safetensors").unlink()
    (folder / "weights/vqgan/model.ckpt").write_bytes(pickle.dumps(Runs(), protocol=2))


def with_nan(folder: Path) -> None:
    path = folder / "weights/vqgan/model.safetensors"
    state = {name: tensor.clone() for name, tensor in read_state_dict(path).items()}
    state["quant_conv.weight"][0, 0] = float("nan")
    save_safetensors(state, path)


def changed_after_packing(folder: Path) -> None:
    listed = {"run.sh": {"bytes": 1, "sha256": "0" * 64}, "gone.py": {"bytes": 1, "sha256": "0" * 64}}
    (folder / "manifest.json").write_text(json.dumps({"files": listed}))


# code -> what is done to the sound folder
FOLDERS: dict[str, Callable[[Path], object]] = {
    "METADATA_MISSING": lambda folder: (folder / "metadata.json").rename(folder / "contest/metadata.json"),
    "METADATA_INVALID": written("metadata.json", metadata(image="--privileged")),
    "IMAGE_FLOATING": written("metadata.json", metadata(image="team/rudolph:latest")),
    "ENTRYPOINT_NEEDS_SHELL": written("metadata.json", metadata(entrypoint="bash run.sh > log")),
    "ENTRYPOINT_MISSING": written("metadata.json", metadata(entrypoint="bash start.sh")),
    "ENTRYPOINT_LINE_ENDS": written("run.sh", b"echo a\r\necho b\r\n"),
    "SECRET_FILE": written("contest/.netrc", b"machine example.org"),
    "SECRET_TEXT": written("contest/key.py", b"K = '-----BEGIN " + b"PRIVATE KEY-----'"),
    "LINK_OR_DEVICE": lambda folder: (folder / "contest/up").symlink_to(".."),
    "STRAY_FILE": written("contest/__pycache__/a.cpython-311.pyc", b"\0"),
    "OUTPUT_INCLUDED": written("output/predictions.json", b"{}"),
    "INPUT_INCLUDED": written("input/input.json", b"{}"),
    "SOURCE_BROKEN": written("contest/a.py", b"<<<<<<< HEAD\n"),
    "MANIFEST_DIFFERS": changed_after_packing,
    "WEIGHTS_MISSING": lambda folder: (folder / "weights/bpe.model").unlink(),
    "WEIGHTS_UNSAFE": unsafe,
    "WEIGHTS_UNUSABLE": written("weights/bpe.model", b"4 0\n97 4\n98 5\n99 6\n100 7\n1 0 2 3\n"),
    "WEIGHTS_NOT_FINITE": with_nan,
}

TEXT, PICTURE = {"type": "text", "content": "да"}, {"type": "image", "content": "images/image_0.jpg"}
SOUND_PREDICTIONS = {"0": [TEXT, PICTURE], "1": [TEXT]}
# code -> the predictions in which it finds something
PREDICTIONS: dict[str, object] = {
    "PREDICTIONS_UNSOUND": {**SOUND_PREDICTIONS, "1": TEXT},
    "PREDICTIONS_ODD": {**SOUND_PREDICTIONS, "1": [TEXT, {"type": "sound", "content": "a"}]},
    "PREDICTION_MISSING": {"0": [TEXT, PICTURE]},
    "PICTURE_BROKEN": {**SOUND_PREDICTIONS, "0": [TEXT, {"type": "image", "content": "images/none.jpg"}]},
    "PICTURE_SURPLUS": {**SOUND_PREDICTIONS, "1": [TEXT, {"type": "image", "content": "images/none.jpg"}]},
    "PREDICTION_SURPLUS": {**SOUND_PREDICTIONS, "2": [TEXT]},
    "TEXT_MISSING": {**SOUND_PREDICTIONS, "1": [PICTURE]},
    "TEXT_EMPTY": {**SOUND_PREDICTIONS, "1": [{"type": "text", "content": " "}]},
    "PICTURE_ALONE": {**SOUND_PREDICTIONS, "0": [PICTURE]},
    "PICTURE_UNDRAWN": {**SOUND_PREDICTIONS, "0": [TEXT]},
}


@pytest.fixture
def predictions(tmp_path: Path) -> Callable[[object], tuple[Path, Path]]:
    def write(value: object) -> tuple[Path, Path]:
        (tmp_path / "images").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "images/image_0.jpg")
        asked = {"0": [TEXT], "1": [TEXT, PICTURE]}
        (tmp_path / "input.json").write_text(json.dumps(asked))
        (tmp_path / "predictions.json").write_text(json.dumps(value))
        return tmp_path / "predictions.json", tmp_path

    return write


def test_every_check_has_its_broken_example() -> None:
    examples = [*ARCHIVES, *FOLDERS, *PREDICTIONS]
    assert examples == [one.code for one in ALL_CHECKS]
    assert len(set(examples)) == len(examples)


@pytest.mark.parametrize("code", ARCHIVES)
def test_a_broken_archive(code: str, tmp_path: Path) -> None:
    with (tmp_path / "submission.zip").open("wb") as stream:
        stream.seek(HOLES.get(code, 0))
        stream.write(ARCHIVES[code]())
    assert codes(tmp_path / "submission.zip") == {code}


@pytest.mark.parametrize("code", FOLDERS)
def test_a_broken_folder(code: str, sound: Path, tmp_path: Path) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    FOLDERS[code](folder)
    assert codes(folder) == {code}
    assert not (tmp_path / "executed").exists()
    assert not Path("executed").exists()


@pytest.mark.parametrize("code", PREDICTIONS)
def test_broken_predictions(code: str, predictions: Callable[[object], tuple[Path, Path]]) -> None:
    assert codes(*predictions(PREDICTIONS[code])) == {code}


def test_a_sound_submission_has_no_finding(sound: Path, tmp_path: Path) -> None:
    for path in (sound, folder_of(sound, tmp_path / "folder")):
        checked = check(path)
        assert checked.findings == ()
        looks = {one.looks for one in checked.passed}
        assert looks == ({"archive", "files"} if path is sound else {"files"})
        assert len(checked.passed) + len(checked.not_done) == len(ALL_CHECKS)


def test_sound_predictions_have_no_finding(predictions: Callable[[object], tuple[Path, Path]]) -> None:
    path, input_path = predictions(SOUND_PREDICTIONS)
    assert check(path, input_path).findings == ()
    assert check(path).findings == ()


def test_damaged_file_in_an_archive(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b"x" * 500), form=zipfile.ZIP_STORED))
    content[100] ^= 0xFF
    (tmp_path / "submission.zip").write_bytes(content)
    assert codes(tmp_path / "submission.zip") == {"ARCHIVE_UNREADABLE"}


def test_findings_have_code_and_remedy(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    for code in ("IMAGE_FLOATING", "SECRET_FILE", "SECRET_TEXT", "OUTPUT_INCLUDED"):
        FOLDERS[code](folder)
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr()
    assert [line.partition("]")[0] for line in printed.err.splitlines()] == [
        "warning [IMAGE_FLOATING",
        "error [SECRET_FILE",
        "error [SECRET_TEXT",
        "error [OUTPUT_INCLUDED",
    ]
    assert "contest/.netrc; leave it out" in printed.err
    assert "3 errors, 1 warning;" in printed.out


def test_warnings_alone_end_with_0(sound: Path, tmp_path: Path) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    FOLDERS["STRAY_FILE"](folder)
    assert main(["check", str(folder)]) == 0


@pytest.mark.parametrize("arguments", [["check"], ["check", "no/such/path.zip"]])
def test_nothing_to_check_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "submission check: error [" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["submission.zip", "predictions.json"])
def test_a_pipe_is_not_waited_for(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / name)
    assert main(["check", str(tmp_path / name)]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_the_documented_table_is_the_list_of_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    assert capsys.readouterr().out == checks_table()
    assert checks_table() in TABLE.read_text("utf-8"), "python -m submission check --list prints the table as it is"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        (".env", True),
        ("weights/.env.local", True),
        (".git/config", True),
        ("keys/id_ed25519", True),
        ("ID_RSA", True),
        ("server.pem", True),
        ("kaggle.json", True),
        ("credentials.json", True),
        ("models/bpe.py", False),
        ("weights/bpe.model", False),
        ("tokens.py", False),
        ("environment.py", False),
        ("keyboard.json", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"-----BEGIN " + b"OPENSSH PRIVATE KEY-----", "a private key"),
        (b"-----BEGIN PGP " + b"PRIVATE KEY BLOCK-----", "a private key"),
        (b"-----BEGIN PUBLIC KEY-----", None),
        (b"id = AKIA" + b"QWERTYUIOPASDFGH", "an AWS access key"),
        (b"ghp_" + b"a" * 36, "a GitHub token"),
        (b"hf_" + b"A" * 34, "a Hugging Face token"),
        (b"hf_hub_download(repo_id, filename, revision=main)", None),
        (b"xoxb-" + b"1" * 24, "a Slack token"),
        (b"glpat-" + b"x" * 20, "a GitLab token"),
        ("пароль".encode(), None),
    ],
)
def test_texts_that_are_secrets(text: bytes, kind: str | None) -> None:
    assert secret_in(text) == kind
