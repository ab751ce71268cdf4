"""The report as a real browser shows it: headless Chromium, on a desk and on a telephone, in light and in dark.

Where there is no Chromium these tests are skipped, saying so; on a build server (CI=true) they fail instead.
"""

import json
import os
import queue
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.report.conftest import Run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK, PHONE = (1200, 2400), (390, 2400)

QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
PATIENCE = 300.0  # seconds a browser may take to load the page and to report; a slow machine changes no result

# In a copy without the policy that forbids scripts: what the page itself can not tell from outside.
MEASURE = """<script>addEventListener("load", async () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (const picture of document.images) picture.loading = "eager";
  await Promise.all([...document.images].map(picture => picture.decode().catch(() => null)));
  const root = document.documentElement;
  await fetch("/measured", {method: "POST", body: JSON.stringify({
    title: document.title,
    pictures: document.images.length,
    broken: [...document.images].filter(picture => !picture.naturalWidth).length,
    overflow: root.scrollWidth - root.clientWidth,
  })});
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


def command(chromium: str, size: tuple[int, int], folder: Path, *arguments: str) -> list[str]:
    return [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *(*QUIET, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}", *arguments),
    ]


def measure(chromium: str, page: str, size: tuple[int, int], folder: Path) -> dict[str, str | int]:
    """What the page says of itself once all its pictures are decoded: it sends that to the server it came from."""
    answers: queue.Queue[dict[str, str | int]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode() if found else b"")

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, open(folder / "browser.log", "wb") as log:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        # The debugging port keeps a headless browser open until it is told to go.
        start = command(chromium, size, folder, "--remote-debugging-port=0", address)
        with subprocess.Popen(start, stdout=log, stderr=log) as browser:
            try:
                return answers.get(timeout=PATIENCE)
            finally:
                browser.terminate()
                server.shutdown()


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (PHONE, True)], ids=["desk, light", "telephone, dark"])
def test_the_page_is_painted_in_the_reader_s_colours(
    chromium: str, report: Path, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    shot = tmp_path / "shot.png"
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    start = command(chromium, size, tmp_path, *scheme, f"--screenshot={shot}", report.resolve().as_uri())
    subprocess.run(start, capture_output=True, timeout=PATIENCE, check=True)
    with Image.open(shot) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=np.float64)
    assert pixels.shape == (size[1], size[0])
    assert (np.median(pixels) < 60) is np.bool_(dark)
    rows = pixels.reshape(24, -1).std(axis=1)
    assert (rows > 5).sum() >= 20, "the page is filled from top to bottom"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_pictures_scripts_and_widths(chromium: str, report: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    source = report.read_text("utf-8")
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    assert measured != source
    seen = measure(chromium, measured.replace("</body>", f"{MEASURE}</body>"), size, tmp_path)
    assert seen["title"] == "FBC2 report"  # the answer that is a script did not run
    assert seen["pictures"] == source.count("<img ") > 20
    assert (seen["broken"], seen["overflow"]) == (0, 0)
