"""Open-Meteo: modelled weather, current and past, without a key. ``current.py`` and ``history.py`` parse its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..base import History, Provider
from .common import CURRENT_VARIABLES, NAME, SPAN_PER_CALL, VARIABLES, VARIABLES_PER_CALL
from .current import parse, request
from .history import cost, parse_hours, request_archived, request_recent

PROVIDER: Final = Provider(
    name=NAME,
    title="Open-Meteo",
    documentation="https://open-meteo.com/en/docs",
    attribution="Weather data by Open-Meteo.com (https://open-meteo.com/)",
    licence="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    method="modelled",
    quantities={quantity: next(iter(units)) for quantity, units in VARIABLES.values()} | {"weather_code": "WMO 4677"},
    setting="OPEN_METEO",
    base_url="https://api.open-meteo.com",
    windows={"minute": 600, "hour": 5000, "day": 10_000},
    max_age=timedelta(hours=1),  # it answers for the current quarter of an hour
    request=request,
    parse=parse,
    most=1000,
    cost=max(1.0, (len(CURRENT_VARIABLES) + 1) / VARIABLES_PER_CALL),
    at_once=2,  # it processes one request per address at a time, and refuses requests while more than five wait
    terms=(
        "Open-Meteo's free service is for non-commercial use only, up to 10,000 calls a day from one address; "
        "show its attribution with the data (https://open-meteo.com/en/terms)"
    ),
    history=(
        History(
            account=NAME,
            request=request_recent,
            parse=parse_hours,
            cost=cost,
            span=SPAN_PER_CALL,
            reach=timedelta(days=92),
        ),
        History(
            account=NAME,
            request=request_archived,
            parse=parse_hours,
            cost=cost,
            span=SPAN_PER_CALL,
            delay=timedelta(days=5),
            setting="OPEN_METEO_ARCHIVE",
            base_url="https://archive-api.open-meteo.com",
        ),
    ),
)
