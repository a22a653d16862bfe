"""A headless Chromium, driven through its own debugging protocol: no driver program, no framework."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The program, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def need_chromium() -> None:
    """Skips the test where there is no Chromium; in CI it fails."""
    if find_chromium() is None:
        assert os.environ.get("CI", "").lower() not in ("1", "true"), "CI needs Chromium"
        pytest.skip("no Chromium here")


class Chromium:
    """One page of one browser with an own profile."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1600, 1000)) -> None:
        options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options += ["--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"]
        # Loopback is reached directly, whatever proxy is set; the sandbox does not work for root.
        options += ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        options += [f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}"]
        with (profile.parent / "chromium.log").open("w") as log:
            self._process = subprocess.Popen(
                [find_chromium() or "", *options, "about:blank"], stdout=log, stderr=log
            )
        port = self._port(profile / "DevToolsActivePort")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/json") as answer:
            page = next(page for page in json.load(answer) if page["type"] == "page")
        self._socket = websocket.create_connection(
            page["webSocketDebuggerUrl"], timeout=60, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )
        self._asked = 0

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(self, address: str) -> None:
        """Goes there; what was shown before is gone when this returns."""
        self.value("window.left = true")
        self._ask("Page.navigate", url=address)
        self.wait("!window.left && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """What the JavaScript ``expression`` gives in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """The value of ``expression`` once it is true; fails with the text of the page otherwise."""
        until = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < until, (
                f"{expression} stays false:\n{self.value('document.body.innerText')[:2000]}"
            )
            time.sleep(0.1)
        return value

    def click(self, selector: str) -> None:
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.value(f"document.querySelector({json.dumps(selector)}).click()")

    def fill(self, selector: str, text: str) -> None:
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self._ask("Input.insertText", text=text)

    def drop(self, path: Path) -> None:
        """Drops a file on the page, as from a file manager.

        The page must take a dragOver where the file is dropped; what lies there may just be drawn anew.
        """
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "dragOver", "dragOver", "drop"):
            self._ask("Input.dispatchDragEvent", type=kind, x=700, y=500, data=data)
            time.sleep(0.1)

    def download(self, selector: str, folder: Path, name: str) -> bytes:
        """What is saved as ``folder / name`` when that is clicked; Chromium names it so once it is whole."""
        self._ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.click(selector)
        until = time.monotonic() + 60
        time.sleep(0.2)  # Chromium drops downloads beyond ten a second
        while not (folder / name).exists():
            assert time.monotonic() < until, f"{name} was not saved: {[*folder.iterdir()]}"
            time.sleep(0.1)
        return (folder / name).read_bytes()

    def emulate(self, **features: str) -> None:
        """Has the page believe in media features, such as prefers_color_scheme="dark"."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self._ask("Emulation.setEmulatedMedia", features=given)

    def resize(self, width: int, height: int) -> None:
        """Has the page believe in a window of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **parameters: object) -> Any:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._asked:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def _port(self, file: Path) -> int:
        until = time.monotonic() + 60
        while not file.exists() or len(file.read_text("utf-8").split()) < 2:
            assert self._process.poll() is None, "Chromium ended at once"
            assert time.monotonic() < until, "Chromium does not start"
            time.sleep(0.1)
        return int(file.read_text("utf-8").split()[0])
