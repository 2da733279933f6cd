"""The checks of a batch of rows, and what they remember of each location. Part of stop 7; the part that has a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import msgspec
from sqlalchemy import Text, bindparam, cast, func, select
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model.flags import RANGE, REJECTED
from ..storage.models import CheckState, Location
from ..storage.upsert import insert_or_replace
from .row_checks import Flags, check_row
from .time_checks import State, check_against

log = get_logger(__name__)

Row = dict[str, Any]

#: States that are asked for in one statement.
TOGETHER: Final = 1000

#: Words of values that the next ones are not held against.
UNTRUSTED: Final = frozenset({RANGE, REJECTED})

_decoder = msgspec.json.Decoder(list[tuple[int, float, State | None]])
_encoder = msgspec.json.Encoder()

_STATE: Final = func.coalesce(CheckState.state, "null")
_OF_ONE: Final = "[" + cast(Location.id, Text) + "," + cast(Location.latitude, Text) + "," + _STATE + "]"
#: Latitudes and states as one JSON text without its brackets: SQLite's driver gives up the interpreter for each row that it
#: reads, and must wait for a busy event loop to get it back.
_ONE_TEXT: Final = (
    select(func.aggregate_strings(_OF_ONE, ","))
    .select_from(Location)
    .outerjoin(CheckState)
    .where(Location.id.in_(bindparam("ids", expanding=True)))
)


def check_batch(session: Session, rows: Sequence[Row]) -> list[Row]:
    """The rows in their order, with what the checks found added to their ``flags``; no value is changed.

    Call it in the transaction that stores the rows: the states of their locations move on with it. A row that is no newer than
    its location's state (filled in afterwards, or stored once more) is held against the older rows beside it in the batch,
    and leaves the state alone.

    Args:
        session: Reads and writes ``check_states``, reads ``locations``.
        rows: Columns of ``WeatherData``.
    """
    known = _load(session, sorted({row["location_id"] for row in rows}))
    found = list(rows)
    moved: dict[int, State] = {}
    stale: list[State] = []
    order = sorted(range(len(rows)), key=lambda index: (rows[index]["location_id"], rows[index]["due_at"]))
    for location_id, indexes in groupby(order, key=lambda index: rows[index]["location_id"]):
        latitude, before = known.get(location_id, (None, None))
        aside: State | None = None
        for index in indexes:
            row = rows[index]
            flags = check_row(row, latitude)
            given: Flags = row.get("flags") or {}
            untrusted = {name for words in (flags, given) for name, said in words.items() if not UNTRUSTED.isdisjoint(said)}
            if before is None or int(row["due_at"].timestamp()) > before.at:
                after, more = check_against(row, before, untrusted)
                if after.is_stale and (before is None or not before.is_stale):
                    stale.append(after)
                before = moved[location_id] = after
            else:
                aside, more = check_against(row, aside, untrusted)
            if flags or more:
                found[index] = {**row, "flags": _merged(given, flags, more)}
    _save(session, {location_id: state for location_id, state in moved.items() if location_id in known})
    _warn(stale)
    return found


def _merged(*given: Flags) -> Flags:
    """Each quantity's words of all, once."""
    merged: Flags = {}
    for flags in given:
        for name, words in flags.items():
            merged[name] = list(dict.fromkeys((*merged.get(name, ()), *words)))
    return merged


def _load(session: Session, ids: Sequence[int]) -> dict[int, tuple[float, State | None]]:
    """The latitude and the state of each of these locations that there is."""
    known: dict[int, tuple[float, State | None]] = {}
    for first in range(0, len(ids), TOGETHER):
        found = session.scalar(_ONE_TEXT, {"ids": ids[first : first + TOGETHER]})
        known.update({location_id: (latitude, state) for location_id, latitude, state in _decoder.decode(f"[{found or ''}]")})
    return known


def _save(session: Session, states: Mapping[int, State]) -> None:
    """Keep the states, in the order of their locations, so that of two batches at once one waits for the other and not both."""
    insert_or_replace(
        session,
        CheckState,
        [
            {
                "location_id": location_id,
                "due_at": datetime.fromtimestamp(state.at, UTC),
                "state": _encoder.encode(state).decode(),
            }
            for location_id, state in states.items()
        ],
    )


def _warn(stale: Sequence[State]) -> None:
    """Say once that answers stand still, not for each location and slot."""
    if stale:
        log.warning(
            "answers no longer change",
            locations=len(stale),
            providers=sorted({state.provider for state in stale}),
            since=datetime.fromtimestamp(min(state.since for state in stale), UTC).isoformat(),
        )
