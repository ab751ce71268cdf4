"""Operations as they are dispatched: listed, to compare steps, and captured, as a CUDA graph does on a GPU."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.rudolph.step_graphs import Step


class Dispatches(TorchDispatchMode):
    """Lists every operation with the shapes and devices of what it takes and gives, and every number that it is
    given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[object, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs, output))
        parts = ((*leaf.shape, leaf.device) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
        self.seen.append((str(func), *parts))
        return output


class Captured(TorchDispatchMode):
    """A CUDA graph without a GPU: each operation with the very tensors it took, and where its result lies."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, output))
        return output

    def replay(self) -> None:
        """Compute everything again from what the same tensors hold now, into the same results."""
        for func, args, kwargs, output in self.calls:
            for old, new in zip(tree_leaves(output), tree_leaves(func(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class StandInRecorder:
    """Captures steps on a CPU, and says which calls it got.

    A capture on a GPU does nothing but record; here the step is done, and its next replay left out.
    """

    def __init__(self, problem: BaseException | None = None) -> None:
        self.problem, self.warm_ups, self.replays = problem, 0, 0

    def warm_up(self, step: Step) -> None:
        self.warm_ups += 1
        step()

    def capture(self, step: Step) -> Callable[[], None]:
        if self.problem is not None:
            raise self.problem
        with Captured() as captured:
            step()
        done = [True]

        def replay() -> None:
            self.replays += 1
            if not done:
                captured.replay()
            done.clear()

        return replay
