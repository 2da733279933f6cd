"""``meteorograph doctor``: check everything that the service needs, and say what to mend."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..errors import ConfigurationError, MeteorographError
from .options import json_option
from .output import Column, print_json, print_table

if TYPE_CHECKING:
    from ..config.settings import Settings

#: Less free space than this is worth a warning [bytes]: weeks of a thousand locations.
_LITTLE_SPACE: Final = 1_000_000_000

#: Rights of everybody but the owner and the group.
_OTHERS: Final = 0o007

_COLUMNS: Final = (Column(), Column(is_state=True), Column(wraps=True))


class State(StrEnum):
    """What a check comes to."""

    OK = "ok"
    #: It works, and may not for long.
    WARNING = "warning"
    #: It does not work.
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a check."""

    check: str
    state: State
    #: What was found, and what to do about it.
    text: str


@click.command()
@click.option("--no-calls", is_flag=True, help="Call no provider: keys and clock are not checked.")
@json_option
def doctor(no_calls: bool, as_json: bool) -> None:
    """Check settings, database, journal, disk, permissions, quotas, keys and clock; exit 1 if something must be mended.

    Each configured key costs one call.
    """
    findings = list(_check_all(no_calls=no_calls))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(_COLUMNS, [(finding.check, finding.state, finding.text) for finding in findings])
    if any(finding.state == State.PROBLEM for finding in findings):
        raise SystemExit(1)


def _check_all(*, no_calls: bool) -> Iterator[Finding]:
    from ..config.loading import load_settings
    from ..logs import setup_logging

    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding("settings", State.PROBLEM, str(error))
        return
    setup_logging(settings.model_copy(update={"log_level": "CRITICAL"}))  # the findings say it
    yield from _settings()
    database = list(_database())
    yield from database
    yield from _folders(settings)
    yield from _journal_store(settings)
    yield from _permissions(settings)
    if all(finding.state == State.OK for finding in database):
        yield from _quotas(settings)
        yield from _keys(settings, no_calls=no_calls)
        yield from _alerts(settings)
    yield from _backups(settings)
    yield from _archive(settings, has_database=all(finding.state == State.OK for finding in database))


def _settings() -> Iterator[Finding]:
    from ..config.loading import unknown_settings
    from ..config.sources import ENV_FILE

    source = f"the environment and {ENV_FILE.resolve()}" if ENV_FILE.is_file() else "the environment, no .env here"
    yield Finding("settings", State.OK, f"valid, from {source}")
    yield from (Finding("settings", State.WARNING, line) for line in unknown_settings())


def _database() -> Iterator[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from ..storage import migrations
    from ..storage.connections import shown_url
    from ..storage.database_errors import plain_reason
    from ..storage.engine import database_url, get_db_session, get_engine

    url = database_url()
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield Finding("database", State.OK, f"{shown_url(url)} does not exist yet: the service makes it")
        return
    try:
        revision, newest = migrations.current_revision(get_engine()), migrations.newest_revision()
        if revision is not None and revision > newest:
            text = f"has the schema {revision} of a newer version of Meteorograph: upgrade the program"
            yield Finding("database", State.PROBLEM, f"{shown_url(url)} {text}")
            return
        with get_db_session() as session:  # which may write
            session.connection().exec_driver_sql("SELECT 1")
        old = "" if revision == newest else f", the service brings its schema from {revision or 'nothing'} to {newest}"
        yield Finding("database", State.OK, f"{shown_url(url)} answers and can be written{old}")
    except SQLAlchemyError as error:
        yield Finding("database", State.PROBLEM, f"{shown_url(url)} cannot be used: {plain_reason(error)}")
    except MeteorographError as error:
        yield Finding("database", State.PROBLEM, str(error))


def _folders(settings: Settings) -> Iterator[Finding]:
    from ..archiving.candidates import seals
    from ..storage.engine import database_url

    url = database_url()
    folders = {"journal": settings.journal_dir} if settings.journal_days else {}
    if url.get_backend_name() == "sqlite" and url.database:
        folders["data"] = Path(url.database).parent
    if seals(settings):
        folders["archive"] = settings.archive_dir
    if settings.backup_dir is not None:
        folders["backups"] = settings.backup_dir
    for name, folder in folders.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            text = "is no folder" if not there.is_dir() else "cannot be written by this user"
            yield Finding(name, State.PROBLEM, f"{there} {text}")
            continue
        free = shutil.disk_usage(there).free
        state = State.WARNING if free < _LITTLE_SPACE else State.OK
        yield Finding(name, state, f"{folder} can be written, {free / 1e9:.1f} GB are free")


def _journal_store(settings: Settings) -> Iterator[Finding]:
    from ..journal.store import open_store, require_store

    store = open_store(settings.journal_store)
    if store is None:
        return
    try:
        require_store(settings.journal_store)
        store.check()
        yield Finding("journal store", State.OK, f"{store} can be read and written")
    except MeteorographError as error:
        yield Finding("journal store", State.PROBLEM, str(error))


def _permissions(settings: Settings) -> Iterator[Finding]:
    from ..config.sources import ENV_FILE
    from ..failover.file_modes import service_files

    files = [*service_files(settings), *([ENV_FILE] if ENV_FILE.is_file() else [])]
    for path in files:
        if path.stat().st_mode & _OTHERS:
            yield Finding("permissions", State.WARNING, f"every user of this machine may use {path}: chmod o= {path}")


def _quotas(settings: Settings) -> Iterator[Finding]:
    from ..accounts import plan_inputs
    from ..accounts.call_plan import make_plan
    from ..model import clock
    from .sessions import open_session

    with open_session(read_only=True) as session:
        groups = plan_inputs.schedule_groups(session, settings)
    for provider in make_plan(groups, settings, clock.now()).providers:
        yield Finding("quotas", State.OK if provider.holds else State.WARNING, provider.sentence)


def _keys(settings: Settings, *, no_calls: bool) -> Iterator[Finding]:
    from ..collecting.key_check import KEY_STATE_TEXTS, check_keys
    from ..collecting.process_memory import PROCESS_MEMORY
    from ..collecting.run_context import require_key

    try:
        require_key(settings)
    except MeteorographError as error:
        yield Finding("keys", State.PROBLEM, str(error))
    if no_calls:
        return
    for report in check_keys(settings):
        words = [f"{report.title}: {KEY_STATE_TEXTS[report.state]}", report.said, report.advice]
        yield Finding("keys", State.OK if report.is_good else State.PROBLEM, "; ".join(filter(None, words)))
    wrong_by = PROCESS_MEMORY.clock_check.wrong_by
    if wrong_by is not None:
        direction = "ahead" if wrong_by > timedelta(0) else "behind"
        seconds = abs(wrong_by.total_seconds())
        text = f"is {seconds:,.0f} s {direction} by the providers' answers: set it, or start a time service"
        yield Finding("clock", State.PROBLEM, f"the clock of this machine {text}")


def _backups(settings: Settings) -> Iterator[Finding]:
    from ..backups.folder import last_backup
    from ..model import clock

    if settings.backup_dir is None:
        yield Finding("backups", State.WARNING, "none are made: set METEOROGRAPH_BACKUP_DIR, or use a tool of your own")
        return
    last = last_backup(settings.backup_dir)
    is_late = last is None or clock.now() - last > 2 * timedelta(hours=settings.backup_hours)
    text = "there is none yet" if last is None else f"the newest is of {last:%Y-%m-%d %H:%M} UTC"
    yield Finding("backups", State.WARNING if is_late else State.OK, text)


def _archive(settings: Settings, *, has_database: bool) -> Iterator[Finding]:
    from ..archiving.candidates import require_pyarrow
    from ..archiving.files import find_damage
    from ..storage.archive.files import read_files
    from .sessions import open_session

    try:
        require_pyarrow(settings)
        if not has_database:
            return
        with open_session(read_only=True) as session:
            count = sum(1 for file in read_files(session) if file.emptied_at is None)
        if count and (fault := find_damage(0)) is not None:
            yield Finding("archive", State.PROBLEM, f"{fault}: meteorograph archive verify looks at all files")
        elif count:
            yield Finding("archive", State.OK, f"{settings.archive_dir} has all {count:,} files of sealed months")
    except MeteorographError as error:
        yield Finding("archive", State.PROBLEM, str(error))


def _alerts(settings: Settings) -> Iterator[Finding]:
    from ..alerts.channels import channel_faults, channel_names
    from ..alerts.rules import list_rules
    from .sessions import open_session

    names = channel_names(settings)
    if not names:
        return
    faults = channel_faults(settings)
    yield from (Finding("alerts", State.PROBLEM, fault) for fault in faults)
    with open_session(read_only=True) as session:
        rules = len(list_rules(session))
    if not rules and settings.alert_channels:
        yield Finding("alerts", State.WARNING, "there are channels but no rules: run meteorograph alerts add --operations")
    elif not faults:
        yield Finding("alerts", State.OK, f"{rules:,} rules, channels {', '.join(names)}; meteorograph alerts test tries them")
