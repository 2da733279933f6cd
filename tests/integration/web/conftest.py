"""What the tests of the pages in a real browser share: the browser, and services to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from browser import browser, chromium, past_service
from support import absent

expect.set_options(timeout=60_000)  # the usual 5 s depend on the speed of the machine


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A browser for the tests of one module: Playwright runs an event loop, which tests of other modules must not meet."""
    with browser(chromium() or absent("Chromium")) as running:
        yield running


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service on a past of ``PAST_DAYS`` days of the module, without a scheduler of its own."""
    days = getattr(request.module, "PAST_DAYS", 5)
    channel = {"METEOROGRAPH_ALERT_CHANNELS": "phone=json://127.0.0.1:9/x"}
    with past_service(tmp_path_factory.mktemp("past"), days, **channel) as address:
        yield address
