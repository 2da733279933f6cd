"""Rows in line protocol, read back by a parser of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from line_protocol_parser import parse_line

from meteorograph.integrations.line_protocol import to_line
from meteorograph.integrations.receiver import StoredRow
from meteorograph.storage.models import WeatherData
from meteorograph.storage.upsert import table_of

COLUMNS = table_of(WeatherData).c.keys()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


def row(location: str = "Lucan", **values: Any) -> StoredRow:
    """A row with these values."""
    fixed = {"location_id": 7, "due_at": NOON, "fetched_at": NOON, "provider": "openweathermap", "origin": "live"}
    return StoredRow(7, location, {**dict.fromkeys(COLUMNS), **fixed, **values})


def test_a_row_is_one_point() -> None:
    line = to_line(row("St. Mary, by the sea", temperature=25, weather_code=3, flags={"temperature": ["step", "range"]}))
    assert parse_line(line) == {
        "measurement": "weather",
        "tags": {"location": "St. Mary, by the sea", "location_id": "7"},
        "fields": {
            "temperature": 25.0,
            "weather_code": 3.0,
            "provider": "openweathermap",
            "origin": "live",
            "fetched_at": "2026-03-01T12:00:00+00:00",
            "temperature_flags": "step,range",
        },
        "time": 1_772_366_400_000_000_000,
    }
    assert " temperature=25.0,weather_code=3.0," in line, "the type of a field is fixed by its first point"


@given(texts, texts, st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), st.integers(0, 10**6))
def test_any_text_and_value_are_read_back(name: str, condition: str, value: float, microseconds: int) -> None:
    at = NOON + timedelta(microseconds=microseconds)
    line = to_line(row(name, condition=condition, temperature=value, due_at=at))
    assert "\n" not in line
    found = parse_line(line)
    one_line = " ".join(name.splitlines()).rstrip("\\")
    assert found["tags"].get("location", "") == one_line
    assert found["fields"].get("condition", "") == " ".join(condition.splitlines())
    assert found["fields"]["temperature"] == value
    assert found["time"] == 1_772_366_400_000_000_000 + microseconds * 1000
