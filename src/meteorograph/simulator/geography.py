"""The country of a point, approximated by boxes in degrees: enough for a country, a time zone and a name."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec

from ..model.values import Coordinates

# South, north, west, east, ISO code, country, IANA zone. The first box that contains a point is its country.
_COUNTRIES: tuple[tuple[float, float, float, float, str, str, str], ...] = (
    (51.3, 55.5, -10.7, -6.0, "IE", "Ireland", "Europe/Dublin"),
    (49.9, 58.8, -6.0, 1.8, "GB", "United Kingdom", "Europe/London"),
    (36.0, 43.8, -9.5, -6.9, "PT", "Portugal", "Europe/Lisbon"),
    (36.0, 43.4, -6.9, 3.3, "ES", "Spain", "Europe/Madrid"),
    (43.4, 51.0, -4.8, 6.8, "FR", "France", "Europe/Paris"),
    (36.6, 46.5, 6.8, 18.5, "IT", "Italy", "Europe/Rome"),
    (46.5, 55.0, 5.9, 15.0, "DE", "Germany", "Europe/Berlin"),
    (49.0, 54.8, 15.0, 24.0, "PL", "Poland", "Europe/Warsaw"),
    (58.0, 71.2, 4.5, 12.0, "NO", "Norway", "Europe/Oslo"),
    (68.0, 71.2, 12.0, 31.0, "NO", "Norway", "Europe/Oslo"),
    (55.3, 68.0, 12.0, 20.0, "SE", "Sweden", "Europe/Stockholm"),
    (60.0, 68.0, 20.0, 31.0, "FI", "Finland", "Europe/Helsinki"),
    (76.5, 80.8, 10.5, 27.0, "SJ", "Svalbard and Jan Mayen", "Arctic/Longyearbyen"),
    (63.3, 66.6, -24.5, -13.5, "IS", "Iceland", "Atlantic/Reykjavik"),
    (60.0, 82.0, -55.0, -24.5, "GL", "Greenland", "America/Nuuk"),
    (55.0, 72.0, 31.0, 60.0, "RU", "Russia", "Europe/Moscow"),
    (50.0, 73.0, 60.0, 140.0, "RU", "Russia", "Asia/Yakutsk"),
    (40.0, 55.0, 46.0, 60.0, "KZ", "Kazakhstan", "Asia/Almaty"),
    (26.4, 30.4, 80.1, 88.2, "NP", "Nepal", "Asia/Kathmandu"),
    (8.0, 33.0, 69.0, 92.0, "IN", "India", "Asia/Kolkata"),
    (22.0, 50.0, 75.0, 121.0, "CN", "China", "Asia/Shanghai"),
    (31.0, 45.5, 130.0, 145.5, "JP", "Japan", "Asia/Tokyo"),
    (1.1, 1.5, 103.6, 104.1, "SG", "Singapore", "Asia/Singapore"),
    (13.0, 37.0, 35.0, 55.0, "SA", "Saudi Arabia", "Asia/Riyadh"),
    (36.0, 42.0, 26.0, 45.0, "TR", "Turkey", "Europe/Istanbul"),
    (22.0, 31.5, 25.0, 35.0, "EG", "Egypt", "Africa/Cairo"),
    (4.5, 35.0, -15.0, 15.0, "NG", "Nigeria", "Africa/Lagos"),
    (-4.0, 5.0, 34.0, 41.0, "KE", "Kenya", "Africa/Nairobi"),
    (-34.8, -22.0, 17.0, 32.0, "ZA", "South Africa", "Africa/Johannesburg"),
    (-38.0, -12.0, 114.0, 153.5, "AU", "Australia", "Australia/Sydney"),
    (-47.0, -34.5, 166.5, 178.5, "NZ", "New Zealand", "Pacific/Auckland"),
    (49.0, 70.0, -128.0, -60.0, "CA", "Canada", "America/Toronto"),
    (25.0, 49.0, -87.5, -70.0, "US", "United States of America", "America/New_York"),
    (26.0, 49.0, -104.0, -87.5, "US", "United States of America", "America/Chicago"),
    (31.5, 49.0, -124.5, -104.0, "US", "United States of America", "America/Los_Angeles"),
    (16.0, 31.5, -107.0, -95.0, "MX", "Mexico", "America/Mexico_City"),
    (-30.0, 2.0, -60.0, -40.0, "BR", "Brazil", "America/Sao_Paulo"),
    (-54.0, -22.0, -69.0, -58.0, "AR", "Argentina", "America/Argentina/Buenos_Aires"),
    (-90.0, -72.0, -180.0, 180.0, "AQ", "Antarctica", "Antarctica/McMurdo"),
)


class Spot(msgspec.Struct, frozen=True):
    """A place of a provider; at sea ``code``, ``country`` and ``name`` are empty and ``id`` is 0."""

    coordinates: Coordinates
    id: int = 0
    name: str = ""
    code: str = ""
    country: str = ""
    #: IANA name of its time zone.
    zone: str = "Etc/GMT"
    #: Height above sea level [m].
    elevation: float = 0.0

    def utc_offset(self, at: datetime) -> timedelta:
        """The offset of its local time from UTC at ``at``."""
        zone: tzinfo = timezone(timedelta(0)) if self.zone == "Etc/GMT" else ZoneInfo(self.zone)
        return at.astimezone(zone).utcoffset() or timedelta(0)


def spot_at(latitude: float, longitude: float, name: str | None = None, elevation: float = 0.0) -> Spot:
    """The place at a point; outside of all boxes it is the open sea, with the nautical time zone of its longitude."""
    at = Coordinates(latitude, longitude)
    for south, north, west, east, code, country, zone in _COUNTRIES:
        if south <= latitude <= north and west <= longitude <= east:
            title = name or f"{country} {latitude:.2f} {longitude:.2f}"
            return Spot(at, crc32(title.encode()) % 9_000_000 + 1, title, code, country, zone, elevation)
    hours = round(longitude / 15)
    # The sign of the Etc zones is reversed: Etc/GMT-3 is three hours ahead of UTC.
    zone = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
    return Spot(at, crc32(name.encode()) % 9_000_000 + 1 if name else 0, name or "", zone=zone, elevation=elevation)
