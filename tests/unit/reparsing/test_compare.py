"""What a payload that is read again changes of a row, and what of the flags stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from meteorograph.model.values import Observation
from meteorograph.reparsing.compare import Difference, changed_row
from meteorograph.storage.observations import to_row
from support import NOON

ONE: dict[str, Any] = {
    "temperature": 4.0,
    "dew_point": 6.0,
    "visibility": 9999.0,
    "precipitation": 0.2,
    "precipitation_period": 3600,
}


def _observation(provider: str = "metar", **values: Any) -> Observation:
    given = {"fetched_at": NOON, "observed_at": NOON, **ONE, **values}
    return Observation(provider=provider, **given)


def _changed(stored: dict[str, Any], *found: Observation) -> tuple[dict[str, Any] | None, list[tuple[Any, ...]]]:
    given: dict[str, list[Observation]] = {}
    for one in found:
        given.setdefault(one.provider, []).append(one)
    made, told = changed_row(stored, given)
    assert all(isinstance(one, Difference) for one in told)
    return made, [(one.provider, one.quantity, one.before, one.after) for one in told]


def test_the_same_payload_changes_nothing_whatever_the_checks_found() -> None:
    stored = {**to_row(1, NOON, _observation()), "flags": {"temperature": ["inconsistent", "step"], "dew_point": ["stale"]}}
    assert _changed(stored, _observation()) == (None, [])
    assert _changed(stored, _observation(fetched_at=NOON + timedelta(microseconds=400))) == (None, [])


def test_another_payload_of_the_same_provider_is_not_the_rows_own() -> None:
    stored = to_row(1, NOON, _observation())
    assert _changed(stored, _observation(temperature=9.0, fetched_at=NOON + timedelta(seconds=1))) == (None, [])


def test_words_that_a_provider_gives_are_compared_and_those_of_the_checks_kept() -> None:
    stored = {**to_row(1, NOON, _observation()), "flags": {"visibility": ["persistence"]}}
    made, told = _changed(stored, _observation(flags={"visibility": ["at_least"]}))
    assert told == [("metar", "visibility", 9999.0, "9999.0 (at_least)")]
    assert made is not None
    assert made["flags"] == {"visibility": ["at_least", "persistence"]}


def test_a_value_that_changes_loses_its_flags_and_what_spoke_against_it_is_looked_for_again() -> None:
    flags = {"temperature": ["inconsistent"], "dew_point": ["inconsistent", "stale"], "visibility": ["step"]}
    made, told = _changed({**to_row(1, NOON, _observation()), "flags": flags}, _observation(temperature=8.0))
    assert told == [("metar", "temperature", 4.0, 8.0)]
    assert made is not None
    assert made["flags"] == {"dew_point": ["stale"], "visibility": ["step"]}


def test_a_quantity_of_another_provider_is_held_against_that_one() -> None:
    stored = {**to_row(1, NOON, _observation()), "providers": {"precipitation": "nws"}}
    rain = _observation("nws", temperature=-9.0, precipitation_period=None)
    made, told = _changed(stored, _observation(precipitation=7.0), rain)
    assert told == [("nws", "precipitation_period", 3600, None)]
    assert made == {**stored, "precipitation_period": None}
