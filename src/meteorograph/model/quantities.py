"""The canonical table: what is measured, in which unit, and what the value can be at all.

Names follow the CF standard name table (https://cfconventions.org/standard-names.html). A value outside ``possible``
cannot be the quantity (humidity above 100 %, a temperature below absolute zero): the database refuses it. A value inside
it may still be implausible: outside ``plausible``, what was ever measured on earth, it is kept and flagged
(``docs/quality.md`` has the sources).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """One row of the table."""

    #: Column name, and the key in every answer.
    name: str
    #: CF standard name; None where the table has none.
    standard_name: str | None
    #: Canonical unit, in which the value is stored.
    unit: str
    #: Smallest and largest value that the quantity can have, None for no bound [unit].
    possible: tuple[float | None, float | None]
    #: Smallest and largest value that was ever measured, rounded outwards [unit].
    plausible: tuple[float, float]

    def is_possible(self, value: float) -> bool:
        """Whether ``value`` [unit] can be this quantity; NaN and infinity cannot."""
        low, high = self.possible
        return value - value == 0 and (low is None or value >= low) and (high is None or value <= high)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("temperature", "air_temperature", "°C", (-273.15, None), (-90, 57)),
    Quantity("humidity", "relative_humidity", "%", (0, 100), (0, 100)),
    Quantity("dew_point", "dew_point_temperature", "°C", (-273.15, None), (-100, 36)),
    Quantity("pressure", "air_pressure_at_mean_sea_level", "hPa", (0, None), (870, 1090)),
    # QNH: reduced by the standard atmosphere, so no mean sea level pressure
    Quantity("altimeter_setting", None, "hPa", (0, None), (870, 1090)),
    Quantity("wind_speed", "wind_speed", "m/s", (0, None), (0, 85)),
    Quantity("wind_direction", "wind_from_direction", "degree", (0, 360), (0, 360)),
    Quantity("wind_gust", "wind_speed_of_gust", "m/s", (0, None), (0, 114)),
    Quantity("cloud_cover", "cloud_area_fraction", "%", (0, 100), (0, 100)),
    Quantity("visibility", "visibility_in_air", "m", (0, None), (0, 161_000)),
    Quantity("precipitation", "lwe_thickness_of_precipitation_amount", "mm", (0, None), (0, 1870)),
)

BY_NAME: dict[str, Quantity] = {quantity.name: quantity for quantity in QUANTITIES}
