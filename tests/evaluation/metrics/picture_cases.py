"""Cases with pictures, from objects in the contest's form; pictures lie in the golden folder unless told otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contest.errors import Code, ContestError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from evaluation.metrics.cases import Case, UnsoundAnswer
from tests.evaluation.metrics.cases import GOLDEN


def sample(sample_id: str, items: list[Any]) -> Sample:
    return Sample(sample_id, tuple(Item(item["type"], item["content"]) for item in items))


def picture_cases(
    asked: Mapping[str, Any],
    answers: Mapping[str, Any],
    truths: Mapping[str, str] | None = None,
    root: Path = GOLDEN,
) -> list[Case]:
    """One case an input. `truths` are pictures; an answer with a content that is no string is an unsound one."""
    cases = []
    for sample_id, items in asked.items():
        answer = answers.get(sample_id)
        is_sound = answer is not None and all(isinstance(item["content"], str) for item in answer)
        broken = (ContestError(Code.CONTENT_NOT_A_STRING, sample_id=sample_id),)
        truth = References("image", (truths[sample_id],)) if truths else References("text", ("ответ",))
        cases.append(
            Case(
                sample_id,
                GroundTruth(sample_id, (truth,)),
                sample(sample_id, answer) if is_sound and answer is not None else None,
                sample(sample_id, items),
                root,
                root,
                root,
                None if is_sound or answer is None else UnsoundAnswer(answer, broken),
            )
        )
    return cases


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def image(name: str) -> dict[str, str]:
    return {"type": "image", "content": f"images/{name}"}
