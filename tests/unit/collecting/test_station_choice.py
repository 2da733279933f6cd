"""Which station follows which."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meteorograph.collecting.station_choice import LOOKUP_PAUSE, MAX_STATIONS, RENEW_AFTER, StationChoice
from meteorograph.errors import AccountError, FetchError, PayloadError, PermanentFetchError, RetryableFetchError
from meteorograph.model.states import KeyState
from meteorograph.model.values import AnsweredPlace, Coordinates, DueLocation, Observation, Station
from support import NOON

AGE = timedelta(hours=3)
NOTHING = PermanentFetchError("any", "it has no data", status=200)
UNKNOWN = PermanentFetchError("any", "404", status=404)


def found(*names: str, rank: int = 0) -> StationChoice:
    stations = [Station(name, AnsweredPlace(Coordinates(1, 2))) for name in names]
    return StationChoice(DueLocation(1, "here", Coordinates(1, 2)), stations, NOON, rank)


def seen(hours: float = 0) -> Observation:
    return Observation(provider="any", fetched_at=NOON, observed_at=NOON - timedelta(hours=hours))


def test_an_answer_with_data_changes_nothing() -> None:
    choice = found("A", "B")
    assert not choice.note_answer(seen(2.9), AGE)
    assert (choice.rank, choice.failures, choice.is_changed) == (0, 0, False)


@pytest.mark.parametrize("outcome", [NOTHING, seen(3.1)])
def test_the_third_slot_without_data_gives_the_next_station(outcome: Observation | FetchError) -> None:
    choice = found("A", "B")
    for _ in range(2):
        assert not choice.note_answer(outcome, AGE)
        assert choice.point.station == "A"
    assert not choice.note_answer(outcome, AGE), "not in the same slot"
    assert choice.point.station == "B"
    assert choice.failures == 0


def test_only_slots_one_after_the_other_count() -> None:
    choice = found("A", "B")
    for outcome in (NOTHING, NOTHING, seen(), NOTHING, NOTHING):
        choice.note_answer(outcome, AGE)
    assert (choice.rank, choice.failures) == (0, 2)


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_station_is_left_at_once(status: int) -> None:
    choice = found("A", "B")
    error = PermanentFetchError("any", "unknown", status=status)
    assert choice.note_answer(error, AGE)
    assert not choice.note_answer(error, AGE), "none is left"
    assert choice.station is None


@pytest.mark.parametrize(
    "error",
    [
        RetryableFetchError("any", "busy", status=503),
        AccountError("any", "who?", key_state=KeyState.BLOCKED, status=403),
        PayloadError("any", "noise", b""),
    ],
)
def test_failures_of_the_provider_do_not_count(error: FetchError | PayloadError) -> None:
    choice = found("A", "B")
    for _ in range(5):
        assert not choice.note_answer(error, AGE)
    assert (choice.rank, choice.failures, choice.is_changed) == (0, 0, False)


def test_a_lookup_is_due_at_first_after_the_last_station_and_after_a_week_with_another() -> None:
    second = timedelta(seconds=1)
    assert found().is_due_for_lookup(NOON)
    assert not found("A").is_due_for_lookup(NOON + 100 * RENEW_AFTER)
    assert not found("A", rank=1).is_due_for_lookup(NOON + LOOKUP_PAUSE - second)
    assert found("A", rank=1).is_due_for_lookup(NOON + LOOKUP_PAUSE)
    assert not found("A", "B", rank=1).is_due_for_lookup(NOON + RENEW_AFTER - second)
    assert found("A", "B", rank=1).is_due_for_lookup(NOON + RENEW_AFTER)


@pytest.mark.parametrize(
    ("choice", "names", "used"),
    [
        (found("A", "B", rank=2), "AC", "C"),
        (found("A", rank=1), "B", "B"),
        (found("A", "B", rank=2), "AB", "A"),
        (found("A", "B", rank=1), "ABC", "A"),
        (found(), "ABCDEFG", "A"),
    ],
)
def test_of_a_new_list_a_new_station_comes_first_if_all_others_failed(choice: StationChoice, names: str, used: str) -> None:
    choice.replace_stations(found(*names).stations, NOON + LOOKUP_PAUSE)
    assert choice.point.station == used
    assert len(choice.stations) == min(len(names), MAX_STATIONS)
    assert choice.found_at == NOON + LOOKUP_PAUSE
    assert choice.is_changed
