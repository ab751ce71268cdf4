"""The commands of `python -m submission`: their options, and what they say. What does the work is imported when run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "weights"
WEIGHTS_HELP = "folder with bpe.model, rudolph/ and vqgan/, or the name or id of fetched weights"
