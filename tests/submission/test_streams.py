"""A log that can not be written costs no answer, and a run that says nothing hears everything."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contest.limits import INPUT_NAME
from tests.submission.conftest import ROOT, Start, Write, image, text

SAMPLES = {
    "0": [text("красный дом")],
    "1": [image("images/red.png"), text("Что это?")],
    "broken": [image("images/cut.png"), text("Что это?")],  # a problem, which is told
    "2": [text("кошка")],
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def arguments(source: Path, output: Path, weights: Path) -> list[str]:
    paths = ["--input", str(source), "--output", str(output), "--weights", str(weights)]
    return [sys.executable, "-m", "submission", "run", *paths, "--device", "cpu", "--batch-size", "1"]


@pytest.mark.parametrize(
    "streams",
    [
        "2>/dev/full",
        "2> >(head -n 1 >/dev/null)",
        pytest.param("2>&-", marks=pytest.mark.slow),
        pytest.param(">&- 2>&-", marks=pytest.mark.slow),
        pytest.param("<&-", marks=pytest.mark.slow),
        "<&- >&- 2>&-",
        pytest.param(">/dev/full 2>&1", marks=pytest.mark.slow),
        # Nobody reads, and what is said is little.
        pytest.param("2> >(sleep 1000000)", marks=pytest.mark.slow),
    ],
)
def test_a_log_that_can_not_be_written_costs_nothing(
    submit: Start, write_input: Write, weights: Path, tmp_path: Path, streams: str
) -> None:
    source, output = write_input(SAMPLES), tmp_path / "output"
    reader = tmp_path / "reader.pid"
    command = f'"$@" --emissions {tmp_path}/co2.csv {streams.replace("sleep", f"echo $BASHPID >{reader}; exec sleep")}'
    try:
        run = subprocess.run(
            ["bash", "-c", command, "bash", *arguments(source, output, weights)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=300,
        )
    finally:
        if reader.exists():
            os.kill(int(reader.read_text()), signal.SIGKILL)
    whole = submit(source, "--batch-size", "1", output="whole")
    assert run.returncode == whole.status == 1
    assert json.loads((output / "predictions.json").read_text(encoding="utf-8")) == whole.predictions
    assert (output / "journal.jsonl").read_bytes() == (whole.output / "journal.jsonl").read_bytes()
    assert sorted(path.name for path in (output / "images").iterdir()) == whole.pictures
    report = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert report["ended"] == "finished"
    assert [problem["sample_id"] for problem in report["problems"]] == ["broken"]
    assert (tmp_path / "co2.csv").is_file()


# Says more than any pipe takes while the second sample is answered.
CHATTER = """
import warnings, sys
import submission.engine as engine_module
compute = engine_module.answer
def chatty(*arguments, **options):
    for number in range(3000):
        warnings.warn_explicit("said again and again " * 4, UserWarning, "somewhere.py", number)
    return compute(*arguments, **options)
engine_module.answer = chatty
import submission.__main__ as m
m.start_program(m.main)
"""


def test_a_reader_who_does_not_read_is_not_waited_for(
    submit: Start, write_input: Write, weights: Path, tmp_path: Path
) -> None:
    source, output = write_input({"0": SAMPLES["0"]}), tmp_path / "output"
    reading, writing = os.pipe()
    command = arguments(source, output, weights)
    with subprocess.Popen(
        [command[0], "-c", CHATTER, *command[3:]], cwd=ROOT, env=ENVIRONMENT, stderr=writing
    ) as process:
        os.close(writing)
        assert process.wait(300) == 0
    os.close(reading)
    whole = submit(source, "--batch-size", "1", output="whole")
    assert json.loads((output / "predictions.json").read_text(encoding="utf-8")) == whole.predictions


DEAF = """
import os, signal, time
import submission.engine as engine_module
def endless(*arguments, **options):
    (__import__("pathlib").Path({output!r}) / "busy").touch()
    while True: time.sleep(0.01)
engine_module.answer = endless
import submission.__main__ as m
m.start_program(m.main)
"""


@pytest.mark.parametrize(
    ("number", "options", "status"),
    [
        (signal.SIGTERM, [], 143),
        pytest.param(signal.SIGINT, [], 130, marks=pytest.mark.slow),
        pytest.param(None, ["--time-limit", "20"], 3, marks=pytest.mark.slow),
    ],
)
def test_a_run_without_any_stream_hears(
    write_input: Write, weights: Path, tmp_path: Path, number: int | None, options: list[str], status: int
) -> None:
    source, output = write_input(SAMPLES), tmp_path / "output"
    command = arguments(source, output, weights)
    program = [command[0], "-c", DEAF.format(output=str(output)), *command[3:], *options]
    with subprocess.Popen(
        ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", *program], cwd=ROOT, env=ENVIRONMENT
    ) as process:
        while number is not None and not (output / "busy").exists():
            assert process.poll() is None
            time.sleep(0.05)
        if number is not None:
            process.send_signal(number)
        assert process.wait(300) == status
    assert list(json.loads((output / "predictions.json").read_text(encoding="utf-8"))) == list(SAMPLES)


def on_terminal(command: list[str], columns: int = 0) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit status and all that it wrote there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(command[0], command, ENVIRONMENT)
    if columns:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = bytearray()
    while True:
        select.select([terminal], [], [])
        try:
            written += os.read(terminal, 65536)
        except OSError:  # nobody has the other end any more
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()


def screen(written: str, columns: int) -> list[str]:
    """What is to be read on a terminal that knows carriage returns and line feeds, and wraps what is too long."""
    lines = [""]
    column = 0
    for character in written:
        if character == "\n":
            lines.append("")
        elif character == "\r":
            column = 0
            continue
        else:
            if column == columns:
                lines.append("")
                column = 0
            lines[-1] = lines[-1][:column].ljust(column) + character + lines[-1][column + 1 :]
            column += 1
            continue
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [pytest.param(60, marks=pytest.mark.slow), 200])
def test_on_a_terminal_bars_leave_nothing_behind(
    submit: Start, write_input: Write, weights: Path, tmp_path: Path, columns: int
) -> None:
    many = {str(number): [text(f"дом {number}")] for number in range(4)}
    many |= {f"p{number}": [image("images/red.png"), text("Что это?")] for number in range(4)}
    source, output = write_input(many), tmp_path / "output"
    status, written = on_terminal(arguments(source, output, weights), columns)
    assert status == 0
    assert "\r" in written.replace("\r\n", "\n"), "no bar was drawn"
    assert re.search(r"draw pictures: +\d+%", written)
    said = screen(written, columns)
    whole = submit(source, "--batch-size", "1", output="whole")
    seconds = re.compile(r"in \d+\.\d s$")
    expected = [seconds.sub("", line).replace(str(whole.output), str(output)) for line in whole.stderr.splitlines()]
    wrapped = [line[start : start + columns] for line in expected for start in range(0, max(1, len(line)), columns)]
    found = [seconds.sub("", line) for line in said if line]
    phases = ("encode", "answer", "draw")
    assert sorted(line.strip() for line in found) == sorted(line.strip() for line in wrapped)
    assert [line for line in found if not line.startswith(phases)] == [
        line.rstrip() for line in wrapped if not line.startswith(phases)
    ]
    assert INPUT_NAME not in written
