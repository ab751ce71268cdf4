"""Options that all abilities share, and what they mean. Imports nothing heavy until it is asked to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import UsageError, seed, whole, window
from contest.console import counted

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_WEIGHTS = Path(__file__).parents[1] / "weights"
MOST_PICTURES = 10_000


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command takes."""
    at_once = whole(least=1, most=MOST_PICTURES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results and scores as JSON")
    parser.add_argument(
        "--weights",
        type=Path,
        default=DEFAULT_WEIGHTS,
        metavar="DIR|ID",
        help="folder of the networks, or the name or id of fetched ones (default: the bundled ones)",
    )
    parser.add_argument("--batch", type=at_once, default=8, metavar="N", help="how many are computed at once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command with a transformer takes."""
    add_machine_arguments(parser)
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="another one gives other results")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="precision of the transformer")


def add_tokens_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what every command of RUDOLPH takes."""
    parser.add_argument(
        "--tokens",
        choices=("fine-tuned", "pre-trained"),
        default="fine-tuned",
        help="special tokens that the weights know: of the contest's fine-tuning, as the bundled ones, or of before",
    )


def add_viewing_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command that looks at pictures takes."""
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="a picture's file")
    add_tokens_argument(parser)
    add_shared_arguments(parser)


def add_drawing_arguments(parser: argparse.ArgumentParser, *, count: int) -> None:
    """Declare what every command that draws a text takes; `count` is how many pictures it draws by default."""
    parser.add_argument("text", metavar="TEXT", help="what to draw, in Russian")
    pictures = whole(least=1, most=MOST_PICTURES)
    parser.add_argument("--count", type=pictures, default=count, metavar="N", help="pictures to draw")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new or empty folder for pictures")
    parser.add_argument(
        "--window",
        type=window,
        metavar="N",
        default="auto",
        help="codes of a picture computed at once, for the same picture; auto: as many as prove fastest",
    )
    add_shared_arguments(parser)


def chosen_window(options: argparse.Namespace) -> int | None:
    """Return what --window says; None: as many as prove fastest."""
    return None if options.window == "auto" else int(options.window)


def require_drafts(drafts: int, count: int, noun: str) -> None:
    """Raise UsageError where more is to be kept than is drawn."""
    if drafts < count:
        reason = f"of {counted(drafts, 'draft')}, {counted(count, noun)} can not be kept"
        raise UsageError(reason, "raise --drafts")


def described_text(options: argparse.Namespace) -> str:
    """Return the text to draw. Raises UsageError for one without any word."""
    text: str = options.text
    if not text.strip():
        raise UsageError("the text to draw is empty", "say what to draw")
    return text


def chosen_device(name: str) -> torch.device:
    """Return the device of a name, ready to compute on. Raises DeviceError where there is none."""
    from models.devices import choose_device
    from models.gpu_settings import prepare_gpu

    device = choose_device(name)
    prepare_gpu(device)
    return device


def new_folder(path: Path) -> Path:
    """Make the folder that pictures go to. Raises UsageError for one that holds something, OSError."""
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise UsageError(f"{path} is not empty, and nothing in it would be overwritten", "name a new folder")
    return path
