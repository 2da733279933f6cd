"""The page in a real browser: full, readable on a phone, without errors on its console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import browser, chromium, demonstration
from support import absent


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("demo")
    with demonstration(folder) as url:
        yield url


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        absent("Chromium")
    with browser(executable) as running:
        yield running


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fills_and_fits(chrome: Browser, page_url: str, width: int, scheme: str) -> None:
    context = chrome.new_context(viewport={"width": width, "height": 844}, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("response", lambda response: complaints.extend([] if response.ok else [f"{response.status} {response.url}"]))
    page.goto(page_url)
    assert page.locator("tbody tr").count() == 12
    assert page.get_by_role("row", name="Athens").get_by_role("cell").nth(0).inner_text() != "–"  # noqa: RUF001  # our dash
    assert "Collecting" in page.get_by_role("status").inner_text()
    assert "simulated" in page.locator(".banner").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page itself scrolls sideways"
    assert complaints == []
    context.close()
