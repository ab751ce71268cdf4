"""What the log tells of nodes: nothing of one, and of several the largest figure of each one's processes."""

import pytest
import torch.distributed as dist

from training.tune.node_log import NodeLog
from training.tune.nodes import ProcessPlace


def test_one_node_has_no_rows_of_its_own() -> None:
    log = NodeLog(ProcessPlace(0, 0, 2), 2)
    with log.waiting():
        pass
    assert log.row() == {}


def test_largest_figure_of_a_node_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((0.0, 3.0, 10.0, 11.0, 20.0, 20.5))
    log = NodeLog(ProcessPlace(1, 1, 2, 2), 4, lambda: next(times))

    def gather(into: list[object], own: tuple[int, dict[str, float]]) -> None:
        others = [(0, {"wait_seconds": 9.0}), (1, {"wait_seconds": 2.0}), (0, {"wait_seconds": 8.0})]
        into[:] = [others[0], own, others[1], others[2]]

    monkeypatch.setattr(dist, "all_gather_object", gather)
    for _ in range(2):
        with log.waiting():
            pass
    row = log.row()
    assert {name: row[name] for name in ("node0_wait_seconds", "node1_wait_seconds")} == {
        "node0_wait_seconds": 9.0,
        "node1_wait_seconds": 4.0,
    }
    assert row["node1_peak_rss_gib"] > 0
    with log.waiting():
        pass
    assert log.row()["node1_wait_seconds"] == 2.0  # of the other process: this one waited half a second since
