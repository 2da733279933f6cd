"""Check rows in the transaction that stores them: load the states of their locations, check, save the new states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Text, bindparam, cast, func, select
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model import clock
from ..providers.registry import PROVIDERS
from ..quality.check_batch import LocationPast, check_batch
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..quality.time_checks import PastState
from .future_rows import set_aside_future_rows
from .models import CheckState, Location
from .upsert import insert_or_replace

log = get_logger(__name__)

Row = dict[str, Any]

#: Provider → how old its observations may be when they are fetched.
_MAX_AGES: Final = {name: provider.max_age for name, provider in PROVIDERS.items()}

#: States that one statement loads.
STATES_PER_STATEMENT: Final = 1000

_decoder = msgspec.json.Decoder(list[tuple[int, float, float | None, PastState | None]])
_encoder = msgspec.json.Encoder()

_STATE: Final = func.coalesce(CheckState.state, "null")
_ELEVATION: Final = func.coalesce(cast(Location.elevation, Text), "null")
_OF_ONE: Final = "[" + cast(Location.id, Text) + "," + cast(Location.latitude, Text) + "," + _ELEVATION + "," + _STATE + "]"
#: Latitudes and states as one JSON text without its brackets: for every row that it reads, the SQLite driver releases the
#: interpreter lock, and must wait for a busy event loop to get it back.
_ONE_TEXT: Final = (
    select(func.aggregate_strings(_OF_ONE, ","))
    .select_from(Location)
    .outerjoin(CheckState)
    .where(Location.id.in_(bindparam("ids", expanding=True)))
)


def check_rows(session: Session, rows: Sequence[Row]) -> list[Row]:
    """Check the rows; gives them in their order, with the flags of the checks.

    Call it in the transaction that stores the rows, because the states of their locations advance with it.
    """
    now = clock.now()
    past = _load(session, sorted({row["location_id"] for row in rows}))
    ahead = [id_ for id_, location in past.items() if location.state and location.state.at > (now + MAX_CLOCK_LEAD).timestamp()]
    for location_id in ahead:
        past[location_id] = past[location_id]._replace(state=set_aside_future_rows(session, location_id, past[location_id], now))
    checked = check_batch(rows, past, _MAX_AGES, now)
    _save(session, checked.states)
    _warn(checked.stale)
    return checked.rows


def _load(session: Session, ids: Sequence[int]) -> dict[int, LocationPast]:
    """The latitude and the state of these locations; locations that do not exist are left out."""
    past: dict[int, LocationPast] = {}
    for first in range(0, len(ids), STATES_PER_STATEMENT):
        text = session.scalar(_ONE_TEXT, {"ids": ids[first : first + STATES_PER_STATEMENT]})
        past.update(
            {
                location_id: LocationPast(latitude, state, elevation)
                for location_id, latitude, elevation, state in _decoder.decode(f"[{text or ''}]")
            }
        )
    return past


def _save(session: Session, states: Mapping[int, PastState]) -> None:
    """Store the states, in the order of their locations, so that two concurrent batches cannot deadlock."""
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


def _warn(stale: Sequence[PastState]) -> None:
    """Log one warning for all locations with unchanging answers, not one for each location and slot."""
    if stale:
        log.warning(
            "answers no longer change",
            locations=len(stale),
            providers=sorted({state.provider for state in stale}),
            since=datetime.fromtimestamp(min(state.unchanged_since for state in stale), UTC).isoformat(),
        )
