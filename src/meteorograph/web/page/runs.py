"""``/runs``: runs, and the quota usage of each provider."""

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
from .preferences import refuse_unknown
from .quota_gauges import gauges

#: Period of the runs, and runs per page.
_PERIOD: Final = timedelta(days=7)
_LIMIT: Final = 25


@blueprint.get("/runs")
def runs() -> Response:
    """The page of runs and quotas."""
    refuse_unknown(("state", "cursor"))
    state, place, now = params.word("state", queries.RUN_STATES), params.after_place(), clock.now()
    after = queries.Cursor(*place) if place else None
    end = now + timedelta(microseconds=1)
    with get_db_session(read_only=True) as session:
        entries, more = queries.list_runs(session, end - _PERIOD, end, limit=_LIMIT, state=state, after=after)
        accounts = _accounts(session, get_settings(), now)
    return render(
        "runs.html",
        runs=entries,
        accounts=accounts,
        state=state,
        states=queries.RUN_STATES,
        more=more and params.place_cursor(*more),
        is_first="cursor" not in request.args,
    )


def _accounts(session: Session, settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """The plan, account status and gauges of each provider of the plan."""
    plan = make_plan(plan_inputs.schedule_groups(session, settings), settings, now)
    return [
        {
            "provider": provider_plan,
            "status": account_state.account_status(session, provider_plan.provider, settings.key(provider_plan.provider), now),
            "gauges": gauges(
                quota.usage(session, settings.account(provider_plan.provider), now),
                {need.window: need.calls for need in provider_plan.needs},
                now,
            ),
        }
        for provider_plan in plan.providers
    ]
