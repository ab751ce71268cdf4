"""Reads the golden numbers of the first challenge (see their README)."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "golden" / "fbc1"


def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def named(cases: list[dict[str, Any]]) -> list[Any]:
    import pytest

    return [pytest.param(case, id=f"{place} {case.get('note', '')}") for place, case in enumerate(cases)]
