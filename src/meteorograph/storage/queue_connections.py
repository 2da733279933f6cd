"""The connections of Procrastinate, which has a small pool of its own."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from sqlalchemy.engine import URL

from ..config.database_options import PREPARE_PARAMETER
from ..config.settings import Settings

#: Connections of one process: two workers that look for jobs, and their heartbeats.
_MAX_CONNECTIONS: Final = 4

_TIMEOUT_SECONDS: Final = 5


def connection_options(url: URL, settings: Settings) -> dict[str, Any]:
    """The options of the pool. Statements are never prepared: there may be a pooler, and they are few."""
    address = url.set(drivername="postgresql").difference_update_query([PREPARE_PARAMETER])
    connection: dict[str, Any] = {
        "application_name": "meteorograph jobs",
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "tcp_user_timeout": 30_000,
        "prepare_threshold": None,
    }
    if settings.db_schema is not None:
        connection["options"] = f"-c search_path={settings.db_schema}"
    return {
        "conninfo": address.render_as_string(hide_password=False),
        "kwargs": connection,
        "min_size": 1,
        "max_size": _MAX_CONNECTIONS,
        "timeout": _TIMEOUT_SECONDS,
    }


def can_listen(options: dict[str, Any]) -> bool:
    """Whether notifications arrive: not behind a pooler, which gives its clients process numbers of its own."""
    with psycopg.connect(options["conninfo"], autocommit=True, **options["kwargs"]) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        return row is not None and row[0] == connection.info.backend_pid
