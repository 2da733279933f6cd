"""Databases of other programs: refused before anything is written, or shared through a schema."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import psycopg
import pytest

from meteorograph import create_app, get_db_session, init_db
from meteorograph.cli.main import main
from meteorograph.errors import ConfigurationError
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import WeatherData

_ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
_ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

_OTHERS = {
    "the table of a script": "CREATE TABLE weather_data (id INTEGER PRIMARY KEY, temperature REAL)",
    "tables of other names": "CREATE TABLE states (id INTEGER PRIMARY KEY); CREATE TABLE events (id INTEGER PRIMARY KEY)",
    "the revisions of another program": "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);"
    " INSERT INTO alembic_version VALUES ('1975ea83b712')",
}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("script", _OTHERS.values(), ids=_OTHERS)
def test_a_file_of_another_program_is_refused_and_not_changed(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = _digest(path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setattr("sys.argv", ["meteorograph", "runs"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the database belongs to another program (tables: " in line
    with pytest.raises(ConfigurationError, match="belongs to another program"):
        create_app()
    ENGINES.reset()
    assert _digest(path) == before
    assert sorted(file.name for file in tmp_path.glob("other.db*")) == ["other.db"]


@_ON_POSTGRESQL
@pytest.mark.parametrize("name", ["the table of a script", "the revisions of another program"])
def test_tables_of_another_program_on_postgresql(database: str, name: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        for statement in _OTHERS[name].split(";"):
            connection.execute(statement.encode())
        with pytest.raises(ConfigurationError, match=r"belongs to another program .* METEOROGRAPH_DB_SCHEMA"):
            init_db()
        count = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert count == (1,)


@_ON_POSTGRESQL
def test_a_schema_of_its_own_beside_another_program(database: str, monkeypatch: pytest.MonkeyPatch, collecting: object) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        for script in _OTHERS.values():
            for statement in script.split(";"):
                connection.execute(statement.encode())
        monkeypatch.setenv("METEOROGRAPH_DB_SCHEMA", "weather")
        ENGINES.reset()
        client = create_app().test_client()
        assert client.post("/ingest", json={"lat": 1.5, "lon": 2.5}).status_code == 200
        assert len(client.get("/data").get_json()["data"]) == 1
        with get_db_session(read_only=True) as session:
            assert session.query(WeatherData).count() == 1
        assert connection.execute("SELECT count(*) FROM weather.weather_data").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM public.weather_data").fetchone() == (0,)
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        assert [name for (name,) in tables] == ["alembic_version", "events", "states", "weather_data"]
        ENGINES.reset()
        init_db()  # the second time it finds its revision in its schema


@_ON_SQLITE
def test_a_schema_on_sqlite_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_DB_SCHEMA", "weather")
    with pytest.raises(ConfigurationError, match=r"^METEOROGRAPH_DB_SCHEMA=weather: must be unset with SQLite"):
        init_db()


@pytest.mark.parametrize("name", ["Weather", "1st", "pg_weather", 'a"b', "a-b", "a" * 64])
def test_names_of_schemas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@localhost/n")
    monkeypatch.setenv("METEOROGRAPH_DB_SCHEMA", name)
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_DB_SCHEMA"):
        init_db()
