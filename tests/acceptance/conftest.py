"""What acceptance tests share: an empty database, a simulator, and processes that end with the test."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from acceptance.processes import Starter
from meteorograph.simulator import Simulator


@pytest.fixture(autouse=True)
def _end_logging() -> Iterator[None]:
    """The handlers that ``create_app`` sets up write to what is the standard error of one test only."""
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if getattr(handler, "of_meteorograph", False)]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True)
def _ample_quotas(_own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots of two seconds spend in a minute what is for an hour."""
    for window in ("OWM_CALLS_PER_MINUTE", "OWM_CALLS_PER_MONTH", "WEATHERSTACK_CALLS_PER_MONTH"):
        monkeypatch.setenv(f"METEOROGRAPH_{window}", "100000000")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database without a schema, which is the one in force here and in child processes."""
    if request.param == "sqlite":
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/data/meteorograph.db")
        yield f"sqlite:///{tmp_path}/data/meteorograph.db"
        return
    server: str = request.getfixturevalue("postgresql_server")
    name = f"test_{uuid.uuid4().hex}"
    head, _, options = server.partition("?")
    url = f"{head.rsplit('/', 1)[0]}/{name}?{options}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        monkeypatch.setenv("DATABASE_URL", url)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def start(tmp_path: Path, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starter]:
    """Starts processes that collect from the simulator, OpenWeatherMap only, in slots of two seconds unless told otherwise."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    if "METEOROGRAPH_INTERVAL" not in os.environ:
        monkeypatch.setenv("METEOROGRAPH_INTERVAL", "2s")
    starter = Starter(tmp_path)
    yield starter
    starter.close()
    print(starter.outputs())  # noqa: T201  # pytest shows it when the test fails


@pytest.fixture
def one_slot(monkeypatch: pytest.MonkeyPatch) -> str:
    """An interval, in force here and in child processes, whose slot lasts for the whole test and is looked at every second."""
    interval = next(seconds for seconds in (3601, 3607, 3613) if seconds - time.time() % seconds > 120)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", f"{interval}s")
    return f"{interval}s"
