"""A provider that refuses every place, or a fault of our own at every place, is a few lines in the log."""

from __future__ import annotations

import pytest

from meteorograph import get_db_session, init_db
from meteorograph.collecting import worker_pool
from meteorograph.log_repeats import REPEATS
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Missed
from support import NOON

PLACES = 300


@pytest.fixture
def places(
    database: str,
    driven: DrivenClock,
    collecting: Simulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Simulator:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    caplog.set_level("DEBUG")  # another test may have raised the level
    init_db()
    with get_db_session() as session:
        for number in range(PLACES):
            at = {"latitude": number / 10, "longitude": 10.0, "created_at": NOON}
            session.add(Location(name=f"p{number}", state="active", **at))
    return collecting


def _count_lines(caplog: pytest.LogCaptureFixture) -> int:
    REPEATS.flush(everything=True)
    return sum(record.levelname != "DEBUG" for record in caplog.records)


def _missed() -> int:
    with get_db_session(read_only=True) as session:
        return session.query(Missed).count()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_provider_that_knows_no_place(places: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    places.set_faults("kind=status code=404")
    scheduled_ingest()
    assert _missed() == PLACES
    assert _count_lines(caplog) < 10
    assert f"'repeated': {PLACES - 1}" in caplog.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_fault_of_our_own(places: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker_pool, "to_row", fail)
    scheduled_ingest()
    assert _missed() == PLACES
    assert _count_lines(caplog) < 10
    assert caplog.text.count("Traceback") <= 2
