"""What the demonstration has behind it: forty days of hourly rows, and the troubles that the service tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import delete, insert, select, update

from ..accounts import plan_inputs, quota
from ..accounts.call_plan import make_plan
from ..alerts.rules import add_rule
from ..config.settings import Settings
from ..model.schedule import DEFAULT_SCHEDULE
from ..model.states import AlertKind, MissedReason, Origin, RunState
from ..model.values import Observation
from ..quality.dew_point import derive_dew_point
from ..simulator import Simulator
from ..storage.engine import get_db_session
from ..storage.models import AccountedUntil, Location, Missed, Quota, Run, WeatherData
from ..storage.observations import Row, store, to_row

HOUR: Final = timedelta(hours=1)

#: Hours before the start that have rows.
PAST_HOURS: Final = 40 * 24
_HOURS_OF_BATCH: Final = 48

#: Hours before the start at which the service was down. The second time a history filled the gap later.
_DOWN: Final = range(61, 66)
_BACKFILLED: Final = range(31, 36)
#: Hours before the start at which the provider failed for one place.
_FAILED: Final = range(100, 121)
_FAILED_PLACE: Final = "Mumbai"
#: The place whose provider does not know it any more, and since how many hours.
_STALE_PLACE: Final = "Ushuaia"
_STALE_HOURS: Final = 5
_PAST_SCHEDULE: Final = "1h"
_RUN_TIME: Final = timedelta(seconds=3)
_POINT: Final = (Location.latitude, Location.longitude)
#: Each so many rows, a temperature that jumps by so much [K], which the checks flag.
_SPIKE_EVERY: Final = 397
_SPIKE: Final = 15.0

#: How much larger the quota of a month is than what the demonstration needs in it.
_SPARE: Final = 1.05


def add_rows(simulator: Simulator, now: datetime) -> None:
    """Store the hours before the start as if they had been collected, most in time and some later."""
    last = now.replace(minute=0, second=0, microsecond=0)
    with get_db_session(read_only=True) as session:
        places = session.execute(select(Location.id, Location.latitude, Location.longitude).order_by(Location.id)).all()
    newest = 0 if last < now else 1  # the slot at hand is collected, if it has just begun
    for first in range(PAST_HOURS, newest - 1, -_HOURS_OF_BATCH):
        hours = range(first, max(newest - 1, first - _HOURS_OF_BATCH), -1)
        store([_row(simulator, last, back, *place) for back in hours for place in places])


def _row(simulator: Simulator, last: datetime, back: int, number: int, latitude: float, longitude: float) -> Row:
    at = last - back * HOUR
    values = {name: value for name, value in simulator.truth(latitude, longitude, at).items() if value is not None}
    is_late = back in _BACKFILLED
    fetched_at = last - _BACKFILLED.start * HOUR if is_late else at
    head: dict[str, Any] = {"provider": "openweathermap", "fetched_at": fetched_at, "observed_at": at}
    observation = msgspec.convert({**head, **values}, Observation)
    if (number * 31 + back) % _SPIKE_EVERY == 0 and observation.temperature is not None:
        observation = msgspec.structs.replace(observation, temperature=observation.temperature + _SPIKE)
    observation = derive_dew_point(observation)
    return to_row(number, at, observation, Origin.BACKFILL if is_late else Origin.LIVE)


def add_ledger(simulator: Simulator, settings: Settings, now: datetime) -> Settings:
    """Record a past of the service: its runs, gaps, a place without new rows with an incident, a quota near its end.

    Returns:
        The settings, with the limit of that quota.
    """
    last = now.replace(minute=0, second=0, microsecond=0)
    slots = [last - back * HOUR for back in range(PAST_HOURS, 0, -1)]
    with get_db_session() as session:
        places = {row.name: row for row in session.execute(select(Location.name, Location.id, *_POINT))}
        missed = list(_missed(last, now, {name: row.id for name, row in places.items()}))
        session.execute(insert(Missed), missed)
        for row in missed:
            is_row = WeatherData.location_id == row["location_id"], WeatherData.due_at == row["due_at"]
            session.execute(delete(WeatherData).where(*is_row).execution_options(synchronize_session=False))
        failed = Counter(row["due_at"] for row in missed)
        session.execute(insert(Run), [_run(at, len(places), failed[at]) for at in slots])
        # The past is accounted for: it had the schedule of the stale place, and not that of the demonstration.
        known = [{"schedule": name, "until_at": now} for name in (DEFAULT_SCHEDULE, _PAST_SCHEDULE)]
        session.execute(insert(AccountedUntil), known)
        session.execute(update(Location).values(created_at=slots[0], due_since=now))
        stale = places[_STALE_PLACE]
        session.execute(delete(WeatherData).where(WeatherData.location_id == stale.id, WeatherData.due_at >= last))
        session.execute(update(Location).where(Location.id == stale.id).values(schedule=_PAST_SCHEDULE, due_since=None))
        add_rule(session, "No data for 3 hours", AlertKind.NO_DATA, {"hold": "0s"}, (), now)
    simulator.set_faults(f"kind=status code=404 place={stale.latitude},{stale.longitude}")
    return _use_quota(settings, now)


def _missed(last: datetime, now: datetime, ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The slots without a row, each with its reason. No history fills them."""
    for name, number in ids.items():
        for back in _DOWN:
            yield _reason(number, last - back * HOUR, MissedReason.DOWN, None, now)
        for back in _FAILED if name == _FAILED_PLACE else ():
            yield _reason(number, last - back * HOUR, MissedReason.PROVIDER_ERROR, "openweathermap: HTTP 502 Bad Gateway", now)
        for back in range(_STALE_HOURS, 0, -1) if name == _STALE_PLACE else ():
            yield _reason(number, last - back * HOUR, MissedReason.PROVIDER_ERROR, "openweathermap: 404: city not found", now)


def _reason(number: int, at: datetime, reason: MissedReason, detail: str | None, closed_at: datetime) -> dict[str, Any]:
    return {"location_id": number, "due_at": at, "reason": reason, "detail": detail, "tries": 3, "closed_at": closed_at}


def _run(at: datetime, due: int, failed: int) -> dict[str, Any]:
    state = RunState.SUCCEEDED if not failed else RunState.PARTIAL if failed < due else RunState.MISSED
    counts = {"due": due, "stored": due - failed, "failed": failed, "calls": due if failed < due else 0}
    times: dict[str, Any] = {"started_at": at, "ended_at": at + _RUN_TIME, "reason": None}
    if state == RunState.MISSED:
        times = {"started_at": None, "ended_at": None, "reason": MissedReason.DOWN}
    return {"schedule": _PAST_SCHEDULE, "due_at": at, "shard": 0, "state": state, **counts, **times}


def _use_quota(settings: Settings, now: datetime) -> Settings:
    """Let the demonstration have used Weatherstack's month so far; the limit is little more than the whole month needs."""
    account = settings.account("weatherstack")
    start, end = quota.period_start("month", now, account.zone), quota.period_end("month", now, account.zone)
    with get_db_session() as session:
        plan = make_plan(plan_inputs.schedule_groups(session, settings), settings, now)
        needs = [need for part in plan.providers if part.provider == account.name for need in part.needs]
        month = next(need.calls for need in needs if need.window == "month")
        used = int(month * ((now - start) / (end - start)))
        session.add(Quota(provider=account.name, window="month", period_start=start, used=used))
    return settings.model_copy(update={"weatherstack_calls_per_month": int(_SPARE * month)})
