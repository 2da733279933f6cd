"""Meteorograph collects the weather of many places on a schedule, and records every hour that it could not collect."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from .collecting.on_demand import ingest_data
    from .config.settings import Settings
    from .exporting.dataframes import read
    from .jobs.registry import job
    from .storage.engine import get_db_session, init_db
    from .storage.models import WeatherData

_MODULES = {
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
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted(__all__)


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application: see ``meteorograph.web.app.create_app``, which this calls.

    It is an attribute of the module, and not imported on first use as the other names are, because uwsgi and hypercorn look for
    it in the namespace of the module.

    Args:
        settings: Settings of this process from now on. Without them every use reads the environment.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    app: Flask = import_module(".web.app", __name__).create_app(settings)
    return app
