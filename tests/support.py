"""Values and small helpers that tests share."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from flask import Flask

from meteorograph.server.web_server import WebServer
from meteorograph.web import access
from meteorograph.web.headers_check import headers_check

#: The keys that tests collect with; no log, answer or traceback may ever hold one.
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
RAIN_KEY = "a9b8c7d6e5f4030201aabbccddeeff99"

#: The folder of the repository.
ROOT = Path(__file__).parents[1]

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def absent(what: str) -> NoReturn:
    """Skip for a missing component on a user's machine; fail where CI promises to have it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"{what} is not there")


def wait_until(condition: Callable[[], object], seconds: float, what: str = "the condition") -> None:
    """Return as soon as ``condition`` holds; fail when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come about within {seconds} s")
        time.sleep(0.02)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The application on a socket, behind the server that it is run with; gives its address."""
    check = headers_check(app) if access.LIMITS in app.extensions else None  # not for applications of the tests
    server = WebServer(app, socket.create_server(("127.0.0.1", 0), backlog=1024), is_behind_proxy=True, check=check)
    thread = threading.Thread(target=server.run, name="served")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        wait_until(lambda: not server.active_channels, 10, "the end of all connections")
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)
        thread.join(10)


def is_ticking() -> bool:
    """Whether any thread is in the middle of a tick."""
    stacks = (traceback.walk_stack(frame) for frame in sys._current_frames().values())
    return any(frame.f_code.co_name == "scheduled_ingest" for stack in stacks for frame, _ in stack)
