"""What may compute on a run's device at once, and whether it still works."""

from __future__ import annotations

import torch

from contest.limits import VIRTUAL_CPUS
from models.devices import choose_device
from submission.doctor.cgroup import usable_cores


def processes_on(name: str, local_process: int, processes: int) -> int:
    """How many of a run's processes compute on the device that `choose_device` gave this one; it is among them."""
    if choose_device(name).type == "cpu" or torch.device(name if name != "auto" else "cuda").index is not None:
        return processes
    count = torch.cuda.device_count()
    return len(range(local_process % count, processes, count))


def has_room_to_overlap(device: torch.device, processes: int) -> bool:
    """Whether a second thread of each process may compute while the model's does, with as many of torch's threads.

    On a GPU it may. On a CPU only where twice as many threads fit the processors that there are, of which the contest
    gives three.
    """
    return device.type == "cuda" or 2 * processes * torch.get_num_threads() <= min(usable_cores(), VIRTUAL_CPUS)


def use_threads(count: int) -> None:
    """Have torch use `count` threads for what the calling thread computes."""
    torch.get_num_threads()  # asked for the first time, a thread takes what any other one chose last, even after this
    torch.set_num_threads(count)


def side_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a second queue of work for a GPU, which begins when the current one has done what it holds by now.

    So what is on its way to the GPU, such as weights, is there for both. None on a CPU.
    """
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def wait_asleep(device: torch.device) -> None:
    """Wait until a GPU has done the current stream's work: other ways to wait keep a processor busy. Not on a CPU."""
    if device.type == "cuda":
        done = torch.cuda.Event(blocking=True)
        done.record(torch.cuda.current_stream(device))
        done.synchronize()


def is_lost(device: torch.device) -> bool:
    """Whether a GPU will do nothing more for this process, as after a failed assertion on it: asked by a small sum."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
        return int(torch.ones(2, device=device).sum()) != 2
    except torch.OutOfMemoryError:
        return False
    except RuntimeError:  # whatever it is now, it is the error before, reported again
        return True
