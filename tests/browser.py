"""A real browser, and the demonstration served for it; shared by the browser tests and the pictures of the docs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=list(_SWITCHES))
        try:
            yield running
        finally:
            running.close()


@contextmanager
def demonstration(folder: Path, rows: int = 12) -> Iterator[str]:
    """``meteorograph serve --demo`` in a folder of its own, once it has collected ``rows`` rows; gives its address."""
    command = [str(Path(sys.executable).with_name("meteorograph")), "serve", "--demo", "--port", "0"]
    log = folder / "demo.log"
    with log.open("wb") as out, subprocess.Popen(command, cwd=folder, stderr=out) as process:  # our own command
        try:
            yield _ready(process, log, rows)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _ready(process: subprocess.Popen[bytes], log: Path, rows: int) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"address=(http://\S+)", log.read_text())
        if found:
            with urllib.request.urlopen(f"{found[1]}/data/latest", timeout=10) as answer:  # on loopback
                if len(json.load(answer)["data"]) >= rows:
                    return found[1]
        time.sleep(0.1)
    raise AssertionError(f"the demonstration did not come up:\n{log.read_text()}")
