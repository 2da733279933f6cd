"""``/runs``: what the runs did, and what is spent of each provider's account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, request
from sqlalchemy.orm import Session

from ...accounts import account_state, plan_inputs, quota
from ...accounts.call_plan import make_plan
from ...config.loading import get_settings
from ...config.settings import Settings
from ...ledger import queries
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .layout import blueprint, render
from .quota_gauges import gauges

#: How far back runs are shown, and how many on a page.
_PERIOD: Final = timedelta(days=7)
_LIMIT: Final = 25


@blueprint.get("/runs")
def runs() -> Response:
    """Runs and quotas, as a page."""
    params.refuse_unknown(("state", "cursor"))
    state, place, now = params.word("state", queries.RUN_STATES), params.after_place(), clock.now()
    after = queries.Cursor(*place) if place else None
    end = now + timedelta(microseconds=1)
    with get_db_session(read_only=True) as session:
        found, more = queries.list_runs(session, end - _PERIOD, end, limit=_LIMIT, state=state, after=after)
        told = _accounts(session, get_settings(), now)
    return render(
        "runs.html",
        runs=found,
        accounts=told,
        state=state,
        states=queries.RUN_STATES,
        more=more and params.place_cursor(*more),
        is_first="cursor" not in request.args,
    )


def _accounts(session: Session, settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """Each provider of the plan: what it is asked for, the state of its key, and its gauges."""
    made = make_plan(plan_inputs.schedule_groups(session, settings), settings, now)
    return [
        {
            "provider": one,
            "known": account_state.account_status(session, one.provider, settings.key(one.provider), now),
            "gauges": gauges(
                quota.usage(session, settings.account(one.provider), now),
                {need.window: need.calls for need in one.needs},
                now,
            ),
        }
        for one in made.providers
    ]
