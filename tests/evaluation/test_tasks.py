"""Which metric scores which task, and what it needs."""

from pathlib import Path

import pytest

from contest.tasks import TASKS, task_by_key
from evaluation.assets import MissingAssetError
from evaluation.metrics.mathqa import MathQA
from evaluation.metrics.text_recognition import TextRecognition
from evaluation.metrics.textqa import TextQA
from evaluation.metrics.vqa import VisualQA
from evaluation.tasks import Metrics

TEXT_METRICS = {"textqa": TextQA, "mathqa": MathQA, "vqa": VisualQA, "text_recognition": TextRecognition}


@pytest.mark.parametrize("mode", ["official", "strict"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.key)
def test_a_hidden_task_has_the_metric_of_the_task_it_varies(task, mode) -> None:
    kind = task.variant_of or task.key
    if kind in TEXT_METRICS:
        metric = Metrics(mode)(task)
        assert type(metric) is TEXT_METRICS[kind]
        assert metric.signature() == Metrics(mode)(task_by_key(kind)).signature()
        assert f"mode:{mode}" in metric.signature()


@pytest.mark.parametrize("key", ["generation", "captioning", "hidden3", "hidden4"])
def test_tasks_with_pictures_say_which_network_is_missing(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FBC2_ASSETS", raising=False)
    with pytest.raises(MissingAssetError, match="ruCLIP"):
        Metrics(assets=tmp_path)(task_by_key(key))
    with pytest.raises(MissingAssetError, match="--assets"):
        Metrics()(task_by_key(key))


def test_a_metric_is_fresh_each_time() -> None:
    metrics = Metrics()
    assert metrics(task_by_key("textqa")) is not metrics(task_by_key("textqa"))
