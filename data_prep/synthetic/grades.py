"""How hard a sample of the synthetic world is."""

from __future__ import annotations

from typing import Literal, TypeAlias

Grade: TypeAlias = Literal["easy", "middle", "hard"]
GRADES: tuple[Grade, ...] = ("easy", "middle", "hard")
