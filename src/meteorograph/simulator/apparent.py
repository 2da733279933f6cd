"""Values that providers derive from the measured ones."""

from __future__ import annotations

import math


def apparent_temperature(temperature: float | None, humidity: float | None, wind_speed: float | None) -> float | None:
    """What the air feels like [°C], of temperature [°C], humidity [%] and wind [m/s]; None when the first is unknown.

    Steadman's formula as the Australian Bureau of Meteorology prints it.
    """
    if temperature is None or humidity is None or wind_speed is None:
        return temperature
    vapour = humidity / 100 * 6.105 * math.exp(17.27 * temperature / (237.7 + temperature))
    return temperature + 0.33 * vapour - 0.70 * wind_speed - 4.0


def station_pressure(pressure: float | None, elevation: float) -> float | None:
    """Pressure at ``elevation`` [m] of that at sea level, both [hPa] (ICAO standard atmosphere)."""
    return None if pressure is None else pressure * (1 - 2.25577e-5 * elevation) ** 5.25588
