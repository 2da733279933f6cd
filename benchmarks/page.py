"""How fast pages are in a browser, and what they weigh: ``python benchmarks/page.py [--locations 10000] [--phone]``.

Builds two databases in a temporary folder, 12 places with 400 days of hourly rows and many places with two days, serves each as
``meteorograph serve`` does, and loads pages in Chromium: first with an empty cache, then again. A page is visible when the first
frame with its content has been drawn: the meteogram of a location, the places of an overview. It is complete when everything
that it names has been loaded. The time of the main thread is that of all its tasks, until the page is complete and visible.
``--phone`` slows the processor down four times and the line to 1.6 Mbit/s with 150 ms; an empty page is measured beside the
others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, CDPSession

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import past  # found by the line above
from browser import browser, chromium, service
from meteorograph.reading.rollups import roll_up

#: What was measured of one load of a page.
Figures = dict[str, float]

#: Pages of the two databases: address, and the content that must be visible.
FEW = {
    "an empty file": ("/static/icon.svg", "svg"),
    "overview of 12": ("/", "main tbody tr"),
    "location, 24 h": ("/location?name=London", "svg.meteogram"),
    "location, 1 year": ("/location?name=London&range=1y", "svg.meteogram"),
    "location, explored": ("/location?name=London&explore=1", "#chart[data-drawn]"),
    "climate": ("/climate?location=London", "main table"),
    "compare two": ("/compare?location=London&location=Athens", "figure svg"),
    "coverage": ("/coverage", "main table"),
}
MANY = {
    "overview of {}": ("/", "main tbody tr"),
    "map of {}": ("/?view=map", "#map canvas"),
    "locations, {}": ("/locations", "main table"),
}

#: Notes the instant of the first frame with the content. Frames are not drawn before the style sheets are there.
WATCH = """selector => {
  const look = () => {
    const isSeen = [...document.querySelectorAll(selector)].some(one => one.getBoundingClientRect().height);
    const drawn = () => { window.visibleAt = performance.now(); document.documentElement.dataset.visible = ""; };
    requestAnimationFrame(isSeen ? drawn : look);
  };
  requestAnimationFrame(look);
}"""

#: Instants of the page [ms]; bytes of everything that was loaded, as they came over the wire, and those of scripts.
MEASURE = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const all = [page, ...performance.getEntriesByType("resource")];
  const weigh = list => list.reduce((sum, one) => sum + one.transferSize, 0);
  const scripts = all.filter(one => one.initiatorType === "script" || /[.]js$/.test(one.name));
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return {
    first_byte: page.responseStart - page.requestStart, paint: paint?.startTime ?? NaN, visible: window.visibleAt,
    complete: page.loadEventEnd, requests: all.length, bytes: weigh(all), script: weigh(scripts),
  };
}"""

#: A phone on a slow line, as Lighthouse simulates it.
SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
SLOW_PROCESSOR = {"rate": 4}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--phone", action="store_true", help="on a slow phone and line")
    asked = parser.parse_args()
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as name, browser(executable) as running:
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, ", end="")
        print(f"Chromium {running.version}; medians of {asked.rounds}{', on a slow phone and line' * asked.phone}\n")
        print("| page | first byte | first paint | visible | complete | main thread | requests | kB | kB of scripts ", end="")
        print("| again: visible | main thread | kB |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
        for pages, places, days in ((FEW, 12, 400), (MANY, asked.locations, 2)):
            with _served(Path(name) / f"{places}", places, days) as url:
                for title, (path, content) in pages.items():
                    found = [_load(running, url + path, content, is_phone=asked.phone) for _ in range(asked.rounds)]
                    print(_line(title.format(f"{places:,}"), found), flush=True)


@contextmanager
def _served(folder: Path, places: int, days: int) -> Iterator[str]:
    folder.mkdir()
    with past.database(folder / "past.db"):
        past.fill(past.now(), places=places, days=days)
        while roll_up(past.now()):
            pass
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/past.db") as url:
        yield url


def _line(title: str, found: list[tuple[Figures, Figures]]) -> str:
    cold, warm = ({key: statistics.median(one[key] for one in part) for key in part[0]} for part in zip(*found, strict=True))
    times = " | ".join(f"{cold[key]:,.0f} ms" for key in ("first_byte", "paint", "visible", "complete", "main_thread"))
    weight = f"{cold['requests']:.0f} | {cold['bytes'] / 1000:.0f} | {cold['script'] / 1000:.0f}"
    again = f"{warm['visible']:,.0f} ms | {warm['main_thread']:,.0f} ms | {warm['bytes'] / 1000:.0f}"
    return f"| {title} | {times} | {weight} | {again} |"


def _load(running: Browser, url: str, content: str, *, is_phone: bool) -> tuple[Figures, Figures]:
    """Load a page with an empty cache, and again."""
    context = running.new_context(viewport={"width": 390, "height": 844} if is_phone else {"width": 1280, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    if is_phone:
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_LINE)
        session.send("Emulation.setCPUThrottlingRate", SLOW_PROCESSOR)
    page.add_init_script(f"({WATCH})({json.dumps(content)})")
    figures = []
    for _ in range(2):
        page.goto(url)
        page.wait_for_selector("[data-visible]", state="attached")
        measured: Figures = page.evaluate(MEASURE)
        figures.append(measured | {"main_thread": _task_seconds(session) * 1000})
    context.close()
    return figures[0], figures[1]


def _task_seconds(session: CDPSession) -> float:
    """The time that the main thread has worked since the page was asked for [s]."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


if __name__ == "__main__":
    main()
