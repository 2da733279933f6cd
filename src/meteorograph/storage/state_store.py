"""Load and save the states of the checks, each with some of its rows only.

A stored state and the rows since then give the newest state (``quality/roll_forward.py``), so nothing is lost with a process. One
that remembers the newest state from its last row reads no row for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Executable, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.orm import Session

from ..quality.check_batch import LocationPast
from ..quality.roll_forward import roll_forward
from ..quality.row_checks import QUANTITY_NAMES
from ..quality.state_text import decode_first_form, decode_state, encode_state
from ..quality.time_checks import PastState
from .engine import ON_COMMIT, get_engine, uses_other_database
from .models import CheckState, Location, WeatherData
from .state_memory import STATE_MEMORY, RememberedState, pack_state, unpack_state
from .upsert import insert_or_replace, table_of

#: A state is stored with each so many-th row of a location: the part of a sixth is a tenth of what a row costs, and whoever takes
#: a location over reads five rows at most.
ROWS_PER_SAVE: Final = 6

#: Locations whose states are stored with the same row lie beside each other, so that few pages of the table change.
_NEIGHBOURS: Final = 64

#: States that one statement loads.
STATES_PER_STATEMENT: Final = 1000

_decoder = msgspec.json.Decoder(list[tuple[int, float, float | None, int, msgspec.Raw, msgspec.Raw]])

_table = table_of(WeatherData)
_COLUMNS: Final = tuple(
    _table.c[name] for name in ("location_id", "due_at", "observed_at", "provider", "providers", "flags", *QUANTITY_NAMES)
)
_NAMES: Final = tuple(column.name for column in _COLUMNS)
_NULL: Final = "null"
_NO_TEXT: Final = msgspec.Raw(_NULL)


class StoredState(NamedTuple):
    """What the database has of the state of a location."""

    #: The changing part; None if no state is stored.
    values: str | None
    #: Rows of later slots.
    rows: int
    #: Whether this process has remembered the state, and after how many rows it is stored again.
    stored_at_rows: int | None


class LoadedStates(NamedTuple):
    """The locations of a batch before it."""

    past: dict[int, LocationPast]
    stored: dict[int, StoredState]


def load_states(session: Session, ids: Sequence[int]) -> LoadedStates:
    """The latitudes, the elevations and the newest states of locations; locations that do not exist are left out."""
    loaded = LoadedStates({}, {})
    remembered = STATE_MEMORY.of(get_engine())
    behind: dict[int, LocationPast] = {}
    statement = _one_text(session.get_bind().dialect.name)
    for first in range(0, len(ids), STATES_PER_STATEMENT):
        text = session.scalar(statement, {"ids": ids[first : first + STATES_PER_STATEMENT]})
        for id_, latitude, elevation, rows, values, levels in _decoder.decode(f"[{text or ''}]"):
            stored = None if values == _NO_TEXT else bytes(values).decode()
            known = remembered.get(id_)
            if known is not None and known.stored == stored and known.rows == rows:
                loaded.past[id_] = LocationPast(latitude, unpack_state(known.packed), elevation)
                loaded.stored[id_] = StoredState(stored, rows, known.stored_at_rows)
                continue
            loaded.past[id_] = LocationPast(latitude, decode_stored(values, levels), elevation)
            loaded.stored[id_] = StoredState(stored, rows, None)
            if rows:
                behind[id_] = loaded.past[id_]
    for id_, stored_rows in _read_rows_since(session, behind).items():
        past = behind[id_]
        assert past.state is not None
        state = roll_forward(past.state, stored_rows, past.state.elevation)
        state.elevation = past.state.elevation
        loaded.past[id_] = past._replace(state=state)
    return loaded


def decode_stored(values: str | msgspec.Raw, levels: str | msgspec.Raw | None) -> PastState | None:
    """The state of the two texts of its row."""
    if levels is None or levels == _NO_TEXT:
        return None if values == _NO_TEXT else decode_first_form(values)
    return decode_state(values, levels)


def save_states(
    session: Session,
    loaded: LoadedStates,
    states: Mapping[int, PastState],
    new_rows: Mapping[int, int],
    must_save: Collection[int],
) -> None:
    """Store the states whose turn it is, in the order of their locations, and remember all once the transaction is committed.

    Args:
        session: The session of the transaction.
        loaded: The locations before the batch.
        states: Their states after it, if they have one.
        new_rows: Location → number of rows of the batch.
        must_save: Locations whose state does not follow from the stored one and the rows.
    """
    saved: list[dict[str, Any]] = []
    remembered: dict[int, RememberedState] = {}
    saves_all = uses_other_database()  # rows of the fallback database are moved away
    for location_id in sorted(states):
        state, before = states[location_id], loaded.stored[location_id]
        elevation = loaded.past[location_id].elevation
        is_elsewhere = elevation != state_elevation(loaded.past[location_id].state)
        state.elevation = elevation
        packed, rows = pack_state(state), before.rows + new_rows.get(location_id, 0)
        limit = before.stored_at_rows
        if limit is None or rows >= limit or is_elsewhere or saves_all or location_id in must_save or before.values is None:
            due_at, text = datetime.fromtimestamp(state.at, UTC), encode_state(state)
            saved.append({"location_id": location_id, "due_at": due_at, "state": text.values, "levels": text.levels})
            first = 1 + location_id // _NEIGHBOURS % ROWS_PER_SAVE
            limit = first if limit is None else ROWS_PER_SAVE
            remembered[location_id] = RememberedState(text.values, 0, packed, limit)
        else:
            remembered[location_id] = RememberedState(before.values, rows, packed, limit)
    insert_or_replace(session, CheckState, saved, are_old=True)
    if not saves_all:
        engine = get_engine()
        session.info.setdefault(ON_COMMIT, []).append(lambda: STATE_MEMORY.update(engine, remembered))


def state_elevation(state: PastState | None) -> float | None:
    """The elevation that a state was made with."""
    return state.elevation if state is not None else None


def settle_states(session: Session, ids: Iterable[int]) -> None:
    """Store the newest states of locations, before stored rows that they follow from are deleted or changed."""
    wanted = sorted(set(ids))
    loaded = load_states(session, wanted)
    behind = {id_: past.state for id_, past in loaded.past.items() if past.state is not None and loaded.stored[id_].rows}
    rows = []
    for location_id, state in behind.items():
        text = encode_state(state)
        due_at = datetime.fromtimestamp(state.at, UTC)
        rows.append({"location_id": location_id, "due_at": due_at, "state": text.values, "levels": text.levels})
    insert_or_replace(session, CheckState, rows, are_old=True)


def _read_rows_since(session: Session, behind: Mapping[int, LocationPast]) -> dict[int, list[dict[str, Any]]]:
    """The stored rows of locations since their stored state."""
    rows: dict[int, list[dict[str, Any]]] = {id_: [] for id_ in behind}
    ids = sorted(behind)
    statement = _rows_since(session.get_bind().dialect.name)
    for first in range(0, len(ids), STATES_PER_STATEMENT):
        found = session.execute(statement, {"ids": ids[first : first + STATES_PER_STATEMENT]})
        for values in found:
            rows[values[0]].append(dict(zip(_NAMES, values, strict=True)))
    return rows


def _is_later(dialect: str) -> Any:
    """Whether a row is of a later slot than the stored state, which is that of a whole second."""
    second = "interval '1 second'" if dialect == "postgresql" else "1"
    return _table.c.due_at >= literal_column(f"check_states.due_at + {second}", WeatherData.due_at.type)


@cache
def _one_text(dialect: str) -> Executable:
    """Locations and states as one JSON text without its brackets.

    For every row that it reads, the SQLite driver releases the interpreter lock, and must wait for a busy event loop to get it
    back.
    """
    later = select(func.count()).select_from(_table).where(_table.c.location_id == Location.id, _is_later(dialect))
    columns = (
        cast(Location.id, Text),
        cast(Location.latitude, Text),
        func.coalesce(cast(Location.elevation, Text), _NULL),
        cast(later.correlate(Location, CheckState).scalar_subquery(), Text),
        func.coalesce(CheckState.state, _NULL),
        func.coalesce(CheckState.levels, _NULL),
    )
    text: Any = "[" + columns[0]
    for column in columns[1:]:
        text = text + "," + column
    joined = select(func.aggregate_strings(text + "]", ",")).select_from(Location).outerjoin(CheckState)
    return joined.where(Location.id.in_(bindparam("ids", expanding=True)))


@cache
def _rows_since(dialect: str) -> Executable:
    rows = select(*_COLUMNS).join(CheckState, CheckState.location_id == _table.c.location_id)
    is_wanted = (_table.c.location_id.in_(bindparam("ids", expanding=True)), _is_later(dialect))
    return rows.where(*is_wanted).order_by(_table.c.location_id, _table.c.due_at)
