"""Check rows in the transaction that stores them: load the states of their locations, check, save the new states."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Text, bindparam, cast, func, select
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model import clock
from ..model.flags import Flag
from ..providers.registry import PROVIDERS
from ..quality.check_batch import LocationPast, check_batch
from ..quality.dew_point import SOURCES
from ..quality.persistence import LastTrustedValue
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..quality.state_text import decode_first_form, decode_state, encode_state
from ..quality.time_checks import PastState
from .flag_updates import flag_streaks, remove_flag
from .future_rows import set_aside_future_rows
from .models import CheckState, Location, WeatherData
from .neighbour_steps import find_confirmed_steps
from .upsert import insert_or_replace

log = get_logger(__name__)

Row = dict[str, Any]

#: Provider → how old its observations may be when they are fetched.
_MAX_AGES: Final = {name: provider.max_age for name, provider in PROVIDERS.items()}

#: States that one statement loads.
STATES_PER_STATEMENT: Final = 1000

_decoder = msgspec.json.Decoder(list[tuple[int, float, float | None, msgspec.Raw, msgspec.Raw]])

_NULL: Final = "null"
_ELEVATION: Final = func.coalesce(cast(Location.elevation, Text), _NULL)
_NUMBERS: Final = cast(Location.id, Text) + "," + cast(Location.latitude, Text) + "," + _ELEVATION
_TEXTS: Final = func.coalesce(CheckState.state, _NULL) + "," + func.coalesce(CheckState.levels, _NULL)
_OF_ONE: Final = "[" + _NUMBERS + "," + _TEXTS + "]"
#: Latitudes, elevations and states as one JSON text without its brackets: for every row that it reads, the SQLite driver
#: releases the interpreter lock, and must wait for a busy event loop to get it back.
_ONE_TEXT: Final = (
    select(func.aggregate_strings(_OF_ONE, ","))
    .select_from(Location)
    .outerjoin(CheckState)
    .where(Location.id.in_(bindparam("ids", expanding=True)))
)


def check_rows(session: Session, rows: Sequence[Row], older: dict[int, PastState] | None = None) -> list[Row]:
    """Check the rows; gives them in their order, with the flags of the checks.

    Call it in the transaction that stores the rows, because the states of their locations advance with it. ``older`` is that of
    ``check_batch``.
    """
    older = {} if older is None else older
    before = dict(older)
    now = clock.now()
    past = _load(session, sorted({row["location_id"] for row in rows}))
    for id_ in _ids_ahead(rows, past, now):
        past[id_] = past[id_]._replace(state=set_aside_future_rows(session, id_, past[id_], now))
    checked = check_batch(rows, past, _MAX_AGES, now, older)
    confirmed = find_confirmed_steps(session, rows, checked.rows)
    if confirmed.names:
        older.clear()
        older.update(before)
        checked = check_batch(confirmed.marked(rows), past, _MAX_AGES, now, older)
        _accept_stored_steps(session, confirmed.stored, now)
    _save(session, checked.states)
    flag_streaks(session, checked.streaks, now)
    _warn(checked.stale)
    return checked.rows


def _ids_ahead(rows: Sequence[Row], past: Mapping[int, LocationPast], now: datetime) -> list[int]:
    """The locations whose last row is of the future, by the clock and by the times of the provider's new observations.

    If the provider has reached the last row, the clock is behind now, and was not ahead then.
    """
    reached = dict.fromkeys(past, now)
    for row in rows:
        id_, observed_at = row["location_id"], row.get("observed_at")
        if id_ in reached and observed_at is not None:
            reached[id_] = max(reached[id_], observed_at)
    lead = MAX_CLOCK_LEAD.total_seconds()
    return [id_ for id_, location in past.items() if location.state and location.state.at > reached[id_].timestamp() + lead]


def _accept_stored_steps(session: Session, steps: Collection[tuple[int, datetime, str]], now: datetime) -> None:
    """Remove the flag of steps that were stored before the row that confirms them, and trust their values."""
    for location_id, due_at, name in sorted(steps):
        remove_flag(session, location_id, due_at, name, Flag.STEP, now)
        if name in SOURCES:  # the dew point that is derived from it has got the flag with it
            remove_flag(session, location_id, due_at, "dew_point", Flag.STEP, now)
        state = session.get(CheckState, location_id)
        row = session.get(WeatherData, (location_id, due_at))
        past = _decode(state.state, state.levels) if state else None
        if state is not None and row is not None and past is not None and past.at == int(due_at.timestamp()):
            past.last_trusted[name] = LastTrustedValue(getattr(row, name), past.at, past.at, 1)
            state.state, state.levels = encode_state(past)
    session.flush()


def _load(session: Session, ids: Sequence[int]) -> dict[int, LocationPast]:
    """The latitude, the elevation and the state of these locations; locations that do not exist are left out."""
    past: dict[int, LocationPast] = {}
    for first in range(0, len(ids), STATES_PER_STATEMENT):
        text = session.scalar(_ONE_TEXT, {"ids": ids[first : first + STATES_PER_STATEMENT]})
        past.update(
            {
                id_: LocationPast(latitude, _decode(state, levels), elevation)
                for id_, latitude, elevation, state, levels in _decoder.decode(f"[{text or ''}]")
            }
        )
    return past


def _decode(state: str | msgspec.Raw, levels: str | msgspec.Raw | None) -> PastState | None:
    """The state of the two texts of its row."""
    if levels is None or levels == _NO_TEXT:
        return None if state == _NO_TEXT else decode_first_form(state)
    return decode_state(state, levels)


_NO_TEXT: Final = msgspec.Raw(_NULL)


def _save(session: Session, states: Mapping[int, PastState]) -> None:
    """Store the states, in the order of their locations, so that two concurrent batches cannot deadlock."""
    rows = []
    for location_id, state in states.items():
        values, levels = encode_state(state)
        due_at = datetime.fromtimestamp(state.at, UTC)
        rows.append({"location_id": location_id, "due_at": due_at, "state": values, "levels": levels})
    insert_or_replace(session, CheckState, rows, are_old=True)


def _warn(stale: Sequence[PastState]) -> None:
    """Log one warning for all locations with unchanging answers, not one for each location and slot."""
    if stale:
        log.warning(
            "answers no longer change",
            locations=len(stale),
            providers=sorted({state.provider for state in stale}),
            since=datetime.fromtimestamp(min(state.unchanged_since for state in stale), UTC).isoformat(),
        )
