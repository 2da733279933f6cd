"""Look at what is stored for a rule: which subjects fulfil its condition."""

from __future__ import annotations

from collections.abc import Collection

from ..config.settings import Settings
from ..model.states import AlertKind
from . import account_findings, data_findings, rain_findings, signals, weather_findings
from .findings import Findings
from .places import PlaceReader
from .rules import Rule


def find_all(reader: PlaceReader, settings: Settings, rule: Rule, watched: Collection[str]) -> Findings:
    """What is found for the subjects of a rule; ``watched`` are those that fulfil its condition by what is stored."""
    session, now = reader.session, reader.now
    match rule.kind:
        case AlertKind.NO_DATA:
            return data_findings.find_no_data(reader, rule)
        case AlertKind.GAP:
            return data_findings.find_gaps(reader, rule)
        case AlertKind.OLD_OBSERVATIONS:
            return data_findings.find_old_observations(reader, rule)
        case AlertKind.PROVIDER_CLOSED:
            return account_findings.find_closed_providers(session, settings)
        case AlertKind.KEY_REFUSED:
            return account_findings.find_refused_keys(session, settings)
        case AlertKind.QUOTA_RUNS_OUT:
            return account_findings.find_short_quotas(session, settings, now)
        case AlertKind.DISK | AlertKind.CLOCK | AlertKind.AUDIT_HOLE:
            return signals.find_by_signals(session, rule, now, watched)
        case AlertKind.RAIN:
            return rain_findings.find_rain(reader, rule, watched)
        case AlertKind.PRESSURE_FALL:
            return weather_findings.find_pressure_falls(reader, rule)
        case _:
            return weather_findings.find_newest_weather(reader, rule)


#: Kinds that do not depend on how old data are: they are evaluated while the clock is in doubt too.
CLOCKLESS = frozenset({AlertKind.CLOCK, AlertKind.DISK, AlertKind.KEY_REFUSED})
