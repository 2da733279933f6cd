"""Pools and poolers: how many connections stay open, and what a pooler in transaction mode must not be asked for."""

from __future__ import annotations

import logging
import threading

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from meteorograph import get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError, StoreError
from meteorograph.storage import connections, pooler
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import Lease
from meteorograph.storage.pooler import PoolerState

POOLED = pytest.mark.parametrize("database", ["pooled"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

#: Sessions at once, each of which runs a statement often enough for the driver to prepare it.
THREADS, STATEMENTS = 8, 12


def _work() -> list[BaseException]:
    """Use as many sessions at once as a web server; gives their errors."""
    begin, errors = threading.Barrier(THREADS), list[BaseException]()

    def use() -> None:
        begin.wait()
        try:
            for number in range(STATEMENTS):
                with get_db_session(read_only=True) as session:
                    assert session.scalar(text("SELECT CAST(:number AS integer)"), {"number": number}) == number
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def _prepared() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) or 0


def _warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum("a pooler is in front of the database" in record.getMessage() for record in caplog.records)


@POOLED
@pytest.mark.usefixtures("database")
def test_a_pooler_is_recognised_before_the_first_statement(caplog: pytest.LogCaptureFixture) -> None:
    assert _work() == []
    assert _prepared() == 0
    assert _warnings(caplog) == 1


@POOLED
@pytest.mark.usefixtures("database")
def test_behind_a_pooler_a_lock_is_waited_for_no_longer_than_without_one() -> None:
    for _ in range(3):
        with get_db_session() as session:
            assert session.scalar(text("SHOW lock_timeout")) == f"{connections.LOCK_TIMEOUT_SECONDS}s"
    with psycopg.connect(get_engine().url.set(drivername="postgresql").render_as_string(False)) as other:  # another client
        found = other.execute("SHOW lock_timeout", prepare=False).fetchone()
    assert found == ("0",)


@POOLED
@pytest.mark.usefixtures("database")
def test_an_error_of_prepared_statements_switches_them_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As behind a pooler that passes on the numbers of the server's processes."""
    monkeypatch.setattr(connections, "pooler_state", lambda url, _settings: (url, PoolerState(False, 0, is_chosen=False)))
    ENGINES.reset()
    errors = _work()
    assert errors
    assert {type(error) for error in errors} == {StoreError}
    assert "mixed the prepared statements" in str(errors[0])
    assert _work() == []
    assert _warnings(caplog) == 1


@POSTGRESQL
@pytest.mark.parametrize(
    ("setting", "parameter", "is_prepared"),
    [
        (None, None, True),
        ("false", None, False),
        (None, "none", False),
        (None, "3", True),
        ("true", "none", False),
        ("false", "3", True),
    ],
)
def test_prepared_statements_by_setting_and_url(
    database: str, setting: str | None, parameter: str | None, is_prepared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("METEOROGRAPH_DB_PREPARED_STATEMENTS", setting)
    if parameter is not None:
        monkeypatch.setenv("DATABASE_URL", f"{database}{'&' if '?' in database else '?'}prepare_threshold={parameter}")
    monkeypatch.setenv("METEOROGRAPH_DB_POOL_SIZE", "1")
    ENGINES.reset()
    for _ in range(STATEMENTS):
        with get_db_session(read_only=True) as session:
            session.execute(text("SELECT 1"))
    assert (_prepared() > 0) == is_prepared


@pytest.mark.parametrize("port", [5432, 6543])
def test_the_port_of_hosted_poolers_is_known(port: int, caplog: pytest.LogCaptureFixture) -> None:
    url = URL.create("postgresql+psycopg", host="db.example", port=port)
    with caplog.at_level(logging.WARNING):
        _, state = pooler.pooler_state(url, load_settings())
    assert (state.is_pooled, state.prepare_threshold) == ((True, None) if port == 6543 else (None, 5))


@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_wrong_threshold_is_an_error_at_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL=.*prepare_threshold is none"):
        load_settings(database_url=f"postgresql://me@db.example/name?prepare_threshold={value}")


@POSTGRESQL
@pytest.mark.parametrize(("size", "idle"), [(None, 2), ("5", 5)])
def test_a_process_keeps_few_idle_connections(
    database: str, size: str | None, idle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if size is not None:
        monkeypatch.setenv("METEOROGRAPH_DB_POOL_SIZE", size)
    ENGINES.reset()
    assert _work() == []
    with psycopg.connect(database) as other:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'meteorograph'"
        found = other.execute(query).fetchone()
    assert found is not None
    assert 1 <= found[0] <= idle


@POSTGRESQL
@pytest.mark.usefixtures("database")
def test_the_settings_of_the_pool_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "POOL_SIZE": "1",
        "MAX_OVERFLOW": "0",
        "POOL_TIMEOUT_SECONDS": "0.1",
        "POOL_RECYCLE_SECONDS": "0",
        "POOL_PRE_PING": "false",
    }.items():
        monkeypatch.setenv(f"METEOROGRAPH_DB_{name}", value)
    ENGINES.reset()
    pool = get_engine().pool
    assert (pool._recycle, pool._pre_ping) == (-1, False)
    with get_db_session() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(StoreError, match="all connections of this process are in use"), get_db_session() as second:
            second.execute(text("SELECT 1"))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("POOL_SIZE", "0", "a whole number from 1 to 1000"),
        ("MAX_OVERFLOW", "-1", "a whole number from 0 to 1000"),
        ("POOL_TIMEOUT_SECONDS", "0", "a number above 0 and at most 600"),
        ("POOL_PRE_PING", "perhaps", "true or false"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"METEOROGRAPH_DB_{name}", value)
    with pytest.raises(ConfigurationError, match=f"METEOROGRAPH_DB_{name}={value}: must be {allowed}"):
        load_settings()


@pytest.mark.parametrize("database", ["postgresql", "pooled"], indirect=True)
@pytest.mark.usefixtures("database")
def test_a_process_that_stands_still_in_a_transaction_does_not_block_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_DB_IDLE_TRANSACTION_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("METEOROGRAPH_DB_LOCK_TIMEOUT_SECONDS", "60")
    monkeypatch.setenv("METEOROGRAPH_DB_STATEMENT_TIMEOUT_SECONDS", "7")
    ENGINES.reset()
    with get_db_session() as session:
        session.add(Lease(name="a", holder="b"))
        assert session.execute(text("SHOW statement_timeout")).scalar() == "7s"
        assert session.execute(text("SHOW lock_timeout")).scalar() == "1min"
    change = text("UPDATE leases SET holder = :holder")

    def stand_still() -> None:
        with get_db_session() as still:
            still.execute(change, {"holder": "still"})
            with get_db_session() as other:
                other.execute(change, {"holder": "other"})  # waits for the row until the server has ended the first transaction
            still.execute(change, {"holder": "still"})

    with pytest.raises(StoreError, match=r"a transaction took too long|ended the connection"):
        stand_still()
    with get_db_session(read_only=True) as session:
        assert session.scalar(text("SELECT holder FROM leases")) == "other"
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0"
