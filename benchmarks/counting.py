"""What a computation does, counted while it runs on any device (also on meta tensors): no clock, no noise.

An operation is a dispatched call that makes or changes data; views are free. Its bytes are those of every tensor it
reads or writes, once each (a broadcast axis counts once, a look-up or a copy to places only the rows in question).
A fused call such as attention counts as one operation that reads its inputs and writes its output.
"""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LOOK_UPS = {"embedding", "index", "index_select", "gather"}
WRITES_AT = {"index_copy_", "scatter_"}  # of the tensor that they change, what comes of their source


def addressed_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor addresses."""
    if tensor.is_mkldnn:  # packed by oneDNN: it has neither strides nor a storage to show
        return tensor.numel() * tensor.itemsize
    elements = 1
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= length if stride else 1
    return elements * tensor.itemsize


def _owner(tensor: Tensor) -> Any:
    """Who holds a tensor's memory: its storage, which views share."""
    return tensor if tensor.is_mkldnn else tensor.untyped_storage()


def _owners(tree: Any) -> dict[int, Tensor]:
    """Tensors by the identity of their memory."""
    tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
    return {id(tensor) if tensor.is_mkldnn else tensor.untyped_storage()._cdata: tensor for tensor in tensors}


class Counting(TorchDispatchMode):
    """Counts operations by name, bytes read and written, and the shapes of the matrices that are multiplied with."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.bytes = 0
        self.weights: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        read, written = _owners((args, kwargs)), _owners(output)
        made = [tensor for storage, tensor in written.items() if storage not in read]
        if not made and not func._schema.is_mutable:
            return output  # a view
        self.operations[name] += 1
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name in LOOK_UPS and not made:  # into a tensor that was there
            made = list(written.values())
        self.bytes += sum(map(addressed_bytes, made))
        if name in WRITES_AT:
            inputs = [*inputs[1:], inputs[-1]]
        self.bytes += sum(map(addressed_bytes, made if name in LOOK_UPS else inputs))
        if name in ("linear", "addmm", "mm"):
            self.weights |= {tuple(tensor.shape) for tensor in inputs if tensor.ndim == 2}
        return output


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of the tensors made since it began that are alive now (`live`), and the most so far (`peak`).

    What kernels allocate for themselves is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        given = _owners((args, kwargs))
        for key, tensor in _owners(output).items():
            if key not in given and key not in self._known:
                self._watch(key, tensor)
        self.peak = max(self.peak, self.live)
        return output

    def _watch(self, key: int, tensor: Tensor) -> None:
        owner = _owner(tensor)
        size = addressed_bytes(tensor) if tensor.is_mkldnn else owner.nbytes()

        def forget(_: Any) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(owner, forget)
        self.live += size
