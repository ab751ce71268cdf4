"""Memory that a training gives back stays with its process: counted in pages that the kernel had to hand out."""

import subprocess
import sys

import pytest

COUNT = """
import resource
from training.allocator import keep_freed_memory
kept = {keep} and keep_freed_memory()
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"1") * 50_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(int(kept), pages())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
@pytest.mark.parametrize("keep", [False, True])
def test_memory_taken_again_is_not_cleared_again(keep: bool) -> None:
    command = [sys.executable, "-c", COUNT.format(keep=keep)]
    kept, pages = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    if keep and not kept:
        pytest.skip("this C library has no mallopt")
    # 50 MB are 12,207 pages of 4 KiB, or fewer larger ones.
    assert (pages < 20) == keep
