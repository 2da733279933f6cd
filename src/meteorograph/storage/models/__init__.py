"""The tables, one file for each subject. The migrations create them."""

from __future__ import annotations

from .accounts import AccountState, Quota
from .alerts import AlertRule, AlertSignal, AlertSubject, Delivery, Incident, WebhookCursor
from .archive import ArchiveFile, SealedRange
from .background import BackgroundTask
from .base import Base
from .counters import CounterTotal
from .geocoding import GeocoderAnswer
from .integrations import Integration, OutboxEntry
from .jobs import JobRun, RegisteredJob
from .ledger import AccountedUntil, Heartbeat, Lease, Missed, Run, Shard
from .locations import Location, LocationStation
from .rollups import DailyRollup, RolledUpUntil
from .tokens import Token
from .weather import CheckState, WeatherData

__all__ = [
    "AccountState",
    "AccountedUntil",
    "AlertRule",
    "AlertSignal",
    "AlertSubject",
    "ArchiveFile",
    "BackgroundTask",
    "Base",
    "CheckState",
    "CounterTotal",
    "DailyRollup",
    "Delivery",
    "GeocoderAnswer",
    "Heartbeat",
    "Incident",
    "Integration",
    "JobRun",
    "Lease",
    "Location",
    "LocationStation",
    "Missed",
    "OutboxEntry",
    "Quota",
    "RegisteredJob",
    "RolledUpUntil",
    "Run",
    "SealedRange",
    "Shard",
    "Token",
    "WeatherData",
    "WebhookCursor",
]
