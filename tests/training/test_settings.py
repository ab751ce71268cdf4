"""Settings that can not be used are named by file and key, before anything is loaded."""

import re
from pathlib import Path

import pytest

from training.__main__ import main as training
from training.tune.settings import SettingsError, read_settings

FILE = "data: data\nweights: weights\nout: out\ntasks: {textqa: {}, vqa: {}}\n"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("learning_rate=.nan", "learning_rate: must be positive and finite"),
        ("learning_rate=.inf", "learning_rate: must be positive and finite"),
        ("clip=.nan", "clip: must be positive"),
        ("weight_decay=.nan", "weight_decay: must be at least 0 and finite"),
        ("weight_decay=.inf", "weight_decay: must be at least 0 and finite"),
        ("weight_decay=-1", "weight_decay: must be at least 0 and finite"),
        ("lora.alpha=.nan", "lora.alpha: must be positive and finite"),
        ("seed=20261121210000", "seed: must lie in"),
        ("seed=-20261121210000", "seed: must lie in"),
        ("tasks.vqa.share=.nan", "tasks.vqa.share: must be positive and finite"),
        ("tasks.vqa.share=.inf", "tasks.vqa.share: must be positive and finite"),
        ("tasks.vqa.weight=.nan", "tasks.vqa.weight: must be at least 0 and finite"),
        ("tasks.vqa.left=.inf", "tasks.vqa.left: must be at least 0 and finite"),
        ("tasks.vqa.image=-1", "tasks.vqa.image: must be at least 0 and finite"),
        ("tasks.vqa.left=0 tasks.vqa.image=0 tasks.vqa.right=0", "tasks.vqa: needs a positive segment weight"),
        ("tasks.vqa.weight=0 tasks.textqa.weight=0", "tasks: has weight 0 for every task"),
        ("tasks=[vqa]", "Cannot merge"),
        ("threads=0", "threads: must be at least 1"),
        ("threads=999999999999", "threads: must be at most 4096"),
        ("workers=999999999", "workers: must be at most 4096"),
        ("steps=999999999999999999999999999999", "steps: must be at most 1099511627776"),
        ("batch=99999999999 sampling=balanced", "batch: must be at most 1048576"),
        ("tasks.vqa.samples=99999999999", "tasks.vqa.samples: must be at most 1048576"),
        ("learning_rate=1e300", "learning_rate: must be at most 1e+06"),
        ("weight_decay=1e300", "weight_decay: must be at most 1e+06"),
        ("tasks.vqa.share=1e308", "tasks.vqa.share: must be at most 1e+06"),
        ("validation_samples=0 best=validation", "best: must be loss: with validation_samples: 0 nothing is validated"),
    ],
)
def test_what_can_not_be_used_is_named(
    override: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    with pytest.raises(SettingsError, match=re.escape(f"{path}: {complaint}")):
        read_settings(path, override.split())
    assert training(["tune", "--config", str(path), *override.split()]) == 2
    assert f"tune: {path}: {complaint}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "override", ["seed=424243", "seed=-5", "seed=1099511627776", "clip=.inf", "tasks.vqa.weight=0"]
)
def test_what_can_be_used_is_taken(override: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    read_settings(path, [override])


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ((FILE + LAUGHS).encode(), "holds more than 10000 values, its aliases written out"),
        (b"a: &a {b: *a}\n", "line 1: a value holds itself"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "is nested more than 32 deep"),
        (b"a: " + b"{a: " * 40 + b"1" + b"}" * 40, "line 1: is nested more than 32 deep"),
        (FILE.encode() + b"# \xe9\n", f"is not UTF-8 (byte {len(FILE) + 2}); save it as UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:5e5e\nsize 12\n", "a Git LFS pointer stands in"),
        (b"- a\n- b\n", "does not hold `key: value` lines"),
        (b"", "data: is not set"),
        (b"data: x\nweights: y\ntasks: {textqa: {}}\n", "out: is not set"),
        (FILE.encode() + b"seed: " + b"9" * 5000 + b"\n", "a number has thousands of digits"),
        (FILE.encode() + b"seed: 12345678901234567890\n", "seed: must lie in"),
        (FILE.encode() + b"seed: .nan\n", "seed: Value 'nan' of type 'float' could not be converted to Integer"),
        (FILE.encode() + b"stepz: 3\n", "unknown key stepz"),
        (FILE.encode() + b"seed: 1\nseed: 2\n", "found duplicate key seed, line 6"),
        (FILE.encode() + b"#" * 2**20, "is larger than a settings file can be (1 MiB)"),
    ],
)
def test_whatever_lies_in_the_file_is_named(
    data: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(data)
    assert training(["tune", "--config", str(path)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"tune: {path}: {complaint}")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("emissions.country=RU", ["emissions.country has no effect without emissions.file"]),
        ("emissions.country=RU emissions.file=emissions.csv", []),
        (
            "lora.alpha=3 lora.feed_forward=true",
            [f"lora.{key} has no effect without lora.rank" for key in ("alpha", "feed_forward")],
        ),
        ("lora.alpha=3 lora.rank=2", []),
        ("validation_samples=0 validate_every=10", ["validate_every has no effect with validation_samples: 0"]),
        ("tasks.vqa.share=2.0", ["tasks.vqa.share has no effect without sampling: weights"]),
        ("tasks.vqa.samples=2 sampling=balanced batch=4", ["tasks.vqa.samples has no effect beside batch"]),
        (
            "schedule=onecycle warmup_steps=3",
            ["warmup_steps has no effect with schedule: onecycle, which has a shape of its own"],
        ),
    ],
)
def test_what_changes_nothing_is_told(
    overrides: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    read_settings(path, overrides.split())
    assert capsys.readouterr().err.splitlines() == [f"{path}: {line}" for line in told]
