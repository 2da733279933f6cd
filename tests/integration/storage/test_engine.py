"""The database: migrations, sessions, constraints, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, delete, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from acceptance.holds import held
from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.errors import ConfigurationError, StoreError
from meteorograph.model.quantities import QUANTITIES, Quantity
from meteorograph.storage import engine, migrations
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import Base, Location
from support import NOON


def _beyond(quantity: Quantity) -> float:
    """How far beyond a bound a value is."""
    return 1 if quantity.is_code else 0.5


IMPOSSIBLE = [
    ("precipitation_period", 0.0),
    *((quantity.name, float("inf")) for quantity in QUANTITIES if not quantity.is_code),
    *((quantity.name, quantity.possible[0] - _beyond(quantity)) for quantity in QUANTITIES if quantity.possible[0] is not None),
    *((quantity.name, quantity.possible[1] + _beyond(quantity)) for quantity in QUANTITIES if quantity.possible[1] is not None),
]


def _location() -> int:
    with get_db_session() as session:
        location = Location(name="here", latitude=1.5, longitude=2.5, state="active", created_at=NOON)
        session.add(location)
        session.flush()
        return location.id


def _count() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(WeatherData)) or 0


def _row(location_id: int, **values: object) -> WeatherData:
    return WeatherData(**{"location_id": location_id, "due_at": NOON, "fetched_at": NOON, "provider": "openweathermap"} | values)


@pytest.mark.usefixtures("database")
def test_the_migrations_make_what_the_tables_say() -> None:
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        for table in Base.metadata.tables.values():
            found = {check["name"] for check in inspect(connection).get_check_constraints(table.name)}
            wanted = {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
            assert found == wanted, table.name


@pytest.mark.usefixtures("database")
def test_init_db_again_changes_nothing_and_current_is_head() -> None:
    init_db()
    assert migrations.current_revision(get_engine()) == migrations.newest_revision()
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert migrations.newest_revision() == script.get_current_head()
    assert migrations.known_revisions() == {one.revision for one in script.walk_revisions()}


def test_sqlite_uses_wal_waits_for_locks_and_checks_foreign_keys(database: str) -> None:
    if not database.startswith("sqlite"):
        return
    with get_db_session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA busy_timeout")) >= 30_000


@pytest.mark.usefixtures("database")
def test_a_session_commits_at_its_end_and_rolls_back_on_any_error() -> None:
    here = _location()
    with get_db_session() as session:
        session.add(_row(here))
    assert _count() == 1

    def fail_halfway() -> None:
        with get_db_session() as session:
            session.add(_row(here, due_at=NOON + timedelta(hours=1)))
            session.flush()
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        fail_halfway()
    assert _count() == 1


@pytest.mark.usefixtures("database")
def test_sessions_in_many_threads_lose_nothing() -> None:
    here = _location()
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for minute in range(10):
                with get_db_session() as session:
                    session.scalar(select(func.count()).select_from(WeatherData))  # read first: the trap of a deferred lock
                    session.add(_row(here, due_at=NOON + timedelta(hours=number, minutes=minute)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert _count() == 80


@pytest.mark.usefixtures("database")
def test_a_reader_does_not_wait_for_a_writer() -> None:
    here = _location()
    with get_db_session() as writer:
        writer.add(_row(here))
        writer.flush()
        assert _count() == 0
    assert _count() == 1


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_impossible_values_are_refused(name: str, value: float) -> None:
    here = _location()
    with pytest.raises(IntegrityError, match=name), get_db_session() as session:
        session.add(_row(here, **{name: value}))
    assert _count() == 0


@pytest.mark.usefixtures("database")
def test_implausible_values_and_bounds_are_kept() -> None:
    here = _location()
    with get_db_session() as session:
        session.add(_row(here, pressure=1_008_371, temperature=-273.15, humidity=100, wind_direction=360, precipitation=13_107))
    assert _count() == 1


@pytest.mark.usefixtures("database")
def test_a_second_row_of_a_slot_and_an_unknown_location_are_refused() -> None:
    here = _location()
    with get_db_session() as session:
        session.add(_row(here))
    for wrong in (_row(here), _row(here + 1)):
        with pytest.raises(IntegrityError), get_db_session() as session:
            session.add(wrong)


@pytest.mark.usefixtures("database")
def test_values_come_back_as_they_went_in() -> None:
    here = _location()
    instant = datetime(2026, 10, 25, 1, 30, 0, 250_000, tzinfo=UTC)
    with get_db_session() as session:
        session.add(_row(here, observed_at=instant, temperature=-0.0625, flags={"humidity": ["a"]}, providers=None))
    with get_db_session(read_only=True) as session:
        row = session.scalars(select(WeatherData)).one()
    assert (row.due_at, row.observed_at, row.temperature, row.flags, row.providers) == (
        NOON, instant, -0.0625, {"humidity": ["a"]}, None,
    )  # fmt: skip
    assert row.humidity is None


@pytest.mark.usefixtures("database")
def test_a_time_without_a_zone_is_refused() -> None:
    here = _location()
    with pytest.raises(Exception, match="no time zone"), get_db_session() as session:
        session.add(_row(here, observed_at=datetime(2026, 1, 1)))  # noqa: DTZ001  # the mistake that is tested


@pytest.mark.usefixtures("database")
def test_a_database_of_a_later_version_is_refused_and_left_alone() -> None:
    with get_engine().begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    ENGINES.reset()
    with pytest.raises(StoreError, match="another version of Meteorograph: it was made by a newer version"):
        init_db()
    with get_engine().begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


@pytest.mark.usefixtures("database")
def test_a_location_with_rows_is_not_deleted_under_them() -> None:
    here = _location()
    with get_db_session() as session:
        session.add(_row(here))
    with pytest.raises(IntegrityError), get_db_session() as session:
        session.execute(delete(Location))


def test_a_database_that_is_away_is_a_store_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:password-of-nobody@127.0.0.1:1/none")
    with pytest.raises(StoreError) as caught:
        init_db()
    assert "password-of-nobody" not in str(caught.value)
    (tmp_path / "file").touch()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/file/below.db")
    with pytest.raises(ConfigurationError, match="folder"):
        init_db()
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    with pytest.raises(ConfigurationError, match="must name a file"):
        init_db()


@pytest.mark.usefixtures("database")
def test_threads_that_ask_at_once_get_the_same_engine() -> None:
    for _ in range(50):
        ENGINES.reset()
        begin, found = threading.Barrier(8), list[Engine]()

        def ask(begin: threading.Barrier = begin, found: list[Engine] = found) -> None:
            begin.wait()
            found.append(get_engine())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(map(id, found))) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_transaction_of_this_process_is_waited_for_longer_than_that_of_another_one(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A starved process was taken for a database that is away: its own writer had the lock for longer than the busy timeout."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    ENGINES.reset()
    here = _location()
    is_writing, may_end, refused = threading.Event(), threading.Event(), list[StoreError]()

    def write_slowly() -> None:
        with get_db_session() as session:
            session.add(_row(here))
            session.flush()
            is_writing.set()
            may_end.wait()

    def write() -> None:
        try:
            with get_db_session() as session:
                session.add(_row(here, due_at=NOON + timedelta(hours=1)))
        except StoreError as error:
            refused.append(error)

    slow, other = threading.Thread(target=write_slowly), threading.Thread(target=write)
    slow.start()
    is_writing.wait()
    other.start()
    other.join(10 * engine.BUSY_TIMEOUT_SECONDS)
    assert other.is_alive(), "it did not wait"
    may_end.set()
    slow.join()
    other.join()
    assert (refused, _count()) == ([], 2)
    with held(database), pytest.raises(StoreError, match="holds its lock"):
        _write_now(here)


def _write_now(here: int) -> None:
    with get_db_session() as session:
        session.add(_row(here, due_at=NOON + timedelta(hours=2)))
