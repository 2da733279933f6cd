"""Make the overview once before the first visitor asks for it: templates, statements and the first look take a while."""

from __future__ import annotations

import threading
from typing import Final

from flask import Flask

from ..log_output import get_logger

log = get_logger(__name__)

#: How long the start waits [s]; a database that hangs must not keep the service from starting.
_PATIENCE_SECONDS: Final = 2.0


def warm_up(app: Flask) -> None:
    """Make the overview of an application, and wait for it a while."""
    thread = threading.Thread(target=_make_overview, args=(app,), name="warm-up", daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)


def _make_overview(app: Flask) -> None:
    try:
        with app.test_request_context("/"):
            app.view_functions["page.page"]()
    except Exception:  # a request for the page says what is wrong
        log.debug("the overview could not be made in advance", exc_info=True)
