"""What torch 2.11 and 2.13 call differently."""

import pytest

from training.tune import distributed


class Older:
    def __init__(self, module: object, broadcast_buffers: bool = True) -> None: ...


class Newer:
    def __init__(self, module: object, broadcast_buffers: bool | None = None, forward_sync_buffers: bool = True): ...


@pytest.mark.parametrize(("version", "word"), [(Older, "broadcast_buffers"), (Newer, "forward_sync_buffers")])
def test_ddp_copies_no_buffers(monkeypatch: pytest.MonkeyPatch, version: type, word: str) -> None:
    monkeypatch.setattr(distributed, "DistributedDataParallel", version)
    assert distributed._without_buffers() == {word: False}
