"""Rows in InfluxDB's line protocol. Pure.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..model.quantities import QUANTITIES
from .receiver import StoredRow

#: The measurement that all points belong to.
MEASUREMENT: Final = "weather"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_line(row: StoredRow) -> str:
    """A row as one line, with its slot in nanoseconds. A corrected row has the same tags and time, so it replaces its point."""
    values = row.values
    tags = {"location": row.location, "location_id": str(row.location_id)}
    fields = {name: _float(value) for name, value in _numbers(values)}
    fields |= {name: _string(value) for name, value in _texts(values)}
    head = ",".join([MEASUREMENT, *(f"{name}={escaped}" for name, tag in tags.items() if (escaped := _tag(tag)))])
    nanoseconds = (values["due_at"] - _EPOCH) // _MICROSECOND * 1000
    return f"{head} {','.join(f'{name}={text}' for name, text in fields.items())} {nanoseconds}"


def _numbers(values: Any) -> list[tuple[str, float]]:
    found = [(quantity.name, values[quantity.name]) for quantity in QUANTITIES]
    found.append(("precipitation_period", values["precipitation_period"]))
    return [(name, value) for name, value in found if value is not None]


def _texts(values: Any) -> list[tuple[str, str]]:
    found = [(name, values[name]) for name in ("provider", "origin", "condition")]
    found += [(name, values[name] and values[name].isoformat()) for name in ("observed_at", "fetched_at")]
    found += [(f"{name}_flags", ",".join(flags)) for name, flags in (values["flags"] or {}).items()]
    return [(name, text) for name, text in found if text]


def _float(value: float) -> str:
    """A number that is a float in every point: the type of a field is fixed by its first point."""
    return repr(float(value))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _tag(text: str) -> str:
    """A tag value. A backslash at its end would escape what follows, and has no escape itself."""
    text = _one_line(text).rstrip("\\")
    for char in ",= ":
        text = text.replace(char, f"\\{char}")
    return text


def _string(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
