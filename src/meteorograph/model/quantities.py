"""The canonical table of quantities: name, unit, possible and plausible range.

Names follow the CF standard name table (https://cfconventions.org/standard-names.html). A value outside ``possible`` cannot
occur (humidity above 100 %, a temperature below absolute zero): the database refuses it. A possible value may still be
implausible: a value outside ``plausible``, the range of all values ever measured on earth, is stored and flagged
(``docs/quality.md`` has the sources).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of the table."""

    #: Name of the database column, and key in JSON.
    name: str
    #: CF standard name; None if the CF table has none.
    standard_name: str | None
    #: Canonical unit: the unit of stored values.
    unit: str
    #: Smallest and largest possible value, None for no bound [unit].
    possible: tuple[float | None, float | None]
    #: Smallest and largest value ever measured, rounded outwards [unit].
    plausible: tuple[float, float]
    #: Whether a value is the amount of a period, and not the state at an instant.
    is_amount: bool = False

    def is_possible(self, value: float) -> bool:
        """Whether the quantity can have this value [unit]; NaN and infinity are never possible."""
        low, high = self.possible
        return value - value == 0 and (low is None or value >= low) and (high is None or value <= high)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("temperature", "air_temperature", "°C", (-273.15, None), (-90, 57)),
    Quantity("humidity", "relative_humidity", "%", (0, 100), (0, 100)),
    Quantity("dew_point", "dew_point_temperature", "°C", (-273.15, None), (-100, 36)),
    Quantity("pressure", "air_pressure_at_mean_sea_level", "hPa", (0, None), (870, 1090)),
    # QNH: reduced with the standard atmosphere, so not the mean sea level pressure
    Quantity("altimeter_setting", None, "hPa", (0, None), (870, 1090)),
    Quantity("wind_speed", "wind_speed", "m/s", (0, None), (0, 85)),
    Quantity("wind_direction", "wind_from_direction", "degree", (0, 360), (0, 360)),
    Quantity("wind_gust", "wind_speed_of_gust", "m/s", (0, None), (0, 114)),
    Quantity("cloud_cover", "cloud_area_fraction", "%", (0, 100), (0, 100)),
    Quantity("visibility", "visibility_in_air", "m", (0, None), (0, 161_000)),
    Quantity("precipitation", "lwe_thickness_of_precipitation_amount", "mm", (0, None), (0, 1870), is_amount=True),
)

BY_NAME: dict[str, Quantity] = {quantity.name: quantity for quantity in QUANTITIES}

#: Names of the quantities that are amounts of a period.
AMOUNTS: tuple[str, ...] = tuple(quantity.name for quantity in QUANTITIES if quantity.is_amount)
