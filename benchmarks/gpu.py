"""What a GPU must show, in one command that goes on by itself whatever fails.

    python benchmarks/gpu.py --minutes 8 --output gpu_proof
    python benchmarks/gpu.py --device cpu --size tiny --output gpu_proof     # tries the command itself, in seconds

Each part runs in a process of its own, for its share of the minutes that are left when it begins; its rows are in
`OUTPUT/PART.json` as soon as they are there, so a part that is stopped keeps what it had. `OUTPUT/report.md` has all
tables and says which parts failed and why, `OUTPUT/report.json` the same as data. Parts stand in the order of what they
are worth. The exit status is 0 if every part ended well, else 1.
Nothing is needed beyond torch, numpy, pillow, safetensors, tokenizers and tqdm, and no network.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.gpu_parts.parts import PARTS, Part, Setting, seconds_for
from benchmarks.gpu_parts.results import DONE, read_result, report, write_result


def run_here(part: Part, setting: Setting, output: Path) -> None:
    """Compute a part's rows; each is written as soon as it is there."""
    from benchmarks.gpu_parts.stand_in_modules import stand_in_for_missing

    if part.name == "training":  # elsewhere, as in torch, a library that is not there must stay so
        stand_in_for_missing()
    rows: list[dict[str, Any]] = []
    started = time.monotonic()
    for row in part.rows(setting):
        rows.append(row)
        write_result(output, part.name, "unfinished", time.monotonic() - started, rows)
    write_result(output, part.name, DONE, time.monotonic() - started, rows)


def run_apart(part: Part, arguments: argparse.Namespace, seconds: float) -> None:
    """Run a part in a process of its own for at most some seconds; its file says how that ended."""
    output: Path = arguments.output
    (output / f"{part.name}.json").unlink(missing_ok=True)
    if seconds <= 0:
        write_result(output, part.name, "not begun: no time was left", 0.0, [])
        return
    command = [sys.executable, str(Path(__file__).resolve()), "--part", part.name, "--output", str(output)]
    command += ["--device", arguments.device, "--size", arguments.size]
    started, log = time.monotonic(), output / f"{part.name}.log"
    with log.open("wb") as stream:
        child = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=ROOT, start_new_session=True)
        try:
            status = child.wait(seconds)
            problem = "" if status == 0 else f"failed with status {status}: {_last_line(log)}"
        except subprocess.TimeoutExpired:
            problem = f"stopped after its {seconds:.1f} s; what it had by then is there"
        finally:  # also what the part itself has started, and also at an interrupt
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    if problem:
        write_result(output, part.name, problem, time.monotonic() - started, read_result(output, part.name)["rows"])


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts together (default: 8)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables; made if it is not there")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the command itself (default: cuda)")
    parser.add_argument("--size", default="full", choices=["full", "tiny"], help="full: 350M and 2.7B (default: full)")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="these parts alone")
    parser.add_argument("--part", choices=[part.name for part in PARTS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.output = arguments.output.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.part:
        part = next(part for part in PARTS if part.name == arguments.part)
        run_here(part, Setting(arguments.device, arguments.size == "tiny"), arguments.output)
        return 0
    end = time.monotonic() + 60 * arguments.minutes
    chosen = [part for part in PARTS if not arguments.only or part.name in arguments.only]
    failed: dict[str, str] = {}
    for place, part in enumerate(chosen, 1):
        run_apart(part, arguments, seconds_for(part, chosen[place:], end - time.monotonic()))
        failed = report(arguments.output, [each.name for each in chosen[:place]])  # what is there so far
        print(f"{part.name}: {failed.get(part.name, DONE)}", flush=True)
    print(f"tables: {arguments.output / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
