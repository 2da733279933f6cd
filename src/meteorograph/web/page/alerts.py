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
from ...model.states import AlertKind
from ...storage.engine import get_db_session
from .. import params
from .display import Display
from .layout import blueprint, render
from .preferences import read_preferences, refuse_unknown
from .stored_text import for_reader

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


#: The quantity of the limit of a kind, if it is one that pages convert.
_QUANTITIES: Final = {
    AlertKind.RAIN: "precipitation",
    AlertKind.WIND: "wind_speed",
    AlertKind.GUST: "wind_gust",
    AlertKind.FROST: "temperature",
    AlertKind.HEAT: "temperature",
    AlertKind.PRESSURE_FALL: "pressure",
}


def _condition(kind: AlertKind, limit: float | None, hours: int | None, display: Display) -> Phrase:
    """The condition of a rule with its limit in the units of the reader."""
    name = _QUANTITIES.get(kind)
    if name is None or limit is None or display.preferences.units == "metric":
        return condition_text(kind, limit, hours)
    return KINDS[kind].condition_with(f"{display.value(name, limit)} {display.unit(name)}", hours)


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
    now, display = clock.now(), Display(read_preferences())
    conditions = {
        view.rule.name: _condition(view.rule.kind, view.rule.options.limit_of(view.rule.kind), view.rule.options.hours, display)
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
        for_reader=for_reader,
        more=more and params.place_cursor(*more),
        is_first="cursor" not in request.args,
    )
