"""The record of a weather row has the fields of the table."""

from __future__ import annotations

from meteorograph.reading.columns import FIELDS
from meteorograph.reading.rows import WeatherRow


def test_a_row_has_the_fields_of_the_table() -> None:
    assert sorted(WeatherRow.__struct_fields__) == sorted(FIELDS)
