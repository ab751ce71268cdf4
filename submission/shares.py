"""One host's share of a run: which samples it has, and what it leaves for `merge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from contest.errors import ContestError
from contest.items import Sample
from contest.selection import Selection
from contest.shares import Share, ShareRecord
from submission.report import RunSummary
from submission.settings import RunSettings
from submission.sharding import Shard

CODE_ROOM = "submission"


def of_share(
    share: Share, samples: Sequence[Sample], errors: Sequence[ContestError]
) -> tuple[Selection[Sample], list[ContestError]]:
    """The samples of a share (of each kind every N-th), and the errors that are its to name.

    What is wrong with no sample in particular, the first share names.
    """
    own = Shard(share.number, share.count).of(samples)
    named = {error.sample_id for error in errors}
    ids, all_ids = ({sample.id for sample in part if sample.id in named} if named else set() for part in (own, samples))
    first = share.number == 0
    return own, [error for error in errors if error.sample_id in ids or (first and error.sample_id not in all_ids)]


def end_share(record: ShareRecord, settings: RunSettings, report: RunSummary) -> None:
    """Write what `merge` needs: what all shares must agree on, and what this one did. Raises ContestError."""
    agreed = {
        **report.configuration,
        "draws": settings.num_images,
        "time_budget": settings.time_budget,
        "torch": str(torch.__version__),
    }
    result = {"processes": [process.to_json() for process in report.results]}
    replace(record, agreed=agreed, result=result, ended=report.status.word).write()
