"""The geocoder's answers are kept, and its requests have a second each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meteorograph import get_db_session
from meteorograph.collecting.geocoding import find_places
from meteorograph.config.loading import get_settings
from meteorograph.errors import FetchError
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.geocoder import take_turn


def _turn(now: DrivenClock) -> float:
    with get_db_session() as session:
        return take_turn(session, now()).total_seconds()


@pytest.mark.usefixtures("database")
def test_each_request_has_a_second_of_its_own(driven: DrivenClock) -> None:
    assert [_turn(driven) for _ in range(3)] == [0, 1, 2]
    driven.advance(timedelta(seconds=2.5))
    assert [_turn(driven) for _ in range(2)] == [0.5, 1.5]
    driven.advance(timedelta(hours=-1))  # a clock that was ahead by an hour
    assert _turn(driven) == 60


@pytest.mark.usefixtures("database")
def test_an_answer_with_places_is_kept_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator() as simulator:
        monkeypatch.setenv("METEOROGRAPH_GEOCODING_BASE_URL", simulator.url)
        found = find_places(get_settings(), "Athens")
        assert len(found) == 3
        assert find_places(get_settings(), "Nowhere at all") == []
    assert find_places(get_settings(), " athens ") == found
    with pytest.raises(FetchError):
        find_places(get_settings(), "Nowhere at all")
