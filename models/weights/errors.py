"""What can be wrong with a weights file. The messages say what to do."""

from __future__ import annotations

from pathlib import Path

from models.files import ModelFileError

BRIEF_NAMES = 3


class WeightsError(ModelFileError):
    """A weights file can not be used: its form, its place or its tensors. The message says what to do."""


class WeightsFormatError(WeightsError):
    """A file is not a checkpoint of a form that can be read safely.

    Args:
        path: the file.
        problem: what is wrong with it.
        remedy: what to do.

    """

    def __init__(self, path: Path, problem: str, remedy: str = "get it again") -> None:
        super().__init__(f"{path}: {problem}", remedy)
        self.path = path
        self.problem = problem


class WeightsMismatchError(WeightsError):
    """A file's tensors are not those of the network; all differences are listed.

    Args:
        path: the file.
        missing: names that the network has and the file lacks.
        unexpected: names that the file has and the network lacks.
        mismatched: a line for each tensor whose shape or kind differs, with what was expected and found.

    """

    def __init__(
        self, path: Path, missing: tuple[str, ...], unexpected: tuple[str, ...], mismatched: tuple[str, ...]
    ) -> None:
        prefix = _common_prefix(missing, unexpected)
        lines = [f"{path}: the tensors are not those of the network"]
        self._differences = {"missing": missing, "unexpected": unexpected, "different": mismatched}
        for title, names in self._differences.items():
            if names:
                lines += [f"  {title} ({len(names)}):", *(f"    {name}" for name in names)]
        remedy = "take config.json and the weights from the same training"
        if prefix is not None:
            lines.append(f"  the file's names have {prefix!r} before the network's")
            remedy = f"save the weights again without {prefix!r}"
        super().__init__("\n".join(lines), remedy)
        self.path = path
        self.missing = missing
        self.unexpected = unexpected
        self.mismatched = mismatched

    def __str__(self) -> str:
        return f"{self.reason}\n  {self.remedy}"

    @property
    def brief(self) -> str:
        """The reason in one line, which names the first tensors of each kind."""
        parts = []
        for title, names in self._differences.items():
            if names:
                more = f" and {len(names) - BRIEF_NAMES} more" if len(names) > BRIEF_NAMES else ""
                parts.append(f"{len(names)} {title} ({', '.join(names[:BRIEF_NAMES])}{more})")
        return f"{self.path}: the tensors are not those of the network: {'; '.join(parts)}"


def _common_prefix(missing: tuple[str, ...], unexpected: tuple[str, ...]) -> str | None:
    """Return what stands before every missing name in the file, where that is the whole difference of the names."""
    first = next((name for name in unexpected if missing and name.endswith(missing[0])), None)
    if first is None:
        return None
    prefix = first.removesuffix(missing[0])
    return prefix if prefix and {prefix + name for name in missing} <= set(unexpected) else None
