"""The text form of a state gives the same state back, and so does the form before it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.quality.levels import Level, Shift
from meteorograph.quality.persistence import LastTrustedValue
from meteorograph.quality.state_text import decode_first_form, decode_state, encode_state
from meteorograph.quality.time_checks import TRUSTED_NAMES, PastState
from support import NOON

AT = int(NOON.timestamp())

_numbers = st.floats(-2000, 110_000) | st.integers(0, 1100) | st.sampled_from([0.1 + 0.2, 1e-300, -0.0])
_times = st.integers(AT - 90 * 86400, AT)
_names = st.sampled_from(sorted(TRUSTED_NAMES))
_levels = st.builds(Level, _numbers, _numbers, _times, st.integers(1, 10**6))
_latest = st.builds(lambda value: LastTrustedValue(value, AT, AT, 1), _numbers)
_earlier = st.builds(
    lambda value, times, rows: LastTrustedValue(value, max(times), min(times), rows),
    _numbers,
    st.tuples(_times, _times),
    st.integers(1, 10**6),
)
_states = st.builds(
    PastState,
    at=st.just(AT),
    observed_at=st.none() | st.floats(AT - 10**6, AT + 10**6) | st.integers(AT - 10**6, AT + 10**6).map(float),
    provider=st.text(max_size=10),
    providers=st.none() | st.dictionaries(_names, st.text(max_size=10), max_size=3),
    checksum=st.integers(0, 2**32 - 1),
    unchanged_since=_times,
    unchanged_rows=st.integers(1, 10**6),
    last_trusted=st.dictionaries(_names, _latest | _earlier),
    levels=st.dictionaries(_names, _levels, max_size=6),
    shifts=st.dictionaries(st.sampled_from(["wind_speed", "pressure"]), st.builds(Shift, _numbers, _times)),
    pressure=st.none() | _numbers,
    tendency=_numbers,
)


@given(_states)
def test_a_state_comes_back_as_it_was(state: PastState) -> None:
    assert decode_state(*encode_state(state)) == state


@given(_states)
def test_the_first_form_of_a_state_can_still_be_read(state: PastState) -> None:
    text = msgspec.json.encode(state).decode()
    assert decode_first_form(text) == state
    fields: list[Any] = msgspec.json.decode(text)
    fields[7]["visibility"] = [10_000.0, AT, AT, 1]  # was remembered, and never compared
    assert decode_first_form(msgspec.json.encode(fields).decode()) == state


def test_what_changes_with_each_row_is_short() -> None:
    trusted = {name: LastTrustedValue(1013.25, AT, AT, 1) for name in TRUSTED_NAMES}
    trusted["precipitation"] = LastTrustedValue(0.0, AT, AT - 86400, 25)
    levels = {name: Level(1013.25, 3.125, AT, 1000) for name in ("temperature", "dew_point", "pressure", "wind_speed")}
    state = PastState(AT, AT - 300.0, "openweathermap", None, 2**32 - 1, AT, 1, trusted, levels, {}, 1013.25, -0.3)
    assert len(msgspec.json.encode(state)) > 500
    assert len(encode_state(state).values) < 150
