"""Signals: what each process knows of its host and of its own work, stored for rules that any process evaluates."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..collecting.process_memory import PROCESS_MEMORY
from ..config.settings import Settings
from ..model.states import AlertKind
from ..model.words import counted
from ..service_state import SERVICE_STATE
from ..storage.engine import database_url
from ..storage.models import AlertSignal
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace
from .findings import UNKNOWN, Finding, Findings, Status, compare
from .rules import Rule

#: An older signal says nothing: its process has ended, or stands still.
FRESH_FOR: Final = timedelta(minutes=2)

_MEGABYTE: Final = 1_000_000


class Signal(NamedTuple):
    """A value that this process knows."""

    kind: AlertKind
    subject: str
    value: float


def own_signals(settings: Settings) -> Iterator[Signal]:
    """The signals of this process: free disk space [MB], error of the clock [s], and slots without an account."""
    host = socket.gethostname()
    free: dict[int, tuple[str, float]] = {}
    for path in _folders(settings):
        try:
            device, left = os.stat(path).st_dev, shutil.disk_usage(path).free / _MEGABYTE
        except OSError:
            continue
        free.setdefault(device, (str(path), left))
    for folder, left in free.values():
        yield Signal(AlertKind.DISK, f"{host}:{folder}"[:200], left)
    check = PROCESS_MEMORY.clock_check
    if (error := check.wrong_by) is not None:
        yield Signal(AlertKind.CLOCK, host, error.total_seconds())
    elif check.is_trusted:
        yield Signal(AlertKind.CLOCK, host, 0.0)
    if SERVICE_STATE.has_audited:
        yield Signal(AlertKind.AUDIT_HOLE, host, float(SERVICE_STATE.unaccounted))


def _folders(settings: Settings) -> list[Path]:
    url = database_url()
    folders = [settings.journal_dir]
    if url.get_backend_name() == "sqlite" and url.database:
        folders.insert(0, Path(url.database).parent)
    if settings.backup_dir is not None:
        folders.append(settings.backup_dir)
    return [_existing(folder.absolute()) for folder in folders]


def _existing(folder: Path) -> Path:
    """The folder, or the first one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), folder)


def record_signals(session: Session, signals: Iterable[Signal], now: datetime) -> None:
    """Store the signals of this process in the place of its earlier ones, and delete those of processes that are gone."""
    session.execute(delete(AlertSignal).where(AlertSignal.holder == process_name()))
    session.execute(delete(AlertSignal).where(AlertSignal.noted_at < now - timedelta(days=1)))
    rows = [
        {"holder": process_name(), "kind": one.kind, "subject": one.subject, "noted_at": now, "value": one.value}
        for one in signals
    ]
    insert_or_replace(session, AlertSignal, rows)


def find_by_signals(session: Session, rule: Rule, now: datetime, watched: Collection[str]) -> Findings:
    """What the fresh signals of all processes say, for each host: the worst of its processes counts.

    A host without a fresh signal is not well for that: it says nothing, until it is forgotten after a day.
    """
    values: dict[str, list[float]] = {}
    silent: set[str] = set()
    mine = select(AlertSignal).where(AlertSignal.kind == rule.kind)
    for signal in session.scalars(mine):
        if abs(now - signal.noted_at) <= FRESH_FOR:
            values.setdefault(signal.subject, []).append(signal.value)
        elif signal.subject in watched:
            silent.add(signal.subject)
    return {**dict.fromkeys(silent, UNKNOWN), **{subject: _judge(rule, found) for subject, found in values.items()}}


def _judge(rule: Rule, values: list[float]) -> Finding:
    if rule.kind == AlertKind.DISK:
        left, limit = min(values), rule.options.limit_of(rule.kind) or 0.0
        status = compare(left, limit, rule.options.clear_limit_of(rule.kind), is_below=True)
        return Finding(status, None, "the disk is nearly full", f"{left:,.0f} MB are left")
    value = max(values, key=abs)
    if not value:
        return Finding(Status.FINE)
    if rule.kind == AlertKind.CLOCK:
        direction = "ahead" if value > 0 else "behind"
        return Finding(
            Status.FIRING, None, "the clock disagrees with the answers of providers", f"{abs(value):,.0f} s {direction}"
        )
    return Finding(Status.FIRING, None, "slots had neither a row nor a reason", counted(round(value), "slot"))
