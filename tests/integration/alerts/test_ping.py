"""The dead man's switch is called after each good run, and after no other."""

from __future__ import annotations

import threading
import time

import pytest

from meteorograph.config.loading import get_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.tick import collect_due
from receivers import http_receiver
from support import wait_until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.usefixtures("database")
def test_only_a_run_that_stored_everything_pings(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as receiver:
        monkeypatch.setenv("METEOROGRAPH_PING_URL", f"http://127.0.0.1:{receiver.port}/alive")
        collect_due(get_settings(), threading.Event())
        wait_until(lambda: receiver.posts, 10, "the ping")
        collecting.set_faults("kind=status code=404")
        driven.advance(get_settings().interval)
        collect_due(get_settings(), threading.Event())
        collecting.set_faults("")
        driven.advance(get_settings().interval)
        receiver.release.clear()  # it hangs from now on
        began = time.monotonic()
        collect_due(get_settings(), threading.Event())
        assert time.monotonic() - began < 10, "a run has waited for the ping"
        wait_until(lambda: len(receiver.posts) > 1, 10, "the second ping")
        assert [post.path for post in receiver.posts] == ["/alive", "/alive"]
