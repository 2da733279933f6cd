"""Check rows in the transaction that stores them: load the states of their locations, check, save the new states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model import clock
from ..model.flags import Flag
from ..providers.registry import PROVIDERS
from ..quality.check_batch import LocationPast, check_batch
from ..quality.dew_point import SOURCES
from ..quality.persistence import LastTrustedValue
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..quality.state_text import encode_state
from ..quality.time_checks import PastState
from .flag_updates import flag_streaks, remove_flag
from .future_rows import set_aside_future_rows
from .models import CheckState, WeatherData
from .neighbour_steps import find_confirmed_steps
from .state_store import decode_stored, load_states, save_states, settle_states

log = get_logger(__name__)

Row = dict[str, Any]

#: Provider → how old its observations may be when they are fetched.
_MAX_AGES: Final = {name: provider.max_age for name, provider in PROVIDERS.items()}


def check_rows(
    session: Session, rows: Sequence[Row], older: dict[int, PastState] | None = None, *, saves_all: bool = True
) -> list[Row]:
    """Check the rows; gives them in their order, with the flags of the checks.

    Call it in the transaction that stores the rows, because the states of their locations advance with it.

    Args:
        session: The session of the transaction.
        rows: Columns of ``WeatherData``.
        older: That of ``check_batch``.
        saves_all: Whether to store all new states; without, the rows must be stored too, and replace existing ones.
    """
    checked, save = check_before_storing(session, rows, older, saves_all=saves_all)
    save()
    return checked


def check_before_storing(
    session: Session, rows: Sequence[Row], older: dict[int, PastState] | None = None, *, saves_all: bool
) -> tuple[list[Row], Callable[[], None]]:
    """As ``check_rows``; gives also the function that saves the states, to be called after the rows are stored.

    Rows are locked before states by all, so that two transactions cannot deadlock.
    """
    older = {} if older is None else older
    before = dict(older)
    now = clock.now()
    loaded = load_states(session, sorted({row["location_id"] for row in rows}))
    past = dict(loaded.past)
    ahead = _ids_ahead(rows, past, now)
    for id_ in ahead:
        past[id_] = past[id_]._replace(state=set_aside_future_rows(session, id_, past[id_], now))
    checked = check_batch(rows, past, _MAX_AGES, now, older)
    confirmed = find_confirmed_steps(session, rows, checked.rows)
    must_save = {*ahead, *(loaded.past if saves_all else ())}
    if confirmed.names:
        older.clear()
        older.update(before)
        checked = check_batch(confirmed.marked(rows), past, _MAX_AGES, now, older)
        _accept_stored_steps(session, confirmed.stored, now)
    accepted = {id_ for id_, _, _ in confirmed.stored}
    # Without rows since the stored state, a row that is not newer changes nothing.
    must_save |= {id_ for id_ in checked.irreproducible if id_ in checked.states or (id_ in past and loaded.stored[id_].rows)}
    must_save |= accepted
    unchanged = {id_: state for id_ in must_save - accepted if id_ in past and (state := loaded.past[id_].state)}
    states = {**unchanged, **checked.states}
    flag_streaks(session, checked.streaks, now)
    _warn(checked.stale)
    counts = Counter(row["location_id"] for row in rows)
    return checked.rows, lambda: save_states(session, loaded, states, counts, must_save)


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
    settle_states(session, {location_id for location_id, _, _ in steps})
    for location_id, due_at, name in sorted(steps):
        remove_flag(session, location_id, due_at, name, Flag.STEP, now)
        if name in SOURCES:  # the dew point that is derived from it has got the flag with it
            remove_flag(session, location_id, due_at, "dew_point", Flag.STEP, now)
        state = session.get(CheckState, location_id)
        row = session.get(WeatherData, (location_id, due_at))
        past = decode_stored(state.state, state.levels) if state else None
        if state is not None and row is not None and past is not None and past.at == int(due_at.timestamp()):
            past.last_trusted[name] = LastTrustedValue(getattr(row, name), past.at, past.at, 1)
            state.state, state.levels = encode_state(past)
    session.flush()


def _warn(stale: Sequence[PastState]) -> None:
    """Log one warning for all locations with unchanging answers, not one for each location and slot."""
    if stale:
        log.warning(
            "answers no longer change",
            locations=len(stale),
            providers=sorted({state.provider for state in stale}),
            since=datetime.fromtimestamp(min(state.unchanged_since for state in stale), UTC).isoformat(),
        )
