"""``/alerts``: rules, channels and incidents."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask import Response, request

from ...alerts import queries
from ...alerts.channels import channel_names
from ...alerts.kinds import KINDS, RAIN_HOURS, condition_text
from ...config.loading import get_settings
from ...i18n import Phrase
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .layout import blueprint, render
from .preferences import refuse_unknown

#: Incidents per page.
_LIMIT: Final = 25


class KindChoice(NamedTuple):
    """A kind of rule to choose."""

    name: str
    text: Phrase
    unit: str
    #: The limit where the rule gives none; empty if the kind has no limit, or must be given one.
    limit: str
    is_of_places: bool


#: Each kind with its condition; what stands for the limit and the hours is left open.
_CHOICES: Final = [
    KindChoice(
        kind.value,
        spec.condition_with("…", "…"),
        spec.unit or (Phrase("slots") if spec.unit is not None else ""),
        "" if spec.limit is None else f"{spec.limit:g}",
        spec.subject == "location",
    )
    for kind, spec in KINDS.items()
]


@blueprint.get("/alerts")
def alerts() -> Response:
    """The page of alerts."""
    refuse_unknown(("rule", "state", "cursor"))
    state, place, rule = params.word("state", queries.INCIDENT_STATES), params.after_place(), request.args.get("rule")
    after = queries.IncidentCursor(*place) if place else None
    with get_db_session(read_only=True) as session:
        views = queries.rule_views(session)
        channels = queries.channel_views(session, channel_names(get_settings()))
        incidents, more = queries.list_incidents(session, limit=_LIMIT, state=state, rule=rule, after=after)
    now = clock.now()
    conditions = {
        view.rule.name: condition_text(view.rule.kind, view.rule.options.limit_of(view.rule.kind), view.rule.options.hours)
        for view in views
    }
    return render(
        "alerts.html",
        rules=views,
        conditions=conditions,
        kinds=_CHOICES,
        rain_hours=RAIN_HOURS,
        silent={view.rule.name for view in views if view.rule.is_silent(now)},
        channels=channels,
        known=set(channel_names(get_settings())),
        incidents=incidents,
        rule=rule,
        state=state,
        states=queries.INCIDENT_STATES,
        more=more and params.place_cursor(*more),
        is_first="cursor" not in request.args,
    )
