"""Settings that can not be used are named by file and key, before anything is loaded."""

import re
from operator import attrgetter
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from training.__main__ import main as training
from training.tune.errors import SettingsError
from training.tune.settings_file import read_settings
from training.tune.settings_keys import FIELDS, OLD_KEYS, flat, present_form

FILE = "data: {folder: data}\nweights: weights\noutput: out\ntasks: {textqa: {}, vqa: {}}\n"
FACTOR = "must be a number from 0 to 1e+06, not"
POSITIVE_FACTOR = "must be a number above 0 and at most 1e+06, not"
BATCH = "must be a whole number from 1 to 1048576, not 99999999999"


def words_of(override: str) -> list[str]:
    return [override] if "'" in override else override.split()


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("optim.learning_rate=.nan", f"optim.learning_rate: {POSITIVE_FACTOR} nan"),
        ("optim.learning_rate=.inf", f"optim.learning_rate: {POSITIVE_FACTOR} inf"),
        ("optim.clip=.nan", "optim.clip: must be a number above 0, not nan"),
        ("optim.clip=true", "optim.clip: must be a number above 0, not True"),
        ("optim.weight_decay=.nan", f"optim.weight_decay: {FACTOR} nan"),
        ("optim.weight_decay=.inf", f"optim.weight_decay: {FACTOR} inf"),
        ("optim.weight_decay=-1", f"optim.weight_decay: {FACTOR} -1"),
        ("lora.alpha=.nan", "lora.alpha: must be a number above 0, not nan"),
        (
            "seed=20261121210000",
            "seed: must be a whole number from -1099511627776 to 1099511627776, not 20261121210000",
        ),
        ("seed=-20261121210000", "seed: must be a whole number from -1099511627776"),
        ("tasks.vqa.share=.nan", f"tasks.vqa.share: {POSITIVE_FACTOR} nan"),
        ("tasks.vqa.share=.inf", f"tasks.vqa.share: {POSITIVE_FACTOR} inf"),
        ("tasks.vqa.weight=.nan", f"tasks.vqa.weight: {FACTOR} nan"),
        ("tasks.vqa.left=.inf", f"tasks.vqa.left: {FACTOR} inf"),
        ("tasks.vqa.image=-1", f"tasks.vqa.image: {FACTOR} -1"),
        ("tasks.vqa.left=0 tasks.vqa.image=0 tasks.vqa.right=0", "tasks.vqa: needs a positive segment weight"),
        ("tasks.vqa.weight=0 tasks.textqa.weight=0", "tasks: has weight 0 for every task"),
        ("tasks.vqa.train=[a]", "tasks.vqa.train: must be a list of two files, questions and answers, not ['a']"),
        (
            "tasks.vqa.train_shards=a.tar",
            "tasks.vqa.val_shards: is not set, and the other of train_shards, val_shards is",
        ),
        ("tasks.vqa.val_shards=a.tar", "tasks.vqa.train_shards: is not set"),
        (
            "tasks.vqa.train_shards=a.tar tasks.vqa.val_shards=b.tar",
            "tasks.vqa.columns: names neither a picture nor an",
        ),
        (
            "tasks.vqa.train_shards=a.tar tasks.vqa.val_shards=b.tar tasks.vqa.train=[a,b]",
            "tasks.vqa.train_shards: cannot be given together with train, val",
        ),
        (
            "tasks.vqa.columns.picure=jpg",
            "unknown key tasks.vqa.columns.picure; did you mean tasks.vqa.columns.picture?",
        ),
        ("tasks.vqa.columns=jpg", "tasks.vqa.columns: must hold settings of its own"),
        ("compute.timeout=0", "compute.timeout: must be a number from 1 to 1000000, not 0"),
        ("compute.parallel=zero", "compute.parallel: must be one of ddp, fsdp, hsdp, not 'zero'"),
        ("tasks=[vqa]", "Cannot merge"),
        ("optim=fast", "optim: must hold settings of its own, `optim: {key: value}`, not 'fast'"),
        ("compute.threads=0", "compute.threads: must be a whole number from 1 to 4096, not 0"),
        ("compute.threads=999999999999", "compute.threads: must be a whole number from 1 to 4096"),
        ("data.workers=999999999", "data.workers: must be a whole number from 0 to 4096"),
        ("data.workers=2.5", "data.workers: must be a whole number from 0 to 4096, not 2.5"),
        ("steps=999999999999999999999999999999", "steps: must be a whole number from 1 to 1099511627776"),
        ("data.batch=99999999999 data.sampling=balanced", f"data.batch: {BATCH}"),
        ("data.batch=4", "data.batch: needs another data.sampling than samples"),
        ("tasks.vqa.samples=99999999999", f"tasks.vqa.samples: {BATCH}"),
        ("optim.learning_rate=1e300", f"optim.learning_rate: {POSITIVE_FACTOR} 1e+300"),
        ("optim.weight_decay=1e300", f"optim.weight_decay: {FACTOR} 1e+300"),
        ("tasks.vqa.share=1e308", f"tasks.vqa.share: {POSITIVE_FACTOR} 1e+308"),
        (
            "validation.samples=0 checkpoint.best=validation",
            "checkpoint.best: must be loss: with validation.samples: 0 nothing is validated",
        ),
        ("checkpoint.best=speed", "checkpoint.best: must be one of loss, validation, textqa, vqa, not 'speed'"),
        ("logging.every=0", "logging.every: must be a whole number from 1, not 0"),
        ("logging.epoch_steps=0", "logging.epoch_steps: must be a whole number from 1, not 0"),
        ("validation.mode=kind", "validation.mode: must be one of official, strict, not 'kind'"),
        ("emissions.file=' '", "emissions.file: is empty"),
        ("emissions.country=Russia", "emissions.country: must be two capital letters such as RU, not 'Russia'"),
        ("emissions.country=ru", "emissions.country: must be two capital letters such as RU, not 'ru'"),
        ("emissions.tdp_watts=0.0", "emissions.tdp_watts: must be a number above 0 and below 100000, not 0.0"),
        ("emissions.period=0.0", "emissions.period: must be a number from 0.1 to 3600, not 0.0"),
        ("emissions.experiment_description=TargetValue", "emissions.experiment_description: has the key phrase"),
        ("stepz=3", "unknown key stepz; did you mean steps?"),
        ("optim.learningrate=3", "unknown key optim.learningrate; did you mean optim.learning_rate?"),
        ("learning_rat=3", "unknown key learning_rat; did you mean optim.learning_rate?"),
        ("lr=3", "unknown key lr"),
        ("watch.log_evry=3", "unknown key logging.log_evry; did you mean"),
        ("tasks.vqa.wieght=3", "unknown key tasks.vqa.wieght; did you mean tasks.vqa.weight?"),
        ("clip=1 optim.clip=2", "optim.clip: is given twice, also as clip"),
    ],
)
def test_unusable_settings_are_named(
    override: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    with pytest.raises(SettingsError, match=re.escape(f"{path}: {complaint}")):
        read_settings(path, words_of(override))
    assert training(["tune", "--config", str(path), *words_of(override)]) == 2
    assert f"training tune: error [SETTINGS] {path}: {complaint}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "override", ["seed=424243", "seed=-5", "seed=1099511627776", "optim.clip=.inf", "tasks.vqa.weight=0"]
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
        (b"", "weights: is not set"),
        (b"data: x\nweights: y\ntasks: {textqa: {}}\n", "output: is not set"),
        (FILE.encode() + b"seed: " + b"9" * 5000 + b"\n", "a number has thousands of digits"),
        (FILE.encode() + b"seed: 12345678901234567890\n", "seed: must be a whole number from"),
        (FILE.encode() + b"seed: .nan\n", "seed: must be a whole number from -1099511627776 to 1099511627776, not nan"),
        (FILE.encode() + b"stepz: 3\n", "unknown key stepz"),
        (FILE.encode() + b"seed: 1\nseed: 2\n", "found duplicate key seed, line 6"),
        (FILE.encode() + b"#" * 2**20, "is larger than a settings file can be (1 MiB)"),
    ],
)
def test_unusable_settings_files_are_named(
    data: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(data)
    assert training(["tune", "--config", str(path)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"training tune: error [SETTINGS] {path}: {complaint}")


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
        ("validation.samples=0 validation.every=10", ["validation.every has no effect with validation.samples: 0"]),
        ("tasks.vqa.columns.left=txt", ["tasks.vqa.columns.left has no effect without tasks.vqa.train_shards"]),
        ("tasks.vqa.share=2.0", ["tasks.vqa.share has no effect without data.sampling: weights"]),
        (
            "tasks.vqa.samples=2 data.sampling=balanced data.batch=4",
            ["tasks.vqa.samples has no effect with data.batch"],
        ),
        (
            "optim.schedule=onecycle optim.warmup_steps=3",
            ["optim.warmup_steps has no effect with optim.schedule: onecycle, which has a shape of its own"],
        ),
    ],
)
def test_settings_without_effect_are_named(
    overrides: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    read_settings(path, overrides.split())
    assert capsys.readouterr().err.splitlines() == [f"{path}: {line}" for line in told]


# What a settings file could say when settings were one flat list, and what each says in the settings of today.
OLD_SETTINGS = {
    "data": ("elsewhere", "data.folder"),
    "weights": ("other", "weights"),
    "out": ("there", "output"),
    "scratch": ("tiny.json", "model.scratch"),
    "initialization": ("induction", "model.initialization"),
    "start": ("rudolph", "model.start"),
    "model": ({"num_layers": 3}, "model.params"),
    "loss": ("published", "loss.kind"),
    "steps": (7, "steps"),
    "until": (5, "until"),
    "optimizer": ("adamw8bit", "optim.name"),
    "schedule": ("onecycle", "optim.schedule"),
    "learning_rate": (0.5, "optim.learning_rate"),
    "warmup_steps": (3, "optim.warmup_steps"),
    "decay_share": (0.25, "optim.decay_share"),
    "final_rate_share": (0.5, "optim.final_rate_share"),
    "beta1": (0.25, "optim.beta1"),
    "beta2": (0.5, "optim.beta2"),
    "weight_decay": (0.125, "optim.weight_decay"),
    "clip": (2.0, "optim.clip"),
    "seed": (4, "seed"),
    "dtype": ("float16", "compute.dtype"),
    "device": ("cpu", "compute.device"),
    "accumulate": (2, "compute.accumulate"),
    "activation_checkpointing": (True, "compute.activation_checkpointing"),
    "parallel": ("fsdp", "compute.parallel"),
    "special_probability": (0.5, "data.special_probability"),
    "reference": ("random", "data.reference"),
    "sampling": ("balanced", "data.sampling"),
    "batch": (12, "data.batch"),
    "workers": (3, "data.workers"),
    "cache": ("kept", "data.cache"),
    "prefetch": (9, "data.prefetch"),
    "validate_every": (20, "validation.every"),
    "validation_samples": (6, "validation.samples"),
    "checkpoint_every": (10, "checkpoint.every"),
    "keep_last": (4, "checkpoint.keep_last"),
    "best": ("validation", "checkpoint.best"),
    "threads": (2, "compute.threads"),
    "watch.log_every": (8, "logging.every"),
    "watch.tensorboard": (False, "logging.tensorboard"),
    "watch.plots": (False, "logging.plots"),
    "watch.mode": ("strict", "validation.mode"),
    "watch.answers": (2, "logging.answers"),
    "watch.epoch_steps": (11, "logging.epoch_steps"),
    "emissions.file": ("e.csv", "emissions.file"),
    "lora.rank": (2, "lora.rank"),
    "freeze.norms": (True, "freeze.norms"),
    "tasks.vqa.weight": (0.5, "tasks.vqa.weight"),
}
ALONE = ("start", "model", "lora.rank")  # they do not go together with other settings


def test_every_old_key_is_read_in_a_file() -> None:
    assert set(OLD_KEYS) <= set(OLD_SETTINGS)
    nested = present_form({key: value for key, (value, _) in OLD_SETTINGS.items()})
    expected = {path: value for value, path in OLD_SETTINGS.values()}
    assert flat(nested) == expected
    assert present_form(nested) == nested


def test_old_file_and_overrides_give_present_settings(tmp_path: Path) -> None:
    old = {key: value for key, (value, _) in OLD_SETTINGS.items() if key not in ALONE}
    path = tmp_path / "old.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.from_dotlist([f"{k}={v}" for k, v in old.items()])))
    by_override = read_settings(path, [f"{key}={value}" for key, value in old.items()])
    assert read_settings(path, []) == by_override
    for key in old:
        value, new = OLD_SETTINGS[key]
        if not key.startswith("tasks."):
            assert attrgetter(new)(by_override) == value
    assert by_override.tasks["vqa"].weight == 0.5


def test_old_and_new_keys_go_together_and_name_each_other(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("data: world\nweights: w\nout: runs/a\ncache: ${out}/cache\ntasks: {vqa: {}}\n")
    settings = read_settings(path, ["data.workers=2", "output=runs/b"])
    assert (settings.data.folder, settings.data.workers, settings.data.cache) == ("world", 2, "runs/b/cache")
    path.write_text(FILE)
    assert read_settings(path, ["data=world"]).data.folder == "world"


def test_help_lists_every_setting_with_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        training(["tune", "--help"])
    shown = capsys.readouterr().out.splitlines()
    assert "  optim.clip: a number above 0; default 1.0" in shown
    assert "  data.folder: a text; required" in shown
    assert "  data.batch: a whole number from 1 to 1048576; none" in shown
    for key, field in FIELDS.items():
        at = next(number for number, line in enumerate(shown) if line.startswith(f"  {key}: "))
        assert field.description
        assert shown[at + 1] == f"      {field.description}"
