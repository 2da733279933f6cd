"""Tell whether a pressure of unknown level is that at sea level or that at the station. Part of stop 7 of the walk; pure.

Parsers mark such a pressure with ``level_unknown``. Beside another pressure at the station it is that at sea level. Otherwise the
elevation of the location decides; without it, a value that is usual at sea level is taken for that.
"""

from __future__ import annotations

from typing import Any, Final

from ..model.flags import Flag

#: Pressure of the ICAO standard atmosphere at sea level [hPa].
_STANDARD: Final = 1013.25

#: A level is assigned if its usual pressure is nearer than that of the other level by this [hPa].
_NEARER_BY: Final = 15.0

#: Up to this elevation [m] the two levels differ by less than 4 hPa.
_LOW: Final = 30.0

#: Without an elevation, a pressure from here on is taken for that at sea level [hPa].
_USUAL_AT_SEA_LEVEL: Final = 980.0


def assign_pressure_level(row: dict[str, Any], elevation: float | None) -> dict[str, Any]:
    """The row with its pressure of unknown level as ``pressure``, or as ``station_pressure``.

    The row is not changed if the level is known, or nothing decides it.

    Args:
        row: Columns of ``WeatherData``.
        elevation: Of the location above sea level [m]; None if it is not known.
    """
    flags = row.get("flags") or {}
    value = row.get("pressure")
    if value is None or Flag.LEVEL_UNKNOWN not in flags.get("pressure", ()):
        return row
    other = row.get("station_pressure")
    is_station = False if other is not None and other != value else _is_station_pressure(value, elevation)
    if is_station is None:
        return row
    words = [word for word in flags["pressure"] if word != Flag.LEVEL_UNKNOWN]
    others = {name: own for name, own in flags.items() if name != "pressure"}
    if not is_station:
        return {**row, "flags": {**others, **({"pressure": words} if words else {})} or None}
    providers = {"station_pressure" if name == "pressure" else name: own for name, own in (row.get("providers") or {}).items()}
    return {
        **row,
        "pressure": None,
        "station_pressure": value,
        "flags": {**others, **({"station_pressure": words} if words else {})} or None,
        "providers": providers or None,
    }


def _is_station_pressure(value: float, elevation: float | None) -> bool | None:
    """Whether a pressure [hPa] is that at the station; None if nothing decides it."""
    if elevation is None:
        return None if value < _USUAL_AT_SEA_LEVEL else False
    from_sea_level, from_station = abs(value - _STANDARD), abs(value - standard_pressure(elevation))
    if from_station + _NEARER_BY < from_sea_level:
        return True
    return False if from_sea_level + _NEARER_BY < from_station or elevation <= _LOW else None


def standard_pressure(elevation: float) -> float:
    """Pressure of the ICAO standard atmosphere [hPa] at an elevation [m] in the troposphere (ICAO Doc 7488)."""
    pressure: float = _STANDARD * (1 - 2.25577e-5 * elevation) ** 5.25588
    return pressure
