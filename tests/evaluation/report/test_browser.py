"""The report as a real browser shows it: headless Chromium, on a desk and on a telephone, in light and in dark.

Where there is no Chromium these tests are skipped, saying so; on a build server (CI=true) they fail instead.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.report.conftest import Run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK, PHONE = (1200, 2400), (390, 2400)

# In a copy without the policy that forbids scripts: what the page itself can not tell from outside.
MEASURE = """<script>addEventListener("load", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (const picture of document.images) picture.loading = "eager";
  Promise.all([...document.images].map(picture => picture.decode().catch(() => null))).then(() => {
    const broken = [...document.images].filter(picture => !picture.naturalWidth).length;
    const width = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    document.body.dataset.measured = `pictures ${document.images.length} broken ${broken} overflow ${width}`;
  });
});</script>"""


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        message = "NO CHROMIUM: the report was not looked at in a browser (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


def browse(chromium: str, page: Path, size: tuple[int, int], folder: Path, *arguments: str) -> str:
    process = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *(f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}", *arguments),
            page.resolve().as_uri(),
        ],
        capture_output=True,
        timeout=300,
        check=True,
    )
    return process.stdout.decode("utf-8", errors="replace")


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (PHONE, True)], ids=["desk, light", "telephone, dark"])
def test_the_page_is_painted_in_the_reader_s_colours(
    chromium: str, report: Path, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    shot = tmp_path / "shot.png"
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    browse(chromium, report, size, tmp_path, *scheme, f"--screenshot={shot}")
    with Image.open(shot) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=np.float64)
    assert pixels.shape == (size[1], size[0])
    assert (np.median(pixels) < 60) is np.bool_(dark)
    rows = pixels.reshape(24, -1).std(axis=1)
    assert (rows > 5).sum() >= 20, "the page is filled from top to bottom"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_every_picture_is_there_nothing_runs_and_nothing_sticks_out(
    chromium: str, report: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    source = report.read_text("utf-8")
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    assert measured != source
    copy = tmp_path / "measured.html"
    copy.write_text(measured.replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    seen = browse(chromium, copy, size, tmp_path, "--virtual-time-budget=20000", "--dump-dom")
    assert "<title>FBC2 report</title>" in seen  # the answer that is a script did not run
    found = re.search(r'data-measured="pictures (\d+) broken (\d+) overflow (-?\d+)"', seen)
    assert found is not None
    assert int(found[1]) == source.count("<img ") > 20
    assert (found[2], found[3]) == ("0", "0")
