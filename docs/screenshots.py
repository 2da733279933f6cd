"""Take pictures in a real browser, from forty simulated days: ``make screenshots``.

Those of the docs go to ``docs/img``. Those of every page, on a desktop and a phone, by day and by night, and of the states that a
page may be in, go to ``build/screenshots``, to be looked at; axe must find nothing on them.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import Browser  # noqa: E402

from browser import barriers, browser, chromium, opened, past_service, service, settle  # noqa: E402  # the line above makes it importable

#: Name, page, width, height, scheme.
PICTURES = (
    ("overview", "/", 1280, 820, "light"),
    ("overview-dark", "/", 1280, 820, "dark"),
    ("overview-phone", "/", 390, 844, "light"),
    ("map", "/?view=map", 1280, 1000, "light"),
    ("location", "/location?name=London&range=7d", 1280, 1260, "light"),
    ("location-dark", "/location?name=London&range=7d", 1280, 1260, "dark"),
    ("location-phone", "/location?name=London&range=7d", 390, 844, "dark"),
    ("coverage", "/coverage", 1280, 620, "light"),
    ("runs", "/runs", 1280, 820, "light"),
    ("locations", "/locations", 1280, 820, "light"),
)


#: Name and page.
PAGES = {
    "overview": "/",
    "map": "/?view=map",
    "map-line": "/?view=map&quantity=wind_speed&centre=20,180&zoom=2",
    "map-freshness": "/?view=map&quantity=freshness",
    "location": "/location?name=London",
    "location-week": "/location?name=Mumbai&range=7d",
    "location-year": "/location?name=Tokyo&range=1y",
    "climate": "/climate?location=London",
    "compare": "/compare?location=London&location=Athens&location=Tokyo&range=7d",
    "compare-providers": "/compare?location=London&by=provider",
    "coverage": "/coverage",
    "coverage-90": "/coverage?days=90",
    "coverage-year": "/coverage?location=London&days=365",
    "runs": "/runs",
    "jobs": "/jobs",
    "alerts": "/alerts",
    "locations": "/locations",
    "edit": "/locations/edit?name=London",
    "settings": "/settings",
    "sign-in": "/sign-in",
    "api": "/docs",
    "not-found": "/location?name=Nowhere",
}
LOOKS = {"desktop": 1280, "phone": 390}
SCHEMES = {"day": "light", "night": "dark"}


def main() -> None:
    """Write the pictures."""
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine")
    looked_at = ROOT / "build" / "screenshots"
    looked_at.mkdir(parents=True, exist_ok=True)
    keys = {"OWM_API_KEY": "key-of-the-pictures", "WEATHERSTACK_API_KEY": "key-of-the-pictures"}
    with tempfile.TemporaryDirectory() as name, browser(executable) as running:
        folder = Path(name)
        with past_service(folder, 40, **keys) as url:
            for picture, path, width, height, scheme in PICTURES:
                _take(running, url + path, ROOT / "docs" / "img" / f"{picture}.png", width, height, scheme)
            for picture, path in PAGES.items():
                for (look, width), (time, scheme) in product(LOOKS.items(), SCHEMES.items()):
                    _take(running, url + path, looked_at / f"{picture}-{look}-{time}.png", width, 900, scheme, is_full=True)
            _take_states(running, url, looked_at)
        (folder / "empty").mkdir()
        with service(folder / "empty", "--no-scheduler", **keys) as url:
            for picture in ("overview", "map", "coverage", "runs", "alerts", "locations"):
                _take(running, url + PAGES[picture], looked_at / f"empty-{picture}.png", 1280, 900, "light", is_full=True)


def _take(running: Browser, address: str, picture: Path, width: int, height: int, scheme: str, *, is_full: bool = False) -> None:
    with opened(running, width, height, scheme) as (page, wrong):
        page.goto(address)
        if "/location?name=" in address and "Nowhere" not in address:
            page.wait_for_selector("svg.meteogram:visible")
        settle(page)
        page.screenshot(path=picture, full_page=is_full)
        found = [text for text in wrong if "404" not in text] + barriers(page)
        print(picture.name, *found)  # noqa: T201  # of use beside the picture


def _take_states(running: Browser, url: str, folder: Path) -> None:
    """A page without scripts, in the reader's own colours, and without its server."""
    for name, options in {"no-scripts": {"java_script_enabled": False}, "forced-colours": {"forced_colors": "active"}}.items():
        for picture in ("overview", "map", "location", "coverage", "locations", "alerts"):
            context = running.new_context(viewport={"width": 1280, "height": 900}, **options)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(url + PAGES[picture])
            page.screenshot(path=folder / f"{name}-{picture}.png", full_page=True)
            context.close()
    with opened(running) as (page, _):
        page.clock.install()
        page.goto(url)
        page.context.set_offline(True)
        page.clock.run_for(70_000)
        page.locator("#offline").wait_for(state="visible")
        page.screenshot(path=folder / "offline-overview.png")


if __name__ == "__main__":
    main()
