"""Alerts of real processes: three of them, a SIGKILL between store and send, and a clock that jumps."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest
from sqlalchemy import select, update

from acceptance.books import add_places
from acceptance.processes import Starter, ask, until
from meteorograph import get_db_session, init_db
from meteorograph.accounts.account_state import reopen
from meteorograph.alerts.rules import add_rule
from meteorograph.model import clock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Delivery, Lease
from receivers import HttpReceiver, http_receiver


def _deliveries() -> list[Delivery]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def _add_rule(kind: str, **options: object) -> None:
    with get_db_session() as session:
        add_rule(session, kind, kind, options, ["phone"], clock.now())


def _channel(receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone=json://127.0.0.1:{receiver.port}/notify")


@pytest.mark.usefixtures("empty_database")
def test_three_processes_and_a_kill_between_store_and_send(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that has stored and taken the message dies before its receiver has it: another one sends it, once."""
    init_db()
    add_places(3)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "5s")
    with http_receiver() as receiver:
        _channel(receiver, monkeypatch)
        _add_rule("key_refused")
        collecting.set_faults("kind=status code=401")
        receiver.release.clear()  # it gets the message and does not say so
        services = {one.pid: one for one in (start.serve() for _ in range(3))}
        until(lambda: receiver.posts, "the first attempt")
        [stored] = _deliveries()
        assert (stored.state, stored.attempts) == ("waiting", 1)
        assert stored.holder is not None
        lost = services.pop(int(stored.holder.rpartition(":")[2]))
        lost.kill()
        receiver.release.set()
        with get_db_session() as session:  # the lease of a dead process ends after a minute
            session.execute(update(Delivery).values(lease_expires_at=clock.now()))
            session.execute(update(Lease).where(Lease.name == "alerts").values(expires_at=clock.now()))
        until(lambda: [one.state for one in _deliveries()] == ["sent"], "the second attempt, by another process")
        first, second = receiver.posts
        assert first.body == second.body, "the receiver had it when the process died: it gets the same once more"

        collecting.set_faults("")
        reopen("openweathermap")
        until(lambda: [one.state for one in _deliveries()] == ["sent", "sent"], "the message of the end")
        for service in services.values():
            assert service.end() == 0
        assert receiver.titles == ["Key refused: openweathermap"] * 2 + ["Over: key refused: openweathermap"]


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_a_clock_that_jumps(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: Path
) -> None:
    offset = tmp_path / "offset"
    offset.write_bytes(bytes(8))

    def step(seconds: int) -> None:
        with offset.open("r+b") as file:  # in place: the process has mapped the file
            file.write(struct.pack("=q", seconds))

    init_db()
    add_places(3)
    with http_receiver() as receiver:
        _channel(receiver, monkeypatch)
        for kind in ("clock", "no_data", "old_observations", "provider_closed"):
            _add_rule(kind)
        service = start.serve(LD_PRELOAD=str(library), CLOCK_OFFSET_FILE=str(offset))
        until(lambda: collecting.count() >= 6, "the first calls")
        step(6 * 3600)
        until(lambda: receiver.posts, "the message")
        step(0)
        until(lambda: len(receiver.posts) == 2, "the message of its end")
        address = service.address()
        assert ask(f"{address}/api/alerts").json["rules"][0]["open_incidents"] == 0
        assert service.end() == 0
        host = os.uname().nodename
        assert receiver.titles == [f"Clock: {host}", f"Over: clock: {host}"]
        # An answer that a busy machine reads late makes the difference a little smaller.
        assert re.search(r"Values: 21,[56]\d\d s ahead\.", receiver.posts[0].json["message"])
