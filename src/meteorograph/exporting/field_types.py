"""The type of each exported field. It depends on the field alone, so that all exports and data frames have one schema."""

from __future__ import annotations

from enum import Enum
from typing import Final

from ..reading.columns import FIELDS, INSTANTS
from ..storage.models import WeatherData
from ..storage.upsert import table_of


class FieldType(Enum):
    """The type of the values of a field; each may be null."""

    #: Microseconds in UTC.
    INSTANT = "instant"
    #: A text, also that of a JSON document.
    TEXT = "text"
    #: 64 bits.
    INTEGER = "integer"
    #: 64 bits.
    NUMBER = "number"


def _field_type(name: str) -> FieldType:
    if name in INSTANTS:
        return FieldType.INSTANT
    if name == "location":
        return FieldType.TEXT
    python_type = table_of(WeatherData).c[name].type.python_type
    return {int: FieldType.INTEGER, float: FieldType.NUMBER}.get(python_type, FieldType.TEXT)


#: The type of each field of a row, in order.
FIELD_TYPES: Final = {name: _field_type(name) for name in FIELDS}
