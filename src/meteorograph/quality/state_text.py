"""The text form of a ``PastState``, in two parts. Part of stop 7 of the walk; pure.

The state of every location is stored with each of its rows, so its size decides what a row costs. Times are stored relative to
the slot, quantities by their position, and of a value that the latest row has changed nothing but the value. What stays the same
for hours is a part of its own: PostgreSQL logs only the changed part of a row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from .levels import Level, Shift
from .persistence import LastTrustedValue
from .time_checks import TRUSTED_NAMES, PastState

#: The quantity of each bit of the stored number. A new one goes to the end: stored states depend on the order.
_NAMES: Final = (
    "temperature",
    "humidity",
    "dew_point",
    "pressure",
    "station_pressure",
    "altimeter_setting",
    "wind_speed",
    "wind_direction",
    "wind_gust",
    "precipitation",
)
assert set(_NAMES) == TRUSTED_NAMES, "the form of states lacks a quantity"

#: Numbers of a value that the latest row has not changed: position, age of the value [s], how long it had been constant then [s],
#: and in how many rows.
_NUMBERS_OF_REPEATED: Final = 4


class StateText(NamedTuple):
    """The two parts of a state, both JSON."""

    #: What changes with each row.
    values: str
    #: What changes seldom: provider and levels.
    levels: str


_Values = tuple[
    int,  # slot
    int | float | None,  # observed_at: time before the slot, or with a fraction of a second the time itself
    int,  # checksum
    int,  # time since the values have changed [s]
    int,  # rows since then
    float | None,  # pressure
    float,  # tendency
    dict[str, Shift],
    int,  # quantities with a last trusted value, a bit for each
    list[float],  # these values
    list[int],  # see _NUMBERS_OF_REPEATED
]


class _Levels(msgspec.Struct, array_like=True, gc=False):
    provider: str
    providers: dict[str, str] | None
    levels: dict[str, Level]
    elevation: float | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode_values: Final = msgspec.json.Decoder(_Values).decode
_decode_levels: Final = msgspec.json.Decoder(_Levels).decode
_decode_first_form: Final = msgspec.json.Decoder(PastState).decode


def encode_state(state: PastState) -> StateText:
    """The text form of a state."""
    at, trusted = state.at, state.last_trusted
    quantities, names = _layout(tuple(trusted))
    repeated: list[int] = []
    for position, name in enumerate(names):
        last = trusted[name]
        if last.unchanged_rows != 1 or last.at != at or last.unchanged_since != at:
            repeated += (position, at - last.at, last.at - last.unchanged_since, last.unchanged_rows)
    values = (
        at,
        _relative(state.observed_at, at),
        state.checksum,
        at - state.unchanged_since,
        state.unchanged_rows,
        state.pressure,
        state.tendency,
        state.shifts,
        quantities,
        [trusted[name].value for name in names],
        repeated,
    )
    return StateText(_encode(values).decode(), _encode((state.provider, state.providers, state.levels, state.elevation)).decode())


def decode_state(values: str | msgspec.Raw, levels: str | msgspec.Raw) -> PastState:
    """The state of a text form.

    Raises:
        msgspec.MsgspecError: The text is not a state.
    """
    at, observed_at, checksum, age, rows, pressure, tendency, shifts, quantities, numbers, repeated = _decode_values(values)
    lasting = _decode_levels(levels)
    names = _names_of(quantities)
    trusted = {name: LastTrustedValue(value, at, at, 1) for name, value in zip(names, numbers, strict=True)}
    for first in range(0, len(repeated), _NUMBERS_OF_REPEATED):
        position, value_age, constant, value_rows = repeated[first : first + _NUMBERS_OF_REPEATED]
        value_at = at - value_age
        trusted[names[position]] = LastTrustedValue(numbers[position], value_at, value_at - constant, value_rows)
    return PastState(
        at=at,
        observed_at=float(at - observed_at) if isinstance(observed_at, int) else observed_at,
        provider=lasting.provider,
        providers=lasting.providers,
        checksum=checksum,
        unchanged_since=at - age,
        unchanged_rows=rows,
        last_trusted=trusted,
        levels=lasting.levels,
        shifts=shifts,
        pressure=pressure,
        tendency=tendency,
        elevation=lasting.elevation,
    )


def decode_first_form(text: str | msgspec.Raw) -> PastState:
    """The state of the form before the one above, which is one JSON array with the names of all quantities.

    Raises:
        msgspec.MsgspecError: The text is not a state.
    """
    state = _decode_first_form(text)
    state.last_trusted = {name: last for name, last in state.last_trusted.items() if name in TRUSTED_NAMES}
    return state


def _relative(seconds: float | None, at: int) -> int | float | None:
    """A time before the slot [s]; one with a fraction, which a difference would not keep exactly, as it is."""
    return at - int(seconds) if seconds is not None and seconds.is_integer() else seconds


@lru_cache(maxsize=1024)
def _layout(trusted: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """The number that stands for some quantities, and the order in which their values are stored."""
    quantities = sum(1 << _NAMES.index(name) for name in trusted)
    return quantities, _names_of(quantities)


@lru_cache(maxsize=1024)
def _names_of(quantities: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(_NAMES) if quantities >> bit & 1)
