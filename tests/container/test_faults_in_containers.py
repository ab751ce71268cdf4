"""The table of submissions that do harm in real containers, and what only a container keeps: memory, network, files."""

from pathlib import Path

import pytest

from evaluation.container.container_engine import ContainerEngine
from evaluation.container.verdict import Fault
from tests.evaluation.container.fakes import ANSWER, FAKES, Fake, run_fake, said

pytestmark = pytest.mark.docker

REFUSED = """
def refused(action):
    try:
        action()
    except OSError as error:
        return error.errno
    raise SystemExit("that was allowed")
"""
ONLY_IN_CONTAINERS: tuple[Fake, ...] = (
    Fake(
        "takes all memory",
        "hold = bytearray(10**9); hold[::4096] = b'x' * len(hold[::4096])",
        Fault.MEMORY,
        "200000000 bytes are allowed",
        {"memory": 200_000_000},
    ),
    Fake(
        "a child takes all memory, and the answers are there",
        ANSWER + "write(); os.system(\"python3 -c 'bytearray(10**9)[:] = bytes(10**9)'\")",
        Fault.NONE,
        "killed a process of the submission",
        {"memory": 200_000_000},
    ),
    Fake(
        "finds no network",
        ANSWER + REFUSED + "import socket\n"
        "refused(lambda: socket.create_connection(('192.0.2.1', 53), 5))\n"
        "refused(lambda: socket.gethostbyname('example.org'))\n"
        "write()",
        Fault.NONE,
    ),
    Fake(
        "can write to /tmp and its output alone",
        ANSWER + REFUSED
        + "for name in ('run.py', 'new', '../input/input.json', '../input/new', '/new', '/etc/passwd', '/usr/new'):\n"
        "    refused(lambda: open(name, 'w'))\n"
        "open('/tmp/new', 'w').write('x'); write()",
        Fault.NONE,
    ),
    Fake(
        "fills /tmp",
        ANSWER + REFUSED + "assert refused(lambda: open('/tmp/new', 'wb').write(bytes(10**8))) == 28; write()",
        Fault.NONE,
    ),
    Fake(
        "is nobody, and stays it",
        ANSWER + "assert os.getuid() != 0 and not os.path.exists('/var/run/docker.sock'); write()\n"
        "assert 'CapEff:\\t0000000000000000' in open('/proc/self/status').read()\n"
        "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()",
        Fault.NONE,
    ),
    Fake(
        "starts processes without end",
        ANSWER + REFUSED + "write()\n"
        "import subprocess\n"
        "kept = []\n"
        "assert refused(lambda: [kept.append(subprocess.Popen(['sleep', '1000'])) for _ in range(100)]) == 11",
        Fault.NONE,
        "",
        {"processes": 30},
    ),
)  # fmt: skip


@pytest.mark.parametrize("fake", [*FAKES, *ONLY_IN_CONTAINERS], ids=lambda fake: fake.what)
def test_each_submission_gets_its_verdict(
    fake: Fake, engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    log = (tmp_path / "result/log.txt").read_text()
    assert verdict.fault is fake.fault, f"{said(verdict)}\n{log}"
    assert fake.says in said(verdict) + log
    if "ended with status" not in fake.says and fake.fault is Fault.NONE and "huge" not in fake.what:
        assert verdict.status == 0, log


def test_an_image_that_is_not_there_is_the_hosts_fault(engine: ContainerEngine, tmp_path: Path) -> None:
    verdict = run_fake(FAKES[0], engine, "no-such-image:1", tmp_path)
    assert verdict.fault is Fault.HOST
    assert "docker has no image no-such-image:1" in said(verdict)


def test_an_image_that_is_too_large_is_the_submissions(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    fake = Fake("", FAKES[0].program, Fault.FORMAT, limits={"image": 1000})
    assert run_fake(fake, engine, submission_image, tmp_path).fault is Fault.FORMAT
