"""Durations, instants and ranges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meteorograph.model.time_buckets import bucket_edges
from meteorograph.model.time_range import DURATION_ALLOWED, INSTANT_ALLOWED, parse_duration, parse_instant, resolve_range
from support import NOON

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("30s", 30), ("10m", 600), ("10 min", 600), ("1h", 3600), (" 2D ", 172_800), ("999999999s", 999_999_999)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "1", "1w", "1.5h", "-1h", "1h30m", "1000000000s", "1 h 2", "\u0661h"])
def test_what_is_no_duration_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{DURATION_ALLOWED}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("7d", NOON - 7 * DAY),
        ("0s", NOON),
        ("2026-03-01T14:00+02:00", NOON),
        ("2026-03-01T12:00", NOON),
        ("2026-03-01T12:00Z", NOON),
        ("2026-03-01", NOON - DAY / 2),
        ("2026-03-01T14:00 Europe/Athens", NOON),
        ("2026-03-01 14:00 Europe/Athens", NOON),
        ("2026-03-01T14:00[Europe/Athens]", NOON),
        ("2026-03-01T14:00+02:00[Europe/Athens]", NOON),
        ("2026-03-01 Etc/GMT-12", NOON - DAY),
        ("2026-10-25T03:30 Europe/Athens", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-29T03:30 Europe/Athens", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    parsed = parse_instant(text, NOON)
    assert parsed == instant
    assert parsed.tzinfo is UTC


BAD_ZONES = (
    "2026-03-01T14:00 Europe/Athen",
    "2026-03-01T14:00 Europe",
    "2026-03-01T14:00+03:00[Europe/Athens]",
    "7d Europe/Athens",
)


@pytest.mark.parametrize("text", ["", "yesterday", "999999999d", "0001-01-01T00:00+05:00", "2026-02-30", *BAD_ZONES])
def test_what_is_no_instant_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 time") as caught:
        parse_instant(text, NOON)
    assert str(caught.value) == INSTANT_ALLOWED


@pytest.fixture(params=["Asia/Kolkata", "America/New_York"])
def _zone_of_the_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change the zone of a process")
@pytest.mark.usefixtures("_zone_of_the_machine")
def test_the_zone_of_the_machine_does_not_matter() -> None:
    assert parse_instant("2026-03-01T12:00", NOON) == NOON
    edges = bucket_edges(datetime(2026, 3, 1, 2, tzinfo=UTC), datetime(2026, 3, 1, 3, tzinfo=UTC), None, ZoneInfo("America/Lima"))
    assert edges[0] == datetime(2026, 2, 1, 5, tzinfo=UTC)  # still February in Lima
    edges = bucket_edges(
        datetime(2026, 2, 28, 17, tzinfo=UTC), datetime(2026, 2, 28, 18, tzinfo=UTC), None, ZoneInfo("Asia/Tokyo")
    )
    assert edges[0] == datetime(2026, 2, 28, 15, tzinfo=UTC)  # already March in Tokyo


def test_ranges() -> None:
    include_now = NOON + timedelta(microseconds=1)
    first = datetime.min.replace(tzinfo=UTC)
    assert resolve_range(None, None, NOON, DAY) == (include_now - DAY, include_now)
    assert resolve_range(NOON - DAY, None, NOON, DAY / 2) == (NOON - DAY, include_now)
    assert resolve_range(None, NOON - DAY, NOON, DAY) == (NOON - 2 * DAY, NOON - DAY)
    assert resolve_range(NOON - DAY, NOON, NOON + DAY, DAY / 2) == (NOON - DAY, NOON)
    assert resolve_range(None, first + DAY / 2, NOON, DAY) == (first, first + DAY / 2)
    for start in (NOON, NOON + DAY):
        with pytest.raises(ValueError, match=r"^must be before the end, 2026-03-01T12:00:00\+00:00$"):
            resolve_range(start, NOON, NOON, DAY)
