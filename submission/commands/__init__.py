"""The commands of `python -m submission`: their options, and what they say. What does the work is imported when run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "weights"
