"""What later rows say of stored rows: stuck sensors, and steps that neighbours or another provider confirm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import Observation
from meteorograph.quality.provider_agreement import flag_disagreements
from meteorograph.reading.aggregates import read_buckets
from meteorograph.reading.rollups import roll_up
from meteorograph.storage.models import DailyRollup, Location
from meteorograph.storage.observations import store, to_row
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _locations(database: str) -> None:
    """Two neighbours at 15 km, and a place at 200 km."""
    with get_db_session() as session:
        for number, latitude in ((1, 53.3), (2, 53.435), (3, 55.1)):
            place = {"latitude": latitude, "longitude": -6.4, "state": "active"}
            session.add(Location(id=number, name=f"place {number}", created_at=NOON, **place))


def _row(hour: float, location_id: int = 1, /, **values: Any) -> dict[str, Any]:
    at = NOON + hour * HOUR
    given = {"provider": "a", "fetched_at": at, "observed_at": at, "cloud_cover": hour % 7, **values}
    return to_row(location_id, at, Observation(**given))


def _store(driven: DrivenClock, *rows: dict[str, Any]) -> None:
    driven.advance(max(row["due_at"] for row in rows) - driven())
    assert store(rows) == []


def _flags(location_id: int = 1, name: str = "temperature") -> list[list[str]]:
    query = select(WeatherData.flags).where(WeatherData.location_id == location_id).order_by(WeatherData.due_at)
    with get_db_session(read_only=True) as session:
        return [(flags or {}).get(name, []) for flags in session.scalars(query)]


@pytest.mark.parametrize(("name", "value", "hours"), [("humidity", 81.0, 30), ("pressure", 1012.3, 24), ("wind_speed", 4.1, 24)])
def test_a_stuck_sensor_flags_its_whole_streak(driven: DrivenClock, name: str, value: float, hours: int) -> None:
    before = 5
    for hour in range(before + hours):
        _store(driven, _row(hour, **{name: value - 2 + hour / 10 if hour < before else value}))
        expected = [["persistence"]] * hours if hour == before + hours - 1 else [[]] * (hour + 1 - before)
        if hour >= before + hours - 2:
            assert _flags(name=name) == [[]] * before + expected
    _store(driven, _row(before + hours, **{name: value}), _row(before + hours + 1, **{name: value + 0.4}))
    assert _flags(name=name)[-3:] == [["persistence"], ["persistence"], []]


def test_a_streak_in_one_batch_and_one_of_another_provider(driven: DrivenClock) -> None:
    values = [10.0 + hour / 10 for hour in range(5)] + [9.3] * 24
    _store(driven, *(_row(hour, temperature=value) for hour, value in enumerate(values)))
    assert _flags() == [[]] * 5 + [["persistence"]] * 24


def test_the_days_of_a_streak_are_rolled_up_again(driven: DrivenClock) -> None:
    def mean() -> float | None:
        with get_db_session(read_only=True) as session:
            [day] = read_buckets(session, location="place 1", start=NOON, end=NOON + HOUR, bucket="day")
        value = day.values["temperature"]["mean"]
        assert value is None or isinstance(value, float)
        return value

    _store(driven, *(_row(hour, temperature=9.3 if hour > 6 else 5.0 + hour / 10) for hour in range(30)))
    driven.advance(12 * HOUR)
    while roll_up(driven()):
        pass
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(DailyRollup)).all()
    assert mean() == pytest.approx((sum(5.0 + hour / 10 for hour in range(7)) + 5 * 9.3) / 12)
    _store(driven, _row(30, temperature=9.3))
    assert mean() == pytest.approx(5.3), "only what was measured before the streak"


def test_an_answer_that_stands_still_flags_all_of_its_repetitions(driven: DrivenClock) -> None:
    same = {"temperature": 9.3, "humidity": 80.0, "pressure": 1012.0, "wind_speed": 3.0, "cloud_cover": 5.0}
    for hour in range(8):
        _store(driven, _row(hour, **same))
    assert _flags() == [[], *[["stale"]] * 7]


def test_a_step_that_a_neighbour_has_too_is_weather(driven: DrivenClock) -> None:
    _store(driven, *(_row(0, number, temperature=20.0) for number in (1, 2, 3)))
    _store(driven, *(_row(1, number, temperature=4.0 + number) for number in (1, 2, 3)))
    assert [_flags(number) for number in (1, 2, 3)] == [[[], []], [[], []], [[], ["step"]]]
    _store(driven, *(_row(2, number, temperature=-7.5 + number) for number in (1, 2)))
    assert [_flags(number)[-1] for number in (1, 2)] == [[], []], "the confirmed value is the new past"


def test_the_neighbour_may_be_stored_earlier_or_later(driven: DrivenClock) -> None:
    _store(driven, *(_row(0, number, temperature=20.0) for number in (1, 2)))
    _store(driven, _row(1, 1, temperature=6.0))
    assert _flags(1) == [[], ["step"]]
    _store(driven, _row(1, 2, temperature=7.0))
    assert [_flags(number) for number in (1, 2)] == [[[], []]] * 2, "each confirms the other"
    _store(driven, *(_row(2, number, temperature=30.0 + number) for number in (1, 2)))
    assert [_flags(number)[2] for number in (1, 2)] == [[], []]
    _store(driven, _row(3, 1, temperature=10.0))
    assert _flags(1)[3] == ["step"]
    _store(driven, _row(3, 2, temperature=11.0))
    _store(driven, _row(4, 1, temperature=9.0))
    assert [words for number in (1, 2) for words in _flags(number)[3:]] == [[], [], []]


@pytest.mark.parametrize("other", [20.0, 19.0, 34.0, None])
def test_a_neighbour_without_the_step_confirms_nothing(driven: DrivenClock, other: float | None) -> None:
    _store(driven, *(_row(0, number, temperature=20.0) for number in (1, 2)))
    _store(driven, _row(1, 1, temperature=5.0), _row(1, 2, temperature=other, humidity=70.0))
    assert _flags(1) == [[], ["step"]]


def test_the_same_measurement_at_two_locations_confirms_nothing(driven: DrivenClock) -> None:
    for hour, temperature in enumerate((20.0, 5.0)):
        _store(driven, *(_row(hour, number, temperature=temperature) for number in (1, 2)))
    assert [_flags(number)[1] for number in (1, 2)] == [["step"], ["step"]]


@pytest.mark.parametrize(("other", "words"), [(6.0, []), (14.0, ["disagrees", "step"])])
def test_a_step_that_another_provider_confirms_is_weather(driven: DrivenClock, other: float, words: list[str]) -> None:
    _store(driven, _row(0, temperature=20.0))
    at = NOON + HOUR
    ours, theirs = (
        Observation(provider=provider, fetched_at=at, observed_at=at, temperature=value)
        for provider, value in (("a", 5.0), ("b", other))
    )
    _store(driven, to_row(1, at, flag_disagreements(ours, theirs)))
    assert _flags() == [[], words]
