"""The state of the checks after rows that were checked and stored before, from the rows as they are stored. Part of stop 7; pure.

States are not written with each row: an older state and the rows since then give the newest one. What the checks knew and did
not store, their flags say. Where that does not suffice, ``is_reproduced`` says so, and the state itself must be stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ..model.flags import Flag
from .row_checks import QUANTITY_NAMES, Flags
from .time_checks import CONFIRMED, MAX_CHANGE_PER_HOUR, UNTRUSTED, PastState, compare_with_past

Row = Mapping[str, Any]

#: Flags that no check reads: a row that has no others is always reproduced.
_NEUTRAL: Final = frozenset({Flag.DERIVED, Flag.IMPLIED_ZERO, Flag.AT_LEAST, Flag.LEVEL_UNKNOWN})


def roll_forward(state: PastState, rows: Sequence[Row], elevation: float | None) -> PastState:
    """The state after stored rows of a location.

    Args:
        state: The state before them.
        rows: Columns of ``WeatherData``, in the order of their slots.
        elevation: Of the location, as it was when the rows were checked [m].
    """
    for row in rows:
        due_at: datetime = row["due_at"]
        if int(due_at.timestamp()) > state.at and not is_set_aside(row):
            flags: Flags = row.get("flags") or {}
            state, _ = compare_with_past(_with_confirmed(row, flags), state, _untrusted(flags), elevation)
    return state


def is_set_aside(row: Row) -> bool:
    """Whether a stored row seems to be one of a future slot, which changes no state: it has no value without that flag."""
    flags: Flags = row.get("flags") or {}
    return all(row.get(name) is None or Flag.FUTURE in flags.get(name, ()) for name in QUANTITY_NAMES)


def is_reproduced(stored: Row, parsed: Flags, before: PastState, after: PastState, elevation: float | None) -> bool:
    """Whether ``roll_forward`` gives the state after a new row.

    Args:
        stored: The row as it is stored.
        parsed: The flags that it had before the checks.
        before: The state before the row.
        after: The state after it.
        elevation: Of the location [m].
    """
    flags: Flags = stored.get("flags") or {}
    if _are_neutral(flags) and (parsed is flags or _are_neutral(parsed)) and _has_value(stored):
        return True
    return roll_forward(before, [stored], elevation) == after


def _has_value(row: Row) -> bool:
    for name in QUANTITY_NAMES:  # nearly always the first one; a generator takes thrice the time
        if row.get(name) is not None:
            return True
    return False


def _are_neutral(flags: Flags) -> bool:
    for words in flags.values():  # twice as fast as a generator, and called for each row
        if not _NEUTRAL.issuperset(words):
            return False
    return True


def _untrusted(flags: Flags) -> set[str]:
    return {name for name, words in flags.items() if not UNTRUSTED.isdisjoint(words)}


def _with_confirmed(row: Row, flags: Flags) -> Row:
    """The row; a value without the flag of a step was none, or was confirmed."""
    words = {name: [*flags.get(name, ()), CONFIRMED] for name in MAX_CHANGE_PER_HOUR if Flag.STEP not in flags.get(name, ())}
    return {**row, "flags": {**flags, **words}}
