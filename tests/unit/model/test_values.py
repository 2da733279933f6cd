"""Distances, and the waiting time that an answer asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import EARTH_RADIUS_KM, Coordinates, Payload, Request
from support import NOON

QUARTER = EARTH_RADIUS_KM * 3.141592653589793 / 2


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (0, 90), QUARTER),
        ((0, 0), (90, 0), QUARTER),
        ((90, 0), (-90, 120), 2 * QUARTER),
        ((-8, -173), (8, 7), 2 * QUARTER),  # rounding gives a little more than half the circle
        ((10, 170), (10, -170), 2189.7763),  # across the date line
        ((60, 10), (60, 30), 1107.7088),
        ((40.6413, -73.7781), (51.47, -0.4543), 5540.0),  # John F. Kennedy to Heathrow
        ((-33.9, 18.4), (59.9, 10.7), 10_454.0668),
    ],
)
def test_distances(one: tuple[float, float], other: tuple[float, float], kilometres: float) -> None:
    distance = Coordinates(*one).distance_km(Coordinates(*other))
    assert distance == pytest.approx(kilometres, rel=1e-4)
    assert Coordinates(*other).distance_km(Coordinates(*one)) == pytest.approx(distance, rel=1e-12)


def test_coordinates_and_requests_in_texts() -> None:
    assert str(Coordinates(37.98, -23.5)) == "37.98,-23.5"
    request = Request("a", "https://a.example/x", {"q": "1"}, secrets={"key": "hush"}, headers={"h": "hush"})
    assert repr(request) == str(request) == "Request('a', 'https://a.example/x', {'q': '1'})"


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),  # in the past
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("86400", 86400),
        ("86401", 86400),
        ("99999999999999999999", 86400),
        ("9" * 5000, 86400),
        ("0" * 5000, 0),
        ("Fri, 01 Mar 2030 12:00:00 GMT", 86400),
        ("soon", 0),
        ("-5", 0),
        ("\u0661\u0662", 0),  # digits, but not ASCII
        ("Sun, 01 Mar 0001 00:00:00 +2300", 0),
    ],
)
def test_how_long_to_wait(header: str | None, wait: float | None) -> None:
    payload = Payload(Request("a", "https://a.example", {}), 429, b"", NOON, retry_after=header)
    assert payload.wait == (None if wait is None else timedelta(seconds=wait))
    assert payload.retry_at(timedelta(0)).tzinfo is UTC


@pytest.mark.parametrize("header", [None, "", "soon"])
def test_without_a_time_the_caller_decides_how_long_to_wait(header: str | None) -> None:
    payload = Payload(Request("a", "https://a.example", {}), 429, b"", NOON, retry_after=header)
    assert payload.retry_at(timedelta(minutes=5)) == NOON + timedelta(minutes=5)


def test_the_clock_is_driven_only_inside_the_block() -> None:
    source = DrivenClock(NOON)
    assert not clock.is_driven()
    with clock.driven_by(source):
        assert clock.is_driven()
        assert clock.now() == NOON
        assert source.advance(timedelta(hours=1)) == clock.now() == NOON + timedelta(hours=1)
        assert source.advance(timedelta(hours=-2)) == clock.now() == NOON - timedelta(hours=1)
        with clock.driven_by(DrivenClock(NOON)):
            assert clock.now() == NOON
        assert clock.now() == NOON - timedelta(hours=1)
    assert not clock.is_driven()
    assert isinstance(clock.now(), datetime)
    assert clock.now().utcoffset() == timedelta(0)
