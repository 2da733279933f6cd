"""What acceptance tests share: an empty database, a simulator, and processes that end with the test."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from acceptance.processes import Starter
from databases import named
from meteorograph.simulator import Simulator
from support import RAIN_KEY, absent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: all the others would have ended before it."""
    first = ("test_storm.py", "test_month.py")
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@pytest.fixture(autouse=True)
def _end_logging() -> Iterator[None]:
    """The handlers that ``create_app`` sets up write to what is the standard error of one test only."""
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if getattr(handler, "of_meteorograph", False)]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True, scope="session")
def _hang_up() -> None:
    """What tests start handles SIGHUP, also where ``nohup`` began the tests."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _ample_quotas(_own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots of two seconds spend in a minute what is for an hour."""
    for window in ("OWM_CALLS_PER_MINUTE", "OWM_CALLS_PER_MONTH", "WEATHERSTACK_CALLS_PER_MONTH"):
        monkeypatch.setenv(f"METEOROGRAPH_{window}", "100000000")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database without a schema, which is the one in force here and in child processes.

    It may also be ``pooled``: PostgreSQL behind PgBouncer in transaction mode with two connections.
    """
    if request.param == "sqlite":
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/data/meteorograph.db")
        yield f"sqlite:///{tmp_path}/data/meteorograph.db"
        return
    server: str = request.getfixturevalue("postgresql_server")
    name = f"test_{uuid.uuid4().hex}"
    url = f"{request.getfixturevalue('pooled_server')}/{name}" if request.param == "pooled" else named(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        monkeypatch.setenv("DATABASE_URL", url)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that sets the clock of a process off."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        absent("a C compiler")
    made = tmp_path_factory.mktemp("clock") / "clock_offset.so"
    source = Path(__file__).with_name("clock_offset.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source)], check=True)
    return made


@pytest.fixture
def start(tmp_path: Path, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starter]:
    """Starts processes that collect from the simulator, OpenWeatherMap only, in slots of two seconds unless told otherwise.

    No call times out because the machine is busy.
    """
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "60")
    if "METEOROGRAPH_INTERVAL" not in os.environ:
        monkeypatch.setenv("METEOROGRAPH_INTERVAL", "2s")
    starter = Starter(tmp_path)
    yield starter
    starter.close()
    print(starter.outputs())  # noqa: T201  # pytest shows it when the test fails


@pytest.fixture
def one_charge(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes collect from Weatherstack, whose quota has no minute that could end, and ask for a new charge, in the test."""
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "weatherstack")
