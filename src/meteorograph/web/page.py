"""``/``: the latest values of every location, and the service's health, as a page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotAcceptable

from .. import clock, series
from ..db import get_db_session
from ..errors import MeteorographError
from ..providers import PROVIDERS
from ..settings import get_settings
from .health import report

blueprint = Blueprint("page", __name__)

_POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@blueprint.get("/")
def overview() -> str:
    """The page. It answers also while the database does not, and says so."""
    if request.accept_mimetypes and not request.accept_mimetypes.accept_html:
        raise NotAcceptable("This is a page of HTML; /data/latest has the same as JSON.")
    settings, now = get_settings(), clock.now()
    health, _ = report()
    rows: list[dict[str, Any]] = []
    try:
        with get_db_session(read_only=True) as session:
            rows = series.latest(session)
    except (MeteorographError, SQLAlchemyError):
        pass  # the health line says it
    shown = {row["provider"] for row in rows} | {name for row in rows for name in (row["providers"] or {}).values()}
    return render_template(
        "overview.html",
        rows=rows,
        health=health,
        demo=settings.demo,
        now=now,
        refresh_seconds=max(5, min(60, int(settings.interval.total_seconds()))),
        attributions=[PROVIDERS[name].attribution for name in sorted(shown) if name in PROVIDERS],
    )


@blueprint.app_template_filter()
def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago an instant was, in one unit."""
    if instant is None:
        return "unknown"
    seconds = int((now - instant).total_seconds())
    if seconds < 0:
        return "in the future"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


@blueprint.app_template_filter()
def number(value: float | None, decimals: int = 0) -> str:
    """A value with so many decimals; a dash for "not given"."""
    if value is None:
        return "–"  # noqa: RUF001  # a typographic sign, like the minus below
    rounded = round(value, decimals) + 0.0  # never "-0"
    return f"{rounded:.{decimals}f}".replace("-", "−")  # noqa: RUF001


@blueprint.app_template_filter()
def compass(degrees: float | None) -> str:
    """The point of the compass that a wind comes from."""
    return "" if degrees is None else _POINTS[round(degrees / 45) % 8]


@blueprint.app_template_filter()
def period(seconds: int) -> str:
    """A length of time [s] in whole hours where it is some, else in minutes."""
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"
