"""The checks of a batch of rows, and what they remember of each location. Part of stop 7; the part that has a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from .check_past import State, against
from .check_row import Flags, alone
from .flags import RANGE
from .logs import get_logger
from .tables import CheckState
from .upsert import insert_or_replace

log = get_logger(__name__)

Row = dict[str, Any]

#: States that are asked for in one statement.
TOGETHER: Final = 1000

_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


class HasLatitude(Protocol):
    """A place, as far as the checks know it."""

    @property
    def latitude(self) -> float:
        """Degree north."""


def flagged(session: Session, rows: Sequence[Row], places: Mapping[int, HasLatitude]) -> list[Row]:
    """The rows in their order, with what the checks found added to their ``flags``; no value is changed.

    Call it in the transaction that stores the rows: the states of their locations move on with it. A row that is no newer than
    its location's state (filled in afterwards, or stored once more) is held against the older rows beside it in the batch,
    and leaves the state alone.

    Args:
        session: Reads and writes ``check_states``.
        rows: Columns of ``WeatherData``.
        places: By location id; the rows of a location that is not there are not held against its climate.
    """
    states = _load(session, sorted({row["location_id"] for row in rows}))
    found = list(rows)
    moved: dict[int, State] = {}
    stale: list[State] = []
    order = sorted(range(len(rows)), key=lambda index: (rows[index]["location_id"], rows[index]["due_at"]))
    for location_id, indexes in groupby(order, key=lambda index: rows[index]["location_id"]):
        place = places.get(location_id)
        latitude = None if place is None else place.latitude
        before, aside = states.get(location_id), None
        for index in indexes:
            row = rows[index]
            flags = alone(row, latitude)
            untrusted = [name for name, words in flags.items() if RANGE in words]
            if before is None or int(row["due_at"].timestamp()) > before.at:
                after, more = against(row, before, untrusted)
                if after.is_stale and (before is None or not before.is_stale):
                    stale.append(after)
                before = moved[location_id] = after
            else:
                aside, more = against(row, aside, untrusted)
            if flags or more:
                found[index] = {**row, "flags": _merged(row.get("flags") or {}, flags, more)}
    _save(session, moved)  # in the order of their ids, so that two batches at once never wait for each other
    _warn(stale)
    return found


def _merged(*given: Flags) -> Flags:
    """Each quantity's words of all, once."""
    merged: Flags = {}
    for flags in given:
        for name, words in flags.items():
            merged[name] = list(dict.fromkeys((*merged.get(name, ()), *words)))
    return merged


def _load(session: Session, ids: Sequence[int]) -> dict[int, State]:
    states = {}
    for first in range(0, len(ids), TOGETHER):
        query = select(CheckState.location_id, CheckState.state).where(CheckState.location_id.in_(ids[first : first + TOGETHER]))
        for location_id, state in session.execute(query):
            states[location_id] = _decoder.decode(state)
    return states


def _save(session: Session, states: Mapping[int, State]) -> None:
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
