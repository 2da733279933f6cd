"""The canonical table of quantities: name, unit, possible and plausible range.

Names follow the CF standard name table (https://cfconventions.org/standard-names.html). A value outside ``possible`` cannot
occur (humidity above 100 %, a temperature below absolute zero): the database refuses it. A possible value may still be
implausible: a value outside ``plausible``, the range of all values ever measured on earth, is stored and flagged
(``docs/quality.md`` has the sources).

The fields of ``QuantityValues`` are the rows of the table. Observations, columns of the database, summaries, exports, answers and
pages follow from them. A new quantity needs a field here, a migration (``storage/migrations/quantities.py``), and the providers
that give it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, get_args, get_type_hints

import msgspec

Range = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of the table."""

    #: CF standard name; None if the CF table has none.
    standard_name: str | None
    #: Canonical unit: the unit of stored values.
    unit: str
    #: Smallest and largest possible value, None for no bound [unit].
    possible: Range
    #: Smallest and largest value ever measured, rounded outwards [unit].
    plausible: tuple[float, float]
    #: Whether a value is the amount of a period, and not the state at an instant.
    is_amount: bool = False
    #: Whether a value is a code: a whole number without a mean.
    is_code: bool = False
    #: Name of the database column, and key in JSON: the name of its field in ``QuantityValues``.
    name: str = ""

    def is_possible(self, value: float) -> bool:
        """Whether the quantity can have this value [unit]; NaN and infinity are never possible."""
        low, high = self.possible
        return value - value == 0 and (low is None or value >= low) and (high is None or value <= high)


Q = Quantity


class QuantityValues(msgspec.Struct, frozen=True, gc=False):
    """A value of each quantity, in its canonical unit; None means "not given"."""

    temperature: Annotated[float | None, Q("air_temperature", "°C", (-273.15, None), (-90, 57))] = None
    humidity: Annotated[float | None, Q("relative_humidity", "%", (0, 100), (0, 100))] = None
    dew_point: Annotated[float | None, Q("dew_point_temperature", "°C", (-273.15, None), (-100, 36))] = None
    pressure: Annotated[float | None, Q("air_pressure_at_mean_sea_level", "hPa", (0, None), (870, 1090))] = None
    # The pressure at the height of the station or of the model's ground
    station_pressure: Annotated[float | None, Q("surface_air_pressure", "hPa", (0, None), (300, 1090))] = None
    # QNH: reduced with the standard atmosphere, so not the mean sea level pressure
    altimeter_setting: Annotated[float | None, Q(None, "hPa", (0, None), (870, 1090))] = None
    wind_speed: Annotated[float | None, Q("wind_speed", "m/s", (0, None), (0, 85))] = None
    wind_direction: Annotated[float | None, Q("wind_from_direction", "degree", (0, 360), (0, 360))] = None
    wind_gust: Annotated[float | None, Q("wind_speed_of_gust", "m/s", (0, None), (0, 114))] = None
    cloud_cover: Annotated[float | None, Q("cloud_area_fraction", "%", (0, 100), (0, 100))] = None
    visibility: Annotated[float | None, Q("visibility_in_air", "m", (0, None), (0, 161_000))] = None
    uv_index: Annotated[float | None, Q("ultraviolet_index", "1", (0, None), (0, 44))] = None
    # Code of WMO table 4677 (``providers/weather_codes.py``); the larger, the more significant
    weather_code: Annotated[int | None, Q(None, "1", (0, 99), (0, 99), is_code=True)] = None
    precipitation: Annotated[
        float | None, Q("lwe_thickness_of_precipitation_amount", "mm", (0, None), (0, 1870), is_amount=True)
    ] = None
    # The part of the precipitation that fell as snow, in the same period
    snowfall_water_equivalent: Annotated[
        float | None, Q("lwe_thickness_of_snowfall_amount", "mm", (0, None), (0, 1870), is_amount=True)
    ] = None


def _read_table() -> tuple[Quantity, ...]:
    hints = get_type_hints(QuantityValues, include_extras=True)
    return tuple(replace(get_args(hints[name])[1], name=name) for name in QuantityValues.__struct_fields__)


QUANTITIES: Final = _read_table()

BY_NAME: Final = {quantity.name: quantity for quantity in QUANTITIES}

#: Names of the quantities that are amounts of a period.
AMOUNTS: Final = tuple(quantity.name for quantity in QUANTITIES if quantity.is_amount)

#: Names of the quantities that are codes.
CODES: Final = tuple(quantity.name for quantity in QUANTITIES if quantity.is_code)
