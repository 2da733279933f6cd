"""Several processes on one database send each row once, and another one goes on where the sender is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from acceptance.processes import Starter, until
from integration.integrations.conftest import InfluxServer, served, store_row
from meteorograph import get_db_session, init_db
from meteorograph.model import clock
from meteorograph.storage import outbox
from meteorograph.storage.models import Lease, Location

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_one_process_sends_and_another_takes_over(empty_database: str, start: Starter, one_slot: None) -> None:
    init_db()
    with get_db_session() as session:
        session.add(
            Location(id=1, name="here", latitude=53.3, longitude=-6.4, state="active", created_at=clock.now() - 99 * HOUR)
        )
    server = InfluxServer()
    with served(server) as port:
        processes = [start.serve(METEOROGRAPH_INFLUXDB_URL=f"http://127.0.0.1:{port}") for _ in range(2)]
        until(_is_set_up, "the set-up of the integration")
        slots = [clock.now() - number * HOUR for number in range(3, 9)]
        for slot in slots[:3]:
            store_row(1, slot)
        until(lambda: _have_arrived(server, slots[:3]), "the rows")
        assert set(Counter(point["time"] for point in server.points).values()) == {1}, "one of them sends"
        with get_db_session() as session:
            lease = session.get_one(Lease, "integration influxdb")
            sender = int((lease.holder or "").rpartition(":")[2])
        (killed,) = [process for process in processes if process.pid == sender]
        killed.kill()
        for slot in slots[3:]:
            store_row(1, slot)
        with get_db_session() as session:  # so that the test need not wait for a minute
            session.get_one(Lease, "integration influxdb").expires_at = clock.now() - HOUR
        until(lambda: _have_arrived(server, slots), "the rows after the takeover")


def _is_set_up() -> bool:
    with get_db_session(read_only=True) as session:
        return bool(outbox.read_states(session))


def _have_arrived(server: InfluxServer, slots: Sequence[datetime]) -> bool:
    return {slot.timestamp() // 1 for slot in slots} <= {point["time"] // 10**9 for point in server.points}
