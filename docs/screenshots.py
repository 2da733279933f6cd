"""Take the pictures of the docs in a real browser, from forty simulated days: ``make screenshots``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import past  # noqa: E402  # the line above makes it importable
from browser import browser, chromium, opened, service  # noqa: E402

#: Name, page, width, height, scheme.
PICTURES = (
    ("overview", "/", 1280, 820, "light"),
    ("overview-dark", "/", 1280, 820, "dark"),
    ("overview-phone", "/", 390, 844, "light"),
    ("location", "/location?name=London&range=7d", 1280, 1260, "light"),
    ("location-dark", "/location?name=London&range=7d", 1280, 1260, "dark"),
    ("location-phone", "/location?name=London&range=7d", 390, 844, "dark"),
    ("coverage", "/coverage", 1280, 620, "light"),
    ("runs", "/runs", 1280, 820, "light"),
    ("locations", "/locations", 1280, 820, "light"),
)


def main() -> None:
    """Write ``docs/img/*.png``."""
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with past.database(folder / "past.db"):
            past.fill(past.now())
        keys = {"OWM_API_KEY": "key-of-the-pictures", "WEATHERSTACK_API_KEY": "key-of-the-pictures"}
        database = {"DATABASE_URL": f"sqlite:///{folder}/past.db"}
        with service(folder, "--no-scheduler", **database, **keys) as url, browser(executable) as running:
            for picture, path, width, height, scheme in PICTURES:
                with opened(running, width, height, scheme) as (page, wrong):
                    page.goto(url + path)
                    if path.startswith("/location?"):
                        page.wait_for_selector("svg.meteogram:visible")
                    page.screenshot(path=ROOT / "docs" / "img" / f"{picture}.png")
                    assert not wrong, wrong


if __name__ == "__main__":
    main()
