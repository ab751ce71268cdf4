"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contest.limits import MAX_WALL_CLOCK_SECONDS
from contest.shares import WHOLE, Share
from errors import UserError
from submission.sharding import ONLY, Shard

if TYPE_CHECKING:
    import torch

    from submission.profiles import Profile

MAX_IMAGES = 64  # of one sample


@dataclass(frozen=True)
class RunSettings:
    """What a run is asked to do.

    `input` is a folder with `input.json`, or that file; `batch_size` None plans each phase by the free memory; times
    are in seconds. Of `num_images` pictures a sample the best is kept; more are generated until `time_budget` is over,
    and more captions where the profile draws several, if any time is left when every sample has its picture and was
    asked all that the profile asks. Which picture is best, the
    ruCLIP in the folder `ruclip` says, and without one RUDOLPH itself. `window` is how many codes of a picture are
    computed in one pass of the network, None the number that proves fastest; it changes no picture, but for rounding.
    With `graphs`, a GPU's steps are launched as CUDA graphs, which changes nothing else.
    `shard` is one of the processes on this machine that divide up what `share` leaves to it of the input; `output` is
    that share's folder.
    `sharing` processes, this one among them, compute on `device`.

    Raises UserError for captions that are to be compared by a ruCLIP that is not given.
    """

    input: Path
    output: Path
    weights: Path
    profile: Profile
    seed: int
    device: torch.device
    dtype: torch.dtype
    batch_size: int | None = None
    time_limit: float = MAX_WALL_CLOCK_SECONDS
    num_images: int = 1
    time_budget: float = 0.0
    ruclip: Path | None = None
    window: int | None = 1
    graphs: bool = True
    shard: Shard = ONLY
    share: Share = WHOLE
    sharing: int = 1

    def __post_init__(self) -> None:
        captions = self.profile.captions
        if captions is not None and captions.score == "ruclip" and self.ruclip is None:
            raise UserError("captions are to be compared by ruCLIP, and the run has none", "add --ruclip DIR")

    @property
    def budget_share(self) -> float:
        """The time budget as a share of the time limit."""
        return self.time_budget / self.time_limit
