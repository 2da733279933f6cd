"""Local times that the clocks show twice or never, in the order of a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meteorograph.importing.local_times import LocalTimes, parse_zone

ATHENS = ZoneInfo("Europe/Athens")
BACK = datetime(2024, 10, 26, 21, tzinfo=UTC)  # midnight before the clocks go back at 04:00


def _resolve(times: list[datetime]) -> list[datetime | None]:
    reader: LocalTimes[int] = LocalTimes(ATHENS)
    found = [one for index, local in enumerate(times) for one in reader.add(local, index)] + list(reader.finish())
    assert sorted(one.item for one in found) == list(range(len(times)))
    return [one.instant for one in sorted(found, key=lambda one: one.item)]


def _local(instants: list[datetime]) -> list[datetime]:
    return [at.astimezone(ATHENS).replace(tzinfo=None, fold=0) for at in instants]


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_the_order_of_the_rows_tells_the_second_hour(minutes: int) -> None:
    instants = [BACK + timedelta(minutes=number) for number in range(0, 8 * 60, minutes)]
    assert _resolve(_local(instants)) == instants
    assert _resolve(_local(instants[::-1])) == instants[::-1]
    within = [at for at in instants if BACK + timedelta(hours=3) <= at < BACK + timedelta(hours=5)]
    assert _resolve(_local(within)) == within, "a file that begins and ends within the hour"


def test_a_time_of_which_the_order_says_nothing_has_no_instant() -> None:
    one_of_two = [
        datetime.fromisoformat("2024-10-27T02:00"),
        datetime.fromisoformat("2024-10-27T03:00"),
        datetime.fromisoformat("2024-10-27T04:00"),
    ]
    assert [at is None for at in _resolve(one_of_two)] == [False, True, False]
    three_times = [datetime.fromisoformat("2024-10-27T03:00")] * 3
    assert _resolve(three_times) == [None] * 3
    skipped = datetime.fromisoformat("2024-03-31T03:30")
    assert _resolve([skipped]) == [None]
    two_years = [datetime.fromisoformat("2023-10-29T03:00"), datetime.fromisoformat("2024-10-27T03:00")]
    assert _resolve(two_years) == [None, None]


@pytest.mark.parametrize("text", ["+02:00", "-0330", "UTC", "Australia/Lord_Howe"])
def test_zones(text: str) -> None:
    assert datetime(2024, 6, 1, tzinfo=parse_zone(text)).utcoffset() is not None


@pytest.mark.parametrize("text", ["Athens", "", "+", "+99:00", "../etc/passwd"])
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(ValueError, match="must be the name of a time zone"):
        parse_zone(text)
