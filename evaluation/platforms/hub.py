"""The hub's file of evaluation results, in the form that the hub reads today (hub-docs, eval-results)."""

from __future__ import annotations

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from evaluation.errors import EvaluationError
from evaluation.results import Result
from evaluation.settings import INTEGRAL

RESULTS_FILE = ".eval_results/fbc2.yaml"


class HubIdError(EvaluationError):
    """What is named can be no data set on the hub."""


def evaluation_results(result: Result, benchmark: str) -> str:
    """Return the file's text: each comparable task, and S where all twelve are, with what each score depends on.

    Args:
        result: what was scored.
        benchmark: the test's data set on the hub, OWNER/NAME; the tasks' keys are the ids in its `eval.yaml`.

    Raises HubIdError for a name that no data set can have.

    """
    try:
        validate_repo_id(benchmark)
    except HFValidationError as error:
        raise HubIdError(f"{benchmark!r} can be no id on the hub", "write OWNER/NAME") from error
    if benchmark.count("/") != 1:
        raise HubIdError(f"{benchmark!r} names no owner", "write OWNER/NAME")
    entries = [
        EvalResultEntry(dataset_id=benchmark, task_id=key, value=task.score, notes=task.signature)
        for key, task in result.tasks.items()
        if task.comparable
    ]
    if result.integral is not None and len(entries) == len(result.tasks):
        entries.append(EvalResultEntry(dataset_id=benchmark, task_id=INTEGRAL, value=result.integral))
    if not entries:
        return "[]\n"
    text: str = yaml.safe_dump(eval_result_entries_to_yaml(entries), allow_unicode=True, sort_keys=False)
    return text
