"""Headless Chromium over its devtools protocol, spoken through pipes: no port, no driver, no further package."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deadlines import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "RUMORMILL_REQUIRE_CHROMIUM"
"""Environment variable that makes a missing Chromium a failure instead of a skip; `.ci/run` sets it."""
WATCHED = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


def chromium() -> str:
    """Return the path of Chromium; skip the test where there is none, or fail where it is required."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    missing = f"no Chromium here (looked for {', '.join(NAMES)}); install it to open pages in tests"
    if os.environ.get(REQUIRED):
        pytest.fail(f"{missing}; {REQUIRED} forbids skipping")
    pytest.skip(missing)


class Browser:
    """One page in a running Chromium, and everything it has reported."""

    def __init__(self, writing: int, reading: int) -> None:
        self._writing, self._reading = writing, reading
        self._received, self._last, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self._reading, 1 << 20) if ready else b""
            assert part, "Chromium does not answer"
            self._received += part
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path) -> None:
        """Open a file, and wait until it has loaded."""
        self.events.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which the protocol runs whatever the page forbids."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def show(self, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "screen") -> None:
        """Set the size of the window, the colour scheme, and whether the page is shown or printed."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """Return the page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the page has written to the console, and what Chromium has: errors, warnings, violations."""
        return [event for event in self.events if event["method"] in WATCHED]

    @property
    def requests(self) -> list[str]:
        """Every address that was requested, data URLs excepted."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        addresses = [parameters["request"]["url"] for parameters in sent]
        return [address for address in addresses if not address.startswith("data:")]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a new Chromium with a profile of its own; it is ended afterwards."""
    program = chromium()
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()

    def name_pipes() -> None:  # Chromium reads from descriptor 3 and writes to 4
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser))
        os.dup2(reading, 3)
        os.dup2(writing, 4)

    with tempfile.TemporaryDirectory(prefix="rumormill-chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", "--remote-debugging-pipe", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=False, preexec_fn=name_pipes
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Browser(from_us, to_us)
        finally:
            process.terminate()
            process.wait()
            os.close(from_us)
            os.close(to_us)
