"""``/api/alerts``: rules, incidents and channels. No answer has the address of a channel."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import quote

from flask import Blueprint, g, request
from werkzeug.exceptions import Conflict, NotFound

from ..alerts import objects, queries, rules
from ..alerts.channels import channel_names
from ..alerts.trial import try_channels
from ..config.loading import get_settings
from ..errors import BadInputError, InvalidRuleError, LocationNotFoundError, RuleExistsError, RuleNotFoundError
from ..model import clock
from ..model.states import AlertKind, TokenScope
from ..storage.engine import get_db_session
from . import params
from .access import needs_scope
from .json_body import json_body

blueprint = Blueprint("alerts", __name__)

KINDS: Final = tuple(kind.value for kind in AlertKind)


@blueprint.get("/api/alerts")
def listing() -> dict[str, Any]:
    """The rules and how they stand, and the channels."""
    params.refuse_unknown(())
    with get_db_session(read_only=True) as session:
        views = queries.rule_views(session)
        channels = queries.channel_views(session, channel_names(get_settings()))
    return {
        "rules": [objects.rule_object(view) for view in views],
        "channels": [objects.channel_object(view) for view in channels],
        "request_id": g.request_id,
    }


@blueprint.post("/api/alerts")
@needs_scope(TokenScope.ADMIN)
def add() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add a rule."""
    body = json_body()
    name, kind = _text(body, "name"), _text(body, "kind")
    options = {key: value for key, value in body.items() if key not in ("name", "kind")}
    try:
        with get_db_session() as session:
            rule = rules.add_rule(session, name, kind, options, channel_names(get_settings()), clock.now())
    except InvalidRuleError as error:
        raise BadInputError("body", None, str(error), errors=error.errors) from None
    except LocationNotFoundError as error:
        raise BadInputError("locations", error.name, str(error)) from None
    except RuleExistsError as error:
        raise Conflict(str(error)) from None
    place = f"{request.script_root}/api/alerts/{quote(rule.name)}"
    content = objects.rule_object(queries.RuleView(rule, 0, 0, 0))
    return {"rule": content, "request_id": g.request_id}, 201, {"Location": place}


@blueprint.delete("/api/alerts/<path:name>")
@needs_scope(TokenScope.ADMIN)
def remove(name: str) -> dict[str, Any]:
    """Remove a rule; its incidents stay in the history."""
    params.refuse_unknown(())
    try:
        with get_db_session() as session:
            rules.remove_rule(session, name, clock.now())
    except RuleNotFoundError as error:
        raise NotFound(str(error)) from None
    return {"removed": name, "request_id": g.request_id}


@blueprint.post("/api/alerts/silence/<path:name>")
@needs_scope(TokenScope.ADMIN)
def silence(name: str) -> dict[str, Any]:
    """Let a rule send no messages until a time; ``until`` null ends its silence."""
    body = json_body()
    if set(body) != {"until"} or not isinstance(body["until"], str | None):
        raise BadInputError("until", body.get("until"), "must be a duration such as 2h, an ISO 8601 time, or null")
    try:
        until = None if body["until"] is None else rules.parse_silence(body["until"], clock.now())
        with get_db_session() as session:
            rule = rules.silence_rule(session, name, until)
    except ValueError as error:
        raise BadInputError("until", body["until"], str(error)) from None
    except RuleNotFoundError as error:
        raise NotFound(str(error)) from None
    return {"rule": objects.rule_object(queries.RuleView(rule, 0, 0, 0)), "request_id": g.request_id}


@blueprint.get("/api/alerts/incidents")
def incidents() -> dict[str, Any]:
    """Incidents with their messages, newest first."""
    params.refuse_unknown(("rule", "state", "limit", "cursor"))
    limit, state, place = params.limit(), params.word("state", queries.INCIDENT_STATES), params.after_place()
    after = queries.IncidentCursor(*place) if place else None
    with get_db_session(read_only=True) as session:
        found, following = queries.list_incidents(session, limit=limit, state=state, rule=request.args.get("rule"), after=after)
    cursor = following and params.place_cursor(*following)
    return {"data": [objects.incident_object(view) for view in found], "next": cursor, "request_id": g.request_id}


@blueprint.post("/api/alerts/test")
@needs_scope(TokenScope.ADMIN)
def test() -> dict[str, Any]:
    """Send a message to one channel now, and say what came of it."""
    body, settings = json_body(), get_settings()
    known, channel = channel_names(settings), body.get("channel")
    if set(body) != {"channel"} or channel not in known:
        raise BadInputError("channel", channel, f"must be one of {', '.join(known) or 'none: no channel is set'}")
    [trial] = try_channels(settings, [cast(str, channel)])
    return {"channel": trial.channel, "accepted": trial.error is None, "error": trial.error, "request_id": g.request_id}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or "\0" in value:
        raise BadInputError(name, value, f"must be one of {', '.join(KINDS)}" if name == "kind" else "must be a text")
    return value
