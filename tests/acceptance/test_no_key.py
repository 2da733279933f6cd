"""Whatever goes wrong, no key, token or password is in an answer, a log, a traceback or the database."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from acceptance.books import add_locations, books
from acceptance.echo import ANSWERS, echoing
from acceptance.processes import METEOROGRAPH, Answer, Process, Starter, ask, until
from meteorograph import create_app, errors, get_db_session, ingest_data
from meteorograph.errors import MeteorographError
from meteorograph.simulator import Simulator

# Each with characters that are written otherwise in URLs, JSON and Python, around a heart that no writing of it changes.
HEARTS = ("Heart4711OfOwm", "Heart4712OfRain", "Heart4713OfToken", "Heart4714OfPassword")
OWM = "a+/=Heart4711OfOwm&%41"
RAIN = "b\"'\\Heart4712OfRain #?"
TOKEN = "c~+/Heart4713OfToken="
PASSWORD = "d@:/Heart4714OfPassword%"

FAULTS = (
    *("latency ms=10", "timeout", "reset", "truncated", "types", "html", "html code=500", "huge mb=2", "slow ms=3000"),
    *("encoding", "null", "empty", "status code=429 retry_after=60"),
    *(f"status code={code}" for code in (401, 429, 500, 502, 503)),
)
#: A place for each fault of one provider, of the other, and of both.
PLACES = {
    (index * 4.0 - 72, longitude): f"kind={fault} {narrowed} place={index * 4.0 - 72},{longitude}"
    for longitude, narrowed in ((10.0, "provider=openweathermap"), (20.0, "provider=weatherstack"), (30.0, ""))
    for index, fault in enumerate(FAULTS)
}


def _leaks(told: str | bytes) -> list[str]:
    plain = told.decode(errors="replace") if isinstance(told, bytes) else told
    return [f"{heart}: …{_around(plain, heart)}…" for heart in HEARTS if heart.lower() in plain.lower()]


def _around(plain: str, heart: str) -> str:
    at = plain.lower().index(heart.lower())
    return plain[max(0, at - 150) : at + 80]


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator on which every place has its fault, and the settings with which to collect from it."""
    monkeypatch.setenv("OWM_API_KEY", OWM)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN)
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", TOKEN)
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    with Simulator(keys=(OWM, RAIN), faults=";".join(PLACES.values())) as simulator:
        monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", simulator.url)
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url)
        yield simulator


def _with_password(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(database)
    if url.get_backend_name() != "sqlite":  # the server trusts whoever is on this machine, whatever the password
        monkeypatch.setenv("DATABASE_URL", url.set(password=PASSWORD).render_as_string(hide_password=False))


def _dump(database: str) -> bytes:
    """Everything the database keeps."""
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        return b"".join(path.read_bytes() for path in Path(url.database or "").parent.glob("*.db*"))
    kept = b""
    with psycopg.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT') as copy:
                kept += b"".join(bytes(part) for part in copy)
    return kept


def _reasons() -> set[str]:
    return {reason for missed in books().missed.values() for reason in missed.values()}


def _reopen() -> bool:
    """Forget which providers have refused or failed, so that the next fault is met and not avoided."""
    with suppress(MeteorographError, ProgrammingError), get_db_session() as session:
        session.execute(text("DELETE FROM accounts"))
    return True


@contextmanager
def _without(table: str) -> Iterator[None]:
    """A table that the service does not find while the block runs."""
    with get_db_session() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO gone"))
    yield
    with get_db_session() as session:
        session.execute(text(f"DROP TABLE IF EXISTS {table}"))  # the service may have made it again
        session.execute(text(f"ALTER TABLE gone RENAME TO {table}"))


@contextmanager
def _refusing_runs() -> Iterator[None]:
    """No run can be claimed while the block runs."""
    with get_db_session() as session:
        session.execute(text("ALTER TABLE runs ADD CONSTRAINT refused CHECK (state <> 'running') NOT VALID"))
    yield
    with get_db_session() as session:
        session.execute(text("ALTER TABLE runs DROP CONSTRAINT refused"))


def _ask_for_everything(service: Process) -> list[Answer]:
    address, bearer = service.address(), {"Authorization": f"Bearer {TOKEN}"}

    def ingest(place: tuple[float, float]) -> Answer:
        _reopen()
        return ask(f"{address}/ingest", {"lat": place[0], "lon": place[1]}, bearer)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ingest, PLACES))
    for fault, status in (("timeout", 504), ("reset", 502), ("status code=429", 503)):
        place = (FAULTS.index(fault) * 4.0 - 72, 30.0)
        until(lambda place=place, status=status: ingest(place).status == status, f"{status} for {fault}")  # type: ignore[misc]  # a lambda
    answers += [ask(address + path) for path in ("/", "/health", "/livez", "/ingest", "/data", "/data/latest", "/nothing")]
    answers += [ask(f"{address}/ingest", {"lat": 1, "lon": 1}, {"Authorization": f"Bearer {TOKEN}x"})]
    answers += [ask(f"{address}/ingest", {"lat": 1, "lon": 1})]
    answers += [ask(f"{address}/ingest", ["no", "object"], bearer)]
    assert [answer.status for answer in answers[-3:]] == [401, 401, 400]
    return answers


@pytest.mark.parametrize(
    ("empty_database", "form", "providers"),
    [("sqlite", "console", "openweathermap"), ("postgresql", "json", "openweathermap,weatherstack")],
    indirect=["empty_database"],
)
def test_the_service_tells_no_secret_whatever_fails(
    empty_database: str, start: Starter, secretive: Simulator, form: str, providers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_locations((f"place {lat} {lon}", lat, lon) for lat, lon in PLACES)
    _with_password(empty_database, monkeypatch)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN)
    log = Path("log/meteorograph.log").absolute()
    service = start.serve(LOG_FORMAT=form, METEOROGRAPH_LOG_FILE=str(log), METEOROGRAPH_PROVIDERS=providers)
    answers = _ask_for_everything(service)
    until(_reasons, "missed slots with their reasons")
    kept = _dump(empty_database)

    with _without("weather_data"):
        answers.append(ask(f"{service.address()}/ingest", {"lat": 1, "lon": 40}, {"Authorization": f"Bearer {TOKEN}"}))
        assert answers[-1].status in (500, 503)
    with _without("accounts"):  # without the rows a claim may fail, and no run begins that could break off
        away = re.compile("run interrupted|the database is away")
        until(lambda: away.search(service.output()), "a run that breaks off, or goes on in the stand-in")
    if empty_database.startswith("postgresql"):  # where a constraint can be added, so that no run can be claimed
        with _refusing_runs():
            until(lambda: "Traceback" in service.output(), "an error that is no database that is away")
    assert service.end() == 0

    logged = log.read_text()
    if empty_database.startswith("postgresql"):
        assert "Traceback" in logged
        assert "Traceback" in service.output()
    if form == "json":
        assert all(json.loads(line) for line in logged.splitlines())
    told: list[str | bytes] = [service.output(), logged, kept, _dump(empty_database)]
    told += [part for answer in answers for part in (answer.body, str(answer.headers))]
    assert [leak for part in told for leak in _leaks(part)] == []


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database", "start")
def test_the_command_line_tells_no_secret_even_with_tracebacks(
    start: Starter, secretive: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN)
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "60")
    with echoing() as address:
        runs = [
            start(METEOROGRAPH, "--debug", "ingest", "--lat", "-72", "--lon", "11"),
            start(METEOROGRAPH, "--debug", "ingest", "--lat", "1", "--lon", "10", METEOROGRAPH_OWM_BASE_URL=address),
            start(
                METEOROGRAPH, "--debug", "ingest", "--lat", "1", "--lon", "10", METEOROGRAPH_OWM_BASE_URL=f"http://x/?appid={OWM}"
            ),
            start(METEOROGRAPH, "--debug", "db", "upgrade", DATABASE_URL=_unreachable()),
            start(METEOROGRAPH, "--debug", "serve", "--port", "0", DATABASE_URL=_unreachable()),
            start(METEOROGRAPH, "--debug", "serve", "--port", "0", DATABASE_URL=f"mysql://user:{OWM}@host/x"),
        ]
        assert [run.wait() for run in runs] == [0, 1, 2, 1, 1, 2]
    assert "Traceback" in runs[3].output()
    assert [leak for run in runs for leak in _leaks(run.output())] == []


def _unreachable() -> str:
    return make_url("postgresql://user@127.0.0.1:1/x").set(password=PASSWORD).render_as_string(hide_password=False)


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
@pytest.mark.parametrize("providers", ["openweathermap", "weatherstack"])
def test_no_error_of_a_collection_has_a_secret_in_its_chain(
    secretive: Simulator, providers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", providers)
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0.6")
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    caplog.set_level(logging.DEBUG)
    client = create_app().test_client()
    told: list[str] = []
    raised: set[type[Exception]] = set()

    def collect(lat: Any, lon: Any) -> None:
        _reopen()
        try:
            told.append(str(ingest_data(lat, lon)))
        except Exception as error:
            raised.add(type(error))
            told.extend(traceback.format_exception(error))
            told.append(repr(error))
        _reopen()
        answer = client.post("/ingest", json={"lat": lat, "lon": lon}, headers={"Authorization": f"Bearer {TOKEN}"})
        told.append(answer.text)

    for latitude, longitude in PLACES:
        if longitude == 30:
            collect(latitude, longitude)
    with echoing() as address:
        monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", address)
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", address)
        for repeated in ANSWERS:
            collect(float(repeated), 10)
    monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", secretive.url)
    monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", secretive.url)
    collect(91, 0)
    with get_db_session() as session:
        session.execute(text("ALTER TABLE locations RENAME TO gone"))
    collect(1, 40)
    monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", f"nothing {OWM}")
    collect(1, 40)
    monkeypatch.delenv("METEOROGRAPH_OWM_BASE_URL")
    monkeypatch.delenv("OWM_API_KEY")
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    collect(1, 40)
    assert raised >= {
        errors.ConfigurationError,
        errors.FetchTimeoutError,
        errors.MissingAPIKeyError,
        errors.PayloadError,
        errors.PermanentFetchError,
        errors.QuotaExceededError,
        errors.RetryableFetchError,
        errors.StoreError,
        ValueError,
    }
    assert [leak for part in (*told, caplog.text) for leak in _leaks(part)] == []
