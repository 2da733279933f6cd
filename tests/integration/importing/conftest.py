"""What the tests of imports share: the command, a location, and what is stored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from meteorograph import get_db_session
from meteorograph.cli import main
from meteorograph.storage.models import Location

Import = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_import(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Import:
    """Runs ``meteorograph import``; gives exit code, standard output and standard error."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meteorograph", "import", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


@pytest.fixture
def athens(database: str) -> int:
    """A location; gives its id."""
    with get_db_session() as session:
        location = Location(
            name="Athens",
            latitude=37.98,
            longitude=23.73,
            timezone="Europe/Athens",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        session.add(location)
        session.flush()
        return location.id
