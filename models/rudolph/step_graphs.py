"""Repeats a step of decoding as a CUDA graph: captured once, then launched as a whole.

A step of one token launches some five hundred small kernels, and the host takes longer to launch them than a GPU takes
to compute them, unless the batch is large. A graph launches all of them at once. What is captured must therefore be
the same operations on the same tensors at every call: no shapes that grow, no number asked of the device, positions
known to tensors alone, and whatever goes from one step to the next in tensors that are changed in place. Random numbers
are drawn beforehand.

On other devices, and where a capture fails, steps are launched one by one: the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch

Step: TypeAlias = Callable[[], object]

WARM_UP_CALLS = 3  # that make what is made once, such as workspaces of kernels: they must not be made in a capture
LEAST_CALLS = 12  # from which on a graph pays: capturing takes about as long as three calls


class Recorder(Protocol):
    """What runs and captures steps on a device."""

    def warm_up(self, step: Step) -> None:
        """Call a step where it will be captured."""
        ...

    def capture(self, step: Step) -> Callable[[], None]:
        """Record what a step does without doing it; what is returned does it. Raises RuntimeError if that fails."""
        ...


class CudaRecorder:
    """Captures on a stream of its own, as CUDA demands."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)

    def warm_up(self, step: Step) -> None:
        """Call a step on that stream, between what was queued before and what will be queued."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        try:
            with torch.cuda.stream(self.stream):
                step()
        finally:  # what a step had begun that fails, or is interrupted, writes where others will soon lie
            current.wait_stream(self.stream)

    def capture(self, step: Step) -> Callable[[], None]:
        """Capture a step as a graph, whose intermediate tensors lie in a memory pool of its own.

        Another thread may go on computing meanwhile, as the one that encodes pictures does.
        """
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.stream.device)
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                step()
        finally:  # torch leaves its stream in place where ending a capture fails
            torch.cuda.set_stream(current)
        return graph.replay


class StepGraphs:
    """Has steps captured where that pays.

    `captured` counts graphs, `replayed` the steps that they did, `problem` says why none are made any more: the first
    capture that fails is the last one tried. `on_replay` is called at each step of which the network's own code does
    not run.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        """Without a recorder, all steps are launched one by one."""
        self.recorder = recorder
        self.captured = self.replayed = 0
        self.problem = ""
        self.on_replay: Callable[[], object] | None = None

    @classmethod
    def automatic(cls, device: torch.device) -> StepGraphs:
        """Graphs on a GPU, none elsewhere."""
        return cls(CudaRecorder(device) if device.type == "cuda" else None)

    def repeated(self, step: Step, calls: int) -> Repeated:
        """What does `step` each time it is called, about `calls` times; captured where that pays."""
        pays = self.recorder is not None and not self.problem and calls >= LEAST_CALLS
        return Repeated(step, self if pays else None)

    def capture(self, step: Step) -> Callable[[], None] | None:
        """What replays a step; None, and the reason in `problem`, where it can not be captured."""
        assert self.recorder is not None
        try:
            replay = self.recorder.capture(step)
        except RuntimeError as error:
            first = error.__context__ or error  # what ends a capture in its middle has torch fail to end it
            if not isinstance(first, Exception):
                raise first from None
            self.problem = f"{type(first).__name__}: {(str(first).splitlines() or [''])[0]}"
            return None
        self.captured += 1
        return replay


class Repeated:
    """A step that is called again and again: as it is, then, with `graphs`, as a graph."""

    def __init__(self, step: Step, graphs: StepGraphs | None) -> None:
        self._step, self._graphs = step, graphs
        self._replay: Callable[[], None] | None = None
        self._calls = 0

    @property
    def calls_until_steady(self) -> int:
        """How many calls take longer than all later ones."""
        return 1 if self._graphs is None else WARM_UP_CALLS + 1

    def __call__(self) -> None:
        """Do the step once."""
        if self._graphs is None or self._graphs.recorder is None:
            self._step()
            return
        if self._replay is None:
            self._calls += 1
            if self._calls <= WARM_UP_CALLS:
                self._graphs.recorder.warm_up(self._step)
                return
            self._replay = self._graphs.capture(self._step)
            if self._replay is None:
                self._graphs = None
                self._step()
                return
        elif self._graphs.on_replay is not None:
            self._graphs.on_replay()
        self._replay()
        self._graphs.replayed += 1
