"""Meteorograph collects the weather of many places on a schedule, and records every hour that it could not collect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .collecting.on_demand import ingest_data
    from .exporting.dataframes import read
    from .jobs.registry import job
    from .storage.engine import get_db_session, init_db
    from .storage.models import WeatherData
    from .web.app import create_app

_MODULES = {
    "create_app": "web.app",
    "get_db_session": "storage.engine",
    "ingest_data": "collecting.on_demand",
    "init_db": "storage.engine",
    "job": "jobs.registry",
    "read": "exporting.dataframes",
    "WeatherData": "storage.models",
}

__all__ = ["WeatherData", "__version__", "create_app", "get_db_session", "ingest_data", "init_db", "job", "read"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``meteorograph --help`` does not load Flask and SQLAlchemy."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
