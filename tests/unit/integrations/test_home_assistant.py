"""The messages for Home Assistant, against its own rules for units and classes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from meteorograph.integrations.home_assistant import SENSORS, Topics, discovery_message, seconds_to_expiry, state_message
from meteorograph.model.quantities import QUANTITIES
from meteorograph.model.schedule import parse_schedule
from meteorograph.version import __version__
from unit.integrations.test_line_protocol import row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = Topics("garden/weather", "homeassistant")

#: Device class → its units and its state classes in Home Assistant 2026 (homeassistant/components/sensor/const.py): those that
#: concern the weather.
CLASSES: dict[str, tuple[set[str], set[str]]] = {
    "temperature": ({"°C", "°F", "K"}, {"measurement"}),
    "humidity": ({"%"}, {"measurement"}),
    "atmospheric_pressure": (
        {"Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi", "mPa", "MPa", "inH₂O"},
        {"measurement"},
    ),
    "wind_speed": ({"ft/s", "in/s", "km/h", "kn", "m/min", "m/s", "mph", "mm/s", "Beaufort"}, {"measurement"}),
    "wind_direction": ({"°"}, {"measurement_angle"}),
    "distance": ({"km", "m", "cm", "mm", "mi", "nmi", "yd", "in", "ft"}, {"measurement", "total", "total_increasing"}),
    "precipitation": ({"in", "cm", "mm"}, {"measurement", "total", "total_increasing"}),
}

GOLDEN = """
{"platform": "sensor", "unique_id": "garden_weather_7_temperature",
 "default_entity_id": "sensor.garden_weather_7_temperature", "name": "Temperature",
 "value_template": "{{ value_json.temperature }}", "expire_after": 10800,
 "device_class": "temperature", "state_class": "measurement", "unit_of_measurement": "°C"}
"""


def test_units_and_classes_are_those_of_home_assistant() -> None:
    assert list(SENSORS) == [quantity.name for quantity in QUANTITIES]
    for quantity in QUANTITIES:
        device_class, state_class, unit = SENSORS[quantity.name]
        assert unit == {"degree": "°", "1": None}.get(quantity.unit, quantity.unit), "values are sent in the stored unit"
        if device_class is not None:
            units, state_classes = CLASSES[device_class]
            assert unit in units
            assert state_class in state_classes
            assert state_class != "total_increasing", "a window that rolls is no meter that is reset"


def test_the_discovery_message_is_this_one() -> None:
    message = discovery_message(TOPICS, 7, "Lucan", 10_800)
    components = message.pop("components")
    assert TOPICS.config(7) == "homeassistant/device/garden_weather_7/config"
    assert message == {
        "device": {
            "identifiers": ["garden_weather_7"],
            "name": "Lucan",
            "manufacturer": "Meteorograph",
            "sw_version": __version__,
        },
        "origin": {"name": "Meteorograph", "sw_version": __version__},
        "availability": [{"topic": "garden/weather/status"}, {"topic": "garden/weather/7/availability"}],
        "availability_mode": "all",
        "state_topic": "garden/weather/7/state",
        "qos": 1,
    }
    assert components["temperature"] == json.loads(GOLDEN)
    assert components["observed_at"]["device_class"] == "timestamp"
    assert {one["unique_id"] for one in components.values()} == {f"garden_weather_7_{key}" for key in components}
    assert not any("object_id" in one for one in components.values()), "ignored since 2026.4"
    assert set(components) <= set(state_message("Lucan", row().values)), "every sensor has its value in the state"


def test_a_suspect_value_is_unknown_and_the_others_stay() -> None:
    values = row(temperature=40.0, humidity=50, flags={"temperature": ["step"], "humidity": ["disagrees"]}).values
    message = state_message("Lucan", values)
    assert (message["temperature"], message["humidity"], message["pressure"]) == (None, 50, None)


def test_values_expire_after_three_slots() -> None:
    assert seconds_to_expiry(parse_schedule("15m"), NOON) == 45 * 60
    assert seconds_to_expiry(parse_schedule("0 6,18 * * *"), NOON) == 36 * 3600
    assert seconds_to_expiry(parse_schedule("0 6 * * 1"), NOON) == timedelta(days=21).total_seconds()
