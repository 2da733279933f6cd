"""The demonstration: the service on the built-in simulator, with twelve cities, a short interval and a separate database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from ..config.loading import pin_settings
from ..config.settings import Settings
from ..model import clock
from ..model.states import LocationState
from ..simulator import Simulator
from ..storage.engine import get_db_session, init_db
from ..storage.models import Location
from . import demo_past

KEY: Final = "key-of-the-simulator"
DATABASE: Final = Path("data/demo.db")
JOURNAL: Final = Path("data/demo-journal")
NO_LIMIT: Final = 1_000_000_000  # the simulator has no quotas
INTERVAL: Final = timedelta(seconds=10)

#: Name, latitude [degree north], longitude [degree east], elevation [m], IANA time zone.
CITIES: Final = (
    ("Anchorage", 61.2181, -149.9003, 31, "America/Anchorage"),
    ("Athens", 37.9838, 23.7275, 70, "Europe/Athens"),
    ("Cape Town", -33.9249, 18.4241, 25, "Africa/Johannesburg"),
    ("Honolulu", 21.3069, -157.8583, 6, "Pacific/Honolulu"),
    ("La Paz", -16.4897, -68.1193, 3640, "America/La_Paz"),
    ("London", 51.5074, -0.1278, 11, "Europe/London"),
    ("Mumbai", 19.0760, 72.8777, 14, "Asia/Kolkata"),
    ("Nairobi", -1.2921, 36.8219, 1795, "Africa/Nairobi"),
    ("New York", 40.7128, -74.0060, 10, "America/New_York"),
    ("Sydney", -33.8688, 151.2093, 58, "Australia/Sydney"),
    ("Tokyo", 35.6762, 139.6503, 40, "Asia/Tokyo"),
    ("Ushuaia", -54.8019, -68.3030, 23, "America/Argentina/Ushuaia"),
)


@contextmanager
def demonstration(settings: Settings, *, has_troubles: bool = False) -> Iterator[Settings]:
    """Start a simulator and give the settings to use it; the simulator stops at the end of the block.

    Each start creates a new database. Simulated weather never goes into the database of the user. An interval that the user
    has set is kept.

    Args:
        settings: Those of the user.
        has_troubles: Whether to show what the service is for: gaps, a stale place with an incident, and a quota near its end.
    """
    configured = settings.model_fields_set
    for suffix in ("", "-wal", "-shm"):
        DATABASE.with_name(DATABASE.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(JOURNAL, ignore_errors=True)
    with Simulator(keys=(KEY,)) as simulator:
        simulated = settings.model_copy(
            update={
                "demo": True,
                "engine": "local",  # its database is SQLite
                "owm_api_key": SecretStr(KEY),
                "weatherstack_api_key": SecretStr(KEY),
                "owm_calls_per_minute": NO_LIMIT,
                "owm_calls_per_month": NO_LIMIT,
                "weatherstack_calls_per_month": NO_LIMIT,
                "owm_onecall_calls_per_day": NO_LIMIT,
                "open_meteo_calls_per_minute": NO_LIMIT,
                "open_meteo_calls_per_hour": NO_LIMIT,
                "open_meteo_calls_per_day": NO_LIMIT,
                "owm_base_url": simulator.url,
                "weatherstack_base_url": simulator.url,
                "open_meteo_base_url": simulator.url,
                "geocoding_base_url": simulator.url,
                "open_meteo_archive_base_url": simulator.url,
                "journal_dir": JOURNAL,
                "database_url": SecretStr(f"sqlite:///{DATABASE}"),
                "interval": settings.interval if "interval" in configured else INTERVAL,
            }
        )
        pin_settings(simulated)
        init_db()
        _add_cities()
        demo_past.add_rows(simulator, clock.now())
        if has_troubles:
            simulated = demo_past.add_ledger(simulator, simulated, clock.now())
            pin_settings(simulated)
        yield simulated


def _add_cities() -> None:
    with get_db_session() as session:
        existing = {name for (name,) in session.query(Location.name)}
        for name, latitude, longitude, elevation, timezone in CITIES:
            if name not in existing:
                session.add(
                    Location(
                        name=name,
                        latitude=latitude,
                        longitude=longitude,
                        elevation=elevation,
                        timezone=timezone,
                        state=LocationState.ACTIVE,
                        created_at=clock.now(),
                    )
                )
