"""A real browser that tests drive: headless Chromium over its debugging pipe, with real keys and the page's own policy.

Where there is no Chromium these tests are skipped, saying so; on a build server (CI=true) they fail instead.
"""

import base64
import io
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
PATIENCE = 300.0  # seconds a browser may take for one thing; a slow machine changes no result
DESK, PHONE = (1200, 2400), (400, 2400)
PAGE_LEFT = ("navigated or closed", "Cannot find default execution context", "Execution context was destroyed")
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Escape": (27, "")}


def chromium_path() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        message = "NO CHROMIUM: the pages were not looked at in a browser (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


class PageLeftError(Exception):
    """Another page came while the browser computed something in this one."""


class Browser:
    """One page of a browser; each call waits for its answer."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number = 0
        self._unread = b""
        self._events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = ""
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")
        self._ask("Page.setLifecycleEventsEnabled", enabled=True)
        self._ask("Runtime.enable")

    def open(self, page: Path, size: tuple[int, int] = DESK, *, dark: bool = False, fragment: str = "") -> None:
        """Load a file and wait until all of it is there."""
        width, height = size
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        for address in ("about:blank", page.resolve().as_uri() + fragment):  # so that a fragment too loads it anew
            loader = self._ask("Page.navigate", url=address)["loaderId"]
            self._wait_for("Page.lifecycleEvent", name="load", loaderId=loader)

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page; promises are waited for. Fails where it throws."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page, or in the one that comes: both follow keys a moment later."""
        for _ in range(100):
            try:
                self.value(f"(async () => {{ while (!({expression})) await new Promise(requestAnimationFrame); }})()")
            except PageLeftError:
                continue
            return
        raise AssertionError(f"the browser goes from page to page, and {expression} is true in none")

    def press(self, key: str) -> None:
        """Press a key, as a person does."""
        number, text = KEYS[key]
        named = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": number}
        self._ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Put a text where the cursor is."""
        self._ask("Input.insertText", text=text)

    def tab_to(self, selector: str, most: int = 200) -> int:
        """Press Tab until an element has the focus; return how often. Fails where it is never reached."""
        for times in range(1, most + 1):
            self.press("Tab")
            if self.value(f"document.activeElement.matches({json.dumps(selector)})"):
                return times
        raise AssertionError(f"{selector} is not reached by the keyboard")

    def screenshot(self) -> Image.Image:
        """The page as it is painted."""
        data = self._ask("Page.captureScreenshot", format="png")["data"]
        return Image.open(io.BytesIO(base64.b64decode(data)))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.value("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if getattr(self, "_session", "") else {}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer and any(said in answer["error"]["message"] for said in PAGE_LEFT):
                    raise PageLeftError(answer["error"]["message"])
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _wait_for(self, event: str, **parameters: str) -> None:
        def is_it(seen: dict[str, Any]) -> bool:
            return seen.get("method") == event and parameters.items() <= seen["params"].items()

        while not any(map(is_it, self._events)):
            self._events.append(self._read())
        self._events.clear()

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def started_browser(folder: Path) -> Iterator[Browser]:
    """Start a browser whose profile lies in a folder, and end it."""
    program = chromium_path()
    to_browser, from_browser = os.pipe(), os.pipe()
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", *QUIET)
    command = [program, *options, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe"]
    # The browser reads commands from descriptor 3 and writes answers to 4.
    shell = ["bash", "-c", f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}', "browser", *command]
    with (
        open(folder / "browser.log", "wb") as log,
        subprocess.Popen(shell, stdout=log, stderr=log, pass_fds=(to_browser[0], from_browser[1])) as process,
    ):
        os.close(to_browser[0])
        os.close(from_browser[1])
        try:
            yield Browser(to_browser[1], from_browser[0])
        finally:
            os.close(to_browser[1])
            os.close(from_browser[0])
            process.terminate()
