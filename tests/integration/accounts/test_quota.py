"""Quotas on both databases: windows, contention, restarts, clocks that step, and an even spread over the month."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from meteorograph import create_app, get_db_session
from meteorograph.accounts import monthly_spread, quota
from meteorograph.accounts.monthly_spread import Slot
from meteorograph.accounts.quota import Grant
from meteorograph.collecting.call_gate import CallGate
from meteorograph.collecting.event_loop import run_async
from meteorograph.config.loading import load_settings
from meteorograph.model.account import Account
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE
from meteorograph.model.values import Coordinates, DueLocation
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import Location
from support import KEY, NOON

NAME = "openweathermap"
HOUR = timedelta(hours=1)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _used(limits: dict[str, int], now: datetime) -> dict[str, int]:
    with get_db_session(read_only=True) as session:
        return {one.window: one.used for one in quota.usage(session, Account(NAME, limits, "UTC"), now)}


def _restart() -> None:
    """Forget everything that is not in the database."""
    ENGINES.reset()


ENDS = [
    ("minute", "2026-03-01T12:00:59.999999", "2026-03-01T12:01:00"),
    ("hour", "2026-03-01T12:59:59", "2026-03-01T13:00:00"),
    ("day", "2026-03-01T23:59:59", "2026-03-02T00:00:00"),
    ("day", "2026-03-28T23:30:00", "2026-03-29T00:00:00"),
    ("month", "2026-04-30T23:59:59", "2026-05-01T00:00:00"),
    ("month", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
    ("month", "2028-02-29T23:59:59", "2028-03-01T00:00:00"),
    ("month", "2027-02-28T23:59:59", "2027-03-01T00:00:00"),
]


@pytest.mark.parametrize(("window", "last", "end"), ENDS)
@pytest.mark.usefixtures("database")
def test_a_window_is_shut_until_its_last_instant_and_open_at_its_end(window: str, last: str, end: str) -> None:
    limits, last_instant = {window: 3}, _at(last)
    assert quota.spend(Account(NAME, limits, "UTC"), 5, last_instant).calls == 3
    refused = quota.spend(Account(NAME, limits, "UTC"), 1, last_instant)
    assert (refused.calls, refused.retry_at) == (0, _at(end))
    assert quota.spend(Account(NAME, limits, "UTC"), 5, _at(end)).calls == 3


def test_february_29_is_in_the_month() -> None:
    assert quota.period_end("month", _at("2028-02-28T23:59:59"), "UTC") == _at("2028-03-01")
    assert quota.period_end("month", _at("2028-02-29T00:00:00"), "UTC") == _at("2028-03-01")


@pytest.mark.usefixtures("database")
def test_every_window_counts_and_the_fullest_decides() -> None:
    limits = {"minute": 10, "hour": 15, "month": 17}
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON).calls == 10
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON).retry_at == NOON + timedelta(minutes=1)
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON + timedelta(minutes=1)).calls == 5
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON + timedelta(minutes=2)).retry_at == NOON + HOUR
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON + HOUR).calls == 2
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON + HOUR).retry_at == _at("2026-04-01")
    assert _used(limits, NOON + HOUR) == {"minute": 2, "hour": 2, "month": 17}


@pytest.mark.usefixtures("database")
def test_accounts_are_counted_apart_and_without_limits_nothing_is() -> None:
    assert quota.spend(Account(NAME, {"day": 1}, "UTC"), 1, NOON).calls == 1
    assert quota.spend(Account("weatherstack", {"day": 1}, "UTC"), 1, NOON).calls == 1
    assert quota.spend(Account(NAME, {}, "UTC"), 1_000_000, NOON) == Grant(1_000_000)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("limit", "kept"), [(1, 0), (19, 0), (20, 1), (60, 3), (100, 5), (1_000_000, 50)])
def test_a_reserve_is_left_to_collection_on_demand(limit: int, kept: int) -> None:
    limits = {"month": limit}
    assert quota.reserve_of(limit) == kept
    assert quota.spend(Account(NAME, limits, "UTC"), 2 * limit, NOON).calls == limit - kept
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON).calls == 0
    assert quota.spend(Account(NAME, limits, "UTC"), 2 * limit, NOON, on_demand=True).calls == kept
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON, on_demand=True).retry_at == _at("2026-04-01")


@pytest.mark.usefixtures("database")
def test_eight_threads_are_admitted_exactly_the_limit() -> None:
    limits = {"minute": 200, "month": 100_000}
    admitted: list[int] = []
    begin = threading.Barrier(8)

    def work(size: int) -> None:
        begin.wait()
        while calls := quota.spend(Account(NAME, limits, "UTC"), size, NOON).calls:
            admitted.append(calls)

    threads = [threading.Thread(target=work, args=(1 + number % 4,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == 190
    assert _used(limits, NOON) == {"minute": 190, "month": 190}


_SPENDER = """
import sys
from meteorograph.model.account import Account
from meteorograph.accounts import quota
from datetime import UTC, datetime
now, spent = datetime(2026, 3, 1, 12, tzinfo=UTC), 0
print("ready", flush=True)
sys.stdin.readline()
while calls := quota.spend(Account("openweathermap", {"minute": 400, "month": 100000}, "UTC"), 3, now).calls:
    spent += calls
print(spent)
"""


@pytest.mark.usefixtures("database")
def test_two_processes_are_admitted_exactly_the_limit_and_a_third_one_nothing() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SPENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    spent = []
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        spent.append(int(process.communicate(timeout=60)[0]))
        assert process.returncode == 0
    assert sum(spent) == 380
    later = subprocess.run([sys.executable, "-c", _SPENDER], input="\n", capture_output=True, text=True, timeout=60, check=True)
    assert later.stdout == "ready\n0\n"


@pytest.mark.usefixtures("database")
def test_what_is_spent_stays_spent_across_restarts() -> None:
    limits = {"month": 100}
    for _ in range(20):
        quota.spend(Account(NAME, limits, "UTC"), 5, NOON)
        _restart()
    assert _used(limits, NOON) == {"month": 95}


@pytest.mark.usefixtures("database")
def test_a_clock_that_steps_back_gives_nothing_twice() -> None:
    limits = {"minute": 10, "month": 1000}
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON).calls == 10
    refused = quota.spend(Account(NAME, limits, "UTC"), 1, NOON - timedelta(minutes=5))
    assert refused.retry_at == NOON + timedelta(minutes=1), "the window that was charged ends then"
    assert quota.spend(Account(NAME, limits, "UTC"), 1, _at("2026-02-28T23:59:00")).calls == 0
    with get_db_session(read_only=True) as session:
        told = {one.window: one for one in quota.usage(session, Account(NAME, limits, "UTC"), _at("2026-02-28T23:59:00"))}
    assert (told["month"].used, told["month"].resets_at) == (10, _at("2026-04-01"))
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON + timedelta(minutes=1)).calls == 10


@pytest.mark.usefixtures("database")
def test_a_clock_that_steps_forward_opens_only_the_windows_that_ended() -> None:
    limits = {"minute": 10, "month": 15}
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON).calls == 10
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON + timedelta(days=20)).calls == 5
    assert quota.spend(Account(NAME, limits, "UTC"), 99, NOON + timedelta(days=60)).calls == 10


@pytest.mark.usefixtures("database")
def test_only_the_period_that_was_charged_gets_calls_back() -> None:
    limits = {"minute": 10, "month": 1000}
    granted = quota.spend(Account(NAME, limits, "UTC"), 8, NOON)
    quota.give_back(Account(NAME, {}, "UTC"), granted, 3)
    assert _used(limits, NOON) == {"minute": 5, "month": 5}
    late = quota.spend(Account(NAME, limits, "UTC"), 5, NOON)
    minute_later = NOON + timedelta(minutes=1)
    assert quota.spend(Account(NAME, limits, "UTC"), 9, minute_later).calls == 9
    quota.give_back(Account(NAME, {}, "UTC"), late, 4)
    assert _used(limits, minute_later) == {"minute": 9, "month": 15}
    assert quota.spend(Account(NAME, limits, "UTC"), 99, minute_later).calls == 1
    quota.give_back(Account(NAME, {}, "UTC"), granted, 99)
    assert _used(limits, minute_later)["month"] == 0
    quota.give_back(Account(NAME, {}, "UTC"), Grant(5), 5)
    quota.give_back(Account(NAME, {}, "UTC"), late, 0)


@pytest.mark.usefixtures("database")
def test_a_run_gives_back_what_it_does_not_use_and_makes_no_call_of_an_earlier_minute(driven: DrivenClock) -> None:
    limits = {"minute": 1000, "month": 10_000}

    async def run() -> None:
        gate = CallGate(Account(NAME, limits, "UTC"), KEY, expected=50)
        for _ in range(10):
            await gate.spend()
        assert _used(limits, driven()) == {"minute": 50, "month": 50}
        driven.advance(timedelta(minutes=1))
        await gate.spend()
        assert _used(limits, driven()) == {"minute": 40, "month": 50}
        await gate.close()

    run_async(run())
    assert _used(limits, driven()) == {"minute": 1, "month": 11}


@pytest.mark.usefixtures("database")
def test_a_block_is_a_small_part_of_the_smallest_window(driven: DrivenClock) -> None:
    limits = {"month": 100}

    async def be_killed_after_one_call() -> None:
        await CallGate(Account(NAME, limits, "UTC"), KEY, expected=95).spend()

    run_async(be_killed_after_one_call())
    assert _used(limits, driven()) == {"month": 5}


def _spread(limit: int, locations: int, slot: timedelta = HOUR, down: timedelta = timedelta(0)) -> list[tuple[datetime, int]]:
    """The calls of a whole month, after some time without any: when, and for which position of the list."""
    start = _at("2026-03-01")
    made: list[tuple[datetime, int]] = []
    now = start + down
    while now < _at("2026-04-01"):
        calls = min(monthly_spread.allowance(Account(NAME, {"month": limit}, "UTC"), len(made), now, slot), locations)
        first = len(made)
        made.extend((now, (first + turn) % locations) for turn in range(calls))
        now += slot
    return made


@pytest.mark.parametrize("limit", [100, 250])
@pytest.mark.parametrize("locations", [1, 3, 50])
def test_a_small_month_is_spread_evenly_over_time_and_locations(limit: int, locations: int) -> None:
    made = _spread(limit, locations)
    usable = limit - quota.reserve_of(limit)
    assert len(made) == usable
    assert made[-1][0] >= _at("2026-03-30")
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(made)]
    even = timedelta(days=31) / usable
    assert even - HOUR <= min(gaps) <= max(gaps) <= even + HOUR
    shares = Counter(position for _, position in made)
    assert len(shares) == locations
    assert max(shares.values()) - min(shares.values()) <= 1


def test_what_a_stop_left_over_is_not_made_up_for_at_once() -> None:
    made = _spread(100, 1, down=timedelta(days=7))
    assert len(made) == 95
    assert max(Counter(now for now, _ in made).values()) == 1


def test_a_month_that_is_large_enough_leaves_nobody_out() -> None:
    assert len(_spread(50_000, 50)) == 50 * 744


@pytest.mark.usefixtures("database")
def test_the_month_is_never_overspent_and_each_location_gets_its_share() -> None:
    places = _places(3)
    account = Account("weatherstack", {"month": 100}, "UTC")
    calls = Counter[int]()
    for day_slot in range(0, 744, 6):
        due_at = _at("2026-03-01") + day_slot * HOUR
        slot = Slot(DEFAULT_SCHEDULE, due_at, 6 * HOUR)
        turns = monthly_spread.allot_locations([account], slot, due_at)["weatherstack"]
        for place in places:
            if place.id in turns:
                calls[place.id] += quota.spend(account, 1, due_at).calls
    assert sum(calls.values()) == 95
    assert max(calls.values()) - min(calls.values()) <= 1


@pytest.mark.usefixtures("database")
def test_a_location_that_always_fails_keeps_no_turn_from_the_others() -> None:
    places = _places(3)
    account = Account("weatherstack", {"month": 100}, "UTC")
    calls = Counter[int]()
    for number in range(124):
        due_at = _at("2026-03-01") + number * HOUR
        slot = Slot(DEFAULT_SCHEDULE, due_at, HOUR)
        turns = monthly_spread.allot_locations([account], slot, due_at)["weatherstack"]
        for place in places[1:]:  # the first one fails before its rain is asked for
            if place.id in turns:
                calls[place.id] += quota.spend(account, 1, due_at).calls
    assert sum(calls.values()) >= 15
    assert min(calls[place.id] for place in places[1:]) >= 5


@pytest.mark.usefixtures("database")
def test_a_slot_that_is_taken_up_again_keeps_its_turn() -> None:
    places = _places(6)
    account = Account("weatherstack", {"month": 100}, "UTC")
    quota.spend(account, 4, NOON)
    now = _at("2026-03-02T10:00")
    slot = Slot(DEFAULT_SCHEDULE, now, HOUR)

    def allowed(due: list[DueLocation]) -> list[int]:
        turns = monthly_spread.allot_locations([account], slot, now)["weatherstack"]
        return [place.id for place in due if place.id in turns]

    assert allowed(places) == allowed(places[2:]) == [places[4].id]
    assert allowed(places[5:]) == []


@pytest.mark.usefixtures("database")
def test_without_a_monthly_quota_there_are_no_turns_and_without_locations_nobody_has_one() -> None:
    slot = Slot(DEFAULT_SCHEDULE, NOON, HOUR)
    assert monthly_spread.allot_locations([Account("x", {"minute": 1}, "UTC")], slot, NOON) == {}
    assert monthly_spread.allot_locations([Account("x", {"month": 1}, "UTC")], slot, NOON) == {"x": frozenset()}


def _places(count: int) -> list[DueLocation]:
    with get_db_session() as session:
        made = [
            Location(name=f"p{number}", latitude=number, longitude=0, state="active", created_at=NOON) for number in range(count)
        ]
        session.add_all(made)
        session.flush()
        return [DueLocation(place.id, place.name, Coordinates(place.latitude, 0)) for place in made]


@pytest.mark.usefixtures("database", "driven")
def test_the_api_tells_what_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    settings = load_settings(scheduler_enabled=False)
    quota.spend(settings.account(NAME), 7, NOON)
    client = create_app(settings).test_client()
    answer = client.get("/api/quota")
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["data"] == [
        {
            "provider": NAME,
            "key_state": "untested",
            "closed_until": None,
            "reason": None,
            "windows": [
                {"window": "minute", "limit": 60, "used": 7, "reserved": 3, "resets_at": "2026-03-01T12:01:00+00:00"},
                {"window": "month", "limit": 1000000, "used": 7, "reserved": 50, "resets_at": "2026-04-01T00:00:00+00:00"},
            ],
        },
        {
            "provider": "weatherstack",
            "key_state": "missing",
            "closed_until": None,
            "reason": None,
            "windows": [
                {"window": "month", "limit": 100, "used": 0, "reserved": 5, "resets_at": "2026-04-01T00:00:00+00:00"},
            ],
        },
    ]
    assert KEY not in answer.get_data(as_text=True)
