"""`out/tensorboard`: the same rows for TensorBoard. Knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from tensorboardX import SummaryWriter

from training.tune.watching.watcher import Run

FOLDER = "tensorboard"


class TensorBoard:
    """A sink for TensorBoard; `<task>.<segment>` stands under `<task>/<segment>` there."""

    def open(self, run: Run) -> None:
        """Start a file of events; TensorBoard drops what an earlier one has of the steps behind the checkpoint."""
        self._writer = SummaryWriter(str(run.out / FOLDER), purge_step=run.resumed_step + 1)

    def advance(self, step: int) -> None:
        """Nothing is written between rows."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each value."""
        for name, value in values.items():
            self._writer.add_scalar(name.replace(".", "/"), value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
