"""A name or an id in place of a folder of weights."""

from pathlib import Path

import pytest

from models.named_folders import NotFetchedError, existing_weights, fetched_folder, weights_folder


def test_a_name_is_looked_for_among_what_was_fetched(tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path)}
    folder = fetched_folder("weights", "RUDOLPH-1.3B", environment)
    with pytest.raises(NotFetchedError, match=r"python -m fetch weights RUDOLPH-1\.3B"):
        weights_folder("ai-forever/RUDOLPH-1.3B", environment)
    folder.mkdir(parents=True)
    assert weights_folder("ai-forever/RUDOLPH-1.3B", environment) == folder
    assert weights_folder("RUDOLPH-1.3B", environment) == folder


@pytest.mark.parametrize("path", ["/nowhere/w", "./w", "a/b/c", "..", "a b"])
def test_what_can_be_no_name_is_a_path(path: str) -> None:
    assert weights_folder(path, {}) == Path(path)


def test_a_folder_that_exists_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ai" / "w").mkdir(parents=True)
    assert weights_folder("ai/w", {"HF_HOME": str(tmp_path)}) == Path("ai/w")


def test_what_must_be_there(tmp_path: Path) -> None:
    assert existing_weights(tmp_path, {}) == tmp_path
    with pytest.raises(NotFetchedError, match=r"9B: no such folder, and no published weights.*RUDOLPH-2\.7B-FBC2, "):
        existing_weights("RUDOLPH-9B", {"HF_HOME": str(tmp_path)})
    with pytest.raises(NotFetchedError, match=r"python -m fetch weights RUDOLPH-1\.3B"):
        existing_weights("ai-forever/RUDOLPH-1.3B", {"HF_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("environment", "home"),
    [({"HF_HOME": "/disk"}, "/disk"), ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface"), ({}, "~/.cache/huggingface")],
)
def test_where_it_is_looked_for(environment: dict[str, str], home: str) -> None:
    assert fetched_folder("metrics", "assets", environment) == Path(home).expanduser() / "fbc2/metrics/assets"


def test_a_training_reads_fetched_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.tune.initial_weights import starting_config
    from training.tune.settings import DataSettings, ModelSettings, TuneSettings

    monkeypatch.setenv("HF_HOME", str(tmp_path))
    settings = TuneSettings("ai-forever/RUDOLPH-1.3B", "out", DataSettings("data"))
    with pytest.raises(NotFetchedError, match=r"python -m fetch weights RUDOLPH-1\.3B"):
        _ = settings.weights_directory
    folder = fetched_folder("weights", "RUDOLPH-1.3B")
    (folder / "rudolph").mkdir(parents=True)
    (folder / "rudolph" / "config.json").write_text('{"name": "1.3B"}')
    assert settings.weights_directory == folder
    for model in (ModelSettings(), ModelSettings(start="RUDOLPH-1.3B")):
        assert starting_config(model, settings.weights_directory).hidden_size == 2048
