"""A real browser, and the service run for it; shared by the browser tests and the pictures of the docs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

import past
from meteorograph import get_db_session
from meteorograph.alerts.rules import add_operations

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
def browser(executable: str, *switches: str) -> Iterator[Browser]:
    """A headless browser, with further switches of its command line."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=[*_SWITCHES, *switches])
        try:
            yield running
        finally:
            running.close()


@contextmanager
def opened(
    running: Browser, width: int = 1280, height: int = 900, scheme: str = "light", zone: str | None = None
) -> Iterator[tuple[Page, list[str]]]:
    """A page of its own, and what goes wrong on it: on its console, in its scripts, with what it loads."""
    night: Literal["dark", "light"] = "dark" if scheme == "dark" else "light"
    context = running.new_context(
        viewport={"width": width, "height": height}, color_scheme=night, locale="en-GB", timezone_id=zone
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url) if "ABORTED" not in str(request.failure) else None)
    try:
        yield page, wrong
    finally:
        context.close()


def barriers(page: Page) -> list[str]:
    """What axe finds on a page that is serious or critical to somebody who cannot see or point well."""
    script = Path(str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")))
    # Evaluated, not added as an element: the page's Content-Security-Policy refuses those, as it should.
    page.evaluate(script.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{one['impact']} {one['id']}: {one['help']} ({one['nodes'][0]['html'][:200]})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@contextmanager
def service(folder: Path, *options: str, **environment: str) -> Iterator[str]:
    """``meteorograph serve`` in a folder of its own; gives its address."""
    command = [str(Path(sys.executable).with_name("meteorograph")), "serve", "--port", "0", *options]
    log = folder / "serve.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=folder, stderr=out, env={**os.environ, **environment}) as process,  # our own
    ):
        try:
            yield _ready(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@contextmanager
def demonstration(folder: Path, rows: int = 12, **environment: str) -> Iterator[str]:
    """``meteorograph serve --demo``, once it has collected ``rows`` rows; gives its address."""
    with service(folder, "--demo", **environment) as url:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"{url}/data/latest", timeout=10) as answer:  # on loopback
                if len(json.load(answer)["data"]) >= rows:
                    break
            time.sleep(0.1)
        yield url


@contextmanager
def past_service(folder: Path, days: int, **environment: str) -> Iterator[str]:
    """The service on a past of so many days with the rules of operations, without a scheduler; gives its address."""
    with past.database(folder / "past.db"):
        past.fill(past.now(), days=days)
        with get_db_session() as session:
            add_operations(session, (), past.now())
        past.keep_alive(past.now())
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/past.db", **environment) as url:
        yield url


def settle(page: Page) -> None:
    """Wait until the map and the chart of a page are drawn, if it has them."""
    for drawn in ("#map", "#chart"):
        if page.locator(drawn).count():
            page.wait_for_selector(f"{drawn}[data-drawn]", timeout=60_000)


#: What is written in a select, a placeholder or a box, and is wider than the room that it has; words of a list on two lines.
_CUT = """() => {
    const pen = document.createElement("canvas").getContext("2d"), found = [];
    for (const one of document.querySelectorAll("body *")) {
        if (one.closest(".vh, .skip, thead, svg, noscript, .leaflet-container, .chart") || !one.checkVisibility()) continue;
        const style = getComputedStyle(one), chosen = one.selectedOptions?.[0]?.textContent.trim();
        const text = chosen ?? (!one.value && one.placeholder);
        if (text) {
            pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
            const arrow = one.tagName === "SELECT" ? 16 : 0;
            const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
            if (pen.measureText(text).width > room + 1) found.push(`${text}: ${Math.round(room)} px`);
        } else if (style.overflowX === "hidden" && one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1) {
            found.push(`${one.textContent.trim().slice(0, 60)}: ${one.clientWidth} px`);
        }
    }
    const texts = document.createTreeWalker(document.querySelector(".values tbody") ?? document.head, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        for (const { 0: word, index } of text.data.matchAll(/\\S+/g)) {
            const range = document.createRange();
            range.setStart(text, index);
            range.setEnd(text, index + word.length);
            const lines = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
            if (lines.size > 1) found.push(`${word} on two lines`);
        }
    }
    return found;
}"""


def cut_texts(page: Page) -> list[str]:
    """Texts of a page that are cut, with the room that they have."""
    return list(page.evaluate(_CUT))


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"address=(http://\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the service did not come up:\n{log.read_text()}")
