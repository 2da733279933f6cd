"""Take the pictures of the docs from the demonstration in a real browser: ``make screenshots``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import browser, chromium, demonstration  # noqa: E402  # found by the line above

PICTURES = (
    ("overview", 1280, 800, "light"),
    ("overview-dark", 1280, 800, "dark"),
    ("overview-phone", 390, 844, "light"),
)


def main() -> None:
    """Write ``docs/img/*.png``."""
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder, demonstration(Path(folder)) as url, browser(executable) as running:
        for name, width, height, scheme in PICTURES:
            context = running.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
            )
            page = context.new_page()
            page.goto(url)
            page.screenshot(path=ROOT / "docs" / "img" / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main()
