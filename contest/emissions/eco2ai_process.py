"""The process in which eco2AI runs, watching the one that started it.

Started by `contest.emissions.tracking` with a folder: settings.json in it says what to measure, and status.json is
what it answers.
The end of its standard input (a line with the time, or nothing when the other process died) is the sign to finish.

What eco2AI does itself: powers, its energy formula, its coefficient, its row. What is put in place of its own parts,
all of them named here: the settings file in its package (none is kept), `top` (processor time from /proc), memory
(that of the watched process), the processor's name (from /proc/cpuinfo, without starting programs), the search for
processes that have its file open (the file lies in a folder of this process alone), the id of its row (that of the
run, which must know its row even if it is killed).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from contest.console import say
from contest.emissions.files import Publisher
from contest.emissions.gpu_energy import GpuEnergy
from contest.emissions.processor_time import CPU_METHOD, KWH, cpu_kwh, processor_name, tree_seconds

VERSION = "0.3.12"


class Watched:
    """The process that is measured, as eco2AI's parts ask for it."""

    def __init__(self, pid: int, start: float, seconds: float) -> None:
        self.pid = pid
        self._first = self._latest = self._shared = seconds
        self._at = start

    def used(self) -> float:
        """Return its processor time in seconds since the start; the last known one if it has ended."""
        with suppress(ProcessLookupError):
            self._latest = max(self._latest, tree_seconds(self.pid, without=(os.getpid(),)))
        return self._latest - self._first

    def share(self, _processes: str) -> float:
        """Return the share, 0 to 1, of all logical processors that it used since the last call."""
        self.used()
        now = time.time()
        used, elapsed = self._latest - self._shared, now - self._at
        self._shared, self._at = self._latest, now
        return used / (elapsed * (os.cpu_count() or 1)) if elapsed > 0 else 0.0

    def gigabytes(self) -> float:
        """Return the memory in use, in GiB."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def main(folder: Path) -> None:
    """Measure until standard input ends; write the figures every period and at the end."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    gpus = GpuEnergy(os.environ.get("CUDA_VISIBLE_DEVICES"), settings["gpus"])  # first: its counters start here
    idle_watts: dict[str, float] = settings["idle_watts"]
    watched = Watched(settings["pid"], settings["start"], settings["seconds"])
    publisher = Publisher(Path(settings["csv"]), folder / "status.json")
    tracker, row, encode = _start_eco2ai(settings, watched)
    reasons = []
    if str(settings["country"]) not in _known_countries():
        reasons.append(f"eco2AI does not know the country {settings['country']}: the world's coefficient is used")
    package = tracker._cpu.tdp() * tracker._cpu.cpu_num()
    guess = "as set" if settings["tdp_watts"] else f"eco2AI's guess from the name {tracker._cpu.name()!r}"
    watts = (settings["tdp_watts"] * tracker._cpu.cpu_num()) if settings["tdp_watts"] else package

    def publish(*, ended: bool) -> None:
        method = f"{CPU_METHOD} ({watts:g} W over {os.cpu_count()} logical processors, {guess})"
        readings = [("cpu", method, cpu_kwh(watched.used(), watts)), *gpus.readings()]
        seconds = gpus.seconds()
        idle = {name: power * seconds[name] / KWH for name, power in idle_watts.items() if name in seconds}
        publisher.publish(row, encode, readings, float(tracker.emission_level()), watts, reasons, idle, ended=ended)

    ready: list[Any] = []
    # Asked for the parent as well: a worker that the run forked may outlive it and hold the pipe open.
    while not ready and os.getppid() == settings["parent"]:
        gpus.sample()
        if row:
            publish(ended=False)
        ready, _, _ = select.select([sys.stdin.buffer], [], [], settings["period"])
    said = sys.stdin.buffer.readline().strip() if ready else b""
    gpus.sample()
    if said:
        _forget_what_came_after(tracker, float(said))
    else:
        reasons.append("the run ended without saying so; the last figures before that count")
    tracker.stop()
    publish(ended=True)
    if not said:  # nobody is left to clear up
        shutil.rmtree(folder, ignore_errors=True)


def _start_eco2ai(settings: dict[str, Any], watched: Watched) -> tuple[Any, dict[str, str], Any]:
    """Start eco2AI on the watched process; return its tracker, its row (renewed in place), its encoder."""
    import eco2ai
    from eco2ai import emission_track, utils
    from eco2ai.tools import tools_cpu, tools_ram

    if eco2ai.__version__ != VERSION:
        raise RuntimeError(f"eco2AI {eco2ai.__version__} is installed; {VERSION} is needed")
    emission_track.get_params = dict
    emission_track.set_params = lambda **_: None
    emission_track.is_file_opened = lambda _: False
    tools_cpu.get_cpu_info = lambda: {"brand_raw": processor_name()}
    tools_cpu.get_cpu_percent_linux = watched.share
    tools_ram.RAM._get_memory_used = lambda _: watched.gigabytes()

    tracker = emission_track.Tracker(
        project_name=settings["project"],
        experiment_description=settings["description"],
        file_name="emissions.csv",
        measure_period=settings["period"],
        alpha_2_code=settings["country"],
        ignore_warnings=True,
        timezone="UTC",
    )
    row: dict[str, str] = {}
    write = tracker._write_to_csv

    def write_and_keep(add_new: bool = False) -> Any:
        attributes = write(add_new)
        row.update({name: str(value[0]) for name, value in attributes.items()}, id=settings["id"])
        return attributes

    tracker._write_to_csv = write_and_keep
    tracker.start()
    # The run began before eco2AI was loaded: what it used until now counts as well.
    start = settings["start"]
    tracker._start_time = tracker._cpu._start = tracker._ram._start = tracker._gpu._start = start
    return tracker, row, utils.encode


def _forget_what_came_after(tracker: Any, end: float) -> None:
    """Move eco2AI's clocks so that a run that was over before eco2AI was loaded is not taken for a longer one."""
    late = max(0.0, time.time() - end)
    for part in (tracker._ram, tracker._gpu):
        part._start = min(time.time(), part._start + late)
    tracker._start_time += late


def _known_countries() -> set[str]:
    import csv

    import eco2ai

    table = Path(eco2ai.__file__).parent / "data" / "carbon_index.csv"
    with open(table, encoding="utf-8", newline="") as stream:
        return {row["alpha_2_code"] for row in csv.DictReader(stream)}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        say(traceback.format_exc())
        say(f"{type(error).__name__}: {error}")
        sys.exit(1)
