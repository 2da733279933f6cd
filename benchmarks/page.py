"""How fast pages are in a browser, and what they weigh: ``python benchmarks/page.py [--locations 1000] [--phone]``.

Builds a database of two days of hourly rows in a temporary folder, serves it as ``meteorograph serve`` does, and loads pages in
Chromium: first with an empty cache, then again. Complete is when everything that the page names is there and its ``load``
event is over; of a location it is when the charts are drawn. ``--phone`` slows the processor down four times and the line to
1.6 Mbit/s with 150 ms; an empty page is measured beside the others.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import past  # found by the line above
from browser import browser, chromium, service

PAGES = {
    "an empty file": ("/static/icon.svg", "svg"),
    "overview": ("/", "body"),
    "location, 24 h": ("/location?name=London", "svg.meteogram:visible"),
    "location, explored": ("/location?name=London&explore=1", "#chart[data-drawn]"),
    "location, 1 year": ("/location?name=London&range=1y", "svg.meteogram:visible"),
    "coverage": ("/coverage", "body"),
    "runs": ("/runs", "body"),
    "locations": ("/locations", "body"),
}

#: Bytes of everything that was loaded, as they came over the wire, and the instant at which the page was complete [ms].
MEASURE = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const all = [page, ...performance.getEntriesByType("resource")];
  const bytes = all.reduce((sum, one) => sum + one.transferSize, 0);
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const counts = [all.length, bytes, document.querySelectorAll("*").length];
  return [page.loadEventEnd, page.responseStart - page.requestStart, paint?.startTime ?? NaN, ...counts];
}"""

#: A phone on a slow line, as Lighthouse simulates it.
SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
SLOW_PROCESSOR = {"rate": 4}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--phone", action="store_true", help="on a slow phone and line")
    asked = parser.parse_args()
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with past.database(folder / "past.db"):
            past.fill(past.now(), places=asked.locations, days=2)
        variables = {"DATABASE_URL": f"sqlite:///{folder}/past.db"}
        with service(folder, "--no-scheduler", **variables) as url, browser(executable) as running:
            print(f"{asked.locations:,} locations; Python {platform.python_version()}, {os.cpu_count()} cores, ", end="")
            print(f"load {os.getloadavg()[0]:.1f}, Chromium {running.version}; medians of {asked.rounds}\n")
            print("| page | first byte | first paint | complete | complete, again | requests | kB | kB again | elements |")
            print("|---|---|---|---|---|---|---|---|---|")
            for title, (path, ready) in PAGES.items():
                print(_line(running, title, url + path, ready, asked.rounds, is_phone=asked.phone))


def _line(running: Browser, title: str, url: str, ready: str, rounds: int, *, is_phone: bool) -> str:
    found = [_load(running, url, ready, is_phone=is_phone) for _ in range(rounds)]
    cold, warm = ([statistics.median(column) for column in zip(*part, strict=True)] for part in zip(*found, strict=True))
    times = f"{warm[1]:.0f} ms | {cold[2]:.0f} ms | {cold[0]:.0f} ms | {warm[0]:.0f} ms"
    return f"| {title} | {times} | {cold[3]:.0f} | {cold[4] / 1000:.0f} | {warm[4] / 1000:.0f} | {cold[5]:.0f} |"


def _load(running: Browser, url: str, ready: str, *, is_phone: bool) -> tuple[list[float], list[float]]:
    """Load a page with an empty cache, and again."""
    context = running.new_context(viewport={"width": 390, "height": 844} if is_phone else {"width": 1280, "height": 900})
    page = context.new_page()
    if is_phone:
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_LINE)
        session.send("Emulation.setCPUThrottlingRate", SLOW_PROCESSOR)
    figures = []
    for _ in range(2):
        start = time.perf_counter()
        page.goto(url)
        page.wait_for_selector(ready)
        waited = (time.perf_counter() - start) * 1000
        measured: list[Any] = page.evaluate(MEASURE)
        figures.append([measured[0] if ready == "body" else waited, *measured[1:]])
    context.close()
    return figures[0], figures[1]


if __name__ == "__main__":
    main()
