"""What Home Assistant gets: each location is a device, each quantity a sensor. Pure.

Source: https://www.home-assistant.io/integrations/mqtt/ (device discovery, ``default_entity_id``) and
https://developers.home-assistant.io/docs/core/entity/sensor/ (device classes with their units and state classes), as of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ..model.flags import is_suspect
from ..model.quantities import QUANTITIES
from ..model.schedule import Interval, Schedule
from ..version import __version__

#: Quantity → device class, state class and unit; None for none. Precipitation is the amount of its own period, and no total that
#: only grows.
SENSORS: Final[dict[str, tuple[str | None, str | None, str | None]]] = {
    "temperature": ("temperature", "measurement", "°C"),
    "humidity": ("humidity", "measurement", "%"),
    "dew_point": ("temperature", "measurement", "°C"),
    "pressure": ("atmospheric_pressure", "measurement", "hPa"),
    "station_pressure": ("atmospheric_pressure", "measurement", "hPa"),
    "altimeter_setting": ("atmospheric_pressure", "measurement", "hPa"),
    "wind_speed": ("wind_speed", "measurement", "m/s"),
    "wind_direction": ("wind_direction", "measurement_angle", "°"),
    "wind_gust": ("wind_speed", "measurement", "m/s"),
    "cloud_cover": (None, "measurement", "%"),
    "visibility": ("distance", "measurement", "m"),
    "uv_index": (None, "measurement", None),
    "weather_code": (None, None, None),
    "precipitation": ("precipitation", "measurement", "mm"),
    "snowfall_water_equivalent": ("precipitation", "measurement", "mm"),
}

#: After how many slots without news a sensor has no value any more, so that a retained value does not look fresh.
_SLOTS_UNTIL_EXPIRY: Final = 3


class Topics(NamedTuple):
    """The topics of an installation."""

    #: What they all begin with.
    base: str
    #: Where Home Assistant looks for devices; empty for no discovery.
    discovery: str

    @property
    def status(self) -> str:
        """Whether the service is connected: ``online`` or ``offline``."""
        return f"{self.base}/status"

    @property
    def home_assistant(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery}/status"

    def config(self, location_id: int) -> str:
        """The discovery message of a location."""
        return f"{self.discovery}/device/{self.identifier(location_id)}/config"

    def state(self, location_id: int) -> str:
        """The newest values of a location, retained."""
        return f"{self.base}/{location_id}/state"

    def availability(self, location_id: int) -> str:
        """Whether the newest values of a location are fresh: ``online`` or ``offline``, retained."""
        return f"{self.base}/{location_id}/availability"

    def rows(self, location_id: int) -> str:
        """Every row of a location that is stored or changed, also one of the past; not retained."""
        return f"{self.base}/{location_id}/rows"

    def identifier(self, location_id: int) -> str:
        """What identifies the device of a location, also after it was renamed."""
        return f"{re.sub('[^a-zA-Z0-9_-]', '_', self.base)}_{location_id}"

    def location_id(self, topic: str) -> int | None:
        """The location that a topic of ``availability`` belongs to; None for another topic."""
        found = re.fullmatch(rf"{re.escape(self.base)}/(\d{{1,18}})/availability", topic)
        return int(found[1]) if found else None


def discovery_message(topics: Topics, location_id: int, name: str, expire_after: int) -> dict[str, Any]:
    """The discovery message of a location's device.

    Args:
        topics: The topics of the installation.
        location_id: The location.
        name: Its name.
        expire_after: After how long without news its values are unknown [s].
    """
    identifier = topics.identifier(location_id)
    return {
        "device": {"identifiers": [identifier], "name": name, "manufacturer": "Meteorograph", "sw_version": __version__},
        "origin": {"name": "Meteorograph", "sw_version": __version__},
        "availability": [{"topic": topics.status}, {"topic": topics.availability(location_id)}],
        "availability_mode": "all",
        "state_topic": topics.state(location_id),
        "qos": 1,
        "components": {
            key: {
                "platform": "sensor",
                "unique_id": f"{identifier}_{key}",
                "default_entity_id": f"sensor.{identifier.lower()}_{key}",
                "name": key.replace("_", " ").capitalize(),
                "value_template": f"{{{{ value_json.{key} }}}}",
                "expire_after": expire_after,
                **{option: value for option, value in zip(_OPTIONS, options, strict=True) if value is not None},
            }
            for key, options in _components().items()
        },
    }


_OPTIONS: Final = ("device_class", "state_class", "unit_of_measurement")


def _components() -> dict[str, tuple[str | None, str | None, str | None]]:
    return {**SENSORS, "condition": (None, None, None), "observed_at": ("timestamp", None, None)}


def state_message(location: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The newest values of a location: null where there is none, or where it is suspect."""
    flags = values["flags"] or {}
    quantities = {
        quantity.name: None if is_suspect(flags.get(quantity.name, ())) else values[quantity.name] for quantity in QUANTITIES
    }
    return {
        "location": location,
        "due_at": _instant(values["due_at"]),
        "observed_at": _instant(values["observed_at"]),
        "provider": values["provider"],
        **quantities,
        "precipitation_period": values["precipitation_period"],
        "condition": values["condition"],
    }


def row_message(location: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A row with all its columns: suspect values too, and the flags that say so."""
    columns = {name: _instant(value) if isinstance(value, datetime) else value for name, value in values.items()}
    return {"location": location, **columns}


def seconds_to_expiry(when: Schedule, now: datetime) -> int:
    """After how long without news the values of a location are unknown [s]: three times its longest wait of the next week."""
    if isinstance(when, Interval):
        longest = when.length
    else:
        slots = [now, *when.slots_between(now, now + timedelta(days=8))]
        longest = max((later - sooner for sooner, later in pairwise(slots)), default=timedelta(days=8))
    return int(_SLOTS_UNTIL_EXPIRY * longest.total_seconds())


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
