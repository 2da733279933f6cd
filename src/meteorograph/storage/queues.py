"""The queues of the engine: their names and priorities, and whether the engine can be used."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from typing import Final

from sqlalchemy import Engine

from ..config.loading import get_settings
from ..errors import ConfigurationError


class Queue(StrEnum):
    """A queue of Procrastinate."""

    #: Shards of runs.
    LIVE = "live"
    #: Healing, and background tasks.
    BACKFILL = "backfill"
    #: Reserved: nothing is deferred there yet.
    ON_DEMAND = "on_demand"
    ALERTS = "alerts"
    DELIVERIES = "deliveries"
    #: Looks for shards and jobs whose process has died.
    SWEEP = "sweep"


#: Jobs with a higher priority are taken first.
PRIORITIES: Final = {
    Queue.SWEEP: 50,
    Queue.ON_DEMAND: 40,
    Queue.LIVE: 30,
    Queue.ALERTS: 20,
    Queue.DELIVERIES: 10,
    Queue.BACKFILL: 0,
}

#: Queues of collection.
COLLECTING_QUEUES: Final = (Queue.LIVE, Queue.ON_DEMAND)
#: Queues of which jobs are taken. Those of the sweep and of histories have workers of their own.
WORKED_QUEUES: Final = (*COLLECTING_QUEUES, Queue.BACKFILL)

#: Names of the tasks of Procrastinate: collect a shard, fill missed slots for a while, work on our own background tasks.
SHARD_TASK: Final = "meteorograph.collect_shard"
HEALING_TASK: Final = "meteorograph.heal"
BACKGROUND_TASK: Final = "meteorograph.background"

_SETTING: Final = "METEOROGRAPH_ENGINE=procrastinate"


def uses_queues() -> bool:
    """Whether Procrastinate dispatches the shards, by the settings."""
    return get_settings().engine == "procrastinate"


def require_queues(bind: Engine) -> None:
    """Make sure that the engine can be used with a database.

    Raises:
        ConfigurationError: It is not installed, or the database is not PostgreSQL.
    """
    if bind.dialect.name != "postgresql":
        raise ConfigurationError(
            f"{_SETTING}: must be local with SQLite; Procrastinate needs PostgreSQL (DATABASE_URL=postgresql://…)"
        )
    if find_spec("procrastinate") is None:
        raise ConfigurationError(
            f"{_SETTING}: must be local unless Procrastinate is installed; "
            "install it by pip install 'meteorograph[procrastinate]'"
        )
