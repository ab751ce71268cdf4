"""Samples a second and memory of converting text sources, on generated files of the published form.

    python benchmarks/data_prep.py --source sberquad --records 200000 --workers 1 2 [--seconds 600] [--json OUT]

Wall time depends on what else the machine does; processor time hardly does, so both are told. Memory is the peak of
the largest process. The first second or so, in which Python and its libraries are loaded, is in all figures.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = 5000
PASSAGE_WORDS = 100  # SberQuAD's passages have about so many
QUESTIONS = 5  # of a passage


def write_sberquad(file: Path, records: int) -> None:
    """A table of questions; every context stands beside each of its questions, as published."""
    rng = random.Random(0)
    words = [f"слово{number}" for number in range(WORDS)]
    with open(file, "w", encoding="utf-8") as stream:
        for first in range(0, records, QUESTIONS):
            passage = rng.choices(words, k=PASSAGE_WORDS)
            context = " ".join(passage) + "."
            for number in range(first, min(first + QUESTIONS, records)):
                start = rng.randrange(PASSAGE_WORDS - 3)
                answer = " ".join(passage[start : start + 3])
                row = {
                    "id": number,
                    "title": "SberChallenge",
                    "context": context,
                    "question": f"{' '.join(rng.choices(words, k=8))}?",
                    "answers": {"text": [answer], "answer_start": [context.index(answer)]},
                }
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_mathematics(file: Path, records: int) -> None:
    """Linear equations, as the package writes them."""
    rng = random.Random(0)
    with open(file, "w", encoding="ascii") as stream:
        for _ in range(records):
            x, a, b, c = rng.randint(-20, 20), rng.randint(2, 900), rng.randint(1, 900), rng.choice("abcxyz")
            stream.write(f"Solve {a}*{c} + {b} = {a * x + b} for {c}.\n{x}\n")


SOURCES = {
    "sberquad": ("rows.jsonl", write_sberquad),
    "mathematics": ("algebra__linear_1d.txt", write_mathematics),
}


def measure(source: str, file: Path, out: Path, workers: int, seconds: float) -> dict[str, float]:
    """Wall and processor seconds and megabytes of one conversion, in a process of its own."""
    command = [sys.executable, "-m", "data_prep", source, file, "--output", out, "--workers", str(workers)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=seconds)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "processor": processor, "peak_mb": after.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=SOURCES, default="sberquad")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="one conversion for each")
    parser.add_argument("--seconds", type=float, default=600, help="give up after so long")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        name, write = SOURCES[arguments.source]
        file = Path(scratch) / name
        write(file, arguments.records)
        print(f"{arguments.source}, {arguments.records} records, {file.stat().st_size / 1e6:.0f} MB")
        print("| workers | wall s | records / wall s | processor s | records / processor s | peak MB |")
        print("|---|---|---|---|---|---|")
        for workers in arguments.workers:
            out = Path(scratch) / "out"
            found = measure(arguments.source, file, out, workers, arguments.seconds)
            rates = [arguments.records / found[clock] for clock in ("wall", "processor")]
            print(
                f"| {workers} | {found['wall']:.1f} | {rates[0]:.0f} | {found['processor']:.1f} | {rates[1]:.0f} "
                f"| {found['peak_mb']:.0f} |",
                flush=True,
            )
            figures.append({"source": arguments.source, "records": arguments.records, "workers": workers, **found})
            shutil.rmtree(out)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
