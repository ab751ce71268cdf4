"""What a run must never do, whatever its input asks for: reach the network, write elsewhere, decode a bomb."""

import zlib
from pathlib import Path

from PIL import Image

from tests.submission.conftest import Start, Write, image, text

# Ends the process at the first socket, program or file outside the output folder that it opens for writing.
WATCHED = """
import os, sys, tempfile
tempfile.gettempdir()  # tries once, here, where it may write
output = os.path.realpath(sys.argv[sys.argv.index("--output") + 1])
def watch(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        print(f"FORBIDDEN {event} {arguments}", file=sys.stderr, flush=True)
        os._exit(99)
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        writing = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writing and not path.startswith(output + os.sep) and path != os.devnull and not ".pyc" in path:
            print(f"FORBIDDEN writing {path}", file=sys.stderr, flush=True)
            os._exit(99)
sys.addaudithook(watch)
"""


def test_no_network_and_no_file_elsewhere(start: Start, write_input: Write) -> None:
    source = write_input(
        {
            "0": [text("http://example.org/x.png")],
            "1": [text("Что это?"), image("images/red.png")],
            "2": [text("Что это?"), image("http://example.org/x.png")],
            "../3": [text("кошка")],
            "..": [text("кошка")],
        }
    )
    run = start(source, sabotage=WATCHED)
    assert "FORBIDDEN" not in run.stderr
    assert run.status == 1
    assert sorted(run.predictions) == ["..", "0", "1", "2"]
    assert run.pictures == ["image_...jpg", "image_0.jpg"]


def bomb(path: Path) -> None:
    """A small PNG of 144 million pixels."""
    Image.new("1", (12_000, 12_000)).save(path, "PNG")


def lying_bomb(path: Path) -> None:
    """A small PNG that says it is of 100 pixels, and unpacks to 64 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (10).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64 << 20), 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def text_bomb(path: Path) -> None:
    """A small PNG whose comment unpacks to 64 MB."""
    Image.new("RGB", (10, 10)).save(path, "PNG")
    comment = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(64 << 20), 9)
    chunk = (len(comment) - 4).to_bytes(4, "big") + comment + zlib.crc32(comment).to_bytes(4, "big")
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk + data[33:])


# Ends the process when it takes more memory than its work needs: a picture's bytes would show.
BOUNDED = """
import atexit, resource, sys
import torch, submission.run
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def tell():
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"GROWN {grown // 1024}", file=sys.stderr)
atexit.register(tell)
"""


def test_picture_bombs_are_refused_without_being_unpacked(start: Start, write_input: Write) -> None:
    makers = {"bomb": bomb, "lying": lying_bomb, "comment": text_bomb}
    source = write_input({name: [text("Что это?"), image(f"images/{name}")] for name in makers})
    for name, make in makers.items():
        make(source / "images" / name)
    run = start(source, sabotage=BOUNDED)
    assert run.status == 1
    assert list(run.predictions) == list(makers)
    problems = {problem["sample_id"]: problem["code"] for problem in run.report["problems"]}
    assert problems["bomb"] == "PICTURE_TOO_LARGE"
    assert "Traceback" not in run.stderr
    grown = int(run.stderr.split("GROWN")[1].split()[0])
    assert grown < 200, f"{grown} MB more than after the imports"
